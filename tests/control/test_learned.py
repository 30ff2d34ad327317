"""The learned policy on a bandit of known optimum, and its arithmetic."""

import numpy as np
import pytest

from astraea_tff.control import allocation
from astraea_tff.control import bandit
from astraea_tff.control import history
from astraea_tff.control import learned
from astraea_tff.control import policies
from astraea_tff.control import value_network

NUM_MEDIATORS, NUM_FEATURES = 10, len(history.OBSERVATIONS)


class KnownBandit:
  """Values that are linear in observations drawn anew in every round."""

  def __init__(self, seed, passes, noise=0.3):
    self.seed, self.passes, self.noise = seed, passes, noise
    theta = np.zeros(NUM_FEATURES)
    theta[:6] = np.random.default_rng([4, seed]).normal(size=6)
    self.theta = theta
    costs = np.tile(2.0 * (1 + 5 * np.array(passes)), (NUM_MEDIATORS, 1))
    self.budget = allocation.TrafficBudget(costs, 0.4 * 12 * NUM_MEDIATORS)

  def observe(self, round_num):
    rng = np.random.default_rng([5, self.seed, round_num])
    return rng.normal(size=(NUM_MEDIATORS, NUM_FEATURES))

  def truth(self, observations):
    return (observations @ self.theta)[:, np.newaxis] * np.sqrt(self.passes)

  def report(self, round_num, observations, passes):
    taken = np.flatnonzero(passes)
    rng = np.random.default_rng([6, self.seed, round_num])
    noise = self.noise * rng.normal(size=(NUM_MEDIATORS, len(self.passes)))
    credits = self.truth(observations) + noise
    known = passes[:, np.newaxis] == np.array(self.passes)
    return policies.RoundReport(
        round_num,
        tuple(taken.tolist()),
        observations[taken],
        np.where(known, credits, np.nan)[taken],
        known[taken],
    )


def play(policy, game, first, last):
  """The values that the choices reached and the best reachable, by round."""
  got, best, choices = [], [], []
  for round_num in range(first, last + 1):
    observations = game.observe(round_num)
    truth = game.truth(observations)
    decision = policy.decide(round_num, observations, game.budget)
    choice = np.searchsorted((0, *game.passes), decision.passes)
    assert game.budget.allows(choice) and choice.any()
    star, _ = game.budget.clear(truth)
    padded = np.pad(truth, ((0, 0), (1, 0)))
    rows = np.arange(NUM_MEDIATORS)
    got.append(padded[rows, choice].sum())
    best.append(padded[rows, star].sum())
    choices.append(decision.passes)
    policy.learn(game.report(round_num, observations, decision.passes))
  return np.array(got), np.array(best), np.array(choices)


def test_the_policy_finds_the_known_optimum():
  shares = {0.02: [], 1.0: []}
  for explore, reached in shares.items():
    for seed in range(3):
      game = KnownBandit(seed, (1, 2, 4))
      policy = learned.LearnedPasses(
          seed=seed, passes=(1, 2, 4), explore=explore
      )
      play(policy, game, 1, 100 if explore < 1 else 5)
      got, best, _ = play(policy, game, 101, 125)
      reached.append(got.sum() / best.sum())
  assert np.mean(shares[0.02]) > 0.8
  assert np.mean(shares[1.0]) < 0.3


def test_a_resumed_policy_goes_on_bit_for_bit():
  game = KnownBandit(0, (1, 2))
  unbroken = learned.LearnedPasses(seed=3)
  _, _, expected = play(unbroken, game, 1, 40)
  broken = learned.LearnedPasses(seed=3)
  play(broken, game, 1, 17)
  saved = {name: np.array(array) for name, array in broken.state.items()}
  resumed = learned.LearnedPasses(seed=3)
  resumed.state = saved
  _, _, choices = play(resumed, game, 18, 40)
  np.testing.assert_array_equal(choices, expected[17:])
  assert resumed.state.keys() == unbroken.state.keys()
  for name, array in unbroken.state.items():
    np.testing.assert_array_equal(resumed.state[name], array)
    assert isinstance(array, np.ndarray), name


