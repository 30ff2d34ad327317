"""A client's visit in a mediator's chain: what is kept of it.

A client can ruin what it is handed: one NaN among its examples makes the
weights NaN for all who come after it. So a visit stands or falls as a whole.
When it ends, everything that it changed (the weights, trainable or not, the
metrics, the number of examples, and the optimizer's state where that is handed
along) is either handed on or put back to what it was before.
"""

from typing import Any, NamedTuple, Optional

import tensorflow as tf


class Handed(NamedTuple):
  """What one client of a chain hands to the next.

  Attributes:
    num_examples: int64 []; the examples trained on so far, over all passes.
    trainable: The trainable weights.
    non_trainable: The other weights; empty if training does not change them.
    optimizer_state: The optimizer's state; empty if it is not handed along.
    metrics: The metrics' state.
  """

  num_examples: tf.Tensor
  trainable: Any
  non_trainable: Any
  optimizer_state: Any
  metrics: Any


class Visit(NamedTuple):
  """A visit under way.

  Attributes:
    before: What the client was handed.
    client: int64 []; the client's place in the mediator's data, -1 before the
      first visit.
    has_finite_losses: bool []; whether every loss of the visit was finite.
    non_finite_clients: bool [gamma]; the clients of which an earlier visit in
      this round was undone.
  """

  before: Handed
  client: tf.Tensor
  has_finite_losses: tf.Tensor
  non_finite_clients: tf.Tensor


@tf.autograph.experimental.do_not_convert
def add_loss(has_finite_losses: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
  """Returns bool []: whether a visit's losses, and this one, are finite."""
  return tf.logical_and(
      has_finite_losses, tf.reduce_all(tf.math.is_finite(loss))
  )


@tf.autograph.experimental.do_not_convert
def end(
    visit: Visit, after: Handed, clipping_norm: Optional[float]
) -> tuple[Handed, tf.Tensor]:
  """Ends a visit: hands on what it left, or undoes it if it is not finite.

  A visit is not finite if one of its losses, the update of a weight, or
  anything else with which the next client would train is NaN or infinite.

  Args:
    visit: The visit.
    after: What the client left.
    clipping_norm: The largest L2 norm that the update of all trainable weights
      together may have, longer ones are scaled down to it; None for no limit.

  Returns:
    What the next client is handed, and bool [gamma], the clients of which a
    visit was undone.
  """
  before = visit.before
  update = tf.nest.map_structure(
      tf.subtract, after.trainable, before.trainable
  )
  is_finite = tf.logical_and(
      visit.has_finite_losses,
      all_finite((update, after.non_trainable, after.optimizer_state)),
  )

  def hand_on():
    if clipping_norm is None:
      return after
    clipped = _clip(before.trainable, update, after.trainable, clipping_norm)
    return after._replace(trainable=clipped)

  kept = tf.cond(is_finite, hand_on, lambda: before)
  is_undone = tf.one_hot(
      visit.client,
      visit.non_finite_clients.shape[0],
      on_value=tf.logical_not(is_finite),
      off_value=False,
      dtype=tf.bool,
  )
  return kept, tf.logical_or(visit.non_finite_clients, is_undone)


@tf.autograph.experimental.do_not_convert
def all_finite(structure: Any) -> tf.Tensor:
  """Returns bool []: whether every floating-point number in it is finite."""
  return tf.reduce_all([
      tf.reduce_all(tf.math.is_finite(tensor))
      for tensor in tf.nest.flatten(structure)
      if tensor.dtype.is_floating
  ])


def _clip(before: Any, update: Any, after: Any, clipping_norm: float) -> Any:
  """Returns `before` plus the update, scaled down to `clipping_norm`.

  An update that is short enough is not computed anew, `after` is returned.
  """
  # The squares of large weights overflow, so the update is first scaled to a
  # largest entry of one.
  largest = tf.reduce_max([
      tf.cast(tf.reduce_max(tf.abs(x)), tf.float32)
      for x in tf.nest.flatten(update)
  ])
  scaled = tf.nest.map_structure(
      lambda x: tf.math.divide_no_nan(x, tf.cast(largest, x.dtype)), update
  )
  scaled_norm = tf.sqrt(
      tf.add_n([
          tf.cast(tf.reduce_sum(tf.square(x)), tf.float32)
          for x in tf.nest.flatten(scaled)
      ])
  )

  def shorten():
    factor = clipping_norm / scaled_norm
    return tf.nest.map_structure(
        lambda start, x: start + x * tf.cast(factor, x.dtype), before, scaled
    )

  return tf.cond(
      largest * scaled_norm > clipping_norm, shorten, lambda: after
  )
