"""What was measured of all experiments, read from their CSV files."""

from collections.abc import Iterator, Mapping
import dataclasses
import pathlib
from typing import Optional

import numpy as np
import pandas as pd

from experiment.paper import claims
from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import frontier
from experiment.paper import paper_experiments
from experiment.paper import runner

_ACCURACIES = (
    'best_top_1', 'last_top_1', 'best_validation_top_1', 'chosen_top_1'
)
# By column of a frontier's curves, that of results with what they end at.
_ENDS = {'top_1': 'last_top_1', 'megabytes': 'megabytes'}
# Curves have six digits.
_ROUNDING = 1e-5


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
  """An experiment of one scale, and its results.

  Attributes:
    name: Of the experiment.
    scale: One of `experiments.SCALES`.
    experiment: The experiment.
    results: See `experiment.paper.runner.make_results`.
    curves: See `frontier.read_curves`; None but for a frontier.
  """

  name: str
  scale: str
  experiment: experiments.Experiment
  results: pd.DataFrame
  curves: Optional[pd.DataFrame] = None

  @property
  def folder(self) -> str:
    """The name of the folder of its page."""
    return f'{self.name}_{self.scale}'

  @property
  def data(self) -> str:
    """What its rows are trained on."""
    names = {row.settings.dataset for row in self.experiment.rows.values()}
    return ', '.join(sorted(names))


# By folder.
AllResults = Mapping[str, Measured]


def read_all(folder: pathlib.Path) -> dict[str, Measured]:
  """Reads results.csv of every experiment that has one under `folder`.

  An experiment may have got rows since; they are not run then. A frontier's
  curves must be of the same runs.

  Raises:
    ValueError: A file is not whole, or has rows that its experiment has not; or
      a frontier has no curves, or others.
  """
  found = {}
  for name, make in paper_experiments.EXPERIMENTS.items():
    for scale in experiments.SCALES:
      path = folder / f'{name}_{scale}' / experiment_page.CSV_FILE
      if not path.exists():
        continue
      results, experiment = experiment_page.read_csv(path), make(scale)
      fault = _fault(results, experiment)
      curves = None
      if not fault and experiment.picture == 'frontier':
        path = path.with_name(frontier.CURVES_FILE)
        curves = frontier.read_curves(path) if path.exists() else None
        fault = _fault_of_curves(curves, results, experiment)
      if fault:
        raise ValueError(
            f'{path} {fault}; run scripts/reproduce.py --experiment={name}'
            f' --scale={scale} again.'
        )
      one = Measured(name, scale, experiment, results, curves)
      found[one.folder] = one
  return found


def _fault(
    results: pd.DataFrame, experiment: experiments.Experiment
) -> Optional[str]:
  """Returns what is wrong with results; None if they are whole."""
  seeds = results.reset_index().groupby('row')['seed'].agg(set)
  unknown = set(seeds.index) - experiment.rows.keys()
  if unknown:
    return (
        f'has the row {min(unknown)!r}, which the experiment has not, as it has'
        ' changed since'
    )
  columns = set(experiment.columns)
  if experiment.baseline not in seeds.index:
    columns.discard('gain')  # Over a row that was not run.
  missing = sorted(columns.difference(results))
  if missing or seeds.empty:
    return f'is damaged (it has no {missing[0] if missing else "line"})'
  # Of a method's rates, those that were not chosen have the tuning seeds alone;
  # or the first seed, in results that were made before there were such.
  of_others = set()
  if not runner.is_tuning(results).any():
    of_others = set(experiment.seeds[:1])
  for row, found in seeds.items():
    wanted = set(experiment.seeds_of(row))
    reported = found.difference(experiments.TUNING_SEEDS)
    is_of_grid = experiment.rows[row].tuned is not None
    if reported != wanted and not (is_of_grid and reported == of_others):
      return (
          f'is damaged (the row {row!r} has the seeds {sorted(reported)}, not'
          f' {sorted(wanted)})'
      )
  return _fault_of_accuracies(results)


def _fault_of_accuracies(results: pd.DataFrame) -> Optional[str]:
  """Returns which accuracy is none; None if all are in [0, 100]."""
  for name in results.columns.intersection(_ACCURACIES):
    values = results[name]
    wrong = values[~values.between(0, 100)]
    # An experiment that holds no examples out has no accuracy on them.
    if wrong.empty or values.isna().all():
      continue
    row, seed = wrong.index[0]
    return (
        f'is damaged (the row {row!r}, seed {seed}, has {name}={wrong.iloc[0]},'
        ' not a value in [0, 100] as other rows have)'
    )
  return None


def _fault_of_curves(
    table: Optional[pd.DataFrame],
    results: pd.DataFrame,
    experiment: experiments.Experiment,
) -> Optional[str]:
  """Returns what is wrong with a frontier's curves; None if they are whole.

  Args:
    table: See `frontier.read_curves`; None if there is no file.
    results: The experiment's, which are whole.
    experiment: The experiment.
  """
  if table is None:
    return 'is missing, without which nobody is first at equal cost'
  if 'megabytes' not in table:
    return 'is damaged (it has no megabytes)'
  run_columns = ['regime', 'method', 'seed']
  curves = dict(iter(table.groupby(run_columns, sort=False)))
  reported = {
      (*frontier.regime_and_method(row, experiment.rows[row]), seed): line
      for (row, seed), line in runner.reported(results).iterrows()
  }
  for run in [*reported, *curves]:
    regime, method, seed = run
    fault = None
    if run not in curves:
      fault = 'no lines, which results.csv has'
    elif run not in reported:
      fault = 'lines, which results.csv has not'
    else:
      fault = _fault_of_curve(curves[run], reported[run])
    if fault:
      return f'is damaged ({regime}: {method}, seed {seed}, has {fault})'
  return None


def _fault_of_curve(curve: pd.DataFrame, reported: pd.Series) -> Optional[str]:
  """Returns what a run's curve has that it must not; None if it is whole.

  Args:
    curve: The lines of the run, see `frontier.read_curves`.
    reported: The line of the run in results.
  """
  steps = np.diff(curve['round'], prepend=0)
  # Rounds are evaluated at equal distances from 0 on, and the last one too.
  distances = np.unique(steps[1:-1])
  if steps[0] or distances.size > 1 or (steps[-1] > distances).any():
    return 'a gap between its rounds'
  costs = curve[[*frontier.axes_of(curve)]].to_numpy(float)
  if not (np.isfinite(costs).all() and curve['top_1'].between(0, 100).all()):
    return 'a cost or an accuracy that is none'
  for name, of_results in _ENDS.items():
    last, wanted = curve[name].iloc[-1], reported[of_results]
    if not np.isclose(last, wanted, rtol=_ROUNDING, atol=0):
      return f'{name}={last:g} at its end, and {wanted:g} in results.csv'
  return None


def judge(
    claim: claims.Claim, all_results: AllResults
) -> Iterator[tuple[Measured, claims.Finding]]:
  """Yields what each scale at which it was measured says of a claim."""
  for one in all_results.values():
    if one.name == claim.experiment and claims.about(
        claim.parts, one.experiment
    ):
      finding = claims.judge(claim.parts, one.experiment, one.results)
      if finding.is_measured:
        yield one, finding


def hours(all_results: AllResults) -> float:
  """Returns how long all runs trained."""
  return sum(
      one.results['seconds'].sum()
      for one in all_results.values()
      # The runs of fig1 are those of table1.
      if one.name != 'fig1' and 'seconds' in one.results
  ) / 3600
