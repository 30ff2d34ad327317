"""What each mediator's update was worth: its share of the round's gain.

A round moves the model w by the mean A of the mediators' updates, weighted by
n_m, N in all. U is what the server wants to rise, such as minus the
cross-entropy of its validation examples. Four credits:

*   path, `n_m / N <g, u_m>` with g the mean gradient of U from w to w + A
    (Aumann and Shapley). Path credits sum to the gain `U(w + A) - U(w)`.
*   removal, `U(w + A) - U(w + A without m)`, the mean over the others. It ranks
    mediators. It is no reward against a cost: to first order the credits, each
    times `N - n_m`, sum to zero, so a mean pays nothing for the progress that
    all make together.
*   zeroing, `U(w + A) - U(w + A - n_m u_m / N)`, which removes the update but
    not its weight.
*   alone, `U(w + u_m) - U(w)`, as if nobody else had trained. It tells a
    mediator of one class from a good one also where the model swings between
    the classes of such mediators: the others' share of the step does not hide
    how far it goes, and that it swings the model back earns it nothing, because
    it goes too far for that. So does a mediator that has rare classes alone,
    which the others would need. The weight n_m plays no part.

Updates here are what is ADDED to the model, as vectors [P]; TFF's mediators
return the opposite sign.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from astraea_tff import arguments

# They take a model, float64 [P], and return U, or its gradient [P].
Utility = Callable[[np.ndarray], float]
Gradient = Callable[[np.ndarray], np.ndarray]
KINDS = ('path', 'removal', 'zeroing', 'alone')


class Examples(Protocol):
  """What a model is measured on, such as a `validation.Validation`."""

  def utility(self, weights: np.ndarray) -> float:
    """Returns U of a model [P]."""

  def gradient(self, weights: np.ndarray) -> np.ndarray:
    """Returns the gradient of U at a model [P], float64 [P]."""


def measure(
    kind: str,
    examples: Examples,
    model: np.ndarray,
    weights: Any,
    updates: Any,
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the credits of a round, and the losses around it.

  Args:
    kind: One of `KINDS`.
    examples: What U is measured on.
    model: w, float64 [P].
    weights: n_m, numbers [R] of at least 0.
    updates: Numbers [R, P].

  Returns:
    The credits, float64 [R]. And the losses, minus U, float64 [R, 2]: that of
    the model, and what it would be with the update of each mediator alone, by
    the mean gradient from w to w + A, so without an evaluation for each.

  Raises:
    ValueError: There is no such kind, shapes do not go together, or a weight is
      negative.
  """
  arguments.check_choice(kind, 'kind', KINDS)
  slope = path_gradient(
      examples.gradient, model, mean_update(weights, updates)
  )
  if kind == 'path':
    credits = path_credits(slope, weights, updates)
  elif kind == 'removal':
    credits = removal_credits(examples.utility, model, weights, updates)
  elif kind == 'zeroing':
    credits = zeroing_credits(examples.utility, model, weights, updates)
  else:
    credits = alone_credits(examples.utility, model, weights, updates)
  loss = -examples.utility(model)
  return credits, loss - np.stack(
      [np.zeros(len(credits)), updates @ slope], axis=1
  )


def path_gradient(
    gradient: Gradient, model: np.ndarray, update: np.ndarray, points: int = 2
) -> np.ndarray:
  """Returns the mean gradient on the straight way from w to w + A.

  Args:
    gradient: The gradient of U at a model.
    model: w, float64 [P].
    update: A, float64 [P].
    points: At how many points it is taken, by the rule of Gauss: with k of them
      path credits are exact for a U that is a polynomial of degree 2 k.

  Returns:
    float64 [P].
  """
  places, shares = np.polynomial.legendre.leggauss(points)
  return sum(
      share / 2 * np.asarray(gradient(model + (1 + place) / 2 * update))
      for place, share in zip(places, shares)
  )


