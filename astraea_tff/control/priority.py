"""Mediators or clients with rare classes take part more often.

Who holds the classes of which there are few examples is drawn with a higher
probability. That needs nothing but the label counts that the server has: no
validation examples, and no feedback from the training.
"""

from typing import Any

import numpy as np

from astraea_tff import arguments
from astraea_tff.labels import counts as counts_lib


def rarity_weights(
    label_shares: Any, *, class_weights: Any = None, strength: float = 2.0
) -> np.ndarray:
  """Returns priorities that rise with the share of rare classes.

  With `p_mc` the share of class c among the examples of row m, and `C_c` the
  examples of the class in all rows, whose mean over classes that have any is
  `C_bar`, a row gets the weight `(sum_c v_c p_mc C_bar / C_c) ** strength`.
  Under a flat global distribution all rows weigh the same.

  Args:
    label_shares: Numbers [M, N] of at least 0: the label counts of each
      mediator or client. Label shares will do where all of them have equally
      many examples.
    class_weights: v, numbers [N] of at least 0, such as
      `ClassFeedback.weights`; None for 1.
    strength: The power, at least 0; 0 makes all weights 1.

  Returns:
    float64 [M], as `Schedule.sample` and `sample_clients` take it. A row
    without examples weighs 0.

  Raises:
    TypeError: An argument does not hold numbers.
    ValueError: An argument has a wrong shape, or a number that is negative or
      not finite; there are no examples at all; or weights are beyond float64.
  """
  counts = counts_lib.scaled(_check_numbers('label_shares', label_shares, 2))
  if class_weights is None:
    class_weights = np.ones(counts.shape[1])
  class_weights = _check_numbers('class_weights', class_weights, 1)
  if class_weights.shape != counts.shape[1:]:
    raise ValueError(
        f'class_weights must be one for each of {counts.shape[1]} classes, got'
        f' {len(class_weights)}.'
    )
  strength = arguments.check_number(strength, 'strength', 0, ends='[)')
  totals = counts.sum(axis=0)
  if not totals.any():
    raise ValueError('label_shares must hold a number above 0.')
  mean = totals[totals > 0].mean()
  sizes = counts.sum(axis=1)
  with np.errstate(over='ignore', invalid='ignore'):
    rarity = np.divide(
        mean, totals, out=np.zeros_like(totals), where=totals > 0
    )
    scores = np.divide(
        counts @ (class_weights * rarity),
        sizes,
        out=np.zeros_like(sizes),
        where=sizes > 0,
    )
    weights = np.where(sizes > 0, scores**strength, 0.0)
  if not np.isfinite(weights).all() or (scores.any() and not weights.any()):
    raise ValueError(
        'strength must be smaller, or label_shares and class_weights less far'
        f' apart: {scores.max():g} to the power of {strength:g} is beyond'
        ' float64.'
    )
  return weights


def _check_numbers(name: str, value: Any, rank: int) -> np.ndarray:
  """Returns finite numbers of at least 0 as float64 of a rank, or raises."""
  array = arguments.check_numbers(value, name)
  if array.ndim != rank:
    raise ValueError(
        f'{name} must have rank {rank}, got shape {list(array.shape)}.'
    )
  return array.astype(np.float64)
