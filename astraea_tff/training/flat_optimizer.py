"""An optimizer that steps all weights of a model as one vector.

TFF's optimizers take a step weight by weight, some ten small TensorFlow
operations for each. In a small network these cost a quarter of a training step.
Most optimizers (SGD, Adam, Adagrad, ...) treat every number alike, wherever it
stands, and so may as well be given all of them in one vector.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

_PROBE_SHAPES = ((2, 3), (4,))
_NUM_PROBE_STEPS = 3


def flatten_if_elementwise(
    optimizer: tff.learning.optimizers.Optimizer,
    weights: Sequence[tf.TensorSpec],
) -> tff.learning.optimizers.Optimizer:
  """Returns an optimizer that takes the same steps, quicker where that is safe.

  Whether it is, is tried: three steps on small weights must be the same to the
  bit, weight by weight and as one vector. An optimizer that looks at a weight
  as a whole (a norm, a shape) fails that and is returned as it is. So does one
  that needs AutoGraph: converting TFF's takes half a second of every start, and
  none of them needs it.

  Args:
    optimizer: Any optimizer.
    weights: What it will step; if their dtypes differ, nothing is flattened.

  Returns:
    `optimizer`, or one with the same hyperparameters whose state holds vectors.
  """
  dtypes = {spec.dtype for spec in weights}
  is_static = all(spec.shape.is_fully_defined() for spec in weights)
  if len(weights) < 2 or len(dtypes) > 1 or not is_static:
    return optimizer
  flat = _FlatOptimizer(optimizer)
  return flat if _take_same_steps(optimizer, flat, *dtypes) else optimizer


class _FlatOptimizer(tff.learning.optimizers.Optimizer):
  """Steps weights of one dtype and static shapes as one vector."""

  def __init__(self, optimizer: tff.learning.optimizers.Optimizer):
    self._optimizer = optimizer

  @tf.autograph.experimental.do_not_convert
  def initialize(self, specs: Any) -> Any:
    specs = tf.nest.flatten(specs)
    size = sum(spec.shape.num_elements() for spec in specs)
    return self._optimizer.initialize(tf.TensorSpec([size], specs[0].dtype))

  @tf.autograph.experimental.do_not_convert
  def next(self, state: Any, weights: Any, gradients: Any) -> tuple[Any, Any]:
    flat_weights = tf.nest.flatten(weights)
    state, vector = self._optimizer.next(
        state, _join(flat_weights), _join(tf.nest.flatten(gradients))
    )
    sizes = [weight.shape.num_elements() for weight in flat_weights]
    stepped = [
        tf.reshape(part, weight.shape)
        for part, weight in zip(tf.split(vector, sizes), flat_weights)
    ]
    return state, tf.nest.pack_sequence_as(weights, stepped)

  def get_hparams(self, state: Any) -> Any:
    return self._optimizer.get_hparams(state)

  @tf.autograph.experimental.do_not_convert
  def set_hparams(self, state: Any, hparams: Any) -> Any:
    return self._optimizer.set_hparams(state, hparams)


def _join(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
  return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def _take_same_steps(
    one: tff.learning.optimizers.Optimizer,
    other: tff.learning.optimizers.Optimizer,
    dtype: tf.DType,
) -> bool:
  """Returns whether two optimizers step small random weights to the same."""
  rng = np.random.default_rng(0)
  weights, *gradients = (
      tuple(
          tf.constant(rng.standard_normal(shape), dtype)
          for shape in _PROBE_SHAPES
      )
      for _ in range(1 + _NUM_PROBE_STEPS)
  )
  specs = tuple(tf.TensorSpec(shape, dtype) for shape in _PROBE_SHAPES)

  @tf.function(autograph=False)
  def step_both(weights, gradients):
    ends = []
    for optimizer in (one, other):
      state, stepped = optimizer.initialize(specs), weights
      for gradient in gradients:
        state, stepped = optimizer.next(state, stepped, gradient)
      ends.append(tuple(stepped))
    return ends

  try:
    ends = step_both(weights, tuple(gradients))
  except (TypeError, ValueError, tf.errors.OpError):
    return False  # It wants weights of a kind that these are not, or AutoGraph.
  return all(np.array_equal(a, b) for a, b in zip(*ends))
