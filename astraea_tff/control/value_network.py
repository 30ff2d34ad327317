"""A network with one hidden layer that values numbers of passes, in NumPy.

All mediators share it, and a run has some hundreds of rounds of a few mediators
to fit it on, so it is small. Its weights are one vector, float64 [P].
"""

from typing import NamedTuple

import numpy as np

from astraea_tff import randomness


class Shape(NamedTuple):
  """Numbers of observations F, of hidden units H and of values A."""

  features: int
  hidden: int
  values: int

  @property
  def num_weights(self) -> int:
    """The number of weights, P."""
    return (self.features + 1) * self.hidden + (self.hidden + 1) * self.values


class Adam(NamedTuple):
  """What Adam remembers: both moments, float64 [P], and the steps, int64 []."""

  first: np.ndarray
  second: np.ndarray
  step: np.ndarray


def initial_weights(shape: Shape, seed: int) -> np.ndarray:
  """Returns random weights, with which all values are near zero.

  Args:
    shape: The network's.
    seed: The run's seed, at least 0.

  Returns:
    float64 [P].

  Raises:
    TypeError: `seed` is no int.
    ValueError: `seed` is negative.
  """
  generator = randomness.round_generator(seed, 0, randomness.POLICY_STREAM, 2)
  inner = generator.normal(size=(shape.features, shape.hidden))
  outer = 0.01 * generator.normal(size=(shape.hidden, shape.values))
  return np.concatenate([
      inner.ravel() / np.sqrt(shape.features),
      np.zeros(shape.hidden),
      outer.ravel(),
      np.zeros(shape.values),
  ])


def values(
    weights: np.ndarray, shape: Shape, observations: np.ndarray
) -> np.ndarray:
  """Returns what the network values the numbers of passes at.

  Args:
    weights: float64 [P].
    shape: The network's.
    observations: float64 [R, F].

  Returns:
    float64 [R, A].
  """
  inner, inner_bias, outer, outer_bias = _split(weights, shape)
  return np.tanh(observations @ inner + inner_bias) @ outer + outer_bias


def gradient(
    weights: np.ndarray,
    shape: Shape,
    observations: np.ndarray,
    targets: np.ndarray,
    known: np.ndarray,
    decay: float = 1e-4,
) -> np.ndarray:
  """Returns the gradient of the mean Huber loss of the known values.

  Args:
    weights: float64 [P].
    shape: The network's.
    observations: float64 [B, F].
    targets: float64 [B, A], what the values should be.
    known: [B, A], 1 where a target is known and 0 elsewhere.
    decay: The factor of half the weights' squared norm.

  Returns:
    float64 [P].
  """
  inner, inner_bias, outer, outer_bias = _split(weights, shape)
  hidden = np.tanh(observations @ inner + inner_bias)
  errors = (hidden @ outer + outer_bias - targets) * known
  errors = np.clip(errors, -1, 1) / len(observations)
  into_hidden = (errors @ outer.T) * (1 - hidden * hidden)
  parts = [
      (observations.T @ into_hidden).ravel(),
      into_hidden.sum(axis=0),
      (hidden.T @ errors).ravel(),
      errors.sum(axis=0),
  ]
  return np.concatenate(parts) + decay * weights


def adam_step(
    weights: np.ndarray, adam: Adam, slope: np.ndarray, learning_rate: float
) -> tuple[np.ndarray, Adam]:
  """Takes a step of Adam (Kingma and Ba 2015), with decays of 0.9 and 0.99.

  Args:
    weights: float64 [P].
    adam: What Adam remembers of the earlier steps.
    slope: The gradient, float64 [P].
    learning_rate: The step's length, above 0.

  Returns:
    The weights after the step, float64 [P], and what Adam remembers then.
  """
  step = adam.step + 1
  first = 0.9 * adam.first + 0.1 * slope
  second = 0.99 * adam.second + 0.01 * slope * slope
  mean, square = first / (1 - 0.9**step), second / (1 - 0.99**step)
  weights = weights - learning_rate * mean / (np.sqrt(square) + 1e-8)
  return weights, Adam(first, second, np.array(step, np.int64))


def _split(weights: np.ndarray, shape: Shape) -> tuple[np.ndarray, ...]:
  """Returns inner [F, H], its bias [H], outer [H, A], its bias [A]."""
  features, hidden, num_values = shape
  ends = np.cumsum([features * hidden, hidden, hidden * num_values])
  inner, inner_bias, outer, outer_bias = np.split(weights, ends)
  return (
      inner.reshape(features, hidden),
      inner_bias,
      outer.reshape(hidden, num_values),
      outer_bias,
  )
