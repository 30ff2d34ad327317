"""Runs the rows of an experiment, each seed in a folder of its own.

A folder is named after what is trained in it, so that experiments that share a
row share its runs, and a row whose settings changed is trained anew.
"""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import hashlib
import json
import math
import pathlib
import time
from typing import Any, Optional

import numpy as np
import pandas as pd

from experiment.paper import experiments
from experiment.paper import measures
from experiment.runs import folder as folder_lib
from experiment.runs import metrics_log
from experiment.runs import population as population_lib
from experiment.runs import run as run_lib
from experiment.runs import settings as settings_lib
from experiment.runs import unused_folders


# The column of results that names a line's run.
RUN = 'run'
_SETTINGS_FILE = 'settings.json'


def run_folder(
    root: pathlib.Path,
    settings: settings_lib.Settings,
    seed: int,
    longest: Optional[int] = None,
) -> pathlib.Path:
  """Returns the folder of a run, which depends on the arguments alone."""
  values = dict(settings_lib.to_record(settings))
  if longest is not None:
    values['longest'] = longest
  text = json.dumps(values, sort_keys=True)
  digest = hashlib.sha256(text.encode()).hexdigest()[:12]
  name = f'{settings.dataset.replace("/", "_")}-{settings.algorithm}-{digest}'
  return root / name / f'seed_{seed}'


def work(settings: settings_lib.Settings) -> float:
  """Returns how long a run takes, relative to others on the same data."""
  passes = settings.local_epochs
  if settings.algorithm == 'astraea':
    passes *= settings.mediator_epochs
  division = settings.division
  examples = division.get('num_examples') or division['num_clients']
  share = settings.clients_per_round / division['num_clients']
  return settings.rounds * passes * examples * share


def make_results(measured: Mapping[tuple[str, int], Any]) -> pd.DataFrame:
  """Returns results.

  Args:
    measured: By row and seed, values of `measures.COLUMNS` by name, and its
      `RUN` if it has one.

  Returns:
    A line for each row and seed, which are the index, and the columns that any
    of them has, float64 but for `RUN`; NaN where a run has it not.
  """
  index = pd.MultiIndex.from_tuples(measured, names=['row', 'seed'])
  return pd.DataFrame(list(measured.values()), index=index)


def choose_rows(
    experiment: experiments.Experiment, results: pd.DataFrame
) -> dict[str, str]:
  """Returns, for what has several learning rates, the row of the best one.

  The tuning seeds decide, by the mean over them; of equal rows the first is
  chosen, and what has a single rate has no choice.

  Args:
    experiment: The experiment.
    results: Its results. Those that were made before there were tuning seeds
      have every rate with the first seed, which decides then.
  """
  grids = experiment.grids()
  if not grids:
    return {}
  chosen = {name: rows[0] for name, rows in grids.items() if len(rows) == 1}
  tried = results[is_tuning(results)]
  if tried.empty:
    first = results.index.isin(experiment.seeds[:1], level='seed')
    tried = results[first]
  if 'best_validation_top_1' in tried:
    accuracies = tried['best_validation_top_1'].dropna()
    means = accuracies.groupby(level='row').mean()
    for name, rows in grids.items():
      found = {row: means[row] for row in rows if row in means}
      if found:
        chosen[name] = max(found, key=found.get)
  return chosen


def is_tuning(results: pd.DataFrame) -> np.ndarray:
  """Returns bool [lines], whether a line is of a tuning seed."""
  return results.index.isin(experiments.TUNING_SEEDS, level='seed')


def reported(results: pd.DataFrame) -> pd.DataFrame:
  """Returns the results without those of the tuning seeds."""
  return results[~is_tuning(results)]


