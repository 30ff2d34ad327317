"""The task on which studies compare many settings, seconds a run.

It is the demo's (scripts/flags/demo.flags): scikit-learn's digits, globally
long-tailed and locally skewed, over 20 clients.
"""

from collections.abc import Sequence
import pathlib
import tempfile
from typing import Any, Optional

import numpy as np
import tensorflow as tf

import astraea_tff
from astraea_tff import datasets
from experiment.runs import client_worth
from experiment.runs import metrics_log
from experiment.runs import population as population_lib
from experiment.runs import run as run_lib
from experiment.runs import settings as settings_lib

NUM_CLIENTS = 20
CLIENTS_PER_ROUND = 10
MAX_CLIENTS = 5
ALPHA = 0.67
# One evaluation of a small task is a matter of luck.
_EVALUATIONS_AVERAGED = 5
_DIVISION = dict(
    num_clients=NUM_CLIENTS,
    global_distribution='long_tail',
    imbalance_factor=10.0,
    local_distribution='dirichlet',
    beta=0.3,
    size_distribution='even',
)


def load_data(seed: int) -> datasets.FederatedDataset:
  """Loads the task's digits, divided among the clients by `seed`."""
  return datasets.load('digits', seed=seed, **_DIVISION)


class Trainer:
  """Trains the paper's network on the task, any number of times.

  All runs of a trainer start from the same weights, and draw the same batches
  in the same rounds; so runs differ by their clients and schedules only. They
  are train.py's, in a folder that is removed after.
  """

  def __init__(self, data: datasets.FederatedDataset, seed: int, rounds: int):
    self._data = data
    self._seed = seed
    self._rounds = rounds

  def train_astraea(
      self, schedule: astraea_tff.Schedule, clients: Sequence[tf.data.Dataset]
  ) -> float:
    """Trains the mediators of a static schedule, two of them a round.

    Args:
      schedule: The schedule, of at most `MAX_CLIENTS` clients a mediator.
      clients: The clients' single examples, by client index.

    Returns:
      The mean of the last five evaluations' top-1 accuracies, in [0, 1].
    """
    return self._train(clients, schedule, algorithm='astraea')

  def train_fed_avg(
      self, clients: Sequence[tf.data.Dataset], local_epochs: int
  ) -> float:
    """Trains by TFF's FedAvg; see `train_astraea`."""
    return self._train(
        clients, None, algorithm='fedavg', local_epochs=local_epochs
    )

  def _train(
      self,
      clients: Sequence[tf.data.Dataset],
      schedule: Optional[astraea_tff.Schedule],
      **options: Any,
  ) -> float:
    settings = settings_lib.Settings(
        **_DIVISION,
        clients_per_round=CLIENTS_PER_ROUND,
        max_clients=MAX_CLIENTS,
        alpha=0.0,
        rounds=self._rounds,
        **options,
    )
    with tempfile.TemporaryDirectory() as name:
      folder = pathlib.Path(name)
      run_lib.train_population(
          settings,
          population_lib.from_prepared(
              settings, self._prepare(clients, folder), self._seed
          ),
          folder / 'run',
          schedule=schedule,
          rounds_per_checkpoint=self._rounds,
      )
      rows = metrics_log.read_rows(folder / 'run' / metrics_log.METRICS_FILE)
    _, accuracies = metrics_log.accuracy_curve(rows)
    return float(np.mean(accuracies[-_EVALUATIONS_AVERAGED:]))

  def _prepare(
      self, clients: Sequence[tf.data.Dataset], folder: pathlib.Path
  ) -> datasets.PreparedDataset:
    """Writes the clients' examples as train.py reads them."""
    examples = [
        next(client.batch(len(self._data.labels)).as_numpy_iterator())
        for client in clients
    ]
    return client_worth.with_clients(
        self._data, examples, str(folder / 'clients')
    )
