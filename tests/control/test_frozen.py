"""Passes of a policy that learns no more, and rounds of a data source by it."""

import chain_oracle
import numpy as np
import pytest

from astraea_tff.control import bandit
from astraea_tff.control import frozen
from astraea_tff.control import learned
from astraea_tff.control import policies
from astraea_tff.control import round_budget
from astraea_tff.scheduling import data_source
from astraea_tff.scheduling import schedule as schedule_lib

SCHEDULE = schedule_lib.Schedule(((0, 3), (1, 4), (2,)), [0.5, 0.2, 0.3], 2)
COUNTS = np.array([[7, 0], [4, 6], [2, 2], [0, 9], [1, 2]])
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4, 9, 3)]


def make(policy=None, **options):
  options = dict(round_budget=4) | options
  return frozen.FrozenPasses(
      SCHEDULE, COUNTS, policy or policies.KlPasses(), **options
  )


def learned_on(credits):
  """A bandit that knows the credits of some mediators."""
  policy = bandit.CreditBandit(3, seed=0, exploration=0.0)
  policy.learn(policies.RoundReport(
      1, tuple(range(3)), np.zeros((3, 12)), np.array(credits)[:, np.newaxis],
      np.ones((3, 1), bool),
  ))
  return policy


def test_passes_are_within_the_budget_and_the_same_in_every_round():
  # A full mediator is three models with one pass and five with two.
  for round_num in (1, 2, 30):
    assert make()(round_num, (1, 0)) == (2, 0)
    assert make(round_budget=6)(round_num, (1, 0, 2)) == (2, 1, 0)
  best_last = make(learned_on([0.1, -0.2, 0.9]), round_budget=2)
  assert best_last(3, (0, 1, 2)) == (0, 0, 1)


def test_fingerprints_differ_where_passes_may():
  policy = learned.LearnedPasses(seed=1, learns=False)
  one = make(policy).fingerprint
  assert one == make(learned.LearnedPasses(seed=1, learns=False)).fingerprint
  others = {
      make(learned.LearnedPasses(seed=2, learns=False)).fingerprint,
      make(policy, round_budget=5).fingerprint,
      make(policy, objective='seconds').fingerprint,
      make().fingerprint,
      frozen.FrozenPasses(SCHEDULE, COUNTS + 1, policy).fingerprint,
  }
  assert len(others | {one}) == 6


def test_a_data_source_trains_with_these_passes():
  passes = make(learned_on([0.9, 0.1, 0.5]))
  source = data_source.MediatorDataSource(
      SCHEDULE, CLIENTS, seed=5, passes=passes, reshuffled=True
  )
  rounds = SCHEDULE.rounds(
      CLIENTS, 3, seed=5, passes=passes, reshuffled=True
  )
  assert str(source.federated_type).startswith('{<order=int32[2]*,clients=')
  iterator = source.iterator()
  for _ in range(3):
    selected, expected = iterator.select(3), next(rounds)
    # The best two of 5 models, of 6 that may be sent: one of two clients and
    # one of one.
    assert len(selected) == len(expected) == 2
    for one, other in zip(selected, expected):
      np.testing.assert_array_equal(one['order'], other['order'])
      assert len(one['order']) == 1


def test_a_source_of_other_passes_refuses_a_saved_iterator():
  sources = [
      data_source.MediatorDataSource(
          SCHEDULE, CLIENTS, seed=5, passes=make(learned_on(credits))
      )
      for credits in ([1.0, 2, 3], [3.0, 2, 1])
  ]
  saved = sources[0].iterator().to_bytes()
  assert type(sources[0].iterator()).from_bytes(saved) == sources[0].iterator()
  with pytest.raises(ValueError, match='belongs to another schedule'):
    type(sources[1].iterator()).from_bytes(saved)
  with pytest.raises(TypeError, match='`passes` must be'):
    data_source.MediatorDataSource(SCHEDULE, CLIENTS, seed=5, passes=2)


def test_fingerprints_tell_what_a_policy_was_made_with():
  made = [
      bandit.CreditBandit(3, seed=1), bandit.CreditBandit(3, seed=2),
      bandit.CreditBandit(3, seed=1, exploration=2.0),
      learned.LearnedPasses(seed=1, explore=0.5),
      learned.LearnedPasses(seed=1, explore=0.1),
  ]
  assert len({make(policy).fingerprint for policy in made}) == len(made)
  again = make(bandit.CreditBandit(3, seed=1))
  assert again.fingerprint == make(made[0]).fingerprint
  again(1, (0, 1, 2))
  assert again.fingerprint == make(made[0]).fingerprint


@pytest.mark.parametrize('seed', range(6))
def test_a_source_whose_first_mediator_is_too_dear_alone(seed):
  """Of two mediators in a round, the other one is within the budget."""
  passes = make(
      policies.FixedPasses(1), objective='seconds', round_budget=2,
      cost=lambda clients, passes: 1.0 if 2 in clients else 4.0,
  )
  source = data_source.MediatorDataSource(
      SCHEDULE, CLIENTS, seed=seed, passes=passes
  )
  assert str(source.federated_type).startswith('{<order=int32[2]*,clients=')


@pytest.mark.parametrize(
    'make_it, error, message',
    [
        (
            lambda: frozen.FrozenPasses(None, COUNTS, policies.KlPasses()),
            TypeError, '`schedule` must be a .*Schedule, got None',
        ),
        (
            lambda: frozen.FrozenPasses(SCHEDULE, COUNTS, None), TypeError,
            'policy must decide passes, .* got None',
        ),
        (
            lambda: make(bandit.CreditBandit(2, seed=0)), ValueError,
            'policy must know the 3 mediators of `schedule`, got one for 2',
        ),
        (
            lambda: round_budget.RoundBudget(None, (1, 2)), TypeError,
            '`schedule` must be a .*Schedule, got None',
        ),
        (
            lambda: round_budget.RoundBudget(SCHEDULE, []), TypeError,
            'passes must be numbers of passes',
        ),
        (
            lambda: round_budget.RoundBudget(SCHEDULE, (0, 1)), ValueError,
            'a number of passes must be at least 1',
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(make_it, error, message):
  with pytest.raises(error, match=message):
    make_it()
