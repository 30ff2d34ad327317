import itertools

import numpy as np
import pytest

from astraea_tff.labels import divergence
from astraea_tff.scheduling import assignment
from astraea_tff.scheduling import greedy


def _counts(seed, num_clients, num_classes, beta=0.3):
  generator = np.random.default_rng(seed)
  shares = generator.dirichlet(np.full(num_classes, beta), num_clients)
  return generator.poisson(200 * shares)


@pytest.mark.parametrize('target', [None, [1, 2, 3, 4, 5]])
def test_every_round_is_the_best_of_all_assignments(target):
  for seed in range(5):
    counts = _counts(seed, 11, 5)
    schedule = assignment.reschedule_by_assignment(counts, 3, target=target)
    alone = divergence.kl_divergence(counts, target)
    starts = np.argsort(-alone, kind='stable')[:4]
    assert [mediator[0] for mediator in schedule.mediators] == starts.tolist()
    pooled, left = counts[starts], sorted(set(range(11)) - set(starts))
    for place in (1, 2):
      # Four mediators choose in the second round, three clients in the third.
      options = [
          [(m, k) for m, k in enumerate(chosen) if k is not None]
          for chosen in set(itertools.permutations(
              left + [None] * (4 - len(left)), 4
          ))
      ]
      sums = [
          sum(
              divergence.kl_divergence(pooled[m] + counts[k], target)
              for m, k in option
          )
          for option in options
      ]
      best = options[int(np.argmin(sums))]
      assert best == [
          (m, mediator[place])
          for m, mediator in enumerate(schedule.mediators)
          if len(mediator) > place
      ]
      for m, k in best:
        pooled[m] += counts[k]
        left.remove(k)


@pytest.mark.parametrize('max_clients', [1, 3, 5, 8, 50])
@pytest.mark.parametrize('num_clients', [1, 2, 12, 23])
def test_every_client_has_one_place_and_numbers_differ_by_one(
    num_clients, max_clients
):
  counts = _counts(0, num_clients, 4)
  schedule = assignment.reschedule_by_assignment(counts, max_clients)
  assert sorted(sum(schedule.mediators, ())) == list(range(num_clients))
  assert schedule.num_mediators == -(-num_clients // max_clients)
  lengths = list(map(len, schedule.mediators))
  assert max(lengths) - min(lengths) <= 1
  assert schedule.max_clients == max_clients
  pooled = [counts[list(mediator)].sum(0) for mediator in schedule.mediators]
  np.testing.assert_array_equal(
      schedule.kl_divergence, divergence.kl_divergence(pooled)
  )


def test_some_clients_are_scheduled_as_if_there_were_no_others():
  counts = _counts(0, 60, 10)
  clients = np.random.default_rng(0).permutation(60)[:25]
  schedule = assignment.reschedule_by_assignment(
      counts, 4, target='pooled', clients=clients
  )
  ascending = np.sort(clients)
  alone = assignment.reschedule_by_assignment(
      counts[ascending], 4, target=counts[clients].sum(axis=0)
  )
  assert schedule.mediators == tuple(
      tuple(ascending[list(mediator)].tolist()) for mediator in alone.mediators
  )


def test_the_worst_mediator_is_better_than_that_of_greedy():
  for seed in range(3):
    counts = _counts(seed, 200, 10)
    schedule = assignment.reschedule_by_assignment(counts, 10)
    by_greedy = greedy.reschedule(counts, 10)
    assert schedule.mean_kl_divergence < by_greedy.mean_kl_divergence
    assert schedule.kl_divergence.max() < 0.5 * by_greedy.kl_divergence.max()


def test_clients_without_examples_and_huge_counts_are_scheduled():
  counts = np.zeros((5, 3), int)
  schedule = assignment.reschedule_by_assignment(counts, 2)
  np.testing.assert_allclose(schedule.kl_divergence, [np.log(3)] * 3)
  counts = _counts(0, 20, 5)
  counts[:3] = 0
  schedule = assignment.reschedule_by_assignment(counts, 4)
  assert schedule.mediators == (
      assignment.reschedule_by_assignment(counts << 40, 4).mediators
  )


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        ({'max_clients': 0}, ValueError, 'max_clients must be at least 1'),
        ({'counts': [[1.0, 2.0]]}, TypeError, 'counts must hold integers'),
        ({'clients': [0, 0]}, ValueError, 'clients must be distinct'),
        ({'target': [1, 1, 1]}, ValueError, r'target must have shape \[2\]'),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
  with pytest.raises(error, match=message):
    assignment.reschedule_by_assignment(
        **{'counts': [[1, 2], [3, 4]], 'max_clients': 2, **arguments}
    )
