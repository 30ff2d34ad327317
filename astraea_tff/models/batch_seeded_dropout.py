"""Dropout whose masks depend on the batch alone.

Keras's dropout draws from a stream, and in TFF's worker that stream has no good
beginning: depending on the loop that trains, it goes on from call to call, so
that results depend on what the worker did before, or it restarts in every call,
so that every client has the masks of the one before. A mask that is a function
of the batch is new in every step and the same in every run, on every worker.
"""

from typing import Any, Optional

import tensorflow as tf

from astraea_tff import randomness

# Fine enough to tell images in [0, 1] apart, and a sum of them still fits.
_STEPS_PER_UNIT = 2**16


@tf.keras.saving.register_keras_serializable(package='astraea_tff')
class BatchSeededDropout(tf.keras.layers.Layer):
  """Drops values in training, by a mask drawn from the seed and the batch.

  Takes a pair, the values `float [B, ...]` and the images of the batch
  `float [B, H, W, C]`, and returns values like those given: each is zero with
  probability `rate`, the others are scaled up so that the mean stays. Outside
  training it returns the values as they are.

  The order of the images counts, so a client that has a single batch still has
  new masks when it is shuffled anew.
  """

  def __init__(
      self, rate: float, seed: int, name: Optional[str] = None, **kwargs: Any
  ):
    """Initializes the layer.

    Args:
      rate: The share of values that are dropped, in [0, 1).
      seed: The seed; layers of one model should have different ones.
      name: As for every Keras layer.
      **kwargs: What else every Keras layer takes, such as `dtype`.
    """
    super().__init__(name=name, **kwargs)
    self.rate = rate
    self.seed = seed

  @tf.autograph.experimental.do_not_convert
  def call(self, inputs: Any, training: Optional[bool] = None) -> tf.Tensor:
    """Returns the values with some of them dropped; see the class."""
    values, images = inputs
    if not training or not self.rate:
      return tf.identity(values)
    sums = tf.reduce_sum(
        tf.cast(images * _STEPS_PER_UNIT, tf.int64), axis=[1, 2, 3]
    )
    places = tf.range(1, tf.size(sums, out_type=tf.int64) + 1)
    seed = tf.stack(
        [tf.constant(self.seed, tf.int64), tf.reduce_sum(sums * places)]
    )
    draws = randomness.uniform(tf.shape(values), seed, tf.float32)
    zero = tf.zeros([], values.dtype)
    return tf.where(draws < self.rate, zero, values / (1 - self.rate))

  def get_config(self) -> dict[str, Any]:
    """Returns what makes the same layer."""
    return {**super().get_config(), 'rate': self.rate, 'seed': self.seed}
