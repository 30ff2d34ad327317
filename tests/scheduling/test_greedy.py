import fractions
import math

import numpy as np
import pytest
import scipy.stats

from astraea_tff.labels import divergence
from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import schedule as schedule_lib


def _mirrored(generator, num_clients, num_classes):
  """Shuffles of a few histograms: divergences tie although counts differ."""
  kinds = generator.integers(0, 5, (2, num_classes))
  return np.stack([
      generator.permutation(kinds[generator.integers(2)])
      for _ in range(num_clients)
  ])


def _one_class(generator, num_clients, num_classes):
  counts = np.zeros((num_clients, num_classes), np.int64)
  labels = generator.integers(0, num_classes, num_clients)
  counts[np.arange(num_clients), labels] = generator.integers(
      1, 6, num_clients
  )
  return counts


def _dense(generator, num_clients, num_classes):
  return generator.integers(0, 7, (num_clients, num_classes))


def _sparse(generator, num_clients, num_classes):
  """Many zeros, empty clients among them."""
  counts = generator.integers(1, 7, (num_clients, num_classes))
  return counts * (generator.random(counts.shape) < 0.3)


def _duplicated(generator, num_clients, num_classes):
  kinds = generator.integers(0, 5, (3, num_classes))
  kinds[2] = 0
  return kinds[generator.integers(0, 3, num_clients)]


def _dirichlet(generator, num_clients, num_classes):
  shares = generator.dirichlet(np.full(num_classes, 0.3), num_clients)
  sizes = generator.integers(0, 500, (num_clients, 1))
  return np.floor(shares * sizes).astype(np.int64)


def _greedy(clients, max_clients, choose):
  """Algorithm 3 word by word; `choose` gets a mediator and the clients left."""
  left, mediators = sorted(clients), []
  while left:
    mediator = []
    while left and len(mediator) < max_clients:
      client = choose(tuple(mediator), tuple(left))
      mediator.append(client)
      left.remove(client)
    mediators.append(tuple(mediator))
  return tuple(mediators)


def _exact_choice(counts, weights):
  """Chooses in integer arithmetic, where equal divergences are equal.

  For pooled counts x of sum n, `exp(n D)` is, but for a factor that is the same
  for all, `prod(x^x) / (n^n prod(weight^x))`: a fraction.
  """
  counts = [[int(count) for count in row] for row in counts]
  weights = [int(weight) for weight in weights]

  def power(client, mediator):
    members = [counts[k] for k in (*mediator, client)]
    pooled = [sum(column) for column in zip(*members)]
    size = sum(pooled)
    if not size:
      return fractions.Fraction(1, min(weights)), 1
    numerator = math.prod(count**count for count in pooled)
    denominator = size**size * math.prod(
        weight**count for weight, count in zip(weights, pooled)
    )
    return fractions.Fraction(numerator, denominator), size

  def choose(mediator, left):
    best, *others = left
    best_power, best_size = power(best, mediator)
    for client in others:
      client_power, size = power(client, mediator)
      if client_power**best_size < best_power**size:
        best, best_power, best_size = client, client_power, size
    return best

  return choose


def _divergence(pooled, target):
  """D_KL(pooled || target), every sum rounded once only."""
  size = math.fsum(pooled)
  if not size:
    return max(-math.log(share) for share in target if share > 0)
  return math.fsum(
      count / size * (math.log(count / size) - math.log(share))
      for count, share in zip(pooled, target)
      if count
  )


def _float_choice(counts, target):
  total = math.fsum(target)
  target = [share / total for share in target]

  def choose(mediator, left):
    pooled = counts[list(mediator)].sum(axis=0)
    divergences = {
        client: _divergence((pooled + counts[client]).tolist(), target)
        for client in left
    }
    smallest = min(divergences.values())
    return min(k for k in left if divergences[k] <= smallest + 1e-12)

  return choose


def _pooled(counts, mediators):
  return np.stack([counts[list(members)].sum(axis=0) for members in mediators])


def _uniform(counts):
  return np.ones(counts.shape[1])


_COUNTS = np.array([[4, 0, 0], [1, 2, 3], [0, 0, 0], [0, 5, 1], [2, 2, 2]])


# The greedy choice.


