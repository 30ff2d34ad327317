"""The credits of a model that diverged teach nobody anything."""

import numpy as np
import pytest

from astraea_tff.control import bandit
from astraea_tff.control import history
from astraea_tff.control import learned
from astraea_tff.control import policies


def _report(round_num, credits, num_passes):
  credits = np.tile(np.array(credits, float)[:, np.newaxis], num_passes)
  return policies.RoundReport(
      round_num, (0, 1, 2), np.ones((3, 12)), credits,
      np.ones(credits.shape, bool),
  )


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('make', [
    lambda: bandit.CreditBandit(3, seed=0),
    lambda: learned.LearnedPasses(seed=0, warm_up=0, fit_steps=2),
])
def test_a_policy_learns_from_the_other_credits_alone(make, bad):
  policy = make()
  num_passes = len(policy.passes)
  policy.learn(_report(1, [0.5, 1.0, -1.0], num_passes))
  policy.learn(_report(2, [bad, 2.0, 1.0], num_passes))
  assert all(np.isfinite(array).all() for array in policy.state.values())
  # Of |credit|: the mean of each round, by the moving average.
  expected = 0.8 * np.mean([0.5, 1, 1]) + 0.2 * np.mean([2, 1])
  np.testing.assert_allclose(policy.state['scale'], expected)
  before = policy.state
  policy.learn(_report(3, [bad] * 3, num_passes))
  for name, array in policy.state.items():
    np.testing.assert_array_equal(array, before[name])


def test_the_history_keeps_the_credit_of_before():
  memory = history.MediatorHistory([4, 2, 2], [0.1, 0.2, 0.3], [1, 1, 1])
  updates = np.eye(3)
  memory.record(1, [0, 1, 2], [4, 2, 2], updates, [0.5, 1.0, -1.0])
  memory.record(2, [0, 1, 2], [4, 2, 2], updates, [np.nan, 2.0, np.inf])
  np.testing.assert_allclose(memory.state['credit'], [0.5, 1.2, -1.0])
  assert np.isfinite(memory.observe([0, 1, 2], 3)).all()


def test_the_first_credit_that_is_known_counts_whole():
  memory = history.MediatorHistory([4, 2], [0.1, 0.2], [1, 1])
  memory.record(1, [0, 1], [4, 2], np.eye(2), [np.nan, 0.5])
  assert memory.observe([0], 2)[0, history.OBSERVATIONS.index('credit')] == 0
  memory.record(2, [0], [4], np.eye(2)[:1], [1.0])
  np.testing.assert_array_equal(memory.state['credit'], [1.0, 0.5])
