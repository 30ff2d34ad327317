"""The task on which studies compare many settings, seconds a run.

It is the demo's (scripts/flags/demo.flags): scikit-learn's digits, globally
long-tailed and locally skewed, over 20 clients.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import datasets
from astraea_tff.metrics import classification
from astraea_tff import models

NUM_CLIENTS = 20
CLIENTS_PER_ROUND = 10
MAX_CLIENTS = 5
ALPHA = 0.67
_BATCH_SIZE = 20
_LEARNING_RATE = 1e-3
_ROUNDS_PER_EVALUATION = 5
# One evaluation of a small task is a matter of luck.
_EVALUATIONS_AVERAGED = 5


def load_data(seed: int) -> datasets.FederatedDataset:
  """Loads the task's digits, divided among the clients by `seed`."""
  return datasets.load(
      'digits',
      num_clients=NUM_CLIENTS,
      seed=seed,
      global_distribution='long_tail',
      imbalance_factor=10.0,
      local_distribution='dirichlet',
      beta=0.3,
      size_distribution='even',
  )


class Trainer:
  """Trains the paper's network on the task, any number of times.

  All runs of a trainer start from the same weights, and draw the same batches
  in the same rounds; so runs differ by their clients and schedules only.
  """

  def __init__(self, data: datasets.FederatedDataset, seed: int, rounds: int):
    self._data = data
    self._seed = seed
    self._rounds = rounds
    self._processes = {}

  def train_astraea(
      self, schedule: astraea_tff.Schedule, clients: Sequence[tf.data.Dataset]
  ) -> float:
    """Trains the mediators of a static schedule, two of them a round.

    Args:
      schedule: Of at most `MAX_CLIENTS` clients a mediator.
      clients: The clients' single examples, by client index.

    Returns:
      The mean of the last five evaluations' top-1 accuracies, in [0, 1].
    """
    rounds = schedule.rounds(
        self._batches(clients),
        CLIENTS_PER_ROUND // MAX_CLIENTS,
        seed=self._seed,
    )
    process = self._process(
        astraea_tff.build_weighted_astraea, max_clients=MAX_CLIENTS
    )
    return self._train(process, rounds)

  def train_fed_avg(
      self, clients: Sequence[tf.data.Dataset], local_epochs: int
  ) -> float:
    """Trains by TFF's FedAvg; see `train_astraea`."""

    def rounds() -> Iterator[list[tf.data.Dataset]]:
      batches = self._batches(clients)
      for round_num in range(1, self._rounds + 1):
        sampled = astraea_tff.sample_clients(
            len(clients),
            CLIENTS_PER_ROUND,
            seed=self._seed,
            round_num=round_num,
        )
        of_round = batches.for_round(round_num)
        yield [of_round[client].repeat(local_epochs) for client in sampled]

    process = self._process(tff.learning.algorithms.build_weighted_fed_avg)
    return self._train(process, rounds())

  def _batches(self, clients) -> astraea_tff.BatchedClients:
    return astraea_tff.BatchedClients(clients, _BATCH_SIZE, seed=self._seed)

  def _process(self, build: Callable[..., Any], **arguments: Any) -> Any:
    """Builds a process, once for all runs."""
    if build not in self._processes:
      shape = self._data.images.shape[1:]
      model_fn = models.tff_model_fn(
          self._build_model,
          (
              tf.TensorSpec([None, *shape], tf.uint8),
              tf.TensorSpec([None], tf.int32),
          ),
      )
      optimizer = tff.learning.optimizers.build_adam(_LEARNING_RATE)
      self._processes[build] = build(model_fn, optimizer, **arguments)
    return self._processes[build]

  def _build_model(self) -> tf.keras.Model:
    data = self._data
    return tf.keras.Sequential([
        tf.keras.layers.Input(data.images.shape[1:], dtype=tf.uint8),
        tf.keras.layers.Rescaling(1 / 255),
        models.build_emnist_cnn(data.num_classes, seed=self._seed),
    ])

  def _train(self, process, rounds: Iterator[Any]) -> float:
    model, accuracies = self._build_model(), []

    def evaluate(state, round_num):
      if round_num % _ROUNDS_PER_EVALUATION and round_num != self._rounds:
        return {}
      state.global_model_weights.assign_weights_to(model)
      result = classification.evaluate(
          model,
          self._data.test_images,
          self._data.test_labels,
          self._data.num_classes,
      )
      accuracies.append(result.accuracy)
      return {'top_1': result.accuracy}

    # TFF's training loop runs on the thread's event loop.
    asyncio.set_event_loop(asyncio.new_event_loop())
    tff.simulation.run_training_process(
        process,
        lambda round_num: next(rounds),
        self._rounds,
        evaluation_fn=evaluate,
        evaluation_selection_fn=lambda round_num: round_num,
    )
    return float(np.mean(accuracies[-_EVALUATIONS_AVERAGED:]))
