"""What a mediator returns when its chain has run (Algorithm 1, line 15)."""

import collections
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import chain_options
from astraea_tff.training import visit as visit_lib


@tf.autograph.experimental.do_not_convert
def measure(
    non_finite_clients: tf.Tensor,
) -> collections.OrderedDict[str, tf.Tensor]:
  """Returns the chain's own metrics, int64 []."""
  count = tf.reduce_sum(tf.cast(non_finite_clients, tf.int64))
  return collections.OrderedDict(num_non_finite_clients=count)


@tf.autograph.experimental.do_not_convert
def build_result(
    initial_trainable: Any,
    trainable: Any,
    num_examples: tf.Tensor,
    non_finite_clients: tf.Tensor,
    client_weighting: tff.learning.ClientWeighting,
    options: chain_options.ChainOptions,
) -> tff.learning.templates.ClientResult:
  """Returns the mediator's update and its weight in the average.

  A mediator of which every visit was undone counts as nothing, zeros with
  weight zero, and so does one that received weights that are not finite.

  Args:
    initial_trainable: The trainable weights received from the server.
    trainable: The same after the chain.
    num_examples: int64 []; the examples trained on, over all passes.
    non_finite_clients: bool [gamma]; the clients of which a visit was undone.
    client_weighting: How a mediator weighs in the average.
    options: By whose E_m * E the examples were counted too often.
  """
  update = tf.nest.map_structure(
      tf.subtract, initial_trainable, trainable
  )
  is_finite = visit_lib.all_finite(update)
  update = tf.nest.map_structure(
      lambda x: tf.where(is_finite, x, tf.zeros_like(x)), update
  )
  if client_weighting is tff.learning.ClientWeighting.NUM_EXAMPLES:
    num_passes = options.mediator_epochs * options.local_epochs
    weight = tf.cast(num_examples, tf.float32) / num_passes
  else:
    was_undone = tf.logical_and(
        tf.equal(num_examples, 0), tf.reduce_any(non_finite_clients)
    )
    weight = tf.where(was_undone, 0.0, 1.0)
  weight = tf.where(is_finite, weight, 0.0)
  return tff.learning.templates.ClientResult(update, weight)
