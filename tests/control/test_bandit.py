"""The credit rule against its formula and on mediators of known worth."""

import numpy as np
import pytest

from astraea_tff.control import allocation
from astraea_tff.control import bandit
from astraea_tff.control import policies

WORTH = np.array([0.5, -0.4, 1.0, 0.0, 0.9, -1.0, 0.1, -0.2, 0.3, 0.2])
OBSERVATIONS = np.zeros((10, 12))
BUDGET = allocation.TrafficBudget(np.full((10, 1), 12.0), 36)


def report(round_num, mediators, credits):
  credits = np.array(credits, np.float64)[:, np.newaxis]
  return policies.RoundReport(
      round_num,
      tuple(mediators),
      np.zeros((len(credits), 12)),
      credits,
      np.ones(credits.shape, bool),
  )


def play(policy, first, last, noise=0.3, considered=range(10)):
  chosen = []
  considered = list(considered)
  budget = allocation.TrafficBudget(BUDGET.costs[considered], 36)
  for round_num in range(first, last + 1):
    passes, _ = policy.decide(
        round_num, OBSERVATIONS[considered], budget, mediators=considered
    )
    taken = [considered[place] for place in np.flatnonzero(passes)]
    assert len(taken) == 3
    rng = np.random.default_rng([1, round_num])
    credits = WORTH + noise * rng.normal(size=10)
    policy.learn(report(round_num, taken, credits[taken]))
    chosen.append(taken)
  return chosen


def test_the_best_mediators_are_found_and_all_were_tried():
  policy = bandit.CreditBandit(10, seed=0)
  chosen = play(policy, 1, 120)
  assert {m for taken in chosen[:4] for m in taken} == set(range(10))
  counts = np.bincount(np.concatenate(chosen[60:]), minlength=10)
  assert counts[[0, 2, 4]].sum() > 0.8 * counts.sum()
  assert counts[[1, 5]].sum() < 0.02 * counts.sum()


def test_bounds_follow_the_formula():
  policy = bandit.CreditBandit(3, seed=0, decay=0.5, exploration=0.7)
  policy.learn(report(1, [0, 1, 2], [4.0, 1.0, -1.0]))
  policy.learn(report(2, [0, 1], [2.0, 3.0]))
  average = np.array([3.0, 2.0, -1.0])
  scale = 0.5 * 2.0 + 0.5 * 2.5
  bounds = average / scale + 0.7 * np.sqrt(np.log(2) / np.array([2, 2, 1]))
  one = allocation.TrafficBudget(np.ones((3, 1)), 1)
  decision = policy.decide(3, np.zeros((3, 12)), one)
  np.testing.assert_array_equal(decision.passes, [1, 0, 0])
  assert decision.price == pytest.approx(np.sort(bounds)[1])


def test_mediators_make_the_passes_that_were_asked_for_within_the_budget():
  policy = bandit.CreditBandit(4, seed=0, num_passes=3)
  policy.learn(report(1, range(4), [1.0, 4.0, 3.0, 2.0]))
  # Costs of three passes, as `passes` says.
  assert policy.passes == (3,)
  budget = allocation.TrafficBudget(np.full((4, 1), 3.0), 7)
  passes, _ = policy.decide(2, np.zeros((4, 12)), budget)
  np.testing.assert_array_equal(passes, [0, 3, 3, 0])


def test_seconds_are_spent_where_bounds_are_highest():
  policy = bandit.CreditBandit(4, seed=0, exploration=0)
  policy.learn(report(1, range(4), [-1.0, 4.0, 3.0, 1.0]))
  seconds = allocation.SecondsBudget([[1], [2], [2], [9]], 10)
  passes, _ = policy.decide(2, np.zeros((4, 12)), seconds)
  # The last would fit, and would make the round four times as long.
  np.testing.assert_array_equal(passes, [0, 1, 1, 0])


def test_credits_that_sum_to_zero_still_fill_the_budget():
  policy = bandit.CreditBandit(10, seed=0, exploration=0)
  policy.learn(report(1, range(10), -np.arange(10.0) - 1))
  passes, _ = policy.decide(2, OBSERVATIONS, BUDGET)
  np.testing.assert_array_equal(np.flatnonzero(passes), [0, 1, 2])


def test_only_mediators_that_are_considered_are_chosen():
  policy = bandit.CreditBandit(10, seed=0)
  chosen = play(policy, 1, 30, considered=[9, 3, 1, 6])
  assert {m for taken in chosen for m in taken} == {9, 3, 1, 6}


def test_a_resumed_bandit_goes_on_bit_for_bit():
  unbroken = bandit.CreditBandit(10, seed=4)
  expected = play(unbroken, 1, 40)
  broken = bandit.CreditBandit(10, seed=4)
  play(broken, 1, 13)
  resumed = bandit.CreditBandit(10, seed=4)
  resumed.state = broken.state
  assert play(resumed, 14, 40) == expected[13:]
  for name, array in unbroken.state.items():
    np.testing.assert_array_equal(resumed.state[name], array)


def test_the_order_of_the_untried_depends_on_the_seed():
  first = [
      tuple(np.flatnonzero(
          bandit.CreditBandit(10, seed=seed).decide(1, OBSERVATIONS, BUDGET)[0]
      ))
      for seed in range(8)
  ]
  assert len(set(first)) > 4
  again = bandit.CreditBandit(10, seed=0).decide(1, OBSERVATIONS, BUDGET)
  assert tuple(np.flatnonzero(again.passes)) == first[0]


@pytest.mark.parametrize(
    'options, error, message',
    [
        (dict(num_mediators=0), ValueError, 'num_mediators must be at least 1'),
        (dict(seed=1.0), TypeError, 'seed must be an int'),
        (dict(decay=1), ValueError, 'decay must be in'),
        (dict(exploration=-1), ValueError, 'exploration must be'),
        (dict(num_passes=0), ValueError, 'num_passes must be at least 1'),
    ],
)
def test_bad_arguments_are_refused_by_name(options, error, message):
  options = dict(num_mediators=3, seed=0) | options
  with pytest.raises(error, match=message):
    bandit.CreditBandit(options.pop('num_mediators'), **options)


@pytest.mark.parametrize('changes, error, message', [
    (None, TypeError, 'state must be a .*Mapping, got None'),
    (dict(rounds=[1.7, 1]), TypeError, r"\['rounds'\] must hold .*int64, got"),
    (dict(rounds=[-1, 1]), ValueError, r"\['rounds'\] must be zero or more"),
    (dict(credit=[np.nan, 1]), ValueError, r"\['credit'\] must be finite, got"),
    (dict(credit=['a', 'b']), TypeError, r"\['credit'\] must hold .*float64"),
])
def test_a_state_of_other_numbers_is_refused(changes, error, message):
  policy = bandit.CreditBandit(2, seed=0)
  with pytest.raises(error, match=message):
    policy.state = changes and policy.state | changes
