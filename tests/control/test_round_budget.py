"""Budgets of seconds, by a cost that is known by hand."""

import numpy as np

from astraea_tff.control import round_budget
from astraea_tff.scheduling import schedule as schedule_lib

SCHEDULE = schedule_lib.Schedule(
    tuple((3 * m, 3 * m + 1, 3 * m + 2) for m in range(7)) + ((21,),),
    np.linspace(0.1, 0.8, 8),
    3,
)


def test_seconds_are_rationed_by_the_slowest():
  seconds = lambda clients, passes: passes * (1.0 + max(clients))
  budget = round_budget.RoundBudget(
      SCHEDULE, (1, 2), 10.0, objective='seconds', cost=seconds
  )
  assert budget.considered == 8 and budget.amount == 10
  of_round = budget.of([0, 2, 5])
  np.testing.assert_array_equal(of_round.seconds, [[3, 6], [9, 18], [18, 36]])
  assert of_round.allows(np.array([2, 1, 0]))
  assert not of_round.allows(np.array([0, 2, 0]))
  by_default = round_budget.RoundBudget(
      SCHEDULE, (1,), objective='seconds', cost=seconds
  )
  assert by_default.amount == 22


def test_costs_are_those_of_the_round():
  now = [1.0]
  budget = round_budget.RoundBudget(
      SCHEDULE, (1, 2), 10.0, objective='seconds',
      cost=lambda clients, passes: passes * now[0],
  )
  now[0] = 4.0
  of_round = budget.of([0, 5])
  np.testing.assert_array_equal(of_round.seconds, [[4, 8], [4, 8]])
  assert of_round.amount == 10
  now[0] = 1.0
  by_default = round_budget.RoundBudget(
      SCHEDULE, (1, 2), objective='seconds',
      cost=lambda clients, passes: passes * now[0],
  )
  now[0] = 4.0
  assert by_default.of([0, 5]).amount == 4
