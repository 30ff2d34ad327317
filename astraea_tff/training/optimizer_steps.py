"""How a chain's weights are stepped by a TFF optimizer.

TFF's optimizers are functions: each step allocates the new weights and the new
state. For Adam, the paper's optimizer, TensorFlow has a kernel that does the
same in place, the one Keras uses; several chains at once spend a fifth less
time on a step with it, as they no longer wait for one another's memory.
"""

import collections
from collections.abc import Sequence
from typing import Any, Optional, Union

import tensorflow as tf
import tensorflow_federated as tff

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


def build_steps(
    optimizer: tff.learning.optimizers.Optimizer,
    weights: Sequence[tf.Variable],
) -> Union['FunctionalSteps', 'FusedAdamSteps']:
  """Returns the quickest steps; must be called outside of a `tf.function`.

  Args:
    optimizer: The optimizer.
    weights: What it steps.
  """
  specs = [tf.TensorSpec(weight.shape, weight.dtype) for weight in weights]
  kind = FusedAdamSteps if is_fusible(optimizer, specs) else FunctionalSteps
  return kind(optimizer, weights)


class FunctionalSteps:
  """Steps of any optimizer.

  Attributes:
    moments: Variables that belong to the optimizer's state; none.
  """

  def __init__(
      self,
      optimizer: tff.learning.optimizers.Optimizer,
      weights: Sequence[tf.Variable],
  ):
    self._optimizer = optimizer
    self._weights = tuple(weights)
    self.moments: tuple[tf.Variable, ...] = ()

  def initialize(self, hparams: Optional[Any] = None) -> Any:
    """Returns the state before the first step; `moments` are to be zero."""
    return initialize_optimizer(self._optimizer, self._weights, hparams)

  def step(self, state: Any, gradients: Sequence[Any]) -> Any:
    """Changes the weights; returns the state after it."""
    state, stepped = self._optimizer.next(
        state, self._weights, tuple(gradients)
    )
    for weight, value in zip(self._weights, stepped):
      weight.assign(value)
    return state


class FusedAdamSteps:
  """Adam's steps in place, equal to TFF's but for rounding.

  The state has TFF's hyperparameters and `step`, the number of steps taken,
  int64; the moments are in variables.

  Attributes:
    moments: The first moments of all weights, then the second moments.
  """

  def __init__(
      self,
      optimizer: tff.learning.optimizers.Optimizer,
      weights: Sequence[tf.Variable],
  ):
    self._optimizer = optimizer
    self._weights = tuple(weights)
    self.moments = tuple(
        tf.Variable(tf.zeros(weight.shape, weight.dtype), trainable=False)
        for _ in range(_MOMENTS_OF_A_WEIGHT)
        for weight in self._weights
    )

  @tf.autograph.experimental.do_not_convert
  def initialize(self, hparams: Optional[Any] = None) -> Any:
    """Returns the state before the first step; `moments` are to be zero."""
    if hparams is None:
      hparams = self._optimizer.get_hparams(self._optimizer.initialize(()))
    state = collections.OrderedDict(
        (name, tf.convert_to_tensor(hparams[name])) for name in _HPARAMS
    )
    state['step'] = tf.constant(0, tf.int64)
    return state

  @tf.autograph.experimental.do_not_convert
  def step(self, state: Any, gradients: Sequence[Any]) -> Any:
    """Changes the weights and the moments; returns the state after it."""
    state = collections.OrderedDict(state, step=state['step'] + 1)
    num_weights = len(self._weights)
    # Once for all weights of a dtype, as small operations cost a step too.
    scalars = {
        dtype: _kernel_scalars(state, dtype)
        for dtype in {weight.dtype for weight in self._weights}
    }
    for weight, first, second, gradient in zip(
        self._weights,
        self.moments[:num_weights],
        self.moments[num_weights:],
        gradients,
    ):
      if gradient is not None:
        tf.raw_ops.ResourceApplyAdam(
            var=weight.handle,
            m=first.handle,
            v=second.handle,
            # Those of an embedding are slices.
            grad=tf.convert_to_tensor(gradient),
            **scalars[weight.dtype],
        )
    return state


def _kernel_scalars(state: Any, dtype: tf.DType) -> dict[str, tf.Tensor]:
  rate, beta_1, beta_2, epsilon, step = (
      tf.cast(state[name], dtype) for name in (*_HPARAMS, 'step')
  )
  return dict(
      lr=rate,
      beta1=beta_1,
      beta2=beta_2,
      epsilon=epsilon,
      beta1_power=tf.pow(beta_1, step),
      beta2_power=tf.pow(beta_2, step),
  )


@tf.autograph.experimental.do_not_convert
def initialize_optimizer(
    optimizer: tff.learning.optimizers.Optimizer,
    trainable_weights: Any,
    hparams: Optional[Any] = None,
) -> Any:
  """Returns an optimizer's state before the first step."""
  specs = tuple(
      tf.TensorSpec(weight.shape, weight.dtype)
      for weight in tf.nest.flatten(trainable_weights)
  )
  state = optimizer.initialize(specs)
  return state if hparams is None else optimizer.set_hparams(state, hparams)
