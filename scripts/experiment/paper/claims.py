"""The paper's claims, and what our tables say of each.

A claim compares rows, seed by seed. With several seeds it holds where the mean
difference is more than two standard errors on the right side of zero; with one
seed, where it is on the right side, and the answer says that it was one.
"""

import dataclasses
from typing import Optional

import numpy as np
import pandas as pd

from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import runner

# What is computed from a run's columns: the points between its best evaluation
# and its last.
FALL = 'fall'
_UNITS = {
    'mean_kl': ('nats', 3),
    'sd_kl': ('nats', 3),
    'megabytes_to_target': ('MB', 1),
    'paper_megabytes_to_target': ('MB', 1),
}


@dataclasses.dataclass(frozen=True)
class Finding:
  """What was measured, and whether the claim holds; None if undecided."""

  measured: str
  holds: Optional[bool]


@dataclasses.dataclass(frozen=True)
class Comparison:
  """That a row is above another, or is not measurably above it.

  Attributes:
    row: A row, or what is tuned. Of several, the one of the best mean top-1.
    other: A row, or what is tuned.
    measure: A column of `experiment.paper.measures.COLUMNS`, or `FALL`.
    sign: 1 if the row is to be above the other, -1 if it is not to be.
  """

  row: str | tuple[str, ...]
  other: str
  measure: str = 'best_top_1'
  sign: int = 1


@dataclasses.dataclass(frozen=True)
class Together:
  """That rows are above others, all pairs of them taken together.

  Attributes:
    pairs: Rows, each with the one that it is compared with.
    names: What the first of all pairs are called, and the second.
  """

  pairs: tuple[tuple[str, str], ...]
  names: tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Retrieved:
  """That Astraea gets at least a share back of what the imbalance costs."""

  share: float


Part = Comparison | Together | Retrieved


@dataclasses.dataclass(frozen=True)
class Claim:
  """A statement that an experiment tests.

  Attributes:
    experiment: The experiment's name.
    text: The statement, with the paper's number.
    parts: What has to hold, each of them.
  """

  experiment: str
  text: str
  parts: tuple[Part, ...]


def judge(
    parts: tuple[Part, ...],
    experiment: experiments.Experiment,
    results: pd.DataFrame,
) -> Finding:
  """Finds out from results whether all parts of a claim hold."""
  findings = [_judge_part(part, experiment, results) for part in parts]
  holds = [finding.holds for finding in findings]
  undecided = None in holds and False not in holds
  return Finding(
      '; '.join(finding.measured for finding in findings),
      None if undecided else all(holds),
  )


def _judge_part(part: Part, experiment, results) -> Finding:
  if isinstance(part, Retrieved):
    return _judge_share(part.share, experiment, results)
  if isinstance(part, Together):
    values = np.concatenate([
        differences(experiment, results, *pair, 'best_top_1')
        for pair in part.pairs
    ])
    return _find(values, part.names, 'points', what='pairs')
  row = part.row
  if not isinstance(row, str):
    row = max(
        row,
        key=lambda name: experiment_page.values_of(
            results, name, 'best_top_1'
        ).mean(),
    )
  values = differences(experiment, results, row, part.other, part.measure)
  unit, digits = _UNITS.get(part.measure, ('points', 2))
  finding = _find(values, (row, part.other), unit, digits)
  if part.sign < 0 and finding.holds is not None:
    return Finding(finding.measured, not finding.holds)
  return finding


def _judge_share(paper_share: float, experiment, results) -> Finding:
  share = experiment_page.retrieved_share(experiment, results)
  if share is None:
    return Finding('the imbalance costs FedAvg nothing', None)
  measured = f'{100 * share:.1f} % of the loss'
  if share > 1:
    measured += ', so balance is not all that it gains by'
  return Finding(measured, share >= paper_share)


def differences(
    experiment: experiments.Experiment,
    results: pd.DataFrame,
    row: str,
    other: str,
    measure: str,
) -> np.ndarray:
  """Returns `row` minus `other`, float64, a value for each seed of both.

  Args:
    experiment: The experiment.
    results: Its results.
    row: A row, or what is tuned, which stands for its best learning rate.
    other: Likewise.
    measure: What of a run is compared; where a run has it not, neither counts.
  """
  chosen = runner.choose_rows(experiment, results)
  if measure == FALL:
    values = results['best_top_1'] - results['last_top_1']
  else:
    values = results[measure]

  def by_seed(name):
    return values[values.index.isin([chosen.get(name, name)], level='row')]

  both = by_seed(row).droplevel('row') - by_seed(other).droplevel('row')
  return both.dropna().to_numpy()


def is_positive(values: np.ndarray) -> bool:
  """Whether the mean is two standard errors above zero; one value: above."""
  if values.size < 2:
    return bool(values.mean() > 0)
  error = values.std(ddof=1) / np.sqrt(values.size)
  return bool(values.mean() > 2 * error)


def describe(
    values: np.ndarray, unit: str, digits: int = 2, what: str = 'seeds'
) -> str:
  """Mean and sample standard deviation, with the number of values."""
  text = f'{values.mean():+.{digits}f}'
  if values.size > 1:
    text += f' ± {values.std(ddof=1):.{digits}f}'
  count = f'{values.size} {what}'
  if values.size == 1:
    count = f'one {what.removesuffix("s")}'
  return f'{text} {unit} ({count})'


def _find(values: np.ndarray, names: tuple[str, str], *how, **what) -> Finding:
  """What differences say, described as `describe` does with the rest."""
  if not values.size:
    return Finding('no seed of both has a value', None)
  text = describe(values, *how, **what)
  return Finding(f'{" - ".join(names)}: {text}', is_positive(values))
