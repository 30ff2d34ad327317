import string

import numpy as np
import pytest

from astraea_tff.datasets.partitioning import distributions


def test_largest_remainder_by_hand():
  # 10 * (.46, .34, .2) = 4.6, 3.4, 2.0: one left over, to the first.
  result = distributions.largest_remainder(np.array([0.46, 0.34, 0.2]), 10)
  assert result.tolist() == [5, 3, 2]
  assert result.dtype == np.int64


def test_largest_remainder_gives_ties_to_the_lower_index():
  assert distributions.largest_remainder(np.ones(4), 6).tolist() == [2, 2, 1, 1]


def test_largest_remainder_keeps_whole_shares_whole():
  result = distributions.largest_remainder(np.full(47, 1 / 47), 117500)
  assert result.tolist() == [2500] * 47


def test_largest_remainder_sums_up_and_is_within_one_of_the_exact_share():
  rng = np.random.default_rng(0)
  for _ in range(200):
    weights = rng.pareto(1, rng.integers(1, 60))
    total = int(rng.integers(0, 5000))
    result = distributions.largest_remainder(weights, total)
    assert result.sum() == total
    exact = weights / weights.sum() * total
    assert (np.abs(result - exact) < 1).all()


def test_check_given_counts_returns_int64():
  counts = distributions.check_given_counts([3, 0], 'sizes', 2, 0)
  assert counts.dtype == np.int64 and counts.tolist() == [3, 0]


@pytest.mark.parametrize('counts, error, message', [
    ([1.0, 2.0], TypeError, 'sizes must be a name or whole numbers'),
    ([True, False], TypeError, 'bool'),
    ([1, float('nan')], TypeError, 'whole numbers'),
    ([1, 2, 3], ValueError, r'shape \[2\], got \[3\]'),
    ([[1, 2], [3]], ValueError, r'sizes must have shape \[2\]'),
    (3, ValueError, r'shape \[2\], got \[\]'),
    (None, TypeError, 'sizes must be a name'),
    ([1, -2], ValueError, 'at least 0 everywhere, got -2 at index 1'),
])
def test_check_given_counts_refuses(counts, error, message):
  with pytest.raises(error, match=message):
    distributions.check_given_counts(counts, 'sizes', 2, 0)


def test_tables_are_packaged_and_whole():
  letters = distributions.read_table('letter_frequencies.csv')
  assert ''.join(row['letter'] for row in letters) == string.ascii_uppercase
  assert sum(float(row['lewand_percent']) for row in letters) == pytest.approx(
      100, abs=0.01)
  writers = distributions.read_table('client_sizes_emnist_writers.csv')
  sizes = [int(row['num_examples']) for row in writers]
  assert len(sizes) == 3400 and sum(sizes) == 671_585
  assert (min(sizes), max(sizes)) == (16, 418)
