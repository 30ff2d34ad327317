"""What paired differences over seeds say: a mean, and Student's interval."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Whether a claim holds.
CONFIRMED, REFUTED, OPEN = 'confirmed', 'refuted', 'open'
# What was measured is not what the claim is about.
NOT_COMPARABLE = 'not comparable'


class Interval(NamedTuple):
  """The mean of a population, as a sample tells it.

  Attributes:
    mean: Of the sample.
    low: Where the interval of `CONFIDENCE` begins; minus infinity if the sample
      is a single value, which says nothing of how values differ.
    high: Where it ends, likewise.
    size: The number of values.
  """

  mean: float
  low: float
  high: float
  size: int

  @property
  def has_spread(self) -> bool:
    """Whether the values differ; if not, they say nothing of how they would."""
    return not np.isclose(self.low, self.high, rtol=1e-9, atol=1e-9)


def of_mean(values: np.ndarray) -> Interval:
  """Returns Student's t interval of the mean.

  Args:
    values: float64 [n], n at least 1; independent, one for each seed.
  """
  values = np.asarray(values, np.float64)
  mean = float(values.mean())
  if values.size < 2:
    return Interval(mean, -np.inf, np.inf, values.size)
  quantile = stats.t.ppf((1 + CONFIDENCE) / 2, values.size - 1)
  margin = float(quantile * stats.sem(values))
  return Interval(mean, mean - margin, mean + margin, values.size)


def verdict(
    interval: Optional[Interval], step: Optional[float] = None
) -> str:
  """Says whether the mean is above zero: confirmed, refuted or open.

  It is confirmed where the whole interval is above zero, refuted where none of
  it is, and open otherwise; without a value or with one it is always open.

  Args:
    interval: The interval, None if there is no value.
    step: What the values are measured in steps of. Values that are all equal
      decide something if they are further than one step from zero; without a
      step they decide nothing, as a spread of zero is an accident.
  """
  if interval is None or interval.size < 2:
    return OPEN
  if not interval.has_spread:
    # Equal sums of costs differ in their last bits.
    is_plain = step is not None and abs(interval.mean) > step * (1 + 1e-9)
    if not is_plain:
      return OPEN
  if interval.low > 0:
    return CONFIRMED
  return REFUTED if interval.high <= 0 else OPEN


def equivalence(interval: Optional[Interval], margin: float) -> str:
  """Says whether the mean is as good as zero, where more would be a difference.

  Args:
    interval: The interval, None if there is no value.
    margin: What counts for nothing on both sides of zero, above zero.

  Returns:
    `CONFIRMED` where the whole interval is within the margin; `REFUTED` where
    it is not, and is above zero; `OPEN` otherwise, and if all values are equal.
  """
  if interval is None or interval.size < 2 or not interval.has_spread:
    return OPEN
  if -margin <= interval.low and interval.high <= margin:
    return CONFIRMED
  return REFUTED if interval.low > 0 else OPEN


def p_value(interval: Interval) -> float:
  """Returns that of Student's two-sided test of a mean of zero.

  It is below 1 - `CONFIDENCE` where zero is outside of the interval; NaN if
  there is one value, or all are equal, as nothing is tested then.
  """
  if interval.size < 2 or not interval.has_spread:
    return np.nan
  degrees = interval.size - 1
  quantile = stats.t.ppf((1 + CONFIDENCE) / 2, degrees)
  statistic = interval.mean / ((interval.high - interval.mean) / quantile)
  return float(2 * stats.t.sf(abs(statistic), degrees))


def holm(p_values: Sequence[float]) -> np.ndarray:
  """Says which of several tests reject, by Holm's step-down procedure.

  The chance of any false rejection among them is 1 - `CONFIDENCE` at the most,
  however the tests depend on one another.

  Args:
    p_values: One for each test; NaN for what is none, and does not count.

  Returns:
    bool [n]; whether each rejects.
  """
  p_values = np.asarray(p_values, np.float64)
  order = np.argsort(p_values, kind='stable')
  left = np.count_nonzero(~np.isnan(p_values)) - np.arange(len(p_values))
  limits = (1 - CONFIDENCE) / np.maximum(left, 1)
  # From the first that does not reject on, none does.
  passed = np.logical_and.accumulate(p_values[order] <= limits)
  rejected = np.zeros(len(p_values), bool)
  rejected[order] = passed
  return rejected


def describe(
    interval: Optional[Interval], unit: str, digits: int = 2
) -> str:
  """Returns the mean, the interval and the number of seeds as text."""
  if interval is None:
    return 'no seed of both has a value'
  mean = f'{interval.mean:+.{digits}f}'
  if interval.size == 1:
    return f'{mean} {unit} (one seed, no interval)'
  if not interval.has_spread:
    return f'{mean} {unit} (the same on all {interval.size} seeds)'
  return (
      f'{mean} {unit} [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]'
      f' ({interval.size} seeds)'
  )
