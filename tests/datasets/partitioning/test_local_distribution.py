import time

import numpy as np
import pytest

from astraea_tff.datasets.partitioning import local_distribution


def _counts(name, sizes, class_totals, seed=0, **arguments):
  return local_distribution.client_class_counts(
      name, np.array(sizes), np.array(class_totals),
      np.random.default_rng(seed), **arguments)


def _random_sums(rng):
  """Client sizes and class totals of one sum; some classes empty."""
  total = int(rng.integers(60, 3000))
  num_clients, num_classes = rng.integers(1, 50), rng.integers(2, 30)
  sizes = 1 + rng.multinomial(
      total - num_clients, rng.dirichlet(np.full(num_clients, 0.3)))
  class_totals = rng.multinomial(
      total, rng.dirichlet(np.full(num_classes, 0.3)))
  return sizes, class_totals


def _mean_classes(counts):
  return (counts > 0).sum(axis=1).mean()


@pytest.mark.parametrize('name', local_distribution.LOCAL_DISTRIBUTIONS)
def test_both_sums_are_exact_over_many_settings(name):
  rng = np.random.default_rng(3)
  for seed in range(80):
    sizes, class_totals = _random_sums(rng)
    counts = _counts(
        name, sizes, class_totals, seed,
        beta=float(rng.choice([0.01, 0.1, 1, 100])),
        classes_per_client=int(
            rng.integers(1, np.count_nonzero(class_totals) + 1)))
    assert counts.dtype == np.int64
    assert (counts >= 0).all()
    assert (counts.sum(axis=1) == sizes).all()
    assert (counts.sum(axis=0) == class_totals).all()


@pytest.mark.parametrize('name', local_distribution.LOCAL_DISTRIBUTIONS)
def test_seeds_decide(name):
  sizes, class_totals = [17] * 30, [102, 51, 204, 153]
  first, same, other = (
      _counts(name, sizes, class_totals, seed) for seed in (0, 0, 1))
  assert (first == same).all()
  assert (first != other).any()


def test_proportional_is_exact_where_whole_examples_allow():
  # BAL1 of Table I: 500 clients of 235 examples, 5 of each of 47 classes.
  counts = _counts('proportional', [235] * 500, [2500] * 47)
  assert (counts == 5).all()


def test_proportional_is_within_an_example_or_so_of_the_global_mix():
  rng = np.random.default_rng(4)
  sizes = rng.integers(1, 200, 100)
  class_totals = rng.multinomial(sizes.sum(), rng.dirichlet(np.ones(12)))
  counts = _counts('proportional', sizes, class_totals)
  exact = np.outer(sizes, class_totals) / sizes.sum()
  assert np.abs(counts - exact).max() < 2
  assert (np.abs(counts - exact) < 1).mean() > 0.99


def test_iid_has_the_variance_of_drawing_without_replacement():
  counts = _counts('iid', [50] * 400, [5000, 15_000])
  # Hypergeometric: n p (1 - p) (T - n) / (T - 1).
  variance = 50 * 0.25 * 0.75 * (20_000 - 50) / (20_000 - 1)
  assert counts[:, 0].mean() == 12.5
  assert counts[:, 0].var() == pytest.approx(variance, rel=0.2)


def test_random_is_dirichlet_with_beta_one():
  sizes, class_totals = [100] * 40, [800] * 5
  np.testing.assert_array_equal(
      _counts('random', sizes, class_totals),
      _counts('dirichlet', sizes, class_totals, beta=1.0))


def test_dirichlet_shares_have_the_variance_of_their_distribution():
  beta, num_classes = 0.5, 5
  counts = _counts('dirichlet', [1000] * 1000, [200_000] * num_classes,
                   beta=beta)
  shares = counts / 1000
  mean = 1 / num_classes
  variance = mean * (1 - mean) / (num_classes * beta + 1)
  assert shares.var() == pytest.approx(variance, rel=0.05)


