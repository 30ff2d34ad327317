"""What was measured of all experiments, read from their CSV files."""

from collections.abc import Iterator, Mapping
import dataclasses
import pathlib
from typing import Optional

import pandas as pd

from experiment.paper import claims
from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import paper_experiments
from experiment.paper import runner


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
  """An experiment of one scale, and its results.

  Attributes:
    name: Of the experiment.
    scale: One of `experiments.SCALES`.
    experiment: The experiment.
    results: See `experiment.paper.runner.make_results`.
  """

  name: str
  scale: str
  experiment: experiments.Experiment
  results: pd.DataFrame

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

  An experiment may have got rows since; they are not run then.

  Raises:
    ValueError: A file is not whole, or has rows that its experiment has not.
  """
  found = {}
  for name, make in paper_experiments.EXPERIMENTS.items():
    for scale in experiments.SCALES:
      path = folder / f'{name}_{scale}' / experiment_page.CSV_FILE
      if not path.exists():
        continue
      results, experiment = experiment_page.read_csv(path), make(scale)
      fault = _fault(results, experiment)
      if fault:
        raise ValueError(
            f'{path} {fault}; run scripts/reproduce.py --experiment={name}'
            f' --scale={scale} again.'
        )
      one = Measured(name, scale, experiment, results)
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
