"""Coarse and private counts against SciPy's distributions and brute force."""

import math

import dp_accounting
import noise_oracle
import numpy as np
import pytest
import scipy.stats

from astraea_tff.labels import privacy

_ADD_OR_REMOVE = dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE
_REPLACE = dp_accounting.NeighboringRelation.REPLACE_ONE


# Coarse counts.


@pytest.mark.parametrize('granularity', [1, 2, 5, 7, 1000])
def test_coarse_counts_are_the_nearest_multiples_halves_up(granularity):
  counts = np.arange(60).reshape(6, 10)
  coarse = privacy.coarsen_counts(counts, granularity)
  assert coarse.dtype == np.int64
  for count, rounded in zip(counts.ravel(), coarse.ravel()):
    multiples = granularity * np.arange(61)
    distances = np.abs(multiples - count)
    assert rounded == multiples[distances == distances.min()].max()


def test_coarse_counts_hide_what_lies_in_one_bin():
  counts = np.arange(8, 13).reshape(1, 5)  # 7.5 to 12.5 in whole numbers.
  np.testing.assert_array_equal(
      privacy.coarsen_counts(counts, 5), np.full((1, 5), 10)
  )


def test_rounding_up_past_an_int64_is_refused():
  largest = 2**63 - 1
  np.testing.assert_array_equal(
      privacy.coarsen_counts([[largest, 0]], 1), [[largest, 0]]
  )
  np.testing.assert_array_equal(
      privacy.coarsen_counts([[2, 2**62 - 1]], 2**62), [[0, 2**62]]
  )
  with pytest.raises(ValueError, match='coarse counts adds up to 92233720'):
    privacy.coarsen_counts([[largest, 0]], 2)


@pytest.mark.parametrize(
    'granularity, error',
    [(0, ValueError), (-1, ValueError), (2**63, ValueError), (2.0, TypeError)],
)
def test_a_wrong_granularity_is_refused(granularity, error):
  with pytest.raises(error, match='granularity must'):
    privacy.coarsen_counts([[1, 2]], granularity)


# Private counts.


@pytest.mark.parametrize('epsilon', [0.3, 1, 3.0])
@pytest.mark.parametrize(
    'relation, sensitivity', [(_ADD_OR_REMOVE, 1), (_REPLACE, 2)]
)
def test_noise_is_discrete_laplace_of_the_stated_epsilon(
    epsilon, relation, sensitivity
):
  counts = np.full((100, 200), 10**6)
  noisy = privacy.privatize_counts(
      counts, epsilon, neighboring_relation=relation, seed=1
  )
  noise = noisy - counts
  assert noise_oracle.p_value(noise, epsilon / sensitivity) > 0.01
  # A fifth more or less would be noticed.
  assert noise_oracle.p_value(noise, 1.2 * epsilon / sensitivity) < 1e-6
  assert noise_oracle.p_value(noise, epsilon / sensitivity / 1.2) < 1e-6


def test_adding_or_removing_is_the_default_relation():
  counts = np.full((2, 50), 1000)
  np.testing.assert_array_equal(
      privacy.privatize_counts(counts, 0.5, seed=3),
      privacy.privatize_counts(
          counts, 0.5, neighboring_relation=_ADD_OR_REMOVE, seed=3
      ),
  )


def test_what_falls_below_zero_is_cut_off_and_nothing_else():
  counts = np.array([[0, 3, 10**6]] * 300)
  noise = privacy.privatize_counts(counts + 10**6, 0.5, seed=2) - (
      counts + 10**6
  )
  noisy = privacy.privatize_counts(counts, 0.5, seed=2)
  assert noisy.dtype == np.int64
  assert (counts + noise < 0).any()
  np.testing.assert_array_equal(noisy, np.maximum(counts + noise, 0))


def test_large_counts_stay_exact_and_do_not_overflow():
  # A float64 tells no such neighbors apart.
  counts = np.full((40, 2), 2**56)
  noise = privacy.privatize_counts(counts, 2.0, seed=0) - counts
  small = np.full((40, 2), 99)
  small = privacy.privatize_counts(small, 2.0, seed=0) - small
  np.testing.assert_array_equal(noise, small)
  for seed in range(20):
    largest = privacy.privatize_counts([[2**63 - 1, 0]], 0.1, seed=seed)
    assert 2**62 < largest[0, 0] <= 2**63 - 1


