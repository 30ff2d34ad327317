"""Power-of-Choice among mediators."""

import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.control import allocation
from experiment.runs import highest_loss

MEDIATORS = ((2, 0), (), (1,))
CLIENTS = {
    0: (np.array([[1.0, 0.0]], np.float32), np.array([1])),
    1: (np.array([[0.0, 2.0], [1.0, 1.0]], np.float32), np.array([0, 1])),
    2: (np.array([[3.0, 1.0]], np.float32), np.array([0])),
}


def budget_of(places: int) -> allocation.TrafficBudget:
  return allocation.TrafficBudget(np.ones((len(MEDIATORS), 1)), places)


def test_losses_are_those_of_each_mediators_examples():
  model = tf.keras.Sequential([tf.keras.layers.Dense(2, use_bias=False)])
  model.build((None, 2))
  data = types.SimpleNamespace(
      clients=types.SimpleNamespace(load=CLIENTS.__getitem__)
  )
  policy = highest_loss.HighestLoss(3, seed=1)
  see = policy.watch(data, MEDIATORS, model)
  kernel = np.array([[1.0, -1.0], [0.5, 2.0]], np.float32)
  see(tff.learning.models.ModelWeights([kernel], []))

  def losses(client):
    features, labels = CLIENTS[client]
    logits = features.astype(np.float64) @ kernel
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -np.log(shares[np.arange(len(labels)), labels])

  np.testing.assert_allclose(
      policy.state['losses'],
      [np.concatenate([losses(2), losses(0)]).mean(), 0, losses(1).mean()],
      rtol=1e-5,
  )


def test_the_highest_losses_train_while_they_fit():
  policy = highest_loss.HighestLoss(5, seed=1)
  policy.state = {'losses': np.array([0.1, 5.0, 0.5, 0.4, 2.0])}
  decision = policy.decide(
      3, np.zeros((3, 12)), budget_of(2), mediators=[0, 2, 3]
  )
  assert decision.passes.tolist() == [0, 1, 1]
  with pytest.raises(ValueError, match="must have the arrays"):
    policy.state = {'credit': np.zeros(5)}


def test_before_losses_are_known_mediators_are_drawn():
  def draw(seed, round_num):
    policy = highest_loss.HighestLoss(3, seed=seed)
    observations = np.zeros((3, 12))
    passes = policy.decide(round_num, observations, budget_of(1)).passes
    return int(np.argmax(passes))

  drawn = [draw(seed, 1) for seed in range(60)]
  assert min(np.bincount(drawn, minlength=3)) > 8
  assert drawn == [draw(seed, 1) for seed in range(60)]
