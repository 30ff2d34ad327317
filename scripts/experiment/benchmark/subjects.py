"""What `scripts/benchmark.py` times, each in a process of its own.

A subject is built once and then trains one round after another over the same
clients. Processes of their own keep threads, contexts and memory apart.
"""

from collections.abc import Callable, Iterable
import os
import pathlib
import time
from typing import Any, NamedTuple, Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import models
from astraea_tff.augmentation import all_clients
from astraea_tff.augmentation import one_client as augmentation_lib
from astraea_tff.datasets.storage import client_store
from experiment.runs import machine


class Subject(NamedTuple):
  """What is timed.

  Attributes:
    run: From a round's number to the examples that were trained in it.
    build_cpu: The CPU seconds that building its process took; None without one.
  """

  run: Callable[[int], int]
  build_cpu: Optional[float] = None


_NUM_CLASSES = 47
_IMAGE_SHAPE = (28, 28, 1)
_BATCH_SIZE = 20
_SHUFFLE_BUFFER = 10_000
_LEARNING_RATE = 1e-3
_MOST_MEDIATORS = 50


def write_clients(
    folder: pathlib.Path, num_clients: int, num_examples: int
) -> None:
  """Writes clients with random images, `num_examples` each, to a new folder."""
  rng = np.random.default_rng(0)
  _write_store(
      folder,
      (
          (
              rng.integers(0, 256, (num_examples, *_IMAGE_SHAPE), np.uint8),
              rng.integers(0, _NUM_CLASSES, num_examples).astype(np.int32),
          )
          for _ in range(num_clients)
      ),
      num_clients,
  )


def _write_store(
    folder: pathlib.Path, clients: Iterable[Any], num_clients: int
) -> None:
  folder.mkdir(parents=True)
  client_store.write_store(
      folder,
      clients,
      num_clients=num_clients,
      num_classes=_NUM_CLASSES,
      feature_spec=tf.TensorSpec(_IMAGE_SHAPE, tf.uint8),
      description='writing clients',
  )


def _build_network():
  return models.build_emnist_cnn(_NUM_CLASSES, _IMAGE_SHAPE, seed=0)


def _build_keras_model():
  return tf.keras.Sequential([
      tf.keras.layers.Input(_IMAGE_SHAPE, dtype=tf.uint8),
      tf.keras.layers.Rescaling(1 / 255),
      _build_network(),
  ])


def _model_fn(dtype=tf.uint8):
  """Returns the model of images of a dtype; float32 ones are in [0, 1]."""
  spec = (
      tf.TensorSpec([None, *_IMAGE_SHAPE], dtype),
      tf.TensorSpec([None], tf.int32),
  )
  build = _build_keras_model if dtype == tf.uint8 else _build_network
  return models.tff_model_fn(build, spec)


def _optimizer():
  return tff.learning.optimizers.build_adam(_LEARNING_RATE)


def plain_loop(
    folder: str, clients: list[int], num_threads: int, epochs: int = 1
) -> Subject:
  """The limit: the same steps in a plain `tf.function`, outside TFF."""
  if num_threads:
    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)
  store = client_store.open_store(pathlib.Path(folder))
  images, labels = map(
      np.concatenate, zip(*[store.load(client) for client in clients])
  )
  batches = tf.data.Dataset.from_tensor_slices((images, labels))
  batches = batches.shuffle(_SHUFFLE_BUFFER).batch(_BATCH_SIZE).repeat(epochs)
  model = _build_keras_model()
  loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  optimizer = tf.keras.optimizers.legacy.Adam(_LEARNING_RATE)

  @tf.function
  def train():
    # AutoGraph makes a loop over the dataset itself a reduction: slower.
    for batch_images, batch_labels in iter(batches):
      with tf.GradientTape() as tape:
        loss = loss_fn(batch_labels, model(batch_images, training=True))
      weights = model.trainable_variables
      optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))

  def run(round_num):
    del round_num
    train()
    return len(labels) * epochs

  return Subject(run)


def _build_timed(
    build: Callable[..., tff.learning.templates.LearningProcess],
    dtype: tf.DType = tf.uint8,
    **arguments: Any,
) -> tuple[tff.learning.templates.LearningProcess, float]:
  """Returns a process for images of a dtype, and the CPU seconds it took."""
  model_fn, optimizer = _model_fn(dtype), _optimizer()
  start = time.process_time()
  process = build(model_fn, optimizer, **arguments)
  return process, time.process_time() - start