def test_deciding_changes_no_state_and_can_be_repeated():
  game = KnownBandit(0, (1, 2))
  policy = learned.LearnedPasses(seed=3, explore=0.5)
  play(policy, game, 1, 5)
  before = policy.state
  observations = game.observe(6)
  first = policy.decide(6, observations, game.budget)
  second = policy.decide(6, observations, game.budget)
  np.testing.assert_array_equal(first.passes, second.passes)
  for name, array in before.items():
    np.testing.assert_array_equal(policy.state[name], array)


def test_a_frozen_policy_of_a_file_neither_learns_nor_explores(tmp_path):
  game = KnownBandit(1, (1, 2))
  policy = learned.LearnedPasses(seed=1)
  play(policy, game, 1, 60)
  path = tmp_path / 'policy.npz'
  policy.save(path)
  frozen = learned.LearnedPasses.frozen(path)
  assert frozen.passes == policy.passes
  observations = game.observe(1)
  np.testing.assert_array_equal(
      frozen.values(observations), policy.values(observations)
  )
  greedy, _ = game.budget.clear(policy.values(observations))
  # In round 1, which is warm-up for a policy that learns.
  decision = frozen.decide(1, observations, game.budget)
  np.testing.assert_array_equal(decision.passes, greedy)
  before = frozen.state
  frozen.learn(game.report(1, observations, decision.passes))
  for name, array in before.items():
    np.testing.assert_array_equal(frozen.state[name], array)
  learner = learned.LearnedPasses.pretrained(path, seed=5)
  learner.learn(game.report(1, observations, decision.passes))
  assert (learner.state['weights'] != policy.state['weights']).any()


def test_a_frozen_policy_serves_any_number_of_mediators_in_any_order(tmp_path):
  game = KnownBandit(1, (1, 2))
  policy = learned.LearnedPasses(seed=1)
  play(policy, game, 1, 30)
  policy.save(tmp_path / 'policy.npz')
  frozen = learned.LearnedPasses.frozen(tmp_path / 'policy.npz')
  observations = np.concatenate([game.observe(1), game.observe(2)])
  costs = np.tile(game.budget.costs, (2, 1)) * np.linspace(
      1, 2, 20
  )[:, np.newaxis]
  order = np.random.default_rng(0).permutation(20)
  straight = frozen.decide(
      1, observations, allocation.TrafficBudget(costs, 90)
  )
  permuted = frozen.decide(
      1, observations[order], allocation.TrafficBudget(costs[order], 90)
  )
  np.testing.assert_array_equal(permuted.passes, straight.passes[order])
  assert permuted.price == straight.price


def test_exploration_belongs_to_the_mediator_whoever_else_is_considered():
  policy = learned.LearnedPasses(seed=2, explore=1.0)
  game = KnownBandit(2, (1, 2))
  wide = allocation.TrafficBudget(game.budget.costs, 1000)
  observations = game.observe(9)
  together = policy.decide(9, observations, wide)
  some = [7, 2, 5]
  alone = policy.decide(
      9,
      observations[some],
      allocation.TrafficBudget(game.budget.costs[some], 1000),
      mediators=some,
  )
  np.testing.assert_array_equal(alone.passes, together.passes[some])


def test_values_wanted_by_nobody_still_train_one_mediator():
  policy = learned.LearnedPasses(seed=0, warm_up=0, explore=0)
  state = policy.state
  state['weights'] = np.zeros_like(state['weights'])
  state['weights'][-2:] = [-1.0, -3.0]
  policy.state = state
  decision = policy.decide(
      5, np.zeros((4, 12)), allocation.TrafficBudget([[2, 3]] * 4, 8)
  )
  np.testing.assert_array_equal(decision.passes, [1, 0, 0, 0])