def test_a_smaller_beta_leaves_clients_fewer_classes():
  few, some, many = (
      _mean_classes(
          _counts('dirichlet', [100] * 200, [1000] * 20, beta=beta))
      for beta in (0.01, 0.1, 10.0))
  assert few < 3 < some < 10 < 19 < many


def test_a_huge_beta_is_the_global_mix():
  counts = _counts('dirichlet', [20] * 50, [250] * 4, beta=1e9)
  np.testing.assert_array_equal(counts, 5)


@pytest.mark.parametrize('per_client', [1, 2, 3, 5, 10])
def test_n_classes_is_exact_where_equal_parts_allow(per_client):
  # 60 clients have 60 n parts of 60 / n examples; 6 n parts make a class.
  counts = _counts('n_classes', [60] * 60, [360] * 10,
                   classes_per_client=per_client)
  assert ((counts > 0).sum(axis=1) == per_client).all()
  assert set(np.unique(counts)) <= {0, 60 // per_client}


def test_n_classes_draws_all_pairs_of_classes():
  counts = _counts('n_classes', [60] * 600, [3600] * 10, classes_per_client=2)
  pairs = {tuple(np.flatnonzero(row)) for row in counts}
  assert len(pairs) == 45


def test_n_classes_has_few_pairs_too_many_over_many_settings():
  rng = np.random.default_rng(5)
  for seed in range(80):
    sizes, class_totals = _random_sums(rng)
    num_used = np.count_nonzero(class_totals)
    per_client = int(rng.integers(1, num_used + 1))
    counts = _counts('n_classes', sizes, class_totals, seed,
                     classes_per_client=per_client)
    pairs = np.count_nonzero(counts)
    assert pairs <= np.minimum(sizes, per_client).sum() + num_used - 1


def test_n_classes_is_mostly_n_for_uneven_sizes():
  rng = np.random.default_rng(6)
  sizes = rng.integers(50, 500, 200)
  class_totals = rng.multinomial(sizes.sum(), np.full(10, 0.1))
  counts = _counts('n_classes', sizes, class_totals, classes_per_client=3)
  assert ((counts > 0).sum(axis=1) == 3).mean() > 0.9


def test_a_class_larger_than_its_share_of_parts_still_fits():
  counts = _counts('n_classes', [10] * 10, [90, 5, 5], classes_per_client=2)
  assert counts.sum(axis=0).tolist() == [90, 5, 5]
  assert (counts[:, 0] >= 5).all()


def test_one_client_gets_everything():
  for name in local_distribution.LOCAL_DISTRIBUTIONS:
    assert _counts(name, [9], [4, 0, 5]).tolist() == [[4, 0, 5]]


@pytest.mark.parametrize('name', local_distribution.LOCAL_DISTRIBUTIONS)
def test_ten_thousand_clients_take_a_moment(name):
  start = time.process_time()
  counts = _counts(name, [20] * 10_000, [20_000] * 10)
  assert counts.sum() == 200_000
  assert time.process_time() - start < 5


@pytest.mark.parametrize('arguments, error, message', [
    (dict(distribution='shards'), ValueError, "'shards' is unknown"),
    (dict(distribution='dirichlet', beta=0), ValueError, 'at least 0.01'),
    (dict(distribution='dirichlet', beta=-1.0), ValueError, 'beta'),
    (dict(distribution='dirichlet', beta=float('nan')), ValueError, 'nan'),
    (dict(distribution='dirichlet', beta='1'), TypeError, 'beta'),
    (dict(distribution='n_classes', classes_per_client=0), ValueError,
     'classes_per_client must be at least 1'),
    (dict(distribution='n_classes', classes_per_client=3), ValueError,
     'is 3, but only 2 classes have examples'),
    (dict(distribution='n_classes', classes_per_client=1.0), TypeError,
     'classes_per_client must be an int'),
])
def test_bad_arguments_are_refused(arguments, error, message):
  with pytest.raises(error, match=message):
    local_distribution.client_class_counts(
        sizes=np.array([5, 5]), class_totals=np.array([5, 0, 5]),
        rng=np.random.default_rng(0), **arguments)
