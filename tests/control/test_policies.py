"""The policies that follow a rule, and what they refuse."""

import numpy as np
import pytest

from astraea_tff.control import allocation
from astraea_tff.control import history
from astraea_tff.control import policies

DIVERGENCE = history.OBSERVATIONS.index('divergence')


def observations(divergences):
  table = np.zeros((len(divergences), 12))
  table[:, DIVERGENCE] = divergences
  return table


def test_fixed_passes_serve_all_in_order_while_they_fit():
  policy = policies.FixedPasses(2)
  budget = allocation.TrafficBudget([[6.0], [22.0], [6.0], [6.0]], 18)
  decision = policy.decide(1, observations([0] * 4), budget)
  np.testing.assert_array_equal(decision.passes, [2, 0, 2, 2])
  assert policy.state == {}
  wide = allocation.TrafficBudget(budget.costs, 100)
  passes, _ = policy.decide(1, observations([0] * 4), wide)
  np.testing.assert_array_equal(passes, 2)


def test_the_half_of_low_divergence_makes_more_passes():
  policy = policies.KlPasses((1, 4))
  costs = np.tile([1.0, 4.0], (5, 1))
  table = observations([0.5, 0.1, 0.3, 0.2, 0.9])
  passes, _ = policy.decide(1, table, allocation.TrafficBudget(costs, 100))
  np.testing.assert_array_equal(passes, [1, 4, 1, 4, 1])
  passes, _ = policy.decide(1, table, allocation.TrafficBudget(costs, 7))
  np.testing.assert_array_equal(passes, [1, 4, 1, 0, 1])
  slow = costs * [[1], [2], [1], [1], [1]]
  passes, _ = policy.decide(1, table, allocation.SecondsBudget(slow, 4))
  np.testing.assert_array_equal(passes, [1, 1, 1, 4, 1])


@pytest.mark.parametrize(
    'call, error, message',
    [
        (lambda: policies.FixedPasses(0), ValueError, 'passes must be at lea'),
        (lambda: policies.KlPasses((1, 2, 3)), ValueError, 'two numbers'),
        (lambda: policies.KlPasses((2, 2)), ValueError, 'passes must rise'),
        (
            lambda: policies.FixedPasses().decide(
                1,
                observations([0, 0]),
                allocation.TrafficBudget([[1], [1]], 2),
                mediators=[3],
            ),
            ValueError,
            'one index for each of 2 observations, got 1',
        ),
        (
            lambda: policies.FixedPasses().decide(
                1, observations([0]), allocation.TrafficBudget([[3]], 2)
            ),
            ValueError,
            'budget of a round, 2, must allow at least one',
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
  with pytest.raises(error, match=message):
    call()
