"""Clipping of what a client's visit changes, before it is handed on."""

from typing import Any

import tensorflow as tf

from astraea_tff.training import precision
from astraea_tff.training import visit as visit_lib


def clip_update(norm: float) -> visit_lib.HandOver:
  """Returns a function that clips what a visit changed.

  Args:
    norm: The largest L2 norm that the update of all trainable weights together
      may have; a longer update is scaled down to it.
  """

  def clip(
      visit: visit_lib.Visit, after: visit_lib.Handed
  ) -> visit_lib.Handed:
    clipped = _clip(visit.before.trainable, after.trainable, norm)
    return after._replace(trainable=clipped)

  return clip


def _clip(before: Any, after: Any, norm: float) -> Any:
  """Returns `before` plus the update, scaled down to `norm`.

  An update that is short enough is not computed anew, `after` is returned.
  """
  before_and_after = [
      (precision.widen(start), precision.widen(end))
      for start, end in zip(tf.nest.flatten(before), tf.nest.flatten(after))
  ]
  update = [end - start for start, end in before_and_after]
  # The norm is of all weights together, so it takes their most precise dtype.
  dtype = max((x.dtype for x in update), key=lambda dtype: dtype.size)
  # The squares of large weights overflow, so the update is first scaled to a
  # largest entry of one.
  largest = tf.reduce_max(
      [tf.cast(tf.reduce_max(tf.abs(x)), dtype) for x in update]
  )
  scaled = [
      tf.math.divide_no_nan(x, tf.cast(largest, x.dtype)) for x in update
  ]
  scaled_norm = tf.sqrt(
      tf.add_n([
          tf.cast(tf.reduce_sum(tf.square(x)), dtype) for x in scaled
      ])
  )

  def shorten():
    factor = norm / scaled_norm
    return tf.nest.pack_sequence_as(
        after,
        [
            tf.cast(start + x * tf.cast(factor, x.dtype), old.dtype)
            for old, (start, _), x in zip(
                tf.nest.flatten(after), before_and_after, scaled
            )
        ],
    )

  return tf.cond(largest * scaled_norm > norm, shorten, lambda: after)
