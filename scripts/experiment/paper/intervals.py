"""What paired differences over seeds say: a mean, and Student's interval."""

from typing import NamedTuple, Optional

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Whether a claim holds.
CONFIRMED, REFUTED, OPEN = 'confirmed', 'refuted', 'open'


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


def verdict(interval: Optional[Interval]) -> str:
  """Says whether the mean is above zero: confirmed, refuted or open.

  It is confirmed where the whole interval is above zero, refuted where none of
  it is, and open otherwise; without a value or with one it is always open.
  """
  if interval is None:
    return OPEN
  if interval.low > 0:
    return CONFIRMED
  return REFUTED if interval.high <= 0 else OPEN


def opposite(answer: str) -> str:
  """Returns what is said of a claim's negation."""
  return {CONFIRMED: REFUTED, REFUTED: CONFIRMED, OPEN: OPEN}[answer]


def describe(
    interval: Optional[Interval], unit: str, digits: int = 2
) -> str:
  """Returns the mean, the interval and the number of seeds as text."""
  if interval is None:
    return 'no seed of both has a value'
  mean = f'{interval.mean:+.{digits}f}'
  if interval.size == 1:
    return f'{mean} {unit} (one seed, no interval)'
  return (
      f'{mean} {unit} [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]'
      f' ({interval.size} seeds)'
  )