@dataclasses.dataclass(frozen=True)
class Reproduction:
  """An experiment, and where it is run.

  Attributes:
    name: Of the experiment.
    experiment: The experiment.
    root: The folder of all runs of all experiments.
    data_dir: Where TensorFlow Datasets keeps its data.
    cache_dir: Where the clients' examples are prepared.
  """

  name: str
  experiment: experiments.Experiment
  root: pathlib.Path
  data_dir: Optional[str] = None
  cache_dir: Optional[str] = None

  def runs(self) -> Iterator[tuple[str, int]]:
    """Yields the rows and seeds, all rows of a seed together.

    First come the tuning seeds with all of several learning rates. Their runs
    must be finished by the time that the next is asked for, as only the best
    rate goes on with the experiment's seeds.
    """
    yield from self.tuning_runs()
    yield from self._runs_of_seeds(self._chosen_rows())

  def _runs_of_seeds(self, chosen: dict[str, str]) -> Iterator[tuple[str, int]]:
    for seed in self.experiment.seeds:
      for name, row in self.experiment.rows.items():
        is_chosen = row.tuned is None or chosen[row.tuned] == name
        if is_chosen and seed in self.experiment.seeds_of(name):
          yield name, seed

  def tuning_runs(self) -> Iterator[tuple[str, int]]:
    """Yields the rows and seeds that learning rates are chosen with."""
    for seed in self.experiment.tuning_seeds:
      for rows in self.experiment.grids().values():
        if len(rows) > 1:
          yield from ((name, seed) for name in rows)

  def expected_settings(self) -> list[settings_lib.Settings]:
    """Returns the settings of `runs`, before it is known which are chosen.

    Of several learning rates the first stands for the chosen one, which takes
    as long.
    """
    firsts = {name: rows[0] for name, rows in self.experiment.grids().items()}
    runs = [*self.tuning_runs(), *self._runs_of_seeds(firsts)]
    return [self.experiment.rows[name].settings for name, _ in runs]

  def folder(self, row: str, seed: int) -> pathlib.Path:
    """Returns the folder of a row's run."""
    about = self.experiment.rows[row]
    return run_folder(self.root, about.settings, seed, about.longest)

  def run_name(self, row: str) -> str:
    """Returns what the runs of a row are called, whatever their seed."""
    return self.folder(row, self.experiment.seeds[0]).parent.name

  def rounds_to_train(self, row: str, seed: int) -> Optional[int]:
    """Returns how many rounds a run is to have next; None if it is finished.

    A row with `longest` goes on by its rounds until validation has not risen
    for half as many.
    """
    about, folder = self.experiment.rows[row], self.folder(row, seed)
    stage = about.settings.rounds
    rows = []
    if (folder / metrics_log.METRICS_FILE).exists():
      rows = self.metrics(row, seed)
    last = rows[-1]['round'] if rows else 0
    longest = about.longest or stage
    rounds = min(max(math.ceil(last / stage), 1) * stage, longest)
    if not run_lib.is_finished(folder, rounds):
      return rounds
    if rounds == longest or measures.stands_still(rows, stage // 2):
      return None
    return min(rounds + stage, longest)

  def train(self, say: Callable[[str], None] = print) -> None:
    """Trains what is not trained yet, and says before each run how far it is.

    Raises:
      ValueError: As `run.train`.
      OSError: As `run.train`.
    """
    amounts = [work(settings) for settings in self.expected_settings()]
    started, done = time.monotonic(), 0.0
    for index, (row, seed) in enumerate(self.runs()):
      if self.rounds_to_train(row, seed) is None:
        continue
      left = 'unknown'
      if done:
        seconds = (time.monotonic() - started) / done * sum(amounts[index:])
        left = f'{seconds / 60:.0f} min'
      say(
          f'{self.name} [{index + 1}/{len(amounts)}] {row}, seed {seed}; time'
          f' left: {left}'
      )
      done += amounts[index]
      self._train_run(row, seed)

  def _train_run(self, row: str, seed: int) -> None:
    settings = self.experiment.rows[row].settings
    folder = self.folder(row, seed)
    with unused_folders.removed_if_unused(
        folder.parent, (_SETTINGS_FILE, folder_lib.LOCK_FILE)
    ):
      folder_lib.lock(folder.parent)
      folder_lib.write_atomically(
          folder.parent / _SETTINGS_FILE,
          json.dumps(dataclasses.asdict(settings), indent=2) + '\n',
      )
      while (rounds := self.rounds_to_train(row, seed)) is not None:
        run_lib.train(
            dataclasses.replace(settings, rounds=rounds),
            seed,
            folder,
            data_dir=self.data_dir,
            cache_dir=self.cache_dir,
            rounds_per_checkpoint=settings.rounds_per_evaluation,
        )

  def measure(self) -> pd.DataFrame:
    """Measures all runs, which are finished; see `make_results`."""
    measured = {}
    for row, seed in self.runs():
      measured[row, seed] = self._measure_run(row, seed)
      measured[row, seed][RUN] = self.run_name(row)
      if 'extra_storage' in self.experiment.columns:
        measured[row, seed]['extra_storage'] = measures.measure_storage(
            self.population(row, seed)
        )
    results = make_results(measured)
    measures.add_gains(results, self.experiment.baseline)
    return results

  def measure_divergences(self) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Measures the divergences of an experiment that trains nothing.

    Returns:
      The results, see `make_results`; and by row, the divergences of all seeds,
      float64 [any].
    """
    divergences = {
        (row, seed): measures.measure_divergences(
            self.experiment.rows[row].settings,
            self.population(row, seed).counts,
            seed,
        )
        for row, seed in self.runs()
    }
    summaries = {
        key: measures.summarize_divergences(values)
        for key, values in divergences.items()
    }
    return make_results(summaries), {
        row: np.concatenate(
            [values for (name, _), values in divergences.items() if name == row]
        )
        for row in self.experiment.rows
    }

  def curves(self) -> dict[str, list[tuple[list[int], list[float]]]]:
    """Returns, by row, the rounds and accuracies of each reported seed."""
    curves = {}
    for row, seed in self.reported_runs():
      curve = metrics_log.accuracy_curve(self.metrics(row, seed))
      curves.setdefault(row, []).append(curve)
    return curves

  def reported_runs(self) -> list[tuple[str, int]]:
    """Returns the rows and seeds whose results are reported."""
    return [
        (row, seed)
        for row, seed in self.runs()
        if seed not in experiments.TUNING_SEEDS
    ]

  def _measure_run(self, row: str, seed: int) -> dict[str, float]:
    return measures.measure_run(
        self.metrics(row, seed), self.experiment.target_accuracy
    )

  def metrics(self, row: str, seed: int) -> list[dict[str, Any]]:
    """Returns the rows of a run's metrics.csv."""
    folder = self.folder(row, seed)
    return metrics_log.read_rows(folder / metrics_log.METRICS_FILE)

  def _chosen_rows(self) -> dict[str, str]:
    measured = {
        (row, seed): self._measure_run(row, seed)
        for row, seed in self.tuning_runs()
    }
    return choose_rows(self.experiment, make_results(measured))

  def population(self, row: str, seed: int) -> population_lib.Population:
    """Returns the clients of a run."""
    return population_lib.make_population(
        self.experiment.rows[row].settings, seed, self.data_dir, self.cache_dir
    )
