import itertools

import numpy as np
import pytest

from astraea_tff.labels import divergence
from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import refinement
from astraea_tff.scheduling import schedule as schedule_lib


def _counts(seed, num_clients, num_classes, beta=0.3):
  generator = np.random.default_rng(seed)
  shares = generator.dirichlet(np.full(num_classes, beta), num_clients)
  sizes = generator.integers(1, 400, (num_clients, 1))
  return generator.poisson(shares * sizes)


def _objective(counts, mediators, target=None, size_weight=0.0):
  """The summed divergence, and the penalty, from their definitions."""
  pooled = np.array([counts[list(mediator)].sum(0) for mediator in mediators])
  sizes = pooled.sum(axis=1)
  excess = sizes / sizes.mean() - 1
  return (
      divergence.kl_divergence(pooled, target).sum()
      + size_weight * (excess**2).sum()
  )


def _best_exchange(counts, mediators, target=None, size_weight=0.0):
  """The least objective that any single exchange leads to."""
  places = [
      (m, p) for m, group in enumerate(mediators) for p in range(len(group))
  ]
  best = np.inf
  for (m, p), (other, q) in itertools.combinations(places, 2):
    if m != other:
      changed = [list(group) for group in mediators]
      changed[m][p], changed[other][q] = changed[other][q], changed[m][p]
      best = min(best, _objective(counts, changed, target, size_weight))
  return best