def path_credits(
    gradient: np.ndarray, weights: Any, updates: Any
) -> np.ndarray:
  """Returns path credits, which sum to the round's gain.

  Args:
    gradient: float64 [P], what `path_gradient` returns for `mean_update`.
    weights: n_m, numbers [R] of at least 0.
    updates: Numbers [R, P].

  Returns:
    float64 [R]; zeros if all weights are.

  Raises:
    ValueError: Shapes do not go together, or a weight is negative.
  """
  weights, updates = _check_round(weights, updates)
  return _shares(weights) * (updates @ gradient)


def removal_credits(
    utility: Utility, model: np.ndarray, weights: Any, updates: Any
) -> np.ndarray:
  """Returns what U would lose without each mediator, the mean renormalised.

  Args:
    utility: U of a model.
    model: w, float64 [P].
    weights: n_m, numbers [R] of at least 0.
    updates: Numbers [R, P].

  Returns:
    float64 [R]. Without the only mediator of weight, w stays.

  Raises:
    ValueError: Shapes do not go together, or a weight is negative.
  """
  weights, updates = _check_round(weights, updates)
  whole = utility(model + mean_update(weights, updates))
  credits = np.zeros(len(weights))
  for m in np.flatnonzero(weights):
    others = np.where(np.arange(len(weights)) == m, 0, weights)
    credits[m] = whole - utility(model + mean_update(others, updates))
  return credits


def zeroing_credits(
    utility: Utility, model: np.ndarray, weights: Any, updates: Any
) -> np.ndarray:
  """Returns what U would lose if each mediator's update were zero.

  Args:
    utility: U of a model.
    model: w, float64 [P].
    weights: n_m, numbers [R] of at least 0.
    updates: Numbers [R, P].

  Returns:
    float64 [R]; 0 for a mediator without weight.

  Raises:
    ValueError: Shapes do not go together, or a weight is negative.
  """
  weights, updates = _check_round(weights, updates)
  shares = _shares(weights)
  after = model + shares @ updates
  whole = utility(after)
  return np.array([
      whole - utility(after - share * update) if share else 0.0
      for share, update in zip(shares, updates)
  ])


def alone_credits(
    utility: Utility, model: np.ndarray, weights: Any, updates: Any
) -> np.ndarray:
  """Returns what each mediator's update would bring U if it were the round's.

  Args:
    utility: U of a model.
    model: w, float64 [P].
    weights: n_m, numbers [R] of at least 0.
    updates: Numbers [R, P].

  Returns:
    float64 [R]; 0 for a mediator without weight.

  Raises:
    ValueError: Shapes do not go together, or a weight is negative.
  """
  weights, updates = _check_round(weights, updates)
  before = utility(model)
  return np.array([
      utility(model + update) - before if weight else 0.0
      for weight, update in zip(weights, updates)
  ])


def mean_update(weights: Any, updates: Any) -> np.ndarray:
  """Returns A, the mean of the updates by weight.

  Args:
    weights: n_m, numbers [R] of at least 0.
    updates: Numbers [R, P].

  Returns:
    float64 [P]; zeros if all weights are.

  Raises:
    ValueError: Shapes do not go together, or a weight is negative.
  """
  weights, updates = _check_round(weights, updates)
  return _shares(weights) @ updates


def _shares(weights: np.ndarray) -> np.ndarray:
  """n_m / N; zeros where nobody has any weight."""
  return weights / (weights.sum() or 1)


def _check_round(weights: Any, updates: Any) -> tuple[np.ndarray, np.ndarray]:
  """Returns both as float64, or says what does not go together."""
  weights = np.asarray(weights, np.float64)
  updates = np.asarray(updates, np.float64)
  if weights.ndim != 1 or updates.ndim != 2 or len(weights) != len(updates):
    raise ValueError(
        'weights [R] and updates [R, P] must have one row for each mediator,'
        f' got shapes {list(weights.shape)} and {list(updates.shape)}.'
    )
  if not (weights >= 0).all():
    raise ValueError(
        f'weights must be at least 0, got {arguments.shorten(str(weights))}.'
    )
  return weights, updates
