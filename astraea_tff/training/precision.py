"""Arithmetic on weights of low precision.

A float16 is 65,504 at the most, and a bfloat16 counts to 256 exactly. Sums over
a weight's numbers and over a visit's batches exceed both.
"""

import tensorflow as tf


def widen(tensor: tf.Tensor) -> tf.Tensor:
  """Returns a floating-point tensor in float32 at the least."""
  return tensor if tensor.dtype.size >= 4 else tf.cast(tensor, tf.float32)
