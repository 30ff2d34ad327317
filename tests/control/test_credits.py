"""Credits against closed forms, Shapley values, and one another."""

import itertools
import math

import types

import numpy as np
import pytest

from astraea_tff.control import credits


def quadratic(seed=1, size=30, mediators=7):
  rng = np.random.default_rng(seed)
  root = rng.normal(size=(size, size))
  hessian = root @ root.T / size
  slope = rng.normal(size=size)

  def utility(w):
    return slope @ w - 0.5 * w @ hessian @ w

  def gradient(w):
    return slope - hessian @ w

  model = rng.normal(size=size)
  weights = rng.integers(1, 9, mediators).astype(float)
  updates = 0.3 * rng.normal(size=(mediators, size)) + 0.1 * gradient(model)
  return utility, gradient, model, weights, updates


def logistic(seed=0):
  """U of a softmax regression on 60 examples of 3 classes."""
  rng = np.random.default_rng(seed)
  images, labels = rng.normal(size=(60, 5)), rng.integers(3, size=60)

  def log_shares(w):
    logits = images @ w.reshape(5, 3)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

  def utility(w):
    return log_shares(w)[np.arange(60), labels].mean()

  def gradient(w):
    return (images.T @ (np.eye(3)[labels] - np.exp(log_shares(w)))).ravel() / 60

  model = rng.normal(size=15)
  updates = 0.5 * gradient(model) + 0.2 * rng.normal(size=(4, 15))
  return utility, gradient, model, np.array([3.0, 1.0, 5.0, 2.0]), updates


def path(utility, gradient, model, weights, updates, points=2):
  update = credits.mean_update(weights, updates)
  mean_gradient = credits.path_gradient(gradient, model, update, points)
  gain = utility(model + update) - utility(model)
  return credits.path_credits(mean_gradient, weights, updates), gain


def test_path_credits_sum_to_the_gain():
  found, gain = path(*quadratic(), points=1)
  assert found.sum() == pytest.approx(gain, rel=1e-12)
  found, gain = path(*logistic())
  assert found.sum() == pytest.approx(gain, rel=1e-4)
  found, gain = path(*logistic(), points=6)
  assert found.sum() == pytest.approx(gain, rel=1e-9)


def test_the_mean_gradient_is_exact_up_to_the_fourth_power():
  model, update = np.array([0.5, -1.0]), np.array([1.5, 2.0])
  found = credits.path_gradient(lambda w: 4 * w**3, model, update)
  gain = (model + update) ** 4 - model**4
  np.testing.assert_allclose(found * update, gain)


def test_a_path_credit_is_the_integral_of_the_mediators_own_motion():
  utility, gradient, model, weights, updates = logistic()
  found, _ = path(utility, gradient, model, weights, updates, points=8)
  shares = weights / weights.sum()
  mean = shares @ updates
  steps = (np.arange(2000) + 0.5) / 2000
  by_hand = np.zeros(4)
  for t in steps:
    by_hand += shares * (updates @ gradient(model + t * mean)) / len(steps)
  np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def test_removal_and_zeroing_are_the_differences_they_are_called_after():
  utility, _, model, weights, updates = logistic()
  whole = utility(model + weights @ updates / weights.sum())
  for m in range(4):
    rest = [k for k in range(4) if k != m]
    without = weights[rest] @ updates[rest]
    assert credits.removal_credits(utility, model, weights, updates)[m] == (
        pytest.approx(whole - utility(model + without / weights[rest].sum()))
    )
    assert credits.zeroing_credits(utility, model, weights, updates)[m] == (
        pytest.approx(whole - utility(model + without / weights.sum()))
    )


def test_removal_pays_nothing_for_the_progress_that_all_make_together():
  utility, _, model, weights, updates = quadratic()
  found = credits.removal_credits(utility, model, weights, 1e-4 * updates)
  rest = weights.sum() - weights
  assert abs(rest @ found) < 1e-3 * (rest @ np.abs(found))


