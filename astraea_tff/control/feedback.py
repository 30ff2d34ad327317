"""Classes that the model still gets wrong get more copies and more turns.

The recall of each class on validation examples of the server becomes a weight
of the class. It multiplies the copies of Algorithm 2, and the priority of those
who hold the class. Experts may give classes priorities of their own.
"""

from collections.abc import Mapping
from typing import Any, Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.control import priority
from astraea_tff.scheduling import sampling


class ClassFeedback:
  """Weights of classes from the recall that the model reached so far.

  A class of which the moving average of the recall is r gets the weight
  `(1 - r + floor) ** power`, divided by the mean over the classes whose recall
  is known, times its priority. The validation examples must not be test ones:
  what they say goes into the model.
  """

  def __init__(
      self,
      num_classes: int,
      *,
      decay: float = 0.8,
      floor: float = 0.15,
      power: float = 1.0,
      priorities: Optional[Mapping[int, float]] = None,
  ):
    """Begins without any recall, where the weights are the priorities.

    Args:
      num_classes: N, at least 2.
      decay: The part of the moving average that an update leaves, in [0, 1).
      floor: In [1e-6, 1e3]. What a class of perfect recall keeps; the smaller,
        the further apart are the weights.
      power: In [0, 50]. The larger, the further apart are the weights.
      priorities: A factor in [1e-6, 1e6] for some classes, from who knows them.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: An argument is out of its range.
    """
    num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
    check_number = arguments.check_number
    self._decay = check_number(decay, 'decay', 0, 1, ends='[)')
    self._floor = check_number(floor, 'floor', 1e-6, 1e3)
    self._power = check_number(power, 'power', 0, 50)
    self._recall = np.full(num_classes, np.nan)
    self._priorities = np.ones(num_classes)
    if priorities is not None and not isinstance(priorities, Mapping):
      raise TypeError(
          'priorities must map classes to factors, such as {3: 2.0}, got'
          f' {priorities!r:.80}.'
      )
    for label, factor in (priorities or {}).items():
      label = arguments.check_integer(
          label, 'a class of priorities', 0, num_classes - 1
      )
      self._priorities[label] = check_number(
          factor, f'priorities[{label}]', 1e-6, 1e6
      )

  @property
  def state(self) -> dict[str, np.ndarray]:
    """All that was learned: `recall`, float64 [N], NaN where unknown."""
    return {'recall': self._recall.copy()}

  @state.setter
  def state(self, state: Mapping[str, np.ndarray]) -> None:
    if state.keys() != {'recall'}:
      raise ValueError(
          f"state must have the array 'recall', got {sorted(state)}."
      )
    self._recall = _check_recall(state['recall'], len(self._recall))

  def update(self, recall: Any) -> None:
    """Takes an evaluation into the moving average.

    Args:
      recall: Numbers [N] in [0, 1], the share of each class's validation
        examples that the model got right; NaN for a class without any, whose
        average stays.

    Raises:
      TypeError: `recall` does not hold numbers.
      ValueError: `recall` is not [N], or a number is out of its range.
    """
    recall = _check_recall(recall, len(self._recall))
    average = self._decay * self._recall + (1 - self._decay) * recall
    average = np.where(np.isnan(self._recall), recall, average)
    self._recall = np.where(np.isnan(recall), self._recall, average)

  @property
  def weights(self) -> np.ndarray:
    """float64 [N]; of mean 1 over classes of known recall, times priorities.

    A class of unknown recall has its priority, 1 without one.
    """
    raw = (1 - self._recall + self._floor) ** self._power
    known = ~np.isnan(raw)
    weights = np.ones(len(raw))
    if known.any():
      weights[known] = raw[known] / raw[known].mean()
    return weights * self._priorities

  def copies(
      self,
      plan: plan_lib.AugmentationPlan,
      *,
      smallest: float = 0.5,
      largest: float = 8.0,
  ) -> np.ndarray:
    """Returns the plan's copies times the weights.

    Args:
      plan: The server's plan.
      smallest: The fewest copies of a sample, above 0. Below 1 it is the
        probability with which the sample is used at all.
      largest: The most copies of a sample, itself included; at least
        `smallest`.

    Returns:
      float64 [N].

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: The plan has other classes, or a number is out of its range.
    """
    arguments.check_type(plan, '`plan`', plan_lib.AugmentationPlan)
    if plan.copies.shape != self._recall.shape:
      raise ValueError(
          f'`plan` must be of {len(self._recall)} classes, got one of'
          f' {len(plan.copies)}.'
      )
    smallest = arguments.check_number(smallest, 'smallest', 0, ends='()')
    largest = arguments.check_number(largest, 'largest', smallest, ends='[)')
    return np.clip(plan.multiples * self.weights, smallest, largest)

  def sample(
      self,
      label_shares: Any,
      k: int,
      *,
      seed: int,
      round_num: int,
      strength: float = 2.0,
  ) -> tuple[int, ...]:
    """Draws mediators by rarity and by the weights of their classes.

    Args:
      label_shares: Label counts [M, N]; see `rarity_weights`.
      k: How many to draw, in [1, M].
      seed: The run's seed, at least 0.
      round_num: At least 0.
      strength: See `rarity_weights`.

    Returns:
      Distinct indices below M, in the order drawn, from the same stream as
      `Schedule.sample`.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: An argument is out of its range.
    """
    weights = priority.rarity_weights(
        label_shares, class_weights=self.weights, strength=strength
    )
    return sampling.sample_mediators(
        len(weights), k, seed=seed, round_num=round_num, weights=weights
    )


def _check_recall(recall: Any, num_classes: int) -> np.ndarray:
  """Returns recalls as float64 [N], a copy, or says what is wrong with them."""
  array = np.asarray(recall)
  if array.dtype.kind not in 'iuf':
    raise TypeError(f'recall must hold numbers, got {recall!r:.80}.')
  if array.shape != (num_classes,):
    raise ValueError(
        f'recall must be one number for each of {num_classes} classes, got'
        f' shape {list(array.shape)}.'
    )
  refused = np.flatnonzero((array < 0) | (array > 1))
  if refused.size:
    raise ValueError(
        'recall must be in [0, 1], or NaN for a class without examples, but'
        f' recall[{refused[0]}] is {array[refused[0]]}.'
    )
  return array.astype(np.float64)
