"""How long an experiment takes, from a few rounds of some of its rows.

Where the data are not to be had, EMNIST's and CINIC-10's, rounds of another
data set on the same network stand in, and the examples are converted.
"""

import csv
import dataclasses
import io
import math
import pathlib
import tempfile
import time
from typing import Any, Optional

import numpy as np

from astraea_tff.metrics import classification
from experiment.paper import runner as reproduction_lib
from experiment.runs import folder as folder_lib
from experiment.runs import metrics_log
from experiment.runs import population as population_lib
from experiment.runs import run as run_lib
from experiment.runs import settings as settings_lib

ESTIMATES_FILE = 'estimates.csv'
# The first round builds graphs, and the second may; the median of the others
# counts.
_ROUNDS = 5
_EVALUATED_AT_THE_MOST = 1000


@dataclasses.dataclass(frozen=True)
class StandIn:
  """What is measured in the place of a data set.

  Attributes:
    settings: What is changed in the settings.
    factor: Examples in the place of one of the stand-in, where the settings
      do not say how many there are.
    num_test: The test examples of the data set itself.
  """

  settings: dict[str, Any]
  factor: float
  num_test: int


_STAND_INS = {
    'emnist': StandIn(
        dict(
            dataset='mnist', num_clients=100, num_examples=10_000,
            clients_per_round=20, global_distribution='long_tail',
            local_distribution='random', size_distribution='even',
        ),
        1.0,
        18_800,
    ),
    # 90,000 training examples, CIFAR-10 has 50,000.
    'cinic10': StandIn(
        dict(dataset='cifar10_imbalanced', clients_per_round=10), 1.8, 90_000
    ),
}


def find_stand_in(settings: settings_lib.Settings) -> Optional[StandIn]:
  """Returns what stands in for the data; None for the data themselves."""
  return _STAND_INS.get(settings.dataset.split('_')[0])


@dataclasses.dataclass(frozen=True)
class Rates:
  """How fast runs on some data are.

  Attributes:
    seconds_per_work: Seconds of training for a unit of
      `reproduction.work`.
    seconds_besides: Seconds of a run before its third round and after its last.
    seconds_per_evaluation: Seconds of an evaluation.
  """

  seconds_per_work: float
  seconds_besides: float
  seconds_per_evaluation: float

  def run_seconds(self, settings: settings_lib.Settings) -> float:
    """Returns how long a run takes."""
    num_evaluations = math.ceil(
        settings.rounds / settings.rounds_per_evaluation
    )
    return (
        self.seconds_besides
        + self.seconds_per_work * reproduction_lib.work(settings)
        + self.seconds_per_evaluation * num_evaluations
    )


def measure_rates(
    settings: settings_lib.Settings,
    data_dir: Optional[str] = None,
    cache_dir: Optional[str] = None,
) -> Rates:
  """Trains a few rounds, with seed 0, in a folder that is removed after.

  Args:
    settings: Those of the runs that are asked about.
    data_dir: Where TensorFlow Datasets keeps its data.
    cache_dir: Where the clients' examples are prepared.

  Returns:
    The rates, on the data of the settings.
  """
  stand_in = find_stand_in(settings)
  few = dataclasses.replace(
      settings, rounds=_ROUNDS, **(stand_in.settings if stand_in else {})
  )
  with tempfile.TemporaryDirectory() as folder:
    start = time.monotonic()
    run_lib.train(
        few, 0, pathlib.Path(folder), data_dir=data_dir, cache_dir=cache_dir
    )
    whole = time.monotonic() - start
    rows = metrics_log.read_rows(pathlib.Path(folder) / metrics_log.METRICS_FILE)
  population = population_lib.make_population(few, 0, data_dir, cache_dir)
  num_test = len(population.data.test_labels)
  per_evaluation = _time_evaluation(population) * num_test
  by_round = np.diff([row['seconds'] for row in rows])
  per_work = np.median(by_round[1:]) / (reproduction_lib.work(few) / _ROUNDS)
  if stand_in:
    per_evaluation *= stand_in.num_test / num_test
    if 'num_examples' not in stand_in.settings:
      per_work *= stand_in.factor
  return Rates(float(per_work), whole - by_round[1:].sum(), per_evaluation)


def _time_evaluation(population: population_lib.Population) -> float:
  """Returns the seconds for which a test example is evaluated."""
  data = population.data
  num = min(_EVALUATED_AT_THE_MOST, len(data.test_labels))
  model = population_lib.build_keras_model(population)
  # The first time TensorFlow sets itself up.
  for _ in range(2):
    start = time.monotonic()
    classification.evaluate(
        model, data.test_images[:num], data.test_labels[:num], data.num_classes
    )
    seconds = time.monotonic() - start
  return seconds / num


@dataclasses.dataclass(frozen=True)
class Estimate:
  """How long an experiment takes.

  Attributes:
    num_runs: Its runs, all seeds.
    hours: The hours for all, one after another.
    parts: What was measured, a line for each data set and kind of algorithm.
  """

  num_runs: int
  hours: float
  parts: tuple[str, ...]

  def __str__(self):
    parts = '\n  '.join(self.parts)
    return f'{self.num_runs} runs, {self.hours:.1f} hours\n  {parts}'


def estimate(reproduction: reproduction_lib.Reproduction) -> Estimate:
  """Measures the rates an experiment needs, and tells how long it takes.

  A rate is measured on the settings of least work of those with the same data
  set, and with a chain or without.
  """
  groups: dict[Any, list[settings_lib.Settings]] = {}
  runs = reproduction.expected_settings()
  for settings in runs:
    key = settings.dataset, settings.model, settings.algorithm == 'astraea'
    groups.setdefault(key, []).append(settings)
  seconds, parts = 0.0, []
  for (dataset, *_), members in groups.items():
    cheapest = min(members, key=reproduction_lib.work)
    rates = measure_rates(
        cheapest, reproduction.data_dir, reproduction.cache_dir
    )
    by_run = [rates.run_seconds(settings) for settings in members]
    seconds += sum(by_run)
    stand_in = find_stand_in(cheapest)
    measured_on = stand_in.settings['dataset'] if stand_in else dataset
    parts.append(
        f'{len(by_run)} runs of {cheapest.algorithm} on {dataset} (measured on'
        f' {measured_on}): {min(by_run):.0f} to {max(by_run):.0f} s a run,'
        f' {rates.seconds_per_evaluation:.1f} s an evaluation'
    )
  return Estimate(len(runs), seconds / 3600, tuple(parts))


def read_estimates(path: pathlib.Path) -> list[dict[str, str]]:
  """Reads what `write_estimate` wrote; nothing if it is not there."""
  if not path.exists():
    return []
  with path.open(newline='') as file:
    return list(csv.DictReader(file))


def write_estimate(
    path: pathlib.Path, experiment: str, scale: str, estimated: Estimate
) -> None:
  """Adds an estimate to a CSV file, in the place of an earlier one."""
  new = {
      'experiment': experiment,
      'scale': scale,
      'runs': f'{estimated.num_runs}',
      'hours': f'{estimated.hours:.1f}',
  }
  rows = [
      row
      for row in read_estimates(path)
      if (row['experiment'], row['scale']) != (experiment, scale)
  ]
  text = io.StringIO()
  writer = csv.DictWriter(text, list(new), lineterminator='\n')
  writer.writeheader()
  writer.writerows([*rows, new])
  folder_lib.write_atomically(path, text.getvalue())
