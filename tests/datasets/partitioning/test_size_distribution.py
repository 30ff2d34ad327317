import numpy as np
import pytest
from scipy import stats

from astraea_tff.datasets.partitioning import distributions
from astraea_tff.datasets.partitioning import size_distribution


def _sizes(distribution, num_clients, total, seed=0, **arguments):
  rng = np.random.default_rng(seed)
  return size_distribution.client_sizes(
      distribution, num_clients, total, rng, **arguments)


@pytest.mark.parametrize('name', size_distribution.SIZE_DISTRIBUTIONS)
def test_sum_and_minimum_are_kept_over_many_settings(name):
  rng = np.random.default_rng(2)
  for _ in range(60):
    num_clients = int(rng.integers(1, 300))
    min_size = int(rng.integers(1, 20))
    total = num_clients * min_size + int(rng.integers(0, 5000))
    sizes = _sizes(name, num_clients, total, min_size=min_size)
    assert sizes.dtype == np.int64 and sizes.shape == (num_clients,)
    assert sizes.sum() == total
    assert sizes.min() >= min_size


@pytest.mark.parametrize('name', size_distribution.SIZE_DISTRIBUTIONS)
def test_no_example_to_spare_gives_everyone_the_minimum(name):
  assert _sizes(name, 50, 150, min_size=3).tolist() == [3] * 50


def test_even_sizes_differ_by_at_most_one():
  assert _sizes('even', 500, 117_500).tolist() == [235] * 500
  assert _sizes('even', 4, 11).tolist() == [3, 3, 3, 2]


@pytest.mark.parametrize('name', size_distribution.SIZE_DISTRIBUTIONS[1:])
def test_seeds_change_who_has_which_size_and_nothing_else(name):
  first, same, other = (_sizes(name, 100, 20_000, seed=s) for s in (0, 0, 1))
  assert first.tolist() == same.tolist() != other.tolist()
  assert sorted(first) == sorted(other)


def test_power_law_has_the_quantiles_of_a_pareto_distribution():
  sizes = np.sort(_sizes('power_law', 1000, 10**7, power_law_exponent=3.0))
  quantiles = stats.pareto.ppf((np.arange(1000) + 0.5) / 1000, b=2)
  np.testing.assert_allclose(
      sizes, quantiles / quantiles.sum() * 10**7, atol=1)


def test_power_law_close_to_one_does_not_overflow():
  sizes = _sizes('power_law', 100, 1000, power_law_exponent=1 + 1e-9)
  assert sorted(sizes) == [1] * 99 + [901]


def test_instagram_goes_through_the_published_figures():
  # Of all users 5 % uploaded more than 50 photos, 37.5 % none: of the users
  # with photos, 8 %. Uploads below 2 are one photo; the fit is of any scale.
  sizes = np.sort(_sizes('instagram', 100_000, 10**9)).astype(float)
  uploads = sizes / sizes[0]
  assert (uploads > 51).mean() == pytest.approx(0.05 / 0.625, abs=1e-3)
  # A third figure, which the fit did not use: 25 % of all have 1 to 3.
  assert (uploads < 4).mean() * 0.625 == pytest.approx(0.25, abs=0.03)
  logs = np.log(uploads)
  assert logs.min() == 0 and logs.mean() > np.median(logs)


def test_emnist_writers_have_the_quantiles_of_the_table():
  rows = distributions.read_table('client_sizes_emnist_writers.csv')
  table = sorted(int(row['num_examples']) for row in rows)
  sizes = _sizes('emnist_writers', 3400, sum(table))
  assert sorted(sizes) == table
  # The middles of ten tenths.
  tenths = np.array(table[169::340], float)
  np.testing.assert_allclose(
      np.sort(_sizes('emnist_writers', 10, 10_000)),
      tenths / tenths.sum() * 10_000, atol=1)


def test_the_small_are_raised_and_the_others_keep_their_proportions():
  # Pareto quantiles of K = 2 at 1/4 and 3/4 for exponent 2: 4/3 and 4.
  assert sorted(_sizes('power_law', 2, 100, power_law_exponent=2.0)) == [25, 75]
  raised = _sizes('power_law', 2, 100, power_law_exponent=2.0, min_size=30)
  assert sorted(raised) == [30, 70]


def test_given_sizes_are_used_as_they_are():
  assert _sizes([5, 1, 4], 3, 10).tolist() == [5, 1, 4]


@pytest.mark.parametrize('arguments, error, message', [
    (('normal', 2, 10), ValueError, "'normal' is unknown"),
    (('even', 11, 10), ValueError, '10 examples do not suffice'),
    # Refused before anything of that size is made.
    (('power_law', 10**12, 10), ValueError, '10 examples do not suffice'),
    (('instagram', 10**20, 10), ValueError, '10 examples do not suffice'),
    (([5, 5], 3, 10), ValueError, r'shape \[3\]'),
    (([5, 5], 2, 11), ValueError, 'make 10, but 11'),
    (([10, 0], 2, 10), ValueError, 'at least 1 everywhere, got 0 at index 1'),
    (([5.0, 5.0], 2, 10), TypeError, 'whole numbers'),
])
def test_bad_arguments_are_refused(arguments, error, message):
  with pytest.raises(error, match=message):
    _sizes(*arguments)


@pytest.mark.parametrize('exponent, error', [
    (1, ValueError), (1.0, ValueError), (0.5, ValueError),
    (float('inf'), ValueError), (float('nan'), ValueError), ('2', TypeError),
])
def test_bad_exponents_are_refused(exponent, error):
  with pytest.raises(error, match='power_law_exponent must be'):
    _sizes('power_law', 2, 10, power_law_exponent=exponent)
