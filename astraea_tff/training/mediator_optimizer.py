"""An optimizer of the mediator, between the visits of its chain.

The mediator holds the model between two clients (Algorithm 1, line 10). It may
hand on not what a client left, but what an optimizer of its own makes of it.
With w_in what the client was handed, w_out what it left, and s the number of
batches it trained on, the mediator steps with the client's mean step

    g = (w_in - w_out) / s

for a gradient, and hands on

    w_in + s**p * (next(w_in, g) - w_in).

SGD with a learning rate of 1 and p = 1 hands on what the client left. The
optimizer sees many visits, and so its momentum mixes the classes of many
clients, where a client's own optimizer sees a few batches. Clients get weights
only.

References:
  Reddi et al., "Adaptive Federated Optimization",
  https://arxiv.org/abs/2003.00295: the same step, after every round.
"""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import flat_optimizer
from astraea_tff.training import precision
from astraea_tff.training import unconverted
from astraea_tff.training import visit as visit_lib

# TFF's name for what an optimizer of its own takes the square root of.
_SQUARES = 'preconditioner'


class MediatorOptimizer:
  """A TFF optimizer, and what becomes of its state in a round."""

  def __init__(
      self,
      optimizer: tff.learning.optimizers.Optimizer,
      weights: Sequence[tf.TensorSpec],
      step_power: float,
  ):
    """Initializes it.

    Args:
      optimizer: The optimizer.
      weights: The trainable weights.
      step_power: The power p of the number of batches, on the step.
    """
    self._optimizer = optimizer
    self._step_power = step_power
    self._is_flat = flat_optimizer.is_flattenable(optimizer, weights)
    if self._is_flat:
      size = sum(spec.shape.num_elements() for spec in weights)
      self._specs = (tf.TensorSpec([size], weights[0].dtype),)
    else:
      self._specs = tuple(weights)
    self._next = unconverted.step_fn(optimizer)

  def initialize(self) -> Any:
    """Returns the state before the first visit, tensors."""
    state = self._optimizer.initialize(self._specs)
    return tf.nest.map_structure(tf.convert_to_tensor, state)

  def get_hparams(self, state: Any) -> Any:
    """Returns the optimizer's hyperparameters in a state."""
    return self._optimizer.get_hparams(state)

  def set_hparams(self, state: Any, hparams: Any) -> Any:
    """Returns the state with other hyperparameters."""
    return self._optimizer.set_hparams(state, hparams) if hparams else state

  def hand_over(
      self, visit: visit_lib.Visit, after: visit_lib.Handed
  ) -> visit_lib.Handed:
    """Makes a step between two visits; see the module's docstring."""
    left = tf.nest.flatten(after.trainable)
    w_in = self._join(tf.nest.flatten(visit.before.trainable))
    w_out = self._join(left)
    gradients = tuple(
        _mean_step(start, end, visit.num_batches)
        for start, end in zip(w_in, w_out)
    )
    before = visit.before.mediator_state
    state, stepped = self._next(before, w_in, gradients)
    num_batches = tf.cast(visit.num_batches, tf.float32)
    factor = tf.pow(num_batches, self._step_power)
    handed = [
        _step_by(factor, start, end)
        for start, end in zip(w_in, stepped)
    ]
    if self._is_flat:
      handed = flat_optimizer.split(*handed, left)
    return after._replace(
        trainable=tf.nest.pack_sequence_as(after.trainable, handed),
        mediator_state=tf.nest.pack_sequence_as(
            before, tf.nest.flatten(state)
        ),
    )

  def _join(self, weights: Sequence[tf.Tensor]) -> tuple[tf.Tensor, ...]:
    return (
        (flat_optimizer.join(weights),) if self._is_flat else tuple(weights)
    )


def _mean_step(start: tf.Tensor, end: tf.Tensor, num: tf.Tensor) -> tf.Tensor:
  """Returns `(start - end) / num`."""
  difference = precision.widen(start) - precision.widen(end)
  return tf.cast(difference / tf.cast(num, difference.dtype), start.dtype)


def _step_by(factor: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
  """Returns `start + factor * (end - start)`."""
  wide = precision.widen(start)
  step = tf.cast(factor, wide.dtype) * (precision.widen(end) - wide)
  return tf.cast(wide + step, start.dtype)


def change(before: Any, after: Any) -> collections.OrderedDict[str, Any]:
  """Returns what a chain changed in the state of its mediator's optimizer.

  Args:
    before: The state before the chain.
    after: The state after it.

  Returns:
    `floats`, the changes of all floating-point tensors, and `counts`, those of
    all integers (the numbers of steps), as float32 so that they can be
    averaged. A kind that does not occur is left out.
  """
  pairs = list(zip(tf.nest.flatten(before), tf.nest.flatten(after)))
  changes = collections.OrderedDict(
      floats=tuple(b - a for a, b in pairs if a.dtype.is_floating),
      counts=tuple(
          tf.cast(b - a, tf.float32) for a, b in pairs if a.dtype.is_integer
      ),
  )
  return collections.OrderedDict(
      (name, values) for name, values in changes.items() if values
  )


def add_change(state: Any, mean_change: Any) -> Any:
  """Returns the state after a mean of `change`; counts are rounded.

  A mean that is not finite, as of a round in which nobody is left, changes
  nothing.
  """
  floats = iter(mean_change.get('floats', ()))
  counts = iter(mean_change.get('counts', ()))

  def add(leaf):
    if leaf.dtype.is_floating:
      mean = next(floats)
    elif leaf.dtype.is_integer:
      mean = next(counts)
    else:
      return leaf
    mean = tf.where(tf.math.is_finite(mean), mean, tf.zeros_like(mean))
    if leaf.dtype.is_integer:
      mean = tf.round(mean)
    return leaf + tf.cast(mean, leaf.dtype)

  leaves = [add(leaf) for leaf in tf.nest.flatten(state)]
  return _without_negative_squares(tf.nest.pack_sequence_as(state, leaves))


def _without_negative_squares(state: Any) -> Any:
  """Returns the state without what rounding or an aggregator let go below 0."""
  if not isinstance(state, Mapping):
    return state
  return collections.OrderedDict(
      (
          name,
          tf.nest.map_structure(tf.nn.relu, value)
          if name == _SQUARES
          else _without_negative_squares(value),
      )
      for name, value in state.items()
  )
