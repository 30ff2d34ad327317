"""What `scripts/benchmark.py` times, each in a process of its own.

A subject is built once and then trains one round after another over the same
clients. Processes of their own keep threads, contexts and memory apart.
"""

from collections.abc import Callable, Iterable, Iterator
import itertools
import os
import pathlib
import time
from typing import Any, Optional

import numpy as np
import psutil
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import models
from astraea_tff.augmentation import all_clients
from astraea_tff.augmentation import one_client as augmentation_lib
from astraea_tff.datasets.storage import client_store
from experiment.runs import machine

# From a round's number to the examples that were trained in it.
Subject = Callable[[int], int]

_NUM_CLASSES = 47
_IMAGE_SHAPE = (28, 28, 1)
_BATCH_SIZE = 20
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


def _build_keras_model():
  return tf.keras.Sequential([
      tf.keras.layers.Input(_IMAGE_SHAPE, dtype=tf.uint8),
      tf.keras.layers.Rescaling(1 / 255),
      models.build_emnist_cnn(_NUM_CLASSES, _IMAGE_SHAPE, seed=0),
  ])


def _model_fn():
  spec = (
      tf.TensorSpec([None, *_IMAGE_SHAPE], tf.uint8),
      tf.TensorSpec([None], tf.int32),
  )
  return models.tff_model_fn(_build_keras_model, spec)


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
  batches = batches.shuffle(10_000).batch(_BATCH_SIZE).repeat(epochs)
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

  return run


def fed_avg(
    folder: str, num_clients: int, *, is_tuned: bool, loop: str
) -> Subject:
  """TFF's FedAvg, as it ships or under our runtime, on datasets."""
  if is_tuned:
    astraea_tff.set_local_execution_context()
  store = client_store.open_store(pathlib.Path(folder))
  process = tff.learning.algorithms.build_weighted_fed_avg(
      _model_fn(),
      _optimizer(),
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

  return run


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
  process = astraea_tff.read_by_id(
      astraea_tff.build_weighted_astraea(
          _model_fn(),
          _optimizer(),
          max_clients=max_clients,
          mediator_epochs=mediator_epochs,
      ),
      clients,
  )
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

  return run


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


def _cpu_seconds() -> float:
  """CPU time of this process and its worker."""
  processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
  return sum(sum(process.cpu_times()[:2]) for process in processes)


def _peak_megabytes() -> dict[str, float]:
  """Peak resident memory of this process and of its worker, 10^6 bytes."""

  def peak(process):
    status = pathlib.Path(f'/proc/{process.pid}/status').read_text()
    return int(status.split('VmHWM:')[1].split()[0]) * 1024 / 1e6

  children = psutil.Process().children(recursive=True)
  return {
      'parent': peak(psutil.Process()),
      'worker': sum(map(peak, children)),
  }


def _measured_rounds(build: Callable[[], Subject]) -> Iterator[dict[str, Any]]:
  """Builds a subject, and yields what each of its rounds took."""
  # Imports are part of what starting takes.
  start, run = psutil.Process().create_time(), build()
  for round_num in itertools.count(1):
    wall, cpu = time.perf_counter(), _cpu_seconds()
    num_examples = run(round_num)
    yield {
        'examples': num_examples,
        'wall': time.perf_counter() - wall,
        'cpu': _cpu_seconds() - cpu,
        'since_start': time.time() - start,
        'peak': _peak_megabytes(),
    }


# Of the subject of this process, once it is built.
_rounds: Optional[Iterator[dict[str, Any]]] = None


def measure_next_round(build: Callable[[], Subject]) -> dict[str, Any]:
  """Trains the next round of the subject that this process is for.

  Args:
    build: Builds the subject, at the first call.

  Returns:
    The round's `examples`, `wall` and `cpu` seconds, the seconds `since_start`
    of the process, and its and its worker's `peak` memory in megabytes.
  """
  global _rounds
  if _rounds is None:
    _rounds = _measured_rounds(build)
  return next(_rounds)