def fed_avg(
    folder: str, num_clients: int, *, is_tuned: bool, loop: str
) -> Subject:
  """TFF's FedAvg, as it ships or under our runtime, on datasets."""
  if is_tuned:
    astraea_tff.set_local_execution_context()
  store = client_store.open_store(pathlib.Path(folder))
  process, build_cpu = _build_timed(
      tff.learning.algorithms.build_weighted_fed_avg,
      loop_implementation=tff.learning.LoopImplementation[loop],
  )
  clients = astraea_tff.BatchedClients(
      [
          tf.data.Dataset.from_tensor_slices(store.load(client))
          for client in range(num_clients)
      ],
      _BATCH_SIZE,
      seed=0,
  )
  state = process.initialize()

  def run(round_num):
    process.next(state, list(clients.for_round(round_num)))
    return int(store.label_counts[:num_clients].sum())

  return Subject(run, build_cpu)


def handed_in(
    folder: str, num_clients: int, max_clients: int, *, are_same: bool
) -> Subject:
  """Astraea on datasets that Python hands in, the same ones or copies.

  Their images are float32, as most programs have them: four times the bytes of
  those that are read by id.
  """
  num_mediators = -(-num_clients // max_clients)
  astraea_tff.set_local_execution_context(
      num_threads=machine.num_worker_threads(num_mediators)
  )
  store = client_store.open_store(pathlib.Path(folder))
  process, build_cpu = _build_timed(
      astraea_tff.build_weighted_astraea, tf.float32, max_clients=max_clients
  )

  def load(client):
    images, labels = store.load(client)
    return images.astype(np.float32) / 255, labels

  clients = [
      tf.data.Dataset.from_tensor_slices(load(client))
      .shuffle(_SHUFFLE_BUFFER)
      .batch(_BATCH_SIZE)
      for client in range(num_clients)
  ]
  counts = store.label_counts[:num_clients]
  schedule = astraea_tff.random_schedule(counts, max_clients, seed=0)
  state = process.initialize()

  def run(round_num):
    del round_num
    # A dataset that takes all of another one is another dataset.
    datasets = clients if are_same else [each.take(-1) for each in clients]
    data = astraea_tff.mediator_data(
        schedule.mediators, datasets, max_clients
    )
    process.next(state, data)
    return int(counts.sum())

  return Subject(run, build_cpu)


def astraea(
    folder: str,
    num_clients: int,
    max_clients: int,
    *,
    mediator_epochs: int = 1,
    augmentation: str = 'none',
) -> Subject:
  """Astraea on clients by id; `augmentation` is none, stored or fresh."""
  num_mediators = -(-num_clients // max_clients)
  astraea_tff.set_local_execution_context(
      num_threads=machine.num_worker_threads(num_mediators)
  )
  store = client_store.open_store(pathlib.Path(folder))
  counts, preprocess = store.label_counts[:num_clients], None
  # As if the second half of the classes were rare.
  rarity = np.where(np.arange(_NUM_CLASSES) < _NUM_CLASSES // 2, 4, 1)
  plan = astraea_tff.augmentation_plan(counts.sum(axis=0) * rarity, 0.67)
  if augmentation == 'fresh':
    counts = np.rint(counts * plan.copies).astype(np.int64)
    preprocess = augmentation_lib.augment_dataset_fn(
        plan, augmentation_lib.DEFAULT_TRANSFORM, True
    )
  elif augmentation == 'stored':
    store = _augment(store, num_clients, plan)
    counts = store.label_counts
  clients = astraea_tff.ClientsById(
      store.client_data, _BATCH_SIZE, seed=0, preprocess=preprocess
  )
  process, build_cpu = _build_timed(
      astraea_tff.build_weighted_astraea,
      max_clients=max_clients,
      mediator_epochs=mediator_epochs,
  )
  process = astraea_tff.read_by_id(process, clients)
  schedule = astraea_tff.random_schedule(counts, max_clients, seed=0)
  # With many clients on disk, a round takes some of them.
  num_sampled = min(schedule.num_mediators, _MOST_MEDIATORS)
  rounds = schedule.rounds(clients, num_sampled, seed=0)
  state = process.initialize()

  def run(round_num):
    sampled = schedule.sample(num_sampled, seed=0, round_num=round_num)
    process.next(state, next(rounds))
    visited = sum((schedule.mediators[mediator] for mediator in sampled), ())
    return mediator_epochs * int(counts[list(visited)].sum())

  return Subject(run, build_cpu)


def _augment(
    store: client_store.ClientStore,
    num_clients: int,
    plan: astraea_tff.AugmentationPlan,
) -> client_store.ClientStore:
  """Writes the augmented clients beside the others."""
  data = store.client_data
  originals = map(
      data.create_tf_dataset_for_client, data.client_ids[:num_clients]
  )
  folder = pathlib.Path(f'{store.folder}-augmented-{os.getpid()}')
  augmented = all_clients.augmented_examples(originals, plan, seed=0)
  _write_store(folder, list(augmented), num_clients)
  return client_store.open_store(folder)