def test_the_same_values_serve_a_budget_of_seconds():
  game = KnownBandit(3, (1, 2))
  policy = learned.LearnedPasses(seed=3)
  play(policy, game, 1, 40)
  speeds = np.random.default_rng(0).uniform(1, 4, NUM_MEDIATORS)
  budget = allocation.SecondsBudget(np.outer(speeds, (1, 2)), 6.0)
  for round_num in range(41, 60):
    observations = game.observe(round_num)
    decision = policy.decide(round_num, observations, budget)
    choice = np.searchsorted((0, 1, 2), decision.passes)
    assert 0 < budget.spent(choice) <= 6.0 * (1 + 1e-9)


def test_the_network_s_gradient_is_that_of_differences():
  shape = value_network.Shape(4, 3, 2)
  rng = np.random.default_rng(0)
  weights = rng.normal(size=shape.num_weights)
  observations, targets = rng.normal(size=(7, 4)), 2 * rng.normal(size=(7, 2))
  known = rng.random((7, 2)) < 0.6

  def loss(w):
    errors = (value_network.values(w, shape, observations) - targets) * known
    small = np.abs(errors) <= 1
    huber = np.where(small, errors**2 / 2, np.abs(errors) - 0.5)
    return huber.sum() / 7 + 1e-4 * (w @ w) / 2

  found = value_network.gradient(weights, shape, observations, targets, known)
  for place, direction in enumerate(1e-6 * np.eye(len(weights))):
    slope = (loss(weights + direction) - loss(weights - direction)) / 2e-6
    assert found[place] == pytest.approx(slope, abs=1e-7)


def test_a_known_credit_alone_moves_the_values():
  policy = learned.LearnedPasses(seed=0, fit_steps=200)
  observations = np.eye(12)[:2]
  for round_num in range(1, 4):
    policy.learn(
        policies.RoundReport(
            round_num,
            (0, 1),
            observations,
            np.array([[2.0, np.nan], [-2.0, np.nan]]),
            np.array([[True, False], [True, False]]),
        )
    )
  values = policy.values(observations)
  np.testing.assert_allclose(values[:, 0], [1, -1], atol=0.1)
  assert np.abs(values[:, 1]).max() < 0.1


@pytest.mark.parametrize(
    'call, error, message',
    [
        (lambda: learned.LearnedPasses(seed=-1), ValueError, 'seed must be'),
        (
            lambda: learned.LearnedPasses(seed=0, learns='False'),
            TypeError,
            "learns must be a builtins.bool, got 'False'",
        ),
        (
            lambda: learned.LearnedPasses(seed=0, passes=(2, 1)),
            ValueError,
            'passes must rise',
        ),
        (
            lambda: learned.LearnedPasses(seed=0, passes=(0, 1)),
            ValueError,
            'a number of passes must be at least 1',
        ),
        (
            lambda: learned.LearnedPasses(seed=0, passes=2),
            TypeError,
            'passes must be numbers',
        ),
        (
            lambda: learned.LearnedPasses(seed=0, explore=2),
            ValueError,
            'explore must be in',
        ),
        (
            lambda: learned.LearnedPasses(seed=0).decide(
                1, np.zeros((2, 12)), allocation.TrafficBudget([[1, 2]], 3)
            ),
            ValueError,
            'budget must have a cost of each of 2 numbers of passes of 2',
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, message):
  with pytest.raises(error, match=message):
    call()


def test_states_of_other_policies_are_refused():
  policy = learned.LearnedPasses(seed=0)
  with pytest.raises(ValueError, match='state must have the arrays'):
    policy.state = bandit.CreditBandit(3, seed=0).state
  with pytest.raises(ValueError, match="state\\['credit'\\] must have shape"):
    bandit.CreditBandit(3, seed=0).state = bandit.CreditBandit(4, seed=0).state