def test_the_first_mediators_by_hand():
  # Client 4 is uniform; adding the empty client 2 keeps it so; then client 1
  # is the best of three that make it worse.
  schedule = greedy.reschedule(_COUNTS, 3)
  assert schedule.mediators == ((4, 2, 1), (3, 0))
  np.testing.assert_allclose(
      schedule.kl_divergence,
      [
          scipy.stats.entropy([3, 4, 5], [1, 1, 1]),
          scipy.stats.entropy([4, 5, 1], [1, 1, 1]),
      ],
  )
  assert schedule.max_clients == 3


@pytest.mark.parametrize(
    'make', [_mirrored, _one_class, _dense, _sparse, _duplicated]
)
def test_every_pick_is_the_exact_argmin_and_ties_go_to_the_lowest(make):
  generator = np.random.default_rng(0)
  for _ in range(30):
    num_clients, num_classes = generator.integers([1, 2], [13, 5])
    counts = make(generator, num_clients, num_classes)
    max_clients = int(generator.integers(1, 6))
    weights = generator.integers(1, 4, num_classes)
    for target in (np.ones(num_classes, int), weights):
      schedule = greedy.reschedule(counts, max_clients, target=target)
      assert schedule.mediators == _greedy(
          range(num_clients), max_clients, _exact_choice(counts, target)
      )


@pytest.mark.parametrize('make', [_dirichlet, _mirrored, _one_class, _sparse])
@pytest.mark.parametrize('num_classes', [2, 10, 47])
def test_every_pick_is_the_argmin_at_the_papers_sizes(make, num_classes):
  generator = np.random.default_rng(num_classes)
  for max_clients in (1, 4, 10):
    counts = make(generator, 40, num_classes)
    target = generator.random(num_classes) + 0.01
    for given, meant in (
        (None, _uniform(counts)),
        ('pooled', counts.sum(axis=0)),
        (target, target),
    ):
      schedule = greedy.reschedule(counts, max_clients, target=given)
      assert schedule.mediators == _greedy(
          range(40), max_clients, _float_choice(counts, meant)
      )


def test_mirrored_clients_are_taken_in_the_order_of_their_indices():
  # The divergences of all are equal, their sums round differently.
  generator = np.random.default_rng(0)
  kind = generator.integers(0, 10**6, 47)
  counts = np.stack([generator.permutation(kind) for _ in range(50)])
  divergences = divergence.kl_divergence(counts)
  assert len(set(divergences.tolist())) > 1
  schedule = greedy.reschedule(counts, 1)
  assert schedule.mediators == tuple((k,) for k in range(50))


def test_multiples_of_one_histogram_tie():
  kind = np.array([1, 2, 4, 0])
  counts = np.stack([kind * factor for factor in (7, 1, 10**6, 3, 10**15)])
  assert greedy.reschedule(counts, 5).mediators == ((0, 1, 2, 3, 4),)


