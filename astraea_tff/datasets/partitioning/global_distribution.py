"""How many examples each class has over all clients: the global distribution.

The paper (Duan et al. 2019) uses three: balanced, the frequencies of English
letters (LTRF1 and LTRF2 of Table I), and "the standard normal distribution" for
CINIC-10 (section IV-A). It publishes the numbers of none, so:

* 'letter_frequency' is the case-sensitive count of letters in a New York Times
  corpus (Jones & Mewhort 2004), where the paper counted the Simple English
  Wikipedia;
* 'letter_frequency_any_case' is the same count without regard to case: a letter
  that EMNIST keeps in two classes is divided between them as the pool is. The
  presets of Table I use it: print has few capitals and EMNIST's writers wrote
  many, so that case by case LTRF2 would need 14,664 small a and 3,613 small f
  while capitals lie idle;
* 'standard_normal' gives class i the density at the i-th of N evenly spaced
  points over [-2, 2], so that the largest class has about seven times the
  smallest.

'zipf' and 'long_tail' are those of the literature on imbalanced learning.
"""

from typing import Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.datasets.partitioning import distributions

GLOBAL_DISTRIBUTIONS = (
    'natural', 'balanced', 'letter_frequency', 'letter_frequency_any_case',
    'standard_normal', 'zipf', 'long_tail',
)

# The letters whose two cases EMNIST's 47-class splits merge into one class.
_MERGED_LETTERS = 'CIJKLMOPSUVWXYZ'
_NUM_EMNIST_CLASSES = 47
_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
# After the ten digits come the capitals, then the small letters of the others.
_SPLIT_LETTERS = [
    letter for letter in _ALPHABET if letter not in _MERGED_LETTERS
]
_SPLIT_CAPITAL_CLASSES = np.array(
    [10 + _ALPHABET.index(letter) for letter in _SPLIT_LETTERS]
)
_SPLIT_SMALL_CLASSES = 36 + np.arange(len(_SPLIT_LETTERS))


class PoolTooSmallError(ValueError):
  """A pool has too few examples of a class.

  Attributes:
    largest: The most examples of all classes together that the pool has in the
      distribution asked for; None where counts were asked for.
  """

  def __init__(self, message: str, largest: Optional[int]):
    super().__init__(message)
    self.largest = largest


def class_shares(
    name: str,
    num_classes: int,
    *,
    imbalance_factor: float = 10.0,
    available: Optional[np.ndarray] = None,
) -> np.ndarray:
  """The share of each class in a named global distribution.

  Classes keep their order: 'zipf' and 'long_tail' make class 0 the largest,
  'standard_normal' the middle ones. 'letter_frequency' gives

  * up to 26 classes: class i the frequency of the alphabet's i-th letter, both
    cases together;
  * 47 classes, in the order of EMNIST's "bymerge": digits 0 to 9, letters A to
    Z (with their lower case where EMNIST merges the two), then a b d e f g h n
    q r t. A digit is no letter, and each gets the mean class's share, which
    Algorithm 2 leaves alone.

  'letter_frequency_any_case' gives up to 26 classes the same; of 47, the two
  classes of A B D E F G H N Q R T together have the letter's frequency.

  Args:
    name: 'balanced', 'letter_frequency', 'letter_frequency_any_case',
      'standard_normal', 'zipf' (class i has a share proportional to
      1 / (i + 1)) or 'long_tail' (shares fall exponentially).
    num_classes: N, at least 2.
    imbalance_factor: Largest share / smallest share of 'long_tail', at least 1.
    available: `int64 [N]`, examples of each class in the pool. The two classes
      of a letter of 'letter_frequency_any_case' have shares in proportion to
      them, equal ones without them. Other names ignore it.

  Returns:
    `float64 [N]` of sum 1; positive, except for a case that the pool lacks.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: Unknown name, argument out of range, or a number of classes that
      'letter_frequency' is not defined for.
  """
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  if name == 'balanced':
    weights = np.ones(num_classes)
  elif name == 'letter_frequency':
    weights = _letter_weights(num_classes)
  elif name == 'letter_frequency_any_case':
    weights = _any_case_letter_weights(num_classes, available)
  elif name == 'standard_normal':
    weights = np.exp(-np.linspace(-2, 2, num_classes) ** 2 / 2)
  elif name == 'zipf':
    weights = 1 / np.arange(1, num_classes + 1)
  elif name == 'long_tail':
    factor = arguments.check_number(
        imbalance_factor, 'imbalance_factor', 1, ends='[)'
    )
    weights = factor ** -np.linspace(0, 1, num_classes)
  else:
    raise ValueError(
        f'global_distribution {name!r} is unknown; known are '
        f'{", ".join(GLOBAL_DISTRIBUTIONS)}, or give a count for each class.'
    )
  return weights / weights.sum()