def test_noise_depends_on_the_seed_and_the_row_alone():
  counts = np.full((3, 50), 1000)
  noisy = privacy.privatize_counts(counts, 1.0, seed=4)
  np.testing.assert_array_equal(
      noisy, privacy.privatize_counts(counts, 1.0, seed=4)
  )
  np.testing.assert_array_equal(
      noisy[:1], privacy.privatize_counts(counts[:1], 1.0, seed=4)
  )
  assert (noisy[0] != noisy[1]).any()
  assert (noisy != privacy.privatize_counts(counts, 1.0, seed=5)).any()


def test_without_a_seed_noise_is_drawn_anew_and_ignores_numpys_seed():
  counts = np.full((1, 100), 1000)
  draws = []
  for _ in range(2):
    np.random.seed(0)
    draws.append(privacy.privatize_counts(counts, 0.5))
  assert (draws[0] != draws[1]).any()


@pytest.mark.parametrize(
    'epsilon, error',
    [
        (0, ValueError),
        (-1.0, ValueError),
        (1e-9, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        ('1', TypeError),
        (True, TypeError),
        (None, TypeError),
    ],
)
def test_a_wrong_epsilon_is_refused(epsilon, error):
  with pytest.raises(error, match='epsilon must be'):
    privacy.privatize_counts([[1, 2]], epsilon)
  with pytest.raises(error, match='epsilon must be'):
    privacy.total_epsilon(epsilon, 1)


def test_other_wrong_arguments_are_refused_by_name():
  with pytest.raises(ValueError, match=r'counts\[0, 1\] is -2'):
    privacy.privatize_counts([[1, -2]], 1.0)
  with pytest.raises(ValueError, match='seed must be at least 0'):
    privacy.privatize_counts([[1, 2]], 1.0, seed=-1)
  special = dp_accounting.NeighboringRelation.REPLACE_SPECIAL
  for relation in (special, 'replace'):
    with pytest.raises(ValueError, match='neighboring_relation must be'):
      privacy.privatize_counts(
          [[1, 2]], 1.0, neighboring_relation=relation
      )


# Accounting.


@pytest.mark.parametrize('relation', [_ADD_OR_REMOVE, _REPLACE])
@pytest.mark.parametrize(
    'epsilon, num_reports', [(0.3, 1), (2.0, 1), (0.1, 40)]
)
def test_pure_epsilons_add_up(epsilon, num_reports, relation):
  assert privacy.total_epsilon(
      epsilon, num_reports, neighboring_relation=relation
  ) == pytest.approx(epsilon * num_reports)


def delta_of(epsilon, loss, num_counts):
  """The delta at epsilon of counts that change by one each, each at `loss`.

  The likelihood ratio of one such count is exp(loss) where its noise is on the
  near side, with probability 1 / (1 + exp(-loss)), and exp(-loss) elsewhere.
  """
  near = np.arange(num_counts + 1)
  distribution = scipy.stats.binom(num_counts, 1 / (1 + np.exp(-loss)))
  losses = (2 * near - num_counts) * loss
  return (
      distribution.pmf(near) * np.maximum(1 - np.exp(epsilon - losses), 0)
  ).sum()


@pytest.mark.parametrize(
    'relation, loss, counts', [(_ADD_OR_REMOVE, 0.2, 30), (_REPLACE, 0.1, 60)]
)
def test_many_reports_are_composed_exactly(relation, loss, counts):
  delta = 1e-5
  total = privacy.total_epsilon(
      0.2, 30, delta=delta, neighboring_relation=relation
  )
  assert total < 30 * 0.2
  assert delta_of(total, loss, counts) == pytest.approx(delta, rel=1e-4)


def test_a_delta_never_gives_more_than_adding_up():
  for delta in (1e-300, 1e-12, 0.5):
    assert privacy.total_epsilon(3.0, 4, delta=delta) <= 12.0


@pytest.mark.parametrize(
    'arguments, error, name',
    [
        (dict(num_reports=0), ValueError, 'num_reports'),
        (dict(num_reports=1.0), TypeError, 'num_reports'),
        (dict(num_reports=1, delta=1.0), ValueError, 'delta'),
        (dict(num_reports=1, delta=-0.1), ValueError, 'delta'),
        (dict(num_reports=1, delta=math.nan), ValueError, 'delta'),
        (dict(num_reports=1, delta='0'), TypeError, 'delta'),
    ],
)
def test_wrong_accounting_arguments_are_refused(arguments, error, name):
  with pytest.raises(error, match=f'{name} must be'):
    privacy.total_epsilon(1.0, **arguments)
