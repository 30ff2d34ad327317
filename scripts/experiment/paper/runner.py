"""Runs the rows of an experiment, each seed in a folder of its own.

A folder is named after what is trained in it, so that experiments that share a
row share its runs, and a row whose settings changed is trained anew.
"""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import hashlib
import json
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


def run_folder(
    root: pathlib.Path, settings: settings_lib.Settings, seed: int
) -> pathlib.Path:
  """Returns the folder of a run, which depends on the arguments alone."""
  text = json.dumps(settings_lib.to_record(settings), sort_keys=True)
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
    measured: By row and seed, values of `measures.COLUMNS` by name.

  Returns:
    A line for each row and seed, which are the index, and the columns that any
    of them has, float64; NaN where a run has it not.
  """
  index = pd.MultiIndex.from_tuples(measured, names=['row', 'seed'])
  return pd.DataFrame(list(measured.values()), index=index)


def choose_rows(
    experiment: experiments.Experiment, results: pd.DataFrame
) -> dict[str, str]:
  """Returns, for what has several learning rates, the row of the best one.

  The first seed alone decides, as only the chosen row is trained with the
  others; of equal rows the first is chosen.
  """
  tuned = {name: row.tuned for name, row in experiment.rows.items()}
  if not any(tuned.values()):
    return {}
  first = results.xs(experiment.seeds[0], level='seed')
  accuracies = first['best_validation_top_1'].dropna()
  return accuracies.groupby(tuned, sort=False).idxmax().to_dict()


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

    What has several learning rates goes on with the best of them after the
    first seed, whose runs must be finished by the time a second is asked for.
    """
    rows, (first, *others) = self.experiment.rows, self.experiment.seeds
    for name in rows:
      yield name, first
    if others:
      chosen = self._chosen_rows()
      for seed in others:
        for name, row in rows.items():
          is_chosen = row.tuned is None or chosen[row.tuned] == name
          if is_chosen and not row.has_one_seed:
            yield name, seed

  def expected_settings(self) -> list[settings_lib.Settings]:
    """Returns the settings of `runs`, before it is known which are chosen.

    Of several learning rates the first stands for the chosen one, which takes
    as long.
    """
    rows = self.experiment.rows
    representatives = {}
    for name, row in rows.items():
      if not row.has_one_seed:
        representatives.setdefault(row.tuned or name, row.settings)
    others = self.experiment.seeds[1:]
    return [row.settings for row in rows.values()] + [
        settings for _ in others for settings in representatives.values()
    ]

  def folder(self, row: str, seed: int) -> pathlib.Path:
    """Returns the folder of a row's run."""
    return run_folder(self.root, self.experiment.rows[row].settings, seed)

  def train(self, say: Callable[[str], None] = print) -> None:
    """Trains what is not trained yet, and says before each run how far it is.

    Raises:
      ValueError: As `training.train`.
      OSError: As `training.train`.
    """
    amounts = [work(settings) for settings in self.expected_settings()]
    started, done = time.monotonic(), 0.0
    for index, (row, seed) in enumerate(self.runs()):
      settings = self.experiment.rows[row].settings
      if run_lib.is_finished(self.folder(row, seed), settings.rounds):
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
      folder = self.folder(row, seed)
      folder_lib.lock(folder.parent)
      folder_lib.write_atomically(
          folder.parent / 'settings.json',
          json.dumps(dataclasses.asdict(settings), indent=2) + '\n',
      )
      run_lib.train(
          settings,
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
      if 'extra_storage' in self.experiment.columns:
        measured[row, seed]['extra_storage'] = measures.measure_storage(
            self._population(row, seed)
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
            self._population(row, seed).counts,
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
    """Returns, by row, the rounds and accuracies of each seed."""
    curves = {row: [] for row in self.experiment.rows}
    for row, seed in self.runs():
      curves[row].append(metrics_log.accuracy_curve(self._rows(row, seed)))
    return curves

  def _measure_run(self, row: str, seed: int) -> dict[str, float]:
    return measures.measure_run(
        self._rows(row, seed), self.experiment.target_accuracy
    )

  def _rows(self, row: str, seed: int) -> list[dict[str, Any]]:
    folder = self.folder(row, seed)
    return metrics_log.read_rows(folder / metrics_log.METRICS_FILE)

  def _chosen_rows(self) -> dict[str, str]:
    first = self.experiment.seeds[0]
    measured = {
        (name, first): self._measure_run(name, first)
        for name, row in self.experiment.rows.items()
        if row.tuned is not None
    }
    if not measured:
      return {}
    return choose_rows(self.experiment, make_results(measured))

  def _population(self, row: str, seed: int) -> population_lib.Population:
    return population_lib.make_population(
        self.experiment.rows[row].settings, seed, self.data_dir, self.cache_dir
    )