def class_counts(
    distribution: distributions.Distribution,
    available: np.ndarray,
    num_examples: Optional[int] = None,
    *,
    imbalance_factor: float = 10.0,
) -> np.ndarray:
  """How many examples of each class to use, out of those a pool has.

  Args:
    distribution: A name of `GLOBAL_DISTRIBUTIONS`, 'natural' being the pool's
      own mix; or N counts, used as they are.
    available: `int64 [N]`, examples of each class in the pool, not all zero.
    num_examples: Sum of the result. None takes, for a name, the largest sum at
      which every class's exact share fits the pool, and for counts their sum.
    imbalance_factor: See `class_shares`.

  Returns:
    `int64 [N]` of sum `num_examples`, rounded by largest remainder and at most
    `available`.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: Unknown name, wrong number of counts, or a negative count.
    PoolTooSmallError: The pool has too few of a class; the message says of
      which, and how many are missing.
  """
  if num_examples is not None:
    num_examples = arguments.check_integer(
        num_examples, 'num_examples', 1
    )
  if not isinstance(distribution, str):
    counts = distributions.check_given_counts(
        distribution, 'global_distribution', len(available), 0
    )
    if num_examples not in (None, counts.sum()):
      raise ValueError(
          f'num_examples is {num_examples}, but the counts of '
          f'global_distribution make {counts.sum()}; the two must agree.'
      )
    return _check_available(counts, available, None)
  if distribution == 'natural':
    shares = available / available.sum()
  else:
    shares = class_shares(
        distribution,
        len(available),
        imbalance_factor=imbalance_factor,
        available=available,
    )
  largest = largest_total(shares, available)
  if num_examples is None and not largest:
    raise ValueError(
        f'global_distribution {distribution!r} needs examples of every class, '
        f'but the pool has none of class {np.argmin(available)}.'
    )
  # No pool has 2**53 examples: the cut number is refused too, and is an int64.
  total = largest if num_examples is None else min(num_examples, 2**53)
  counts = distributions.largest_remainder(shares, total)
  return _check_available(counts, available, largest)


def largest_total(shares: np.ndarray, available: np.ndarray) -> int:
  """Returns the most examples of which every class's exact share fits a pool.

  Args:
    shares: `float64 [N]`, see `class_shares`.
    available: `int64 [N]`, examples of each class in the pool.
  """
  used = shares > 0
  exact = (available[used] / shares[used]).min()
  # 2500 / (1 / 47) is a little below 117500 in floating point.
  return int(exact * (1 + 1e-12))


def _check_available(counts, available, largest: Optional[int]) -> np.ndarray:
  lacking = np.flatnonzero(counts > available)
  if lacking.size:
    lacks = distributions.join_some([
        f'class {label} needs {counts[label]} and has {available[label]} '
        f'({counts[label] - available[label]} missing)' for label in lacking
    ])
    remedy = 'Lower these counts.'
    if largest is not None:
      remedy = f'The largest num_examples that fits is {largest}.'
    raise PoolTooSmallError(
        f'The pool is too small for global_distribution: {lacks}. {remedy}',
        largest,
    )
  if not counts.any():
    raise ValueError('global_distribution must be positive for some class.')
  return counts


def _letter_weights(num_classes: int) -> np.ndarray:
  rows = distributions.read_table('letter_frequencies.csv')
  upper = {row['letter']: int(row['nyt_upper_count']) for row in rows}
  lower = {row['letter']: int(row['nyt_lower_count']) for row in rows}
  if num_classes <= len(rows):
    both_cases = [upper[letter] + lower[letter] for letter in upper]
    return np.array(both_cases[:num_classes], np.float64)
  if num_classes != _NUM_EMNIST_CLASSES:
    raise ValueError(
        "global_distribution 'letter_frequency' is defined for 2 to 26 classes "
        f"and for EMNIST's 47, got num_classes={num_classes}."
    )
  capitals = [
      upper[letter] + (lower[letter] if letter in _MERGED_LETTERS else 0)
      for letter in upper
  ]
  small_letters = [
      lower[letter] for letter in lower if letter not in _MERGED_LETTERS
  ]
  digits = [np.mean(capitals + small_letters)] * 10
  return np.array(digits + capitals + small_letters)


def _any_case_letter_weights(
    num_classes: int, available: Optional[np.ndarray]
) -> np.ndarray:
  weights = _letter_weights(num_classes)
  if num_classes != _NUM_EMNIST_CLASSES:
    return weights
  if available is None:
    available = np.ones(num_classes)
  capital, small = _SPLIT_CAPITAL_CLASSES, _SPLIT_SMALL_CLASSES
  letters = weights[capital] + weights[small]
  pool = available[capital] + available[small]
  # A letter that the pool lacks altogether keeps its share, and is missed.
  small_part = np.divide(
      available[small], pool, where=pool > 0, out=np.full(len(pool), 0.5)
  )
  weights[small] = letters * small_part
  weights[capital] = letters * (1 - small_part)
  return weights
