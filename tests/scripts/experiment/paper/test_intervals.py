"""Intervals against SciPy's own tests, and what they decide."""

import numpy as np
import pytest
from scipy import stats

from experiment.paper import intervals


@pytest.mark.parametrize('size', [2, 3, 5, 40])
def test_interval_is_that_of_scipys_paired_test(size):
  rng = np.random.default_rng(size)
  first, second = rng.normal(1, 2, size), rng.normal(0, 2, size)
  interval = intervals.of_mean(first - second)
  assert interval.mean == pytest.approx((first - second).mean())
  assert interval.low < interval.mean < interval.high
  assert interval.size == size
  # The means that the test does not reject at 5 % are those of the interval.
  for end in (interval.low, interval.high):
    assert stats.ttest_rel(first - end, second).pvalue == pytest.approx(0.05)


def test_interval_of_three_by_hand():
  # t of two degrees of freedom at 97.5 % is 4.3027; the error is 1 / sqrt(3).
  interval = intervals.of_mean(np.array([1.0, 2.0, 3.0]))
  assert interval.low == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-5)
  assert interval.high == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-5)


@pytest.mark.parametrize(
    'values, expected',
    [
        ([1, 1, 1], intervals.CONFIRMED),
        ([5, 6, 7], intervals.CONFIRMED),  # 6 - 4.30 / sqrt(3) = 3.5
        ([1, 2, 3], intervals.OPEN),  # 2 - 2.48 = -0.48
        ([-5, -6, -7], intervals.REFUTED),
        ([0, 0, 0], intervals.REFUTED),
        ([7.0], intervals.OPEN),
        ([-7.0], intervals.OPEN),
    ],
)
def test_zero_outside_of_the_interval_decides(values, expected):
  answer = intervals.verdict(intervals.of_mean(np.array(values, float)))
  assert answer == expected
  negated = intervals.verdict(intervals.of_mean(-np.array(values, float)))
  if any(values):  # Of nothing, neither is above the other.
    assert negated == intervals.opposite(expected)


def test_descriptions_have_the_interval_and_the_seeds():
  three = intervals.of_mean(np.array([5.0, 6.0, 7.0]))
  assert intervals.describe(three, 'points') == (
      '+6.00 points [+3.52, +8.48] (3 seeds)'
  )
  one = intervals.of_mean(np.array([-1.25]))
  assert intervals.describe(one, 'MB', 1) == '-1.2 MB (one seed, no interval)'
