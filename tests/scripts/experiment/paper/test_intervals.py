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
        ([1, 1, 1], intervals.OPEN),  # A spread of zero tells nothing.
        ([5, 6, 7], intervals.CONFIRMED),  # 6 - 4.30 / sqrt(3) = 3.5
        ([1, 2, 3], intervals.OPEN),  # 2 - 2.48 = -0.48
        ([-5, -6, -7], intervals.REFUTED),
        ([0, 0, 0], intervals.OPEN),
        ([7.0], intervals.OPEN),
        ([-7.0], intervals.OPEN),
    ],
)
def test_zero_outside_of_the_interval_decides(values, expected):
  answer = intervals.verdict(intervals.of_mean(np.array(values, float)))
  assert answer == expected
  negated = intervals.verdict(intervals.of_mean(-np.array(values, float)))
  opposite = {
      intervals.CONFIRMED: intervals.REFUTED,
      intervals.REFUTED: intervals.CONFIRMED,
  }
  assert negated == opposite.get(expected, expected)


def test_descriptions_have_the_interval_and_the_seeds():
  three = intervals.of_mean(np.array([5.0, 6.0, 7.0]))
  assert intervals.describe(three, 'points') == (
      '+6.00 points [+3.52, +8.48] (3 seeds)'
  )
  equal = intervals.of_mean(np.array([90.9, 90.9 + 1e-13, 90.9]))
  assert intervals.describe(equal, 'MB', 1) == (
      '+90.9 MB (the same on all 3 seeds)'
  )
  one = intervals.of_mean(np.array([-1.25]))
  assert intervals.describe(one, 'MB', 1) == '-1.2 MB (one seed, no interval)'


@pytest.mark.parametrize(
    'values, step, expected',
    [
        ([3, 3, 3], 2, intervals.CONFIRMED),
        ([3, 3, 3], 3, intervals.OPEN),
        ([-3, -3, -3], 2, intervals.REFUTED),
        ([3, 3, 3], np.nan, intervals.OPEN),
        # With a spread the interval decides.
        ([5, 6, 7], 10, intervals.CONFIRMED),
    ],
)
def test_equal_values_decide_when_they_are_further_than_a_step(
    values, step, expected
):
  interval = intervals.of_mean(np.array(values, float))
  assert intervals.verdict(interval, step) == expected


@pytest.mark.parametrize(
    'values, expected',
    [
        # Three values of a spread of 0.1 have the interval +- 0.25.
        ([-0.1, 0, 0.1], intervals.CONFIRMED),
        ([1.5, 1.6, 1.7], intervals.CONFIRMED),  # Above zero, and within.
        ([1.7, 1.8, 1.9], intervals.REFUTED),  # 2.05
        ([5, 6, 7], intervals.REFUTED),
        ([1, 2, 3], intervals.OPEN),
        ([-1.7, -1.8, -1.9], intervals.OPEN),
        ([0, 0, 0], intervals.OPEN),
        ([0.1], intervals.OPEN),
    ],
)
def test_no_difference_is_confirmed_within_the_margin(values, expected):
  interval = intervals.of_mean(np.array(values, float))
  assert intervals.equivalence(interval, 2.0) == expected


def test_p_value_is_scipys():
  values = np.array([5.0, 6.0, 7.0, 3.0])
  for sample in (values, -values, values - 5):
    expected = stats.ttest_1samp(sample, 0).pvalue
    found = intervals.p_value(intervals.of_mean(sample))
    assert found == pytest.approx(expected)
  for sample in ([1.0], [1.0, 1.0]):
    assert np.isnan(intervals.p_value(intervals.of_mean(np.array(sample))))


@pytest.mark.parametrize(
    'p_values, rejected',
    [
        # Limits 0.0125, 0.0167, 0.025 and 0.05 in ascending order.
        ([0.03, 0.01, 0.04, 0.015], [False, True, False, True]),
        # What fails stops those after it, though they are below their limits.
        ([0.02, 0.02, 0.02, 0.02], [False] * 4),
        # What was not tested does not count: 0.025 and 0.05.
        ([np.nan, 0.02, 0.04], [False, True, True]),
        ([0.04], [True]),
        ([np.nan], [False]),
    ],
)
def test_holm_by_hand(p_values, rejected):
  assert intervals.holm(p_values).tolist() == rejected
