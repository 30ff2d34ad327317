"""The environment on a small federation, and against PettingZoo's own test."""

import warnings

import numpy as np
import pytest

from astraea_tff.control import allocation
from astraea_tff.control import credits
from astraea_tff.control import environment
from astraea_tff.control import history


class QuadraticGame:
  """Mediators pull a model of two weights to targets of their own."""

  num_mediators = 4
  passes = (1, 2)
  targets = np.array([[1.0, 0], [1, 0.2], [0, 1], [-1, -1]])
  goal = np.array([0.9, 0.1])

  def reset(self, seed):
    self.model = np.zeros(2) if seed is None else np.full(2, float(seed))
    self.history = history.MediatorHistory([1] * 4, [0] * 4, [1] * 4)
    self.round_num = 1

  def observe(self):
    return self.history.observe(range(4), self.round_num)

  def budget(self):
    return allocation.TrafficBudget(np.tile([2.0, 3.0], (4, 1)), 7.0)

  def utility(self, model):
    return -((model - self.goal) ** 2).sum()

  def play(self, passes):
    taken = np.flatnonzero(passes)
    left = 0.5 ** passes[taken, np.newaxis]
    updates = (1 - left) * (self.targets[taken] - self.model)
    weights = np.ones(len(taken))
    mean = credits.mean_update(weights, updates)
    slope = credits.path_gradient(
        lambda w: -2 * (w - self.goal), self.model, mean
    )
    shares = np.zeros(4)
    shares[taken] = credits.path_credits(slope, weights, updates)
    before = self.utility(self.model)
    self.model = self.model + mean
    self.history.record(
        self.round_num, taken, weights, updates, shares[taken]
    )
    self.round_num += 1
    return environment.Outcome(self.utility(self.model) - before, shares)


def make(**options):
  options = dict(num_rounds=5) | options
  return environment.MediatorEnvironment(QuadraticGame(), **options)


def actions_of(env, *numbers):
  return dict(zip(env.possible_agents, numbers))


def test_rewards_are_the_agents_shares_of_the_gain():
  env = make()
  env.reset()
  _, rewards, *_ = env.step(actions_of(env, 1, 0, 1, 0))
  # From (0, 0) to the mean of half the ways to (1, 0) and (0, 1).
  gain = (0.9**2 + 0.1**2) - (0.65**2 + 0.15**2)
  assert sum(rewards.values()) == pytest.approx(gain)
  assert rewards['mediator_1'] == rewards['mediator_3'] == 0
  assert rewards['mediator_0'] > rewards['mediator_2']


def test_the_price_is_taken_from_whoever_spends_or_from_the_team():
  rewards = {}
  for reward in ('credit', 'team'):
    for price in (0.0, 0.1):
      env = make(reward=reward, price=price)
      env.reset()
      rewards[reward, price] = env.step(actions_of(env, 2, 0, 1, 0))[1]
  spent = [3, 0, 2, 0]
  for index, agent in enumerate(rewards['credit', 0.0]):
    assert rewards['credit', 0.1][agent] == pytest.approx(
        rewards['credit', 0.0][agent] - 0.1 * spent[index]
    )
    assert rewards['team', 0.1][agent] == pytest.approx(
        sum(rewards['credit', 0.0].values()) - 0.1 * 5
    )


def test_what_does_not_fit_into_the_budget_is_not_granted():
  env = make()
  env.reset()
  granted = []
  for _ in range(4):
    *_, infos = env.step(actions_of(env, 2, 2, 2, 2))
    granted.append([infos[agent]['passes'] for agent in env.possible_agents])
  # 3 + 3 of 7; another one is served first in every round.
  assert granted == [[2, 2, 0, 0], [0, 2, 2, 0], [0, 0, 2, 2], [2, 0, 0, 2]]


def test_a_round_that_all_sit_out_changes_nothing():
  env = make()
  env.reset()
  before = env.state()
  observations, rewards, *_ = env.step(actions_of(env, 0, 0, 0, 0))
  assert set(rewards.values()) == {0.0}
  np.testing.assert_array_equal(env.state(), before)
  assert observations['mediator_0'].dtype == np.float32


def test_an_episode_ends_after_its_rounds_and_can_be_started_again():
  env = make(num_rounds=2)
  first, _ = env.reset(seed=3)
  for is_over in (False, True):
    observations, _, terminated, truncated, _ = env.step(
        actions_of(env, 1, 1, 0, 0)
    )
    assert set(terminated.values()) == {False}
    assert set(truncated.values()) == {is_over}
  assert env.agents == [] and len(observations) == 4
  with pytest.raises(ValueError, match='call reset'):
    env.step({})
  again, _ = env.reset(seed=3)
  for agent in env.agents:
    np.testing.assert_array_equal(again[agent], first[agent])
  assert env.num_agents == env.max_num_agents == 4


def test_observations_are_in_their_space_and_the_state_has_them_all():
  env = make()
  observations, _ = env.reset()
  for _ in range(3):
    for agent, row in observations.items():
      assert env.observation_space(agent).contains(row)
    np.testing.assert_array_equal(
        env.state(), np.concatenate(list(observations.values()))
    )
    observations, *_ = env.step(actions_of(env, 1, 2, 0, 1))


def test_own_spaces_know_their_elements():
  space = environment.Discrete(3)
  space.seed(1)
  drawn = [space.sample() for _ in range(50)]
  space.seed(1)
  assert drawn == [space.sample() for _ in range(50)]
  assert set(drawn) == {0, 1, 2}
  assert space.contains(np.int64(2)) and not space.contains(3)
  assert not space.contains(1.0) and not space.contains([1])
  box = environment.Box(-2, 2, (3,), np.float32)
  assert box.contains(box.sample()) and box.sample().dtype == np.float32
  assert not box.contains(np.full(3, 3, np.float32))
  assert not box.contains(np.zeros(2, np.float32))


@pytest.mark.parametrize(
    'call, message',
    [
        (lambda: make(reward='gain'), 'reward must be one of credit, team'),
        (lambda: make(num_rounds=0), 'num_rounds must be at least 1'),
        (lambda: make(price=-1), 'price must be'),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
  with pytest.raises(ValueError, match=message):
    call()


def test_bad_actions_are_refused():
  env = make()
  env.reset()
  with pytest.raises(ValueError, match='actions must be of the agents'):
    env.step({'mediator_0': 1})
  with pytest.raises(ValueError, match=r"'mediator_1'\] must be in \[0, 2\]"):
    env.step(actions_of(env, 0, 3, 0, 0))


@pytest.mark.parametrize('kind', ['own', 'gymnasium'])
def test_pettingzoo_s_own_test_passes_where_it_is_installed(kind):
  pettingzoo_test = pytest.importorskip('pettingzoo.test')
  gymnasium = pytest.importorskip('gymnasium')
  spaces = dict(spaces=gymnasium.spaces) if kind == 'gymnasium' else {}
  with warnings.catch_warnings():
    warnings.simplefilter('error', UserWarning)
    pettingzoo_test.parallel_api_test(make(**spaces), num_cycles=20)
