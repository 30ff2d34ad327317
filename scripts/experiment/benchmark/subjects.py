"""What `scripts/benchmark.py` times, each in a process of its own.

A subject trains one round at a time over the same clients, prints what that
took as a line of JSON, and waits. Processes of their own keep threads, contexts
and memory apart, and let the rounds of all subjects be interleaved, so that a
busy machine is busy for all of them alike.
"""

from collections.abc import Callable
import json
import os
import pathlib
import sys
import time
from typing import Any

import numpy as np
import psutil
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import models
from astraea_tff.augmentation import all_clients
from astraea_tff.augmentation import one_client as augmentation_lib
from astraea_tff.datasets.storage import client_store
from astraea_tff.scheduling import rounds as rounds_lib
from experiment.runs import machine

_NUM_CLASSES = 47
_IMAGE_SHAPE = (28, 28, 1)
_BATCH_SIZE = 20
_LEARNING_RATE = 1e-3


def write_clients(
    folder: pathlib.Path, num_clients: int, num_examples: int
) -> None:
  """Writes clients with random images, `num_examples` each, to a new folder."""
  rng = np.random.default_rng(0)
  folder.mkdir(parents=True)
  client_store.write_store(
      folder,
      (
          (
              rng.integers(0, 256, (num_examples, *_IMAGE_SHAPE), np.uint8),
              rng.integers(0, _NUM_CLASSES, num_examples).astype(np.int32),
          )
          for _ in range(num_clients)
      ),
      num_clients=num_clients,
      num_classes=_NUM_CLASSES,
      image_shape=_IMAGE_SHAPE,
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
) -> Callable[[int], int]:
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
) -> Callable[[int], int]:
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
) -> Callable[[int], int]:
  """Astraea on clients by id; `augmentation` is none, stored or fresh."""
  num_mediators = -(-num_clients // max_clients)
  astraea_tff.set_local_execution_context(
      num_threads=machine.num_worker_threads(num_mediators)
  )
  store = client_store.open_store(pathlib.Path(folder))
  counts, preprocess = store.label_counts[:num_clients], None
  if augmentation != 'none':
    # As if the second half of the classes were rare.
    rarity = np.where(np.arange(_NUM_CLASSES) < _NUM_CLASSES // 2, 4, 1)
    plan = astraea_tff.augmentation_plan(counts.sum(axis=0) * rarity, 0.67)
    if augmentation == 'fresh':
      counts = np.rint(counts * plan.copies).astype(np.int64)
      preprocess = augmentation_lib.augment_dataset_fn(
          plan, augmentation_lib.DEFAULT_TRANSFORM, True
      )
    else:
      client_data = store.client_data
      stored = list(
          all_clients.augmented_examples(
              map(
                  client_data.create_tf_dataset_for_client,
                  client_data.client_ids[:num_clients],
              ),
              plan,
              seed=0,
          )
      )
      augmented_folder = pathlib.Path(f'{folder}-augmented-{os.getpid()}')
      augmented_folder.mkdir()
      client_store.write_store(
          augmented_folder,
          stored,
          num_clients=num_clients,
          num_classes=_NUM_CLASSES,
          image_shape=_IMAGE_SHAPE,
          description='augmenting',
      )
      store = client_store.open_store(augmented_folder)
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
  state = process.initialize()

  def run(round_num):
    # With many clients on disk, a round takes some of them.
    sampled = schedule.sample(
        min(schedule.num_mediators, 50), seed=0, round_num=round_num
    )
    visits = rounds_lib.visits_of_round(
        [schedule.mediators[mediator] for mediator in sampled],
        max_clients,
        seed=0,
        round_num=round_num,
    )
    process.next(
        state,
        rounds_lib.data_of_round(
            visits, clients, max_clients, round_num=round_num
        ),
    )
    visited = sum(visits.mediators, ())
    return mediator_epochs * int(counts[list(visited)].sum())

  return run


_SUBJECTS = {'plain_loop': plain_loop, 'fed_avg': fed_avg, 'astraea': astraea}


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


def main(name: str, arguments: dict[str, Any]) -> None:
  """Trains a round for every line on standard input."""
  # Imports are part of what starting takes.
  start = psutil.Process().create_time()
  run = _SUBJECTS[name](**arguments)
  for round_num, _ in enumerate(sys.stdin, 1):
    wall, cpu = time.perf_counter(), _cpu_seconds()
    num_examples = run(round_num)
    measured = {
        'examples': num_examples,
        'wall': time.perf_counter() - wall,
        'cpu': _cpu_seconds() - cpu,
        'since_start': time.time() - start,
        'peak': _peak_megabytes(),
    }
    print(json.dumps(measured), flush=True)
  # TFF's own worker would outlive this process.
  for child in psutil.Process().children(recursive=True):
    child.kill()
  os._exit(0)


if __name__ == '__main__':
  main(sys.argv[1], json.loads(sys.argv[2]))
