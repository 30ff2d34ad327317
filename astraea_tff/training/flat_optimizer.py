"""An optimizer that steps all weights of a model as one vector.

TFF's optimizers take a step weight by weight, some ten small TensorFlow
operations for each. In a small network these operations are a large part of a
training step (`docs/performance.md`). Most of TFF's optimizers (SGD, Adam,
Adagrad, ...) treat every number alike, wherever it stands, and so may as well
be given all of them in one vector.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

_optimizers = tff.learning.optimizers

# TFF exports the functions that build its optimizers, not their classes.
_ELEMENTWISE = frozenset(
    type(optimizer)
    for optimizer in (
        _optimizers.build_adagrad(0.1),
        _optimizers.build_adam(0.1),
        _optimizers.build_adamw(0.1),
        _optimizers.build_rmsprop(0.1),
        _optimizers.build_sgdm(0.1),
        _optimizers.build_yogi(0.1),
    )
)


def is_elementwise(optimizer: tff.learning.optimizers.Optimizer) -> bool:
  """Returns whether an optimizer is known to treat every number alike.

  So are most of TFF's, and what is made of them here. They do without
  AutoGraph.
  """
  # Not isinstance: what is derived from an elementwise optimizer may do
  # anything.
  return type(optimizer) in _ELEMENTWISE | {_FlatOptimizer}


def is_flattenable(
    optimizer: tff.learning.optimizers.Optimizer,
    weights: Sequence[tf.TensorSpec],
) -> bool:
  """Returns whether the weights may be stepped as one vector.

  That is so for the optimizers of TFF that are known to treat every number
  alike, and for several weights of one dtype and of known shapes. Any other
  optimizer may look at a weight as a whole, at its norm or its shape.

  Args:
    optimizer: Any optimizer.
    weights: What it will step.
  """
  return (
      is_elementwise(optimizer)
      and len(weights) > 1
      and len({spec.dtype for spec in weights}) == 1
      and all(spec.shape.is_fully_defined() for spec in weights)
  )


def flatten_if_elementwise(
    optimizer: tff.learning.optimizers.Optimizer,
    weights: Sequence[tf.TensorSpec],
) -> tff.learning.optimizers.Optimizer:
  """Returns an optimizer that takes the same steps, quicker where that is safe.

  Args:
    optimizer: Any optimizer.
    weights: What it will step.

  Returns:
    `optimizer`, or one with the same hyperparameters whose state holds vectors.
  """
  if is_flattenable(optimizer, weights):
    return _FlatOptimizer(optimizer)
  return optimizer


class Wrapper(tff.learning.optimizers.Optimizer):
  """Made of an elementwise optimizer, with its hyperparameters."""

  def __init__(self, optimizer: tff.learning.optimizers.Optimizer):
    self._optimizer = optimizer

  def get_hparams(self, state: Any) -> Any:
    return self._optimizer.get_hparams(state)

  @tf.autograph.experimental.do_not_convert
  def set_hparams(self, state: Any, hparams: Any) -> Any:
    return self._optimizer.set_hparams(state, hparams)


class _FlatOptimizer(Wrapper):
  """Steps weights of one dtype and static shapes as one vector."""

  def initialize(self, specs: Any) -> Any:
    specs = tf.nest.flatten(specs)
    size = sum(spec.shape.num_elements() for spec in specs)
    return self._optimizer.initialize(tf.TensorSpec([size], specs[0].dtype))

  def next(self, state: Any, weights: Any, gradients: Any) -> tuple[Any, Any]:
    flat_weights = tf.nest.flatten(weights)
    flat_gradients = tf.nest.flatten(gradients)
    state, vector = self._optimizer.next(
        state,
        join(flat_weights),
        join([
            tf.zeros_like(weight) if gradient is None else gradient
            for weight, gradient in zip(flat_weights, flat_gradients)
        ]),
    )
    # A weight that the loss does not reach stays as it is. A gradient of zero
    # is not the same: some optimizers decay the weight.
    stepped = [
        weight if gradient is None else part
        for part, weight, gradient in zip(
            split(vector, flat_weights), flat_weights, flat_gradients
        )
    ]
    return state, tf.nest.pack_sequence_as(weights, stepped)


def join(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
  """Returns all numbers of tensors of one dtype in one vector."""
  return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def split(vector: tf.Tensor, like: Sequence[tf.Tensor]) -> list[tf.Tensor]:
  """Returns what `join` joined; `like` has the tensors' static shapes."""
  sizes = [tensor.shape.num_elements() for tensor in like]
  return [
      tf.reshape(part, tensor.shape)
      for part, tensor in zip(tf.split(vector, sizes), like)
  ]
