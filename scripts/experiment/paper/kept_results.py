"""What a page keeps of rows that an earlier command ran.

The rows of a large experiment are run a few at a time, and the runs of some may
be gone, or on another machine, when the next are there. Bars, scatters and
frontiers need no run, only the CSV files of the page. A line of results.csv
names its run, and a run's name depends on all of its settings, so a row whose
settings have changed since is not kept.
"""

from collections.abc import Sequence
import pathlib

import numpy as np
import pandas as pd

from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import frontier
from experiment.paper import measures
from experiment.paper import runner

_PICTURES_OF_CSV_FILES = ('bars', 'scatter', 'frontier')


def check(
    folder: pathlib.Path, whole: experiments.Experiment, given: Sequence[str]
) -> None:
  """Reads what `add` and `add_curves` will read of an earlier page.

  Args:
    folder: Where the page is, or will be.
    whole: The experiment with all rows.
    given: The rows that the user gave, to be run alone; none for all.

  Raises:
    ValueError: A file is damaged, or its rows would be lost, as rows are run
      alone and the others do not say what their settings were.
  """
  path = folder / experiment_page.CSV_FILE
  if path.exists():
    earlier = experiment_page.read_csv(path)
    if given and runner.RUN not in earlier:
      others = set(earlier.index.unique('row')) - set(whole.only(given).rows)
      if others:
        raise ValueError(
            f'{path} has the row {min(others)!r}, which --row does not run, and'
            ' its rows do not say which settings they were run with, so they'
            ' cannot be kept; name another --output_dir, or run the whole'
            ' experiment, without --row.'
        )
  path = folder / frontier.CURVES_FILE
  if whole.picture == 'frontier' and path.exists():
    frontier.read_curves(path)


def describe_lost(path: pathlib.Path, results: pd.DataFrame) -> str:
  """Says which lines a CSV file will lose.

  Args:
    path: The file, which need not be there.
    results: What will take its place.

  Returns:
    A line; nothing if every line has another in its place.

  Raises:
    ValueError: The file is damaged.
  """
  if not path.exists():
    return ''
  earlier = experiment_page.read_csv(path).index
  lost = earlier.difference(results.index, sort=False)
  if lost.empty:
    return ''
  return (
      f'{path}: {len(lost)} of its {len(earlier)} lines are gone, as they were'
      ' not run now and could not be kept (--help of --row says when they can):'
      f' {"; ".join(lost.unique("row"))}.'
  )


def add(
    path: pathlib.Path, whole: runner.Reproduction, results: pd.DataFrame
) -> pd.DataFrame:
  """Returns results with the lines of other rows that a CSV file has.

  Args:
    path: The file, which need not be there.
    whole: The experiment with all rows.
    results: What was measured now; its rows are as they are here.

  Raises:
    ValueError: The file is damaged.
  """
  experiment = whole.experiment
  if experiment.picture not in _PICTURES_OF_CSV_FILES or not path.exists():
    return results
  earlier = experiment_page.read_csv(path)
  if runner.RUN not in earlier:
    return results
  measured_now = results.index.unique('row')
  complete = _rows_with_their_seeds(experiment, earlier)
  is_kept = [
      row in experiment.rows
      and (row, seed) not in results.index
      # Of a rate that is run alone, what chose it stays.
      and (
          seed in experiments.TUNING_SEEDS
          or (row in complete and row not in measured_now)
      )
      and run == whole.run_name(row)
      for (row, seed), run in earlier[runner.RUN].items()
  ]
  if not any(is_kept):
    return results
  together = pd.concat([earlier[is_kept], results])
  seeds = [*experiments.TUNING_SEEDS, *experiment.seeds]
  rows = [*experiment.rows]
  order = sorted(
      together.index, key=lambda key: (seeds.index(key[1]), rows.index(key[0]))
  )
  together = together.loc[order].drop(columns='gain', errors='ignore')
  measures.add_gains(together, experiment.baseline)
  return together


def add_curves(
    path: pathlib.Path,
    experiment: experiments.Experiment,
    results: pd.DataFrame,
    curves: pd.DataFrame,
) -> pd.DataFrame:
  """Returns a frontier's curves with those of the rows that were kept.

  Args:
    path: The file of earlier curves, which need not be there.
    experiment: The experiment with all rows.
    results: What `add` returned.
    curves: Of the rows that were measured now.

  Raises:
    ValueError: The file is damaged.
  """
  if not path.exists():
    return curves
  reported = runner.reported(results).index.unique('row')
  there = [
      frontier.regime_and_method(name, row)
      for name, row in experiment.rows.items()
      if name in reported
  ]
  measured_now = set(_lines_methods(curves))
  earlier = frontier.read_curves(path)
  is_kept = [
      method in there and method not in measured_now
      for method in _lines_methods(earlier)
  ]
  together = pd.concat([earlier[is_kept], curves])
  places = [there.index(method) for method in _lines_methods(together)]
  return together.iloc[np.argsort(places, kind='stable')]


def _lines_methods(curves: pd.DataFrame) -> list[tuple[str, str]]:
  """Returns the regime and the method of each line."""
  return list(zip(curves['regime'], curves['method']))


def _rows_with_their_seeds(
    experiment: experiments.Experiment, results: pd.DataFrame
) -> set[str]:
  """Returns the rows that were run with all seeds that they are to have."""
  seeds = runner.reported(results).reset_index().groupby('row')['seed'].agg(set)
  return {
      row
      for row, found in seeds.items()
      if row in experiment.rows and found == set(experiment.seeds_of(row))
  }


def names_of_rows(
    experiment: experiments.Experiment,
    results: pd.DataFrame,
    given: Sequence[str],
) -> list[str]:
  """Returns the names with which one command runs all that there is.

  Args:
    experiment: The experiment with all rows.
    results: Of all rows that there are.
    given: Those that the user gave.

  Returns:
    Rows, or methods with all their learning rates; none if none is missing.
  """
  if not experiment_page.missing_rows(experiment, results):
    return []
  there = results.index.unique('row')
  now = experiment.only(given).rows if given else experiment.rows
  kept = [
      row.tuned or name
      for name, row in experiment.rows.items()
      if name in there and name not in now
  ]
  return list(dict.fromkeys([*kept, *given]))