def test_small_steps_have_path_credits_that_are_shapley_values():
  """Of the game whose coalition moves the model by its part of the mean."""
  utility, gradient, model, weights, updates = logistic()
  updates = 0.01 * updates
  found, _ = path(utility, gradient, model, weights, updates)
  parts = weights[:, np.newaxis] / weights.sum() * updates
  shapley = np.zeros(4)
  for order in itertools.permutations(range(4)):
    at = model
    for m in order:
      shapley[m] += (utility(at + parts[m]) - utility(at)) / math.factorial(4)
      at = at + parts[m]
  np.testing.assert_allclose(found, shapley, rtol=1e-3)
  np.testing.assert_allclose(
      credits.zeroing_credits(utility, model, weights, updates),
      shapley,
      rtol=0.05,
  )


def test_permuting_mediators_permutes_their_credits():
  utility, gradient, model, weights, updates = logistic()
  order = [2, 0, 3, 1]
  for kind in (credits.removal_credits, credits.zeroing_credits):
    np.testing.assert_allclose(
        kind(utility, model, weights[order], updates[order]),
        kind(utility, model, weights, updates)[order],
    )
  np.testing.assert_allclose(
      path(utility, gradient, model, weights[order], updates[order])[0],
      path(utility, gradient, model, weights, updates)[0][order],
  )


def test_the_only_mediator_is_compared_with_the_model_as_it_was():
  utility, gradient, model, weights, updates = logistic()
  gain = utility(model + updates[0]) - utility(model)
  one = weights[:1], updates[:1]
  for kind in (credits.removal_credits, credits.zeroing_credits):
    np.testing.assert_allclose(kind(utility, model, *one), [gain])
  # Of two mediators one that weighs nothing is nobody.
  found = credits.removal_credits(utility, model, [3, 0], updates[:2])
  np.testing.assert_allclose(found, [gain, 0])


@pytest.mark.parametrize('kind', credits.KINDS)
def test_a_round_is_measured_with_the_losses_around_it(kind):
  utility, gradient, model, weights, updates = logistic()
  # So small that the loss falls along a straight line.
  updates = 1e-5 * updates
  examples = types.SimpleNamespace(utility=utility, gradient=gradient)
  found, losses = credits.measure(kind, examples, model, weights, updates)
  expected = {
      'path': lambda: path(utility, gradient, model, weights, updates)[0],
      'removal': lambda: credits.removal_credits(
          utility, model, weights, updates
      ),
      'zeroing': lambda: credits.zeroing_credits(
          utility, model, weights, updates
      ),
      'alone': lambda: [
          utility(model + update) - utility(model) for update in updates
      ],
  }[kind]()
  np.testing.assert_allclose(found, expected)
  np.testing.assert_allclose(losses[:, 0], -utility(model))
  falls = [utility(model + update) - utility(model) for update in updates]
  np.testing.assert_allclose(losses[:, 0] - losses[:, 1], falls, rtol=1e-3)
  assert np.ptp(falls) > 0


def test_alone_sees_who_swings_the_model_to_and_fro():
  """A model far on one side: who swings it back too far earns on the path."""
  utility = lambda w: -0.5 * w @ w
  gradient = lambda w: -w
  model, weights = np.array([2.0, 0.0]), np.ones(3)
  swings, helps = np.array([-5.0, 0.0]), np.array([-0.5, 0.0])
  updates = np.stack([swings, helps, helps])
  on_path, _ = path(utility, gradient, model, weights, updates)
  alone = credits.alone_credits(utility, model, weights, updates)
  assert on_path[0] > on_path[1] > 0
  np.testing.assert_allclose(alone, [2 - 4.5, 2 - 1.125, 2 - 1.125])


def test_a_round_that_nobody_trained_has_no_credits():
  utility, gradient, model, _, updates = logistic()
  for found in (
      credits.removal_credits(utility, model, np.zeros(4), updates),
      credits.zeroing_credits(utility, model, np.zeros(4), updates),
      credits.alone_credits(utility, model, np.zeros(4), updates),
      path(utility, gradient, model, np.zeros(4), updates)[0],
  ):
    np.testing.assert_array_equal(found, 0)


def test_bad_shapes_and_weights_are_refused():
  with pytest.raises(ValueError, match="kind must be one of .*, got 'loss'"):
    credits.measure('loss', None, None, None, None)
  utility, _, model, weights, updates = logistic()
  with pytest.raises(ValueError, match=r'got shapes \[3\] and \[4, 15\]'):
    credits.removal_credits(utility, model, weights[:3], updates)
  with pytest.raises(ValueError, match='weights must be at least 0'):
    credits.zeroing_credits(utility, model, -weights, updates)
