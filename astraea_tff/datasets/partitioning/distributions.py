"""What the three axes of a partition share: rounding, checks and tables.

Section II-B of Duan et al. (2019) tells three imbalances of federated data
apart. Each has its module: `global_distribution` (how many examples a class has
over all clients), `size_distribution` (how many a client has) and
`local_distribution` (which classes a client has).
"""

from collections.abc import Sequence
import csv
import functools
import importlib.resources
from typing import Any, Union

import numpy as np

# A message lists at most so many.
_MOST_LISTED = 12
# A distribution by name, or the counts themselves.
Distribution = Union[str, Sequence[int], np.ndarray]


def largest_remainder(weights: np.ndarray, total: int) -> np.ndarray:
  """Divides a total in proportion to weights, into whole numbers.

  Args:
    weights: `float [N]`, nonnegative, of positive sum.
    total: What to divide, at least 0.

  Returns:
    `int64 [N]` of sum `total`: each exact share rounded down or up, up where
    the remainder is largest, at the lower index where remainders are equal.
  """
  quotas = weights * (total / weights.sum())
  # A share that is whole but for floating point keeps its whole value, and is
  # not rounded down in favour of a neighbour.
  nearest = np.rint(quotas)
  quotas = np.where(np.abs(quotas - nearest) < 1e-6, nearest, quotas)
  parts = np.floor(quotas).astype(np.int64)
  by_remainder = np.argsort(parts - quotas, kind='stable')
  parts[by_remainder[: total - parts.sum()]] += 1
  return parts


def check_given_counts(
    counts: Any, name: str, length: int, minimum: int
) -> np.ndarray:
  """Checks counts that a user gives in place of a distribution's name.

  Args:
    counts: Whole numbers.
    name: The argument's name, for the message.
    length: How many there must be.
    minimum: What each must be at least.

  Returns:
    `int64 [length]`.

  Raises:
    TypeError: `counts` are no whole numbers.
    ValueError: There are too many or too few, or one is too small.
  """
  try:
    counts = np.asarray(counts)
  except ValueError as error:  # Rows of different lengths.
    raise ValueError(f'{name} must have shape [{length}]: {error}') from error
  if counts.dtype.kind not in 'iu':
    raise TypeError(
        f'{name} must be a name or whole numbers, got dtype {counts.dtype}.'
    )
  if counts.shape != (length,):
    raise ValueError(
        f'{name} must have shape [{length}], got {list(counts.shape)}.'
    )
  if counts.min() < minimum:
    raise ValueError(
        f'{name} must be at least {minimum} everywhere, got {counts.min()} at '
        f'index {counts.argmin()}.'
    )
  return counts.astype(np.int64)


def join_some(items: Sequence[str]) -> str:
  """Joins what a message lists; of a long list its first items and its last."""
  if len(items) > _MOST_LISTED:
    left_out = f'({len(items) - _MOST_LISTED} more)'
    items = [*items[: _MOST_LISTED - 1], left_out, items[-1]]
  return '; '.join(items)


@functools.lru_cache(maxsize=None)
def read_table(name: str) -> tuple[dict[str, str], ...]:
  """Rows of a CSV table in the package's data folder, by column name."""
  path = importlib.resources.files('astraea_tff.data').joinpath(name)
  return tuple(csv.DictReader(path.read_text('utf-8').splitlines()))
