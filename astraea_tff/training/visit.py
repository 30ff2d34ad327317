"""A client's visit in a mediator's chain: what is kept of it.

A client can ruin what it is handed: one NaN among its examples makes the
weights NaN for all who come after it. So a visit stands or falls as a whole.
When it ends, everything that it changed (the weights, trainable or not, the
metrics, the number of examples, and the optimizer's state where that is handed
along) is either handed on or put back to what it was before.
"""

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from astraea_tff.training import chain_batches


class Handed(NamedTuple):
  """What one client of a chain hands to the next.

  Attributes:
    num_examples: int64 []; the examples trained on so far, over all passes.
    trainable: The trainable weights.
    non_trainable: The other weights; empty if training does not change them.
    optimizer_state: The optimizer's state; empty if it is not handed along.
    metrics: The metrics' state.
    mediator_state: The state of the mediator's optimizer; empty if it has none.
      It stays at the mediator: no client's loop reads it.
  """

  num_examples: tf.Tensor
  trainable: Any
  non_trainable: Any
  optimizer_state: Any
  metrics: Any
  mediator_state: Any = ()


class Visit(NamedTuple):
  """A visit under way.

  Attributes:
    before: What the client was handed.
    index: int64 []; the index of the visit's last batch so far
      (`chain_batches.join_clients`), -1 before the first visit.
    has_finite_losses: bool []; whether every loss of the visit was finite.
    non_finite_clients: bool [gamma]; the clients of which an earlier visit in
      this round was undone.
  """

  before: Handed
  index: tf.Tensor
  has_finite_losses: tf.Tensor
  non_finite_clients: tf.Tensor

  @property
  def client(self) -> tf.Tensor:
    """int64 []; the client's place in the mediator's data, -1 for none."""
    return self.index // chain_batches.PLACE_STRIDE

  @property
  def num_batches(self) -> tf.Tensor:
    """int64 []; how many batches the client trained on in this visit."""
    return self.index % chain_batches.PLACE_STRIDE + 1


# Takes a visit and what the client left; returns what the mediator hands on.
HandOver = Callable[[Visit, Handed], Handed]


def add_loss(has_finite_losses: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
  """Returns bool []: whether a visit's losses, and this one, are finite."""
  return tf.logical_and(
      has_finite_losses, tf.reduce_all(tf.math.is_finite(loss))
  )


def end(
    visit: Visit, after: Handed, hand_over: HandOver
) -> tuple[Handed, tf.Tensor]:
  """Ends a visit: hands on what it left, or undoes it if it is not finite.

  A visit is not finite if one of its losses or the update of a weight is NaN or
  infinite, or if anything else with which the next client would train became
  so. That includes what the mediator makes of it. What the client was handed so
  and left alone, such as a mask of infinities, is not the client's doing.

  Args:
    visit: The visit.
    after: What the client left.
    hand_over: What the mediator makes of it.

  Returns:
    What the next client is handed, and bool [gamma], the clients of which a
    visit was undone.
  """
  before = visit.before
  update = tf.nest.map_structure(
      tf.subtract, after.trainable, before.trainable
  )
  handed = hand_over(visit, after)
  weights = (
      update,
      () if handed.trainable is after.trainable else handed.trainable,
  )
  is_finite = tf.logical_and(
      visit.has_finite_losses,
      _are_finite(
          weights,
          (before.non_trainable, before.optimizer_state, before.mediator_state),
          (after.non_trainable, after.optimizer_state, handed.mediator_state),
      ),
  )
  # Before the first visit there is nothing that the mediator could hand on.
  is_kept = tf.logical_and(is_finite, visit.index >= 0)
  kept = tf.cond(is_kept, lambda: handed, lambda: before)
  is_undone = tf.one_hot(
      visit.client,
      visit.non_finite_clients.shape[0],
      on_value=tf.logical_not(is_finite),
      off_value=False,
      dtype=tf.bool,
  )
  return kept, tf.logical_or(visit.non_finite_clients, is_undone)


def all_finite(structure: Any) -> tf.Tensor:
  """Returns bool []: whether every floating-point number in it is finite."""
  return tf.reduce_all([
      tf.reduce_all(tf.math.is_finite(tensor))
      for tensor in tf.nest.flatten(structure)
      if tensor.dtype.is_floating
  ])


def _are_finite(weights: Any, before: Any, after: Any) -> tf.Tensor:
  """Returns bool []: whether `weights` are finite and `after` stayed so.

  That is seldom otherwise, and a sum that is finite proves it in a fraction of
  the time: no sum hides an infinity or a NaN. A sum of large numbers that is
  not finite proves nothing.
  """
  sums = collections.defaultdict(list)
  for tensor in tf.nest.flatten((weights, after)):
    if tensor.dtype.is_floating:
      sums[tensor.dtype].append(tf.reduce_sum(tensor))
  is_proved = tf.reduce_all([True] + [
      tf.math.is_finite(tf.add_n(of_dtype)) for of_dtype in sums.values()
  ])
  return tf.cond(
      is_proved,
      lambda: tf.constant(True),
      lambda: tf.logical_and(
          all_finite(weights), _stayed_finite(before, after)
      ),
  )


def _stayed_finite(before: Any, after: Any) -> tf.Tensor:
  """Returns bool []: whether no floating-point number became non-finite."""

  def stayed(old, new):
    is_same = tf.equal(old, new) | (tf.math.is_nan(old) & tf.math.is_nan(new))
    return tf.reduce_all(tf.math.is_finite(new) | is_same)

  return tf.reduce_all([True] + [
      stayed(old, new)
      for old, new in zip(tf.nest.flatten(before), tf.nest.flatten(after))
      if new.dtype.is_floating
  ])