def test_counts_beyond_double_precision_are_scheduled():
  huge = 2**60
  counts = np.array([[huge, 0], [0, 3], [huge // 2, huge], [0, huge // 2]])
  schedule = greedy.reschedule(counts, 4)
  assert schedule.mediators == ((2, 0, 3, 1),)
  assert schedule.kl_divergence[0] == pytest.approx(0, abs=1e-12)


def test_an_empty_client_is_as_bad_as_a_one_class_client_to_begin_with():
  counts = [[0, 0, 0], [9, 0, 0], [0, 0, 0], [0, 1, 0]]
  schedule = greedy.reschedule(counts, 1)
  assert schedule.mediators == ((0,), (1,), (2,), (3,))
  counts[3] = [0, 1, 1]
  schedule = greedy.reschedule(counts, 1)
  assert schedule.mediators == ((3,), (0,), (1,), (2,))
  np.testing.assert_allclose(
      schedule.kl_divergence, [np.log(1.5)] + [np.log(3)] * 3
  )


# What public attempts got wrong.


def test_the_best_client_is_taken_and_not_the_last_one():
  last = _greedy(range(5), 3, lambda mediator, left: left[-1])
  schedule = greedy.reschedule(_COUNTS, 3)
  assert last != schedule.mediators
  assert schedule.mediators[0][0] == 4
  assert schedule.mediators[0][2] == 1 and last[0][2] == 2


def test_the_divergence_is_not_reversed():
  counts = np.array([[1, 98, 1], [50, 50, 0]])

  def reversed_divergence(client):
    return scipy.stats.entropy([1, 1, 1], counts[client])

  assert reversed_divergence(1) == np.inf
  assert min((0, 1), key=reversed_divergence) == 0
  assert greedy.reschedule(counts, 1).mediators == ((1,), (0,))


def test_the_default_target_is_uniform_and_not_the_global_distribution():
  counts = np.array([[9, 1], [5, 5], [9, 1], [9, 1]])
  to_global = greedy.reschedule(counts, 1, target=counts.sum(axis=0))
  assert to_global.mediators == ((0,), (2,), (3,), (1,))
  schedule = greedy.reschedule(counts, 1)
  assert schedule.mediators == ((1,), (0,), (2,), (3,))


def test_counts_are_pooled_and_not_distributions_averaged():
  counts = np.array([[60, 40], [0, 100], [20, 40], [2, 3]])
  shares = counts / counts.sum(axis=1, keepdims=True)

  def averaged(client):
    return divergence.kl_divergence(shares[0] + shares[client])

  assert greedy.reschedule(counts[:1], 2).mediators == ((0,),)
  # Client 3 has the mirrored shares of client 0, but not its weight.
  assert min((1, 2, 3), key=averaged) == 3
  schedule = greedy.reschedule(counts, 2)
  assert schedule.mediators[0] == (0, 2)
  assert schedule.kl_divergence[0] == 0


# Mediators.


@pytest.mark.parametrize('max_clients', range(1, 14))
@pytest.mark.parametrize('num_clients', range(1, 13))
def test_every_client_has_one_place_and_only_the_last_mediator_is_short(
    num_clients, max_clients
):
  generator = np.random.default_rng(num_clients)
  counts = _sparse(generator, num_clients, 4)
  for schedule in (
      greedy.reschedule(counts, max_clients),
      greedy.random_schedule(counts, max_clients, seed=3),
  ):
    placed = [k for mediator in schedule.mediators for k in mediator]
    assert sorted(placed) == list(range(num_clients))
    full, rest = divmod(num_clients, max_clients)
    sizes = [len(mediator) for mediator in schedule.mediators]
    assert sizes == [max_clients] * full + [rest] * (rest > 0)
    assert schedule.num_clients == num_clients
    assert schedule.num_mediators == len(sizes)


@pytest.mark.parametrize('target', [None, 'pooled', np.arange(1, 11)])
def test_the_divergences_are_those_of_the_pooled_counts(target):
  counts = _dirichlet(np.random.default_rng(0), 33, 10)
  given = counts.sum(axis=0) if isinstance(target, str) else target
  for schedule in (
      greedy.reschedule(counts, 7, target=target),
      greedy.random_schedule(counts, 7, seed=0, target=target),
  ):
    pooled = _pooled(counts, schedule.mediators)
    np.testing.assert_array_equal(
        schedule.kl_divergence, divergence.kl_divergence(pooled, given)
    )
    scipys = _uniform(counts) if given is None else given
    np.testing.assert_allclose(
        schedule.kl_divergence,
        [scipy.stats.entropy(row, scipys) for row in pooled],
    )
    assert schedule.mean_kl_divergence == pytest.approx(
        np.mean(schedule.kl_divergence)
    )


def test_a_class_that_nobody_has_leaves_divergences_finite():
  counts = np.array([[3, 0, 1], [1, 0, 3], [0, 0, 5]])
  schedule = greedy.reschedule(counts, 2)
  assert schedule.mediators == ((0, 1), (2,))
  np.testing.assert_allclose(
      schedule.kl_divergence, [np.log(1.5), np.log(3)]
  )
  pooled = greedy.reschedule(counts, 2, target='pooled')
  assert np.isfinite(pooled.kl_divergence).all()


def test_clients_without_any_examples_are_scheduled_by_index():
  counts = np.zeros((3, 4), int)
  for target in (None, 'pooled'):
    schedule = greedy.reschedule(counts, 2, target=target)
    assert schedule.mediators == ((0, 1), (2,))
    np.testing.assert_array_equal(schedule.kl_divergence, [np.log(4)] * 2)


# Scheduling some of the clients.


def test_some_clients_are_scheduled_as_if_there_were_no_others():
  generator = np.random.default_rng(0)
  counts = _dirichlet(generator, 60, 10)
  clients = generator.permutation(60)[:25]
  for target in (None, 'pooled'):
    schedule = greedy.reschedule(
        counts, 4, target=target, clients=clients
    )
    ascending = np.sort(clients)
    alone = greedy.reschedule(counts[ascending], 4, target=target)
    assert schedule.mediators == tuple(
        tuple(ascending[list(mediator)].tolist())
        for mediator in alone.mediators
    )
    np.testing.assert_array_equal(schedule.kl_divergence, alone.kl_divergence)


def test_the_pooled_target_is_that_of_the_scheduled_clients():
  counts = np.array([[8, 1], [4, 4], [7, 2], [0, 900]])
  schedule = greedy.reschedule(
      counts, 1, target='pooled', clients=[0, 1, 2]
  )
  assert schedule == greedy.reschedule(
      counts[:3], 1, target=[19, 7]
  )
  assert schedule.mediators[0] == (2,)


def test_ties_go_to_the_lowest_index_whatever_order_clients_are_given_in():
  counts = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]])
  for clients in ([4, 1, 3, 2], (1, 2, 3, 4), range(4, 0, -1)):
    schedule = greedy.reschedule(counts, 2, clients=clients)
    assert schedule.mediators == ((1, 2), (3, 4))


