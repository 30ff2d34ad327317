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
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import flat_optimizer
from astraea_tff.training import optimizer_steps
from astraea_tff.training import precision
from astraea_tff.training import unconverted
from astraea_tff.training import visit as visit_lib

# TFF's names in the state of its Adam.
_RATE = tff.learning.optimizers.LEARNING_RATE_KEY
_NUM_STEPS = 'step'
_MEANS = 'accumulator'
# The same in the state of optimizers that take the square root of it.
SQUARES = 'preconditioner'

# Takes the optimizer's state, the weights w_in, the gradients g, and the factor
# s**p on the step. Returns the state after the step and what is handed on.
_Step = Callable[[Any, Any, Any, tf.Tensor], tuple[Any, Any]]


class MediatorOptimizer:
  """A TFF optimizer that steps between the visits of a chain.

  Attributes:
    takes_vector: Whether it steps all weights in one vector
      (`flat_optimizer.join`). Between the visits of its chain they are then one
      vector, which spares some ten operations for each weight.
  """

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
    self.takes_vector = flat_optimizer.is_flattenable(optimizer, weights)
    if self.takes_vector:
      size = sum(spec.shape.num_elements() for spec in weights)
      self._specs = (tf.TensorSpec([size], weights[0].dtype),)
    else:
      self._specs = tuple(weights)

  def initialize(self) -> Any:
    """Returns the state before the first visit, tensors."""
    state = self._optimizer.initialize(self._specs)
    return tf.nest.map_structure(tf.convert_to_tensor, state)

  def get_hparams(self, state: Any) -> Any:
    """Returns the optimizer's hyperparameters.

    Args:
      state: A state of the optimizer.
    """
    return self._optimizer.get_hparams(state)

  def set_hparams(self, state: Any, hparams: Any) -> Any:
    """Returns the state with other hyperparameters.

    Args:
      state: A state of the optimizer.
      hparams: Numbers by name; the state's own stay if there are none.
    """
    return self._optimizer.set_hparams(state, hparams) if hparams else state

  def without_hparams(self, state: Any) -> Any:
    """Returns the part of a state that a step may change.

    Args:
      state: A state of the optimizer; all of it is returned if the optimizer is
        not known.
    """
    if not flat_optimizer.is_elementwise(self._optimizer):
      return state
    hparams = self._optimizer.get_hparams(state)
    return collections.OrderedDict(
        (name, value) for name, value in state.items() if name not in hparams
    )

  def with_hparams_of(self, state: Any, changed: Any) -> Any:
    """Returns a state with its hyperparameters, and with what was changed.

    Args:
      state: The state.
      changed: Other values of what `without_hparams` returns of it.
    """
    if not flat_optimizer.is_elementwise(self._optimizer):
      return self.set_hparams(changed, self.get_hparams(state))
    return collections.OrderedDict(
        (name, changed.get(name, value)) for name, value in state.items()
    )

  def build_hand_over(self) -> visit_lib.HandOver:
    """Returns what makes a step between two visits; see the module's docstring.

    It creates variables, so it must be called outside of a `tf.function`; what
    it returns is called inside.
    """
    if optimizer_steps.is_fusible(self._optimizer, self._specs):
      step = _fused_step(self._optimizer, self._specs)
    else:
      step = _functional_step(self._optimizer)

    def hand_over(
        visit: visit_lib.Visit, after: visit_lib.Handed
    ) -> visit_lib.Handed:
      w_in = tuple(tf.nest.flatten(visit.before.trainable))
      w_out = tuple(tf.nest.flatten(after.trainable))
      gradients = tuple(
          _mean_step(start, end, visit.num_batches)
          for start, end in zip(w_in, w_out)
      )
      before = visit.before.mediator_state
      num_batches = tf.cast(visit.num_batches, tf.float32)
      factor = tf.pow(num_batches, self._step_power)
      state, handed = step(before, w_in, gradients, factor)
      return after._replace(
          trainable=tf.nest.pack_sequence_as(after.trainable, handed),
          mediator_state=tf.nest.pack_sequence_as(
              before, tf.nest.flatten(state)
          ),
      )

    return hand_over


def _functional_step(optimizer: tff.learning.optimizers.Optimizer) -> _Step:
  """Returns the step of any optimizer."""
  next_step = unconverted.step_fn(optimizer)

  def step(before, w_in, gradients, factor):
    state, stepped = next_step(before, w_in, gradients)
    handed = [
        _step_by(factor, start, end) for start, end in zip(w_in, stepped)
    ]
    return state, handed

  return step


def _fused_step(
    optimizer: tff.learning.optimizers.Optimizer,
    weights: Sequence[tf.TensorSpec],
) -> _Step:
  """Returns the step of TFF's Adam by TensorFlow's kernel, equal to rounding.

  Adam's step is proportional to its learning rate, which takes the factor.
  """
  variables = [
      tf.Variable(tf.zeros(spec.shape, spec.dtype), trainable=False)
      for spec in weights
  ]
  adam = optimizer_steps.FusedAdamSteps(optimizer, variables)

  def step(before, w_in, gradients, factor):
    for variable, value in zip(variables, w_in):
      variable.assign(value)
    rate = before[_RATE]
    scalars = collections.OrderedDict(before)
    scalars[_RATE] = rate * tf.cast(factor, rate.dtype)
    scalars = adam.load((scalars, (*before[_MEANS], *before[SQUARES])))
    _, moments = adam.read(adam.step(scalars, gradients))
    state = collections.OrderedDict(before)
    state[_NUM_STEPS] += 1
    state[_MEANS] = moments[:len(variables)]
    state[SQUARES] = moments[len(variables):]
    return state, [variable.read_value() for variable in variables]

  return step


def _mean_step(start: tf.Tensor, end: tf.Tensor, num: tf.Tensor) -> tf.Tensor:
  """Returns `(start - end) / num`."""
  # The end of a visit has the same difference, which TFF then computes once.
  difference = precision.widen(end) - precision.widen(start)
  return tf.cast(difference / -tf.cast(num, difference.dtype), start.dtype)


def _step_by(factor: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
  """Returns `start + factor * (end - start)`."""
  wide = precision.widen(start)
  step = tf.cast(factor, wide.dtype) * (precision.widen(end) - wide)
  return tf.cast(wide + step, start.dtype)