@pytest.mark.parametrize('size_weight', [0, 0.5])
@pytest.mark.parametrize('target', [None, 'pooled', [1, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize(
    'num_clients, max_clients', [(24, 5), (21, 4), (12, 1)]
)
def test_in_the_end_no_exchange_lowers_the_objective(
    num_clients, max_clients, target, size_weight
):
  for seed in range(3):
    counts = _counts(seed, num_clients, 6)
    given = counts.sum(axis=0) if target == 'pooled' else target
    start = greedy.reschedule(counts, max_clients, target=target)
    refined = refinement.refine(
        start, counts, target=target, size_weight=size_weight
    )
    before, after = (
        _objective(counts, s.mediators, given, size_weight)
        for s in (start, refined)
    )
    assert after <= before + 1e-12
    assert _best_exchange(
        counts, refined.mediators, given, size_weight
    ) >= after - 1e-9
    if max_clients > 1 and not size_weight:
      assert after < before


def test_an_exchange_by_hand():
  counts = np.array([[4, 0], [5, 0], [0, 4], [0, 5]])
  schedule = schedule_lib.Schedule([[0, 1], [2, 3]], [1, 1], 2)
  refined = refinement.refine(schedule, counts)
  # Each balances its equal exactly; who moves takes the partner's place.
  assert sorted(map(sorted, refined.mediators)) == [[0, 2], [1, 3]]
  np.testing.assert_allclose(refined.kl_divergence, [0, 0], atol=1e-12)


def _partitions(clients, size):
  """All ways to divide clients into groups of one size."""
  if not clients:
    yield []
    return
  first, *others = clients
  for chosen in itertools.combinations(others, size - 1):
    left = [client for client in others if client not in chosen]
    for groups in _partitions(left, size):
      yield [(first, *chosen), *groups]


def test_tiny_schedules_come_near_the_best_of_all():
  excesses = []
  for seed in range(12):
    counts = _counts(seed, 8, 4)
    optimum = min(_objective(counts, p) for p in _partitions(list(range(8)), 2))
    start = greedy.reschedule(counts, 2)
    refined = refinement.refine(start, counts)
    total, by_greedy = refined.kl_divergence.sum(), start.kl_divergence.sum()
    assert optimum - 1e-12 <= total <= by_greedy + 1e-12
    excesses.append(total / optimum - 1)
  # A local optimum need not be the best; most are here, and none is far off.
  assert np.median(excesses) < 1e-9
  assert max(excesses) < 0.25


@pytest.mark.parametrize('num_clients', [33, 40])
def test_mediators_keep_their_numbers_of_clients(num_clients):
  counts = _counts(0, num_clients, 10)
  clients = np.random.default_rng(1).permutation(num_clients)[:27]
  start = greedy.random_schedule(counts, 5, seed=0, clients=clients)
  refined = refinement.refine(start, counts)
  assert refined != start
  assert list(map(len, refined.mediators)) == list(map(len, start.mediators))
  assert sorted(sum(refined.mediators, ())) == sorted(clients)
  assert refined.max_clients == 5
  pooled = [counts[list(mediator)].sum(0) for mediator in refined.mediators]
  np.testing.assert_array_equal(
      refined.kl_divergence, divergence.kl_divergence(pooled)
  )


def test_the_pooled_target_is_that_of_the_scheduled_clients():
  counts = _counts(0, 40, 4)
  counts[20:] = [900, 0, 0, 1]
  start = greedy.random_schedule(counts, 5, seed=0, clients=range(20))
  assert refinement.refine(start, counts, target='pooled') == refinement.refine(
      start, counts[:20], target=counts[:20].sum(axis=0)
  )


def test_the_worst_mediator_of_greedy_gets_better():
  counts = _counts(3, 100, 10)
  start = greedy.reschedule(counts, 10)
  refined = refinement.refine(start, counts)
  assert refined.kl_divergence.max() < 0.7 * start.kl_divergence.max()
  assert refined.mean_kl_divergence < 0.95 * start.mean_kl_divergence


def test_the_result_is_the_same_every_time_and_is_final():
  counts = _counts(0, 60, 10)
  before = counts.copy()
  start = greedy.reschedule(counts, 6)
  refined = refinement.refine(start, counts)
  assert refined == refinement.refine(start, counts)
  assert refined == refinement.refine(refined, counts)
  np.testing.assert_array_equal(counts, before)


def test_sweeps_lower_the_sum_one_after_another():
  counts = _counts(0, 60, 10)
  schedule = greedy.random_schedule(counts, 6, seed=0)
  sums = [schedule.kl_divergence.sum()]
  for sweeps in (1, 2, 3):
    refined = refinement.refine(schedule, counts, max_sweeps=sweeps)
    sums.append(refined.kl_divergence.sum())
  assert sums[0] > sums[1] > sums[2] >= sums[3]
  assert refinement.refine(schedule, counts).kl_divergence.sum() <= sums[3]


def test_a_size_weight_makes_sizes_more_even():
  counts = _counts(0, 60, 5) * np.geomspace(1, 30, 60).astype(int)[:, None]
  start = greedy.reschedule(counts, 6)
  spreads, sums = [], []
  for weight in (0, 0.1, 10):
    refined = refinement.refine(start, counts, size_weight=weight)
    pooled = [counts[list(mediator)].sum() for mediator in refined.mediators]
    spreads.append(np.std(pooled))
    sums.append(refined.kl_divergence.sum())
  assert spreads[0] > spreads[1] > spreads[2]
  assert sums[0] < sums[2]


def test_sizes_of_many_empty_clients_are_weighed_as_documented():
  counts = np.zeros([12, 2], int)
  counts[3, 1] = counts[4, 0] = 1
  mediators = [(3, 4), (0, 1), (2, 5), (6, 7), (8, 9), (10, 11)]
  schedule = schedule_lib.Schedule(mediators, [0.0] * 6, 2)

  def objective(of):
    pooled = np.array([counts[list(m)].sum(axis=0) for m in of.mediators])
    sizes = pooled.sum(axis=1)
    return (
        divergence.kl_divergence(pooled).sum()
        + ((sizes / sizes.mean() - 1) ** 2).sum()
    )

  refined = refinement.refine(schedule, counts, size_weight=1.0)
  # Together they are six times the mean, apart three times; empty ones count
  # as of one class.
  assert objective(schedule) == pytest.approx(5**2 + 5 + 5 * np.log(2))
  best = 2 * 2**2 + 4 + 6 * np.log(2)
  assert objective(refined) == pytest.approx(best)


def test_clients_without_examples_and_huge_counts_are_refined():
  counts = np.zeros((6, 3), int)
  start = greedy.reschedule(counts, 2)
  assert refinement.refine(start, counts) == start
  counts = _counts(0, 20, 5)
  counts[:3] = 0
  start = greedy.random_schedule(counts, 4, seed=0)
  refined = refinement.refine(start, counts)
  assert refined.mediators == refinement.refine(start, counts << 40).mediators
  assert _best_exchange(counts, refined.mediators) >= (
      _objective(counts, refined.mediators) - 1e-9
  )


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        ({'schedule': ((0, 1),)}, TypeError, 'schedule must be a .*Schedule, got'),
        ({'counts': [[1, 2]]}, ValueError, 'got 1 rows .* with client 3'),
        ({'counts': [[1.0, 2.0]] * 4}, TypeError, 'counts must hold integers'),
        ({'target': 'global'}, ValueError, "None, 'pooled' or"),
        ({'target': [1, 0]}, ValueError, 'target is zero for class 1'),
        ({'size_weight': -1}, ValueError, 'size_weight must be .* got -1'),
        ({'size_weight': np.nan}, ValueError, 'size_weight must be .* nan'),
        ({'size_weight': '1'}, TypeError, 'size_weight must be a number'),
        ({'max_sweeps': 0}, ValueError, 'max_sweeps must be at least 1'),
        ({'max_sweeps': 1.5}, TypeError, 'max_sweeps must be an int'),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
  counts = [[1, 2], [3, 4], [5, 6], [7, 8]]
  schedule = greedy.reschedule(counts, 2)
  with pytest.raises(error, match=message):
    refinement.refine(**{'schedule': schedule, 'counts': counts, **arguments})


def test_clients_without_examples_leave_nothing_of_those_they_replace():
  """Sums of floats would: about 1e-17 of what had been there."""
  start = schedule_lib.Schedule(((4, 1), (0, 5), (2, 3), (7, 6)), [0.0] * 4, 2)
  counts = np.array([
      [0, 0, 0], [0, 0, 0], [2, 1, 1], [0, 0, 0],
      [0, 0, 0], [3, 1, 1], [1, 2, 4], [3, 1, 0],
  ])
  random = np.random.default_rng(0)
  for trial in range(40):
    refined = refinement.refine(start, counts)
    assert _best_exchange(counts, refined.mediators) >= (
        _objective(counts, refined.mediators) - 1e-9
    ), trial
    # As the next one, any clients, about half of them empty.
    counts = random.integers(0, 5, (8, 3)) * (random.random((8, 1)) < 0.5)
    start = greedy.random_schedule(counts, 2, seed=trial)


@pytest.mark.parametrize('largest', [10**11, 10**13])
def test_a_client_that_drowns_the_others_raises_no_sum(largest):
  random = np.random.default_rng(1)
  for trial in range(20):
    counts = random.integers(0, 5, (10, 3))
    counts[trial % 10] = random.multinomial(largest, [0.5, 0.3, 0.2])
    start = greedy.random_schedule(counts, 2, seed=trial)
    refined = refinement.refine(start, counts)
    assert _objective(counts, refined.mediators) <= (
        _objective(counts, start.mediators) + 1e-9
    )