def test_a_target_may_be_zero_for_a_class_the_scheduled_clients_lack():
  counts = [[1, 1, 0], [0, 0, 1], [2, 1, 0]]
  schedule = greedy.reschedule(
      counts, 2, target=[1, 1, 0], clients=[0, 2]
  )
  assert schedule.mediators == ((0, 2),)
  with pytest.raises(ValueError, match='target is zero for class 2'):
    greedy.reschedule(counts, 2, target=[1, 1, 0])


# Invariances.


def test_the_schedule_is_the_same_every_time_and_counts_stay_as_they_were():
  counts = _dirichlet(np.random.default_rng(0), 50, 10)
  before = counts.copy()
  assert greedy.reschedule(counts, 6) == greedy.reschedule(
      counts, 6
  )
  np.testing.assert_array_equal(counts, before)


def test_neither_the_order_of_classes_nor_the_unit_of_counts_matters():
  generator = np.random.default_rng(0)
  counts = _dirichlet(generator, 50, 10)
  schedule = greedy.reschedule(counts, 6)
  for other in (
      counts[:, generator.permutation(10)],
      counts * 1000,
      counts.astype(np.int32),
      np.asfortranarray(counts),
      counts.tolist(),
  ):
    assert greedy.reschedule(other, 6).mediators == schedule.mediators


def test_renumbering_clients_renumbers_the_schedule():
  generator = np.random.default_rng(0)
  counts = generator.integers(1, 1000, (50, 10))
  numbers = generator.permutation(50)
  schedule = greedy.reschedule(counts, 6)
  renumbered = greedy.reschedule(counts[numbers], 6)
  assert schedule.mediators == tuple(
      tuple(numbers[list(mediator)].tolist())
      for mediator in renumbered.mediators
  )


def test_the_scale_of_a_target_does_not_matter():
  counts = _dirichlet(np.random.default_rng(0), 30, 4)
  schedule = greedy.reschedule(counts, 5, target=[0.1, 0.2, 0.3, 0.4])
  scaled = greedy.reschedule(counts, 5, target=[1, 2, 3, 4])
  assert schedule.mediators == scaled.mediators


# Random mediators.


def test_random_mediators_depend_on_the_seed_alone():
  counts = _dirichlet(np.random.default_rng(0), 40, 5)
  schedule = greedy.random_schedule(counts, 5, seed=1)
  assert schedule == greedy.random_schedule(counts, 5, seed=1)
  assert schedule != greedy.random_schedule(counts, 5, seed=2)
  shuffled = np.random.default_rng(1).permutation(counts)
  assert schedule.mediators == (
      greedy.random_schedule(shuffled, 5, seed=1).mediators
  )


