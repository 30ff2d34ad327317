"""What one mediator computes in a round (Algorithm 1, lines 8 to 15).

Starting a training loop in TFF's worker costs far more than a step, so how the
chain is run decides what a round costs (`docs/performance.md`). A mediator's
clients are joined to one dataset in the graph
(`astraea_tff.training.chain_batches`) and trained by one loop
(`astraea_tff.training.chain`).
"""

import collections
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import chain
from astraea_tff.training import chain_batches
from astraea_tff.training import chain_options
from astraea_tff.training import client_steps
from astraea_tff.training import clipping
from astraea_tff.training import visit as visit_lib


def build_mediator_update(
    start_chain: client_steps.StartChain,
    client_weighting: tff.learning.ClientWeighting,
    options: chain_options.ChainOptions,
) -> Callable[..., Any]:
  """Returns a `tf.function` that trains a mediator.

  It takes the hyperparameters of the clients' optimizer (an empty structure for
  those that it was built with), the weights, the clients' datasets and their order (see
  `chain_batches.join_clients`), and returns the mediator's
  `tff.learning.templates.ClientResult`, the model's unfinalized metrics, and
  those of the chain: `num_non_finite_clients`, int64 [].
  """

  @tf.function
  def mediator_update(hparams, initial_weights, datasets, order=None):
    steps, first = start_chain(hparams, initial_weights)
    handed, non_finite_clients = chain.run_chain(
        chain_batches.join_clients(datasets, order, options),
        steps,
        first,
        _hand_over(options),
        options,
    )
    result = _build_result(
        initial_weights.trainable,
        handed,
        non_finite_clients,
        client_weighting,
        options,
    )
    return result, steps.report(handed), _measure(non_finite_clients)

  return mediator_update


def _hand_over(options: chain_options.ChainOptions) -> visit_lib.HandOver:
  """Returns what the mediator does between two visits."""
  if options.client_clipping_norm is None:
    return lambda visit, after: after
  return clipping.clip_update(options.client_clipping_norm)


@tf.autograph.experimental.do_not_convert
def _measure(
    non_finite_clients: tf.Tensor,
) -> collections.OrderedDict[str, tf.Tensor]:
  """Returns the chain's own metrics, int64 []."""
  count = tf.reduce_sum(tf.cast(non_finite_clients, tf.int64))
  return collections.OrderedDict(num_non_finite_clients=count)


@tf.autograph.experimental.do_not_convert
def _build_result(
    initial_trainable: Any,
    handed: visit_lib.Handed,
    non_finite_clients: tf.Tensor,
    client_weighting: tff.learning.ClientWeighting,
    options: chain_options.ChainOptions,
) -> tff.learning.templates.ClientResult:
  """Returns the mediator's update and its weight in the average (line 15).

  A mediator of which every visit was undone counts as nothing, zeros with
  weight zero, and so does one that received weights that are not finite.

  Args:
    initial_trainable: The trainable weights received from the server.
    handed: What the last client handed on.
    non_finite_clients: bool [gamma]; the clients of which a visit was undone.
    client_weighting: How a mediator weighs in the average.
    options: How the chain was trained. Examples were counted once a pass, so
      their number is divided by `mediator_epochs * local_epochs`.
  """
  trainable = tf.nest.pack_sequence_as(
      initial_trainable, tf.nest.flatten(handed.trainable)
  )
  update = tf.nest.map_structure(tf.subtract, initial_trainable, trainable)
  is_finite = visit_lib.all_finite(update)
  update = tf.nest.map_structure(
      lambda x: tf.where(is_finite, x, tf.zeros_like(x)), update
  )
  if client_weighting is tff.learning.ClientWeighting.NUM_EXAMPLES:
    num_passes = options.mediator_epochs * options.local_epochs
    weight = tf.cast(handed.num_examples, tf.float32) / num_passes
  else:
    was_undone = tf.logical_and(
        tf.equal(handed.num_examples, 0), tf.reduce_any(non_finite_clients)
    )
    weight = tf.where(was_undone, 0.0, 1.0)
  weight = tf.where(is_finite, weight, 0.0)
  return tff.learning.templates.ClientResult(update, weight)
