"""The paper's claims, and what our tables say of each.

A claim compares rows, seed by seed. With several seeds it holds where the mean
difference is more than two standard errors on the right side of zero; with one
seed, where it is on the right side, and the answer says that it was one.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Optional, Union

import numpy as np

from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import runner

# A column of a run, or what is computed from its columns.
Measure = Union[str, Callable[[Mapping[str, float]], float]]


@dataclasses.dataclass(frozen=True)
class Finding:
  """What was measured, and whether the claim holds; None if undecided."""

  measured: str
  holds: Optional[bool]


@dataclasses.dataclass(frozen=True)
class Claim:
  """A statement that an experiment tests.

  Attributes:
    experiment: The experiment's name.
    text: The statement, with the paper's number.
    judge: What finds out, from the experiment and its results.
  """

  experiment: str
  text: str
  judge: Callable[
      [experiments.Experiment, runner.Results], Finding
  ]


def fall(values: Mapping[str, float]) -> float:
  """Points between a run's best evaluation and its last."""
  return values['best_top_1'] - values['last_top_1']


def differences(
    experiment: experiments.Experiment,
    results: runner.Results,
    row: str,
    other: str,
    measure: Measure,
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

  def value(name, seed):
    values = results.get((chosen.get(name, name), seed))
    if values is None:
      return np.nan
    return values[measure] if isinstance(measure, str) else measure(values)

  both = np.array(
      [value(row, seed) - value(other, seed) for seed in experiment.seeds]
  )
  return both[~np.isnan(both)]


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


def above(
    row: str,
    other: str,
    measure: Measure = 'best_top_1',
    unit: str = 'points',
    digits: int = 2,
) -> Callable[..., Finding]:
  """A claim that holds where `row` is above `other`."""

  def judge(experiment, results):
    values = differences(experiment, results, row, other, measure)
    return _find(values, (row, other), unit, digits)

  return judge


def above_over(
    pairs: Sequence[tuple[str, str]], names: tuple[str, str]
) -> Callable[..., Finding]:
  """A claim that holds where rows are above others, all pairs taken together.

  Args:
    pairs: Rows, each with the one it is compared with.
    names: What the first of all pairs are called, and the second.
  """

  def judge(experiment, results):
    values = np.concatenate([
        differences(experiment, results, *pair, 'best_top_1') for pair in pairs
    ])
    return _find(values, names, 'points', what='pairs')

  return judge


def _find(values: np.ndarray, names: tuple[str, str], *how, **what) -> Finding:
  """What differences say, described as `describe` does with the rest."""
  if not values.size:
    return Finding('no seed of both has a value', None)
  text = describe(values, *how, **what)
  return Finding(f'{" - ".join(names)}: {text}', is_positive(values))


def not_above(row: str, other: str, **options) -> Callable[..., Finding]:
  """A claim that holds where `row` is not measurably above `other`."""

  def judge(experiment, results):
    finding = above(row, other, **options)(experiment, results)
    holds = None if finding.holds is None else not finding.holds
    return Finding(finding.measured, holds)

  return judge


def all_of(*judges: Callable[..., Finding]) -> Callable[..., Finding]:
  """A claim of several parts, which holds if each does."""

  def judge(experiment, results):
    findings = [part(experiment, results) for part in judges]
    parts = [finding.holds for finding in findings]
    undecided = None in parts and False not in parts
    return Finding(
        '; '.join(finding.measured for finding in findings),
        None if undecided else all(parts),
    )

  return judge


def best_of(rows: tuple[str, ...], other: str) -> Callable[..., Finding]:
  """A claim that the row of the best mean top-1 is above `other`."""

  def judge(experiment, results):
    means = {
        row: experiment_page.values_of(results, row, 'best_top_1').mean()
        for row in rows
    }
    return above(max(means, key=means.get), other)(experiment, results)

  return judge


def retrieves(paper_share: float) -> Callable[..., Finding]:
  """A claim that Astraea gets at least this share of the loss back."""

  def judge(experiment, results):
    share = experiment_page.retrieved_share(experiment, results)
    if share is None:
      return Finding('the imbalance costs FedAvg nothing', None)
    measured = f'{100 * share:.1f} % of the loss'
    if share > 1:
      measured += ', so balance is not all that it gains by'
    return Finding(measured, share >= paper_share)

  return judge
