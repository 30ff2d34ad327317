import numpy as np
import pytest

from astraea_tff.labels import divergence
from astraea_tff.scheduling import approximate
from astraea_tff.scheduling import greedy


def _counts(seed, num_clients, num_classes, beta=0.3, shares=None):
  generator = np.random.default_rng(seed)
  shares = np.ones(num_classes) if shares is None else np.asarray(shares)
  mixes = generator.dirichlet(
      beta * num_classes * shares / shares.sum(), num_clients
  )
  return generator.poisson(460 * mixes)


def _approximate(counts, max_clients=10, seed=0, **kwargs):
  return approximate.reschedule_approximately(
      counts, max_clients, seed=seed, **kwargs
  )


@pytest.fixture
def never_exact(monkeypatch):
  """Sends small populations down the road of the large ones."""
  monkeypatch.setattr(approximate, '_LARGEST_EXACT', 0)


def test_small_populations_get_the_exact_schedule():
  counts = _counts(0, 300, 10)
  for target in (None, 'pooled', range(1, 11)):
    assert _approximate(counts, target=target) == (
        greedy.reschedule(counts, 10, target=target)
    )


@pytest.mark.parametrize('target', [None, 'pooled', range(1, 8)])
def test_one_mediator_at_a_time_with_all_candidates_is_algorithm_3(
    never_exact, monkeypatch, target
):
  monkeypatch.setattr(approximate, '_MEDIATORS_AT_ONCE', 1)
  for max_clients in (1, 4, 9):
    counts = _counts(max_clients, 100, 7)
    assert {
        frozenset(mediator)
        for mediator in _approximate(
            counts, max_clients, target=target
        ).mediators
    } == {
        frozenset(mediator)
        for mediator in greedy.reschedule(
            counts, max_clients, target=target
        ).mediators
    }


@pytest.mark.parametrize('beta', [0.1, 1, 30])
@pytest.mark.parametrize('imbalance', [1, 10])
def test_the_mean_divergence_is_at_most_two_percent_above_exact_greedys(
    beta, imbalance
):
  shares = np.geomspace(1, imbalance, 47)
  counts = _counts(0, 3000, 47, beta, shares)
  exact = greedy.reschedule(counts, 10)
  approximate = _approximate(counts)
  assert approximate.mean_kl_divergence <= 1.02 * exact.mean_kl_divergence
  assert approximate.kl_divergence.max() < exact.kl_divergence.max()


@pytest.mark.parametrize('beta', [0.1, 1])
def test_the_best_client_is_among_the_candidates(monkeypatch, beta):
  # With one mediator at a time, every pick is compared with brute force.
  monkeypatch.setattr(approximate, '_LARGEST_EXACT', 0)
  monkeypatch.setattr(approximate, '_MEDIATORS_AT_ONCE', 1)
  counts = _counts(1, 1000, 20, beta)
  schedule = _approximate(counts)
  left, num_best, num_picks = set(range(1000)), 0, 0
  for mediator in schedule.mediators[:40]:
    pooled = np.zeros(20, int)
    for client in mediator:
      others = np.array(sorted(left))
      divergences = divergence.kl_divergence(pooled + counts[others])
      pooled += counts[client]
      own = divergence.kl_divergence(pooled)
      num_best += own <= divergences.min() + 1e-6
      num_picks += 1
      left.remove(client)
  assert num_best >= 0.9 * num_picks


@pytest.mark.parametrize('num_clients', [1, 9, 10, 127, 333, 640, 1003])
@pytest.mark.parametrize('block_size', [1, 100, 501, 10**6])
def test_every_client_has_one_place_and_only_the_last_mediator_is_short(
    never_exact, num_clients, block_size
):
  counts = _counts(0, num_clients, 5)
  schedule = _approximate(counts, block_size=block_size)
  assert sorted(sum(schedule.mediators, ())) == list(range(num_clients))
  full, rest = divmod(num_clients, 10)
  lengths = [len(mediator) for mediator in schedule.mediators]
  assert lengths == [10] * full + [rest] * (rest > 0)
  pooled = [counts[list(mediator)].sum(0) for mediator in schedule.mediators]
  np.testing.assert_array_equal(
      schedule.kl_divergence, divergence.kl_divergence(pooled)
  )


def test_the_schedule_depends_on_the_seed_alone():
  counts = _counts(0, 2100, 5)
  before = counts.copy()
  schedule = _approximate(counts, seed=3, block_size=700)
  assert schedule == _approximate(
      counts.astype(np.int32), seed=3, block_size=700
  )
  assert schedule != _approximate(counts, seed=4, block_size=700)
  np.testing.assert_array_equal(counts, before)


def test_a_larger_block_leaves_more_to_choose_from():
  counts = _counts(0, 4000, 10, 1)
  means = [
      _approximate(counts, block_size=size).mean_kl_divergence
      for size in (100, 1000, 4000)
  ]
  assert means[0] > means[1] > means[2]


def test_the_clients_given_and_the_target_are_minded():
  counts = _counts(0, 5000, 6)
  clients = np.random.default_rng(0).permutation(5000)[:2200]
  schedule = _approximate(counts, target='pooled', clients=clients)
  assert sorted(sum(schedule.mediators, ())) == sorted(clients)
  target = counts[clients].sum(axis=0)
  assert schedule == _approximate(counts, target=target, clients=clients[::-1])
  random = greedy.random_schedule(
      counts, 10, seed=0, target=target, clients=clients
  )
  assert schedule.mean_kl_divergence < 0.2 * random.mean_kl_divergence


def test_clients_without_examples_and_huge_counts_are_scheduled(never_exact):
  empty = _approximate(np.zeros((300, 4), int))
  np.testing.assert_allclose(empty.kl_divergence, np.log(4))
  counts = _counts(0, 700, 8)
  counts[::7] = 0
  schedule = _approximate(counts)
  huge = _approximate(counts << 40)
  assert huge.mediators == schedule.mediators
  random = greedy.random_schedule(counts, 10, seed=0)
  assert schedule.mean_kl_divergence < 0.5 * random.mean_kl_divergence


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        ({'max_clients': 0}, ValueError, 'max_clients must be at least 1'),
        ({'seed': -1}, ValueError, 'seed must be at least 0'),
        ({'seed': None}, TypeError, 'seed must be an int'),
        ({'block_size': 0}, ValueError, 'block_size must be at least 1'),
        ({'counts': [[1.0, 2.0]]}, TypeError, 'counts must hold integers'),
        ({'clients': [0, 0]}, ValueError, 'clients must be distinct'),
        ({'target': [1, 1, 1]}, ValueError, r'target must have shape \[2\]'),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
  with pytest.raises(error, match=message):
    approximate.reschedule_approximately(**{
        'counts': [[1, 2], [3, 4]], 'max_clients': 2, 'seed': 0, **arguments
    })
