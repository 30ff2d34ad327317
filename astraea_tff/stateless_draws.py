"""Uniform draws as a function of a seed, in few operations."""

from typing import Any

import tensorflow as tf


def uniform(shape: Any, seed: Any, dtype: tf.DType) -> tf.Tensor:
  """Returns what `tf.random.stateless_uniform` draws from [0, 1).

  That scales and shifts every draw, if only by one and zero, which a training
  step and a pipeline that is opened for every client have to pay for.

  Args:
    shape: int32 or int64 `[rank]`.
    seed: int32 or int64 `[2]`.
    dtype: A floating-point dtype.

  Returns:
    A tensor of the shape and dtype.
  """
  key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
  return tf.raw_ops.StatelessRandomUniformV2(
      shape=shape,
      key=key,
      counter=counter,
      alg=tf.random.Algorithm.AUTO_SELECT.value,
      dtype=dtype,
  )
