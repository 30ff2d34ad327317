"""Accuracy against costs: bands over seeds, and what a budget reaches."""

import numpy as np
import pytest

from experiment.runs import costs


def rows(*triples):
  return [
      {'round': r, 'top_1': top_1, 'megabytes': mb} for r, top_1, mb in triples
  ]


def test_a_curve_has_the_evaluated_rounds_and_their_costs():
  run = rows((0, 0.1, 0.0), (1, None, 3.0), (2, 0.7, 6.0))
  curve = costs.curve(run, 'megabytes')
  assert curve.costs.tolist() == [0, 6] and curve.accuracies.tolist() == [
      0.1, 0.7]
  assert costs.curve(run, 'local_steps') is None
  run[2]['local_steps'] = 5.0
  assert costs.curve(run, 'local_steps') is None
  assert costs.curves_of_seeds([run, run], 'local_steps') is None
  assert len(costs.curves_of_seeds([run, run], 'round')) == 2


def test_a_band_is_mean_and_spread_on_lines_where_all_seeds_are():
  one = costs.Curve(np.array([0.0, 10, 20]), np.array([0.0, 0.4, 0.6]))
  other = costs.Curve(np.array([0.0, 16, 32]), np.array([0.2, 0.6, 0.9]))
  band = costs.band([one, other])
  # One ends at 20; at 10 the other has 0.45, at 16 one has 0.52.
  assert band.costs.tolist() == [0, 10, 16, 20]
  at_20 = 0.6 + 0.3 * 4 / 16
  pairs = np.array([[0, 0.2], [0.4, 0.45], [0.52, 0.6], [0.6, at_20]])
  np.testing.assert_allclose(band.mean, pairs.mean(axis=1))
  np.testing.assert_allclose(band.spread, pairs.std(axis=1, ddof=1))
  alone = costs.band([one])
  assert alone.costs.tolist() == [0, 10, 20]
  assert alone.spread.tolist() == [0, 0, 0]


def test_the_budget_is_what_the_shortest_seed_spent():
  one = costs.Curve(np.array([0.0, 10, 20]), np.array([0.0, 0.4, 0.6]))
  other = costs.Curve(np.array([0.0, 16]), np.array([0.2, 0.6]))
  budget = costs.shared_budget([one, other, one])
  assert budget == 16
  assert costs.accuracy_at(one, budget) == pytest.approx(0.52)
  assert costs.accuracy_at(other, budget) == pytest.approx(0.6)
  assert np.isnan(costs.accuracy_at(other, 17))


def test_the_cost_of_an_accuracy_is_that_of_its_first_evaluation():
  one = costs.Curve(np.array([0.0, 10, 20]), np.array([0.0, 0.6, 0.4]))
  assert costs.cost_to_accuracy(one, 0.4) == 10
  assert np.isnan(costs.cost_to_accuracy(one, 0.7))
