"""How a chain's weights are stepped by a TFF optimizer.

TFF's optimizers are functions: each step allocates the new weights and the new
state. For Adam, the paper's optimizer, TensorFlow has a kernel that does the
same in place, the one Keras uses. With it, chains that run at once do not wait
for one another's memory (`docs/performance.md`).
"""

import collections
from collections.abc import Callable, Sequence
import functools
from typing import Any, Optional, Union

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import flat_optimizer
from astraea_tff.training import unconverted

# TFF exports the function that builds the optimizer, not its class.
_ADAM = type(tff.learning.optimizers.build_adam(1e-3))
_DTYPES = (tf.float32, tf.float64)
_HPARAMS = ('learning_rate', 'beta_1', 'beta_2', 'epsilon')
_MOMENTS_OF_A_WEIGHT = 2


def is_fusible(
    optimizer: tff.learning.optimizers.Optimizer,
    weights: Sequence[tf.TensorSpec],
) -> bool:
  """Returns whether `optimizer` is TFF's Adam, on weights its kernel takes."""
  # Not isinstance: what is derived from Adam may do anything.
  return type(optimizer) is _ADAM and all(
      spec.dtype in _DTYPES and spec.shape.is_fully_defined()
      for spec in weights
  )


def quickest(
    optimizer: tff.learning.optimizers.Optimizer,
    weights: Sequence[tf.TensorSpec],
) -> Callable[
    [Sequence[tf.Variable]], Union['FunctionalSteps', 'FusedAdamSteps']
]:
  """Decides how variables are stepped quickest.

  Args:
    optimizer: The optimizer.
    weights: What it will step.

  Returns:
    A function that takes the variables and returns their steps. It creates
    variables, so it must be called outside of a `tf.function`.
  """
  if is_fusible(optimizer, weights):
    return functools.partial(FusedAdamSteps, optimizer)
  return functools.partial(
      FunctionalSteps, flat_optimizer.flatten_if_elementwise(optimizer, weights)
  )


class FunctionalSteps:
  """Steps of any optimizer; its state is TFF's, before and between steps."""

  def __init__(
      self,
      optimizer: tff.learning.optimizers.Optimizer,
      weights: Sequence[tf.Variable],
  ):
    """Takes the optimizer, and the variables that it steps."""
    self._optimizer = optimizer
    self._next = unconverted.step_fn(optimizer)
    self._weights = tuple(weights)

  def initialize(self, hparams: Optional[Any] = None) -> Any:
    """Returns the state before the first step.

    Args:
      hparams: Numbers by name; None or none at all for those that the optimizer
        was built with.
    """
    return initialize_optimizer(self._optimizer, self._weights, hparams)

  def load(self, state: Any) -> Any:
    """Returns what `step` takes in a given state."""
    return state

  def step(self, state: Any, gradients: Sequence[Any]) -> Any:
    """Changes the weights (Algorithm 1, line 14).

    Args:
      state: What `load` or the step before returned.
      gradients: One for each weight, like it; None where there is none.

    Returns:
      What the next step takes.
    """
    values = tuple(weight.read_value() for weight in self._weights)
    state, stepped = self._next(state, values, tuple(gradients))
    for weight, value in zip(self._weights, stepped):
      weight.assign(value)
    return state

  def read(self, state: Any) -> Any:
    """Returns the state after a step that returned `state`."""
    return state


class FusedAdamSteps:
  """Adam's steps in place, equal to TFF's but for rounding.

  A state is a pair: TFF's hyperparameters with `step`, the number of steps
  taken, int64; and the moments, the first of all weights and then the second.
  Between steps the moments are in variables, and only the first part of the
  pair is passed on.
  """

  def __init__(
      self,
      optimizer: tff.learning.optimizers.Optimizer,
      weights: Sequence[tf.Variable],
  ):
    """Takes TFF's Adam and the variables that it steps; makes the moments."""
    self._optimizer = optimizer
    self._weights = tuple(weights)
    self._moments = tuple(
        tf.Variable(tf.zeros(weight.shape, weight.dtype), trainable=False)
        for _ in range(_MOMENTS_OF_A_WEIGHT)
        for weight in self._weights
    )

  def initialize(self, hparams: Optional[Any] = None) -> Any:
    """See `FunctionalSteps.initialize`."""
    if not hparams:
      hparams = self._optimizer.get_hparams(self._optimizer.initialize(()))
    scalars = collections.OrderedDict(
        (name, tf.convert_to_tensor(hparams[name])) for name in _HPARAMS
    )
    scalars['step'] = tf.constant(0, tf.int64)
    return scalars, tuple(tf.zeros(m.shape, m.dtype) for m in self._moments)

  def load(self, state: Any) -> Any:
    """See `FunctionalSteps.load`; puts the moments into their variables."""
    scalars, moments = state
    for variable, moment in zip(self._moments, moments):
      variable.assign(moment)
    return scalars

  def step(self, scalars: Any, gradients: Sequence[Any]) -> Any:
    """See `FunctionalSteps.step`; changes the moments too."""
    scalars = collections.OrderedDict(scalars, step=scalars['step'] + 1)
    num_weights = len(self._weights)
    # Once for all weights of a dtype, as small operations cost a step too.
    arguments = {
        dtype: _kernel_scalars(scalars, dtype)
        for dtype in {weight.dtype for weight in self._weights}
    }
    for weight, first, second, gradient in zip(
        self._weights,
        self._moments[:num_weights],
        self._moments[num_weights:],
        gradients,
    ):
      if gradient is not None:
        tf.raw_ops.ResourceApplyAdam(
            var=weight.handle,
            m=first.handle,
            v=second.handle,
            # The gradients of an embedding are slices.
            grad=tf.convert_to_tensor(gradient),
            **arguments[weight.dtype],
        )
    return scalars

  def read(self, scalars: Any) -> Any:
    """See `FunctionalSteps.read`."""
    return scalars, tuple(m.read_value() for m in self._moments)


def _kernel_scalars(scalars: Any, dtype: tf.DType) -> dict[str, tf.Tensor]:
  rate, beta_1, beta_2, epsilon, step = (
      tf.cast(scalars[name], dtype) for name in (*_HPARAMS, 'step')
  )
  return dict(
      lr=rate,
      beta1=beta_1,
      beta2=beta_2,
      epsilon=epsilon,
      beta1_power=tf.pow(beta_1, step),
      beta2_power=tf.pow(beta_2, step),
  )


def initialize_optimizer(
    optimizer: tff.learning.optimizers.Optimizer,
    trainable_weights: Any,
    hparams: Optional[Any] = None,
) -> Any:
  """Returns an optimizer's state before the first step.

  Args:
    optimizer: The optimizer.
    trainable_weights: What it will step.
    hparams: Its hyperparameters; None or none at all for those that it was
      built with.
  """
  specs = tuple(
      tf.TensorSpec(weight.shape, weight.dtype)
      for weight in tf.nest.flatten(trainable_weights)
  )
  state = optimizer.initialize(specs)
  return optimizer.set_hparams(state, hparams) if hparams else state
