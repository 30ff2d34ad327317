"""Budgets against the enumeration of all choices."""

import itertools

import numpy as np
import pytest

from astraea_tff.control import allocation

PASSES = np.array([1, 2, 4])


def choices(budget):
  mediators, actions = budget.shape
  for choice in itertools.product(range(actions + 1), repeat=mediators):
    yield np.array(choice)


def worth(choice, values):
  taken = np.flatnonzero(choice)
  return values[taken, choice[taken] - 1].sum()


def traffic_cases(count):
  rng = np.random.default_rng(0)
  for _ in range(count):
    clients = rng.integers(1, 6, 5)
    costs = 2.0 * (1 + clients[:, np.newaxis] * PASSES)
    values = rng.normal(0.3, 1, (5, 1)) * [1, 1.5, 1.9]
    if rng.random() < 0.5:
      values = values + 0.3 * rng.normal(size=(5, 3))
    amount = rng.uniform(0.2, 1.2) * costs[:, 0].sum()
    yield allocation.TrafficBudget(costs, amount), values


def test_traffic_is_within_the_budget_and_near_the_best_choice():
  shares = []
  for budget, values in traffic_cases(40):
    choice, price = budget.clear(values)
    assert budget.spent(choice) <= budget.amount * (1 + 1e-9)
    best = max(worth(c, values) for c in choices(budget) if budget.allows(c))
    # The linear program's gap: less than one mediator's step.
    assert worth(choice, values) >= best - max(values.max(), 0) - 1e-9
    assert price >= 0
    shares.append(worth(choice, values) / best if best > 0 else 1)
  assert np.mean(shares) > 0.97


def test_at_the_price_every_mediator_would_choose_the_same():
  """Decentralised: each one maximises its own value less the price's cost."""
  agreed = 0
  for budget, values in traffic_cases(40):
    choice, price = budget.clear(values)
    profit = np.pad(values - price * budget.costs, ((0, 0), (1, 0)))
    own = profit[np.arange(5), choice]
    # Whoever had to stop short of its best is a mediator that did not fit.
    for m in np.flatnonzero(own < profit.max(axis=1) - 1e-9):
      more = choice.copy()
      more[m] = profit[m].argmax()
      assert not budget.allows(more) or more[m] < choice[m]
    agreed += (own >= profit.max(axis=1) - 1e-9).all()
  assert agreed > 20


def test_all_that_is_worth_anything_is_taken_where_it_fits():
  budget = allocation.TrafficBudget([[1, 2, 4], [1, 2, 4]], 100)
  choice, price = budget.clear(np.array([[1, 1.5, 1.4], [-1, -1, -2.0]]))
  np.testing.assert_array_equal(choice, [2, 0])
  assert price == 0


def test_equal_rates_do_not_change_places_by_rounding():
  costs = np.array([[0.1, 0.2, 0.4]])
  values = 3 * costs
  for amount, expected in [(0.1, 1), (0.2, 2), (0.3, 2), (0.4, 3)]:
    choice, _ = allocation.TrafficBudget(costs, amount).clear(values)
    np.testing.assert_array_equal(choice, [expected])


def seconds_cases(count):
  rng = np.random.default_rng(1)
  for _ in range(count):
    speed = rng.choice([1, 2, 4], 5) * rng.uniform(0.8, 1.2, 5)
    seconds = speed[:, np.newaxis] * PASSES
    values = rng.normal(0.3, 1, (5, 1)) * [1, 1.5, 1.9]
    values = values + 0.2 * rng.normal(size=(5, 3))
    amount = rng.uniform(0.5, 2) * np.median(seconds) + 1
    yield allocation.SecondsBudget(seconds, amount), values


def test_seconds_are_within_the_budget_and_the_best_choice_per_second():
  for budget, values in seconds_cases(30):
    choice, rate = budget.clear(values)
    assert budget.spent(choice) <= budget.amount * (1 + 1e-9)
    best = max(
        (worth(c, values) / budget.spent(c)
         for c in choices(budget) if c.any() and budget.allows(c)),
        default=0,
    )
    assert rate == pytest.approx(max(best, 0), abs=1e-12)
    if choice.any():
      assert worth(choice, values) / budget.spent(choice) == (
          pytest.approx(rate)
      )


def test_a_round_lasts_as_its_slowest_mediator():
  budget = allocation.SecondsBudget([[1, 2], [3, 6], [2, 4]], 4)
  assert budget.spent(np.array([1, 1, 0])) == 3
  assert budget.spent(np.array([2, 0, 2])) == 4
  assert budget.spent(np.array([0, 0, 0])) == 0
  assert budget.allows(np.array([2, 0, 2]))
  assert not budget.allows(np.array([2, 2, 2]))


def test_permuting_mediators_permutes_the_choice():
  order = [3, 1, 4, 0, 2]
  for budget, values in traffic_cases(20):
    permuted = allocation.TrafficBudget(budget.costs[order], budget.amount)
    np.testing.assert_array_equal(
        permuted.clear(values[order])[0], budget.clear(values)[0][order]
    )


def test_filling_serves_the_ranking_while_it_fits():
  budget = allocation.TrafficBudget([[4, 8], [3, 6], [2, 4], [1, 2]], 7)
  np.testing.assert_array_equal(allocation.fill(budget, [2, 0, 1, 3]),
                                [1, 0, 1, 1])
  np.testing.assert_array_equal(allocation.fill(budget, [1, 2], 2),
                                [0, 2, 0, 0])


def test_filling_a_time_that_all_share_gives_the_slow_fewer_passes():
  budget = allocation.SecondsBudget([[4, 8], [3, 6], [2, 4], [7.5, 9]], 7)
  np.testing.assert_array_equal(
      allocation.fill(budget, [3, 0, 1, 2], [2, 2, 1, 2]), [1, 2, 1, 0]
  )


def test_somebody_trains_where_all_would_sit_out():
  values = np.array([[-1.0, -3.0], [-0.5, -2.0]])
  budget = allocation.TrafficBudget([[1, 2], [5, 9]], 5)
  choice, _ = budget.clear(values)
  assert not choice.any()
  np.testing.assert_array_equal(
      allocation.at_least_one(choice, values, budget), [0, 1]
  )
  tight = allocation.TrafficBudget([[1, 2], [5, 9]], 2)
  np.testing.assert_array_equal(
      allocation.at_least_one(choice, values, tight), [1, 0]
  )
  with pytest.raises(ValueError, match='a round, 0.5, must .* takes 1 or more'):
    allocation.at_least_one(
        choice, values, allocation.TrafficBudget([[1, 2], [5, 9]], 0.5)
    )


@pytest.mark.parametrize(
    'make, error, message',
    [
        (lambda: allocation.TrafficBudget([1, 2], 3), ValueError, r'\[R, A\]'),
        (lambda: allocation.TrafficBudget([[2, 1]], 3), ValueError, 'rise'),
        (lambda: allocation.TrafficBudget([[0, 1]], 3), ValueError, 'above 0'),
        (lambda: allocation.TrafficBudget([[1]], '3'), TypeError, 'amount'),
        (lambda: allocation.TrafficBudget([[1]], -1), ValueError, 'amount'),
        (lambda: allocation.SecondsBudget([[1]], -1), ValueError, 'amount'),
    ],
)
def test_bad_budgets_are_refused(make, error, message):
  with pytest.raises(error, match=message):
    make()