def test_random_mediators_hold_the_given_clients_whatever_their_order():
  counts = _dirichlet(np.random.default_rng(0), 40, 5)
  clients = [31, 4, 17, 8, 22]
  schedule = greedy.random_schedule(counts, 2, seed=1, clients=clients)
  assert sorted(sum(schedule.mediators, ())) == sorted(clients)
  assert schedule == greedy.random_schedule(
      counts, 2, seed=1, clients=clients[::-1]
  )


def test_random_orders_are_all_equally_likely():
  orders = [
      greedy.random_schedule(np.ones((3, 2), int), 3, seed=seed)
      .mediators[0]
      for seed in range(1200)
  ]
  frequencies = [orders.count(order) for order in set(orders)]
  assert len(frequencies) == 6
  assert scipy.stats.chisquare(frequencies).pvalue > 1e-3


# Bad input of both ways to schedule.


def _random(counts, max_clients, **kwargs):
  return greedy.random_schedule(counts, max_clients, seed=0, **kwargs)


_BOTH = pytest.mark.parametrize(
    'make', [greedy.reschedule, _random], ids=['greedy', 'random']
)


@_BOTH
@pytest.mark.parametrize(
    'max_clients, error',
    [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)],
)
def test_a_wrong_max_clients_is_refused(make, max_clients, error):
  with pytest.raises(error, match='max_clients must be'):
    make(_COUNTS, max_clients)


@_BOTH
def test_any_large_max_clients_makes_one_mediator(make):
  schedule = make(_COUNTS, 10**30)
  assert schedule.num_mediators == 1
  assert schedule_lib.Schedule.from_json(schedule.to_json()) == schedule


@_BOTH
@pytest.mark.parametrize(
    'counts, error',
    [
        ([1, 2], ValueError),
        (np.zeros((0, 3), int), ValueError),
        ([[1], [2]], ValueError),
        ([[1, -1]], ValueError),
        ([[1, np.nan]], ValueError),
        ([[1, np.inf]], ValueError),
        ([[1, 0.5]], ValueError),
        ([[1.0, 2.0]], TypeError),
        ([[True, False]], TypeError),
        ([[2**62, 2**62]], ValueError),
    ],
)
def test_wrong_counts_are_refused(make, counts, error):
  with pytest.raises(error, match='counts'):
    make(counts, 2)


@_BOTH
@pytest.mark.parametrize(
    'clients, error, message',
    [
        ([], ValueError, r'nonempty .*got shape \[0\]'),
        (3, ValueError, r'got shape \[\]'),
        ([[0, 1]], ValueError, r'got shape \[1, 2\]'),
        ([0, 5], ValueError, r'lie in \[0, 5\), .*got 5'),
        ([-1, 0], ValueError, r'lie in \[0, 5\), .*got -1'),
        ([0, 3, 1, 3], ValueError, 'distinct, got 3 2 times'),
        ([0.0, 1.0], TypeError, 'clients must hold ints'),
        ([True, False], TypeError, 'clients must hold ints'),
        (['a'], TypeError, 'clients must hold ints'),
    ],
)
def test_wrong_clients_are_refused(make, clients, error, message):
  with pytest.raises(error, match=message):
    make(_COUNTS, 2, clients=clients)


@_BOTH
@pytest.mark.parametrize(
    'target, error, message',
    [
        ([1, 1], ValueError, r'target must have shape \[3\]'),
        ([1, -1, 1], ValueError, r'target\[1\] is -1'),
        ([1, np.nan, 1], ValueError, r'target\[1\] is nan'),
        ([1, np.inf, 1], ValueError, r'target\[1\] is inf'),
        ([0, 0, 0], ValueError, 'all zeros'),
        ([1, 0, 1], ValueError, 'target is zero for class 1'),
        ('global', ValueError, "None, 'pooled' or .*got 'global'"),
        (['a', 'b', 'c'], TypeError, 'target must hold'),
    ],
)
def test_a_wrong_target_is_refused(make, target, error, message):
  with pytest.raises(error, match=message):
    make(_COUNTS, 2, target=target)


@pytest.mark.parametrize(
    'seed, error', [(-1, ValueError), (None, TypeError), (0.5, TypeError)]
)
def test_a_wrong_seed_is_refused(seed, error):
  with pytest.raises(error, match='seed must be'):
    greedy.random_schedule(_COUNTS, 2, seed=seed)
