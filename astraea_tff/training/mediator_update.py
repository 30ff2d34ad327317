"""What one mediator computes in a round (Algorithm 1, lines 8 to 15).

Starting a training loop in TFF's worker costs far more than a step, so how the
chain is run decides what a round costs (`docs/performance.md`). A mediator's
clients are joined to one dataset in the graph
(`astraea_tff.training.chain_batches`) and trained by one loop
(`astraea_tff.training.chain`).
"""

import collections
from collections.abc import Callable
from typing import Any, NamedTuple, Optional

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import chain
from astraea_tff.training import chain_batches
from astraea_tff.training import chain_options
from astraea_tff.training import client_steps
from astraea_tff.training import clipping
from astraea_tff.training import mediator_optimizer as mediator_optimizer_lib
from astraea_tff.training import server_state as server_state_lib
from astraea_tff.training import visit as visit_lib


class MediatorOutput(NamedTuple):
  """What a mediator returns.

  Attributes:
    result: Its `tff.learning.templates.ClientResult`.
    state_change: What changed in the state of its optimizer, as
      `server_state.ServerState.change` has it.
    model_metrics: The model's unfinalized metrics.
    chain_metrics: The chain's; `num_non_finite_clients`, int64 [].
  """

  result: tff.learning.templates.ClientResult
  state_change: Any
  model_metrics: Any
  chain_metrics: collections.OrderedDict[str, tf.Tensor]


def build_mediator_update(
    start_chain: client_steps.StartChain,
    mediator_optimizer: Optional[mediator_optimizer_lib.MediatorOptimizer],
    server_state: server_state_lib.ServerState,
    client_weighting: tff.learning.ClientWeighting,
    options: chain_options.ChainOptions,
) -> Callable[..., MediatorOutput]:
  """Returns a `tf.function` that trains a mediator (lines 8 to 15).

  The function takes what the server sends of the optimizers
  (`ServerState.send`), the server's `tff.learning.models.ModelWeights`, the
  gamma clients' datasets of batches, and their order, E_m times int32 [gamma],
  or None (see `chain_batches.join_clients`).

  Args:
    start_chain: Starts a chain of the model and the clients' optimizer.
    mediator_optimizer: The optimizer that steps between two visits, or None.
    server_state: What the server sends of the optimizers and gets back.
    client_weighting: How a mediator weighs in the average.
    options: How the chain is trained.
  """
  hand_over = _hand_over(options, mediator_optimizer)

  # AutoGraph has nothing to convert here; models and optimizers that may need
  # it come as `tf.function`s.
  @tf.function(autograph=False)
  def mediator_update(sent, initial_weights, datasets, order=None):
    steps, first = start_chain(sent['clients'], initial_weights)
    if mediator_optimizer is not None and mediator_optimizer.takes_vector:
      steps, first = client_steps.join_weights(steps, first)
    mediator_state = server_state.begin(sent['mediator'])
    handed, non_finite_clients = chain.run_chain(
        chain_batches.join_clients(datasets, order, options),
        steps,
        first._replace(mediator_state=mediator_state),
        hand_over,
        options,
    )
    trainable, model_metrics = steps.report(handed)
    result = _build_result(
        initial_weights.trainable,
        trainable,
        handed.num_examples,
        chain_batches.count_passes(order, options),
        client_weighting,
    )
    # A mediator that counts as nothing changes no state either: an aggregator
    # may not look at its weight.
    mediator_state_after = tf.cond(
        result.update_weight > 0,
        lambda: handed.mediator_state,
        lambda: mediator_state,
    )
    num_non_finite = tf.reduce_sum(tf.cast(non_finite_clients, tf.int64))
    return MediatorOutput(
        result,
        server_state.change(
            mediator_state, mediator_state_after, result.update_weight
        ),
        model_metrics,
        collections.OrderedDict(num_non_finite_clients=num_non_finite),
    )

  return mediator_update


def _hand_over(
    options: chain_options.ChainOptions,
    mediator_optimizer: Optional[mediator_optimizer_lib.MediatorOptimizer],
) -> visit_lib.HandOver:
  """Returns what the mediator does between two visits: clip, then step.

  It may create variables, so it must be called outside of a `tf.function`.
  """
  parts = []
  if options.client_clipping_norm is not None:
    parts.append(clipping.clip_update(options.client_clipping_norm))
  if mediator_optimizer is not None:
    parts.append(mediator_optimizer.build_hand_over())

  def hand_over(visit, after):
    for part in parts:
      after = part(visit, after)
    return after

  return hand_over


def _build_result(
    initial_trainable: Any,
    trainable: Any,
    num_examples: tf.Tensor,
    num_passes: tf.Tensor,
    client_weighting: tff.learning.ClientWeighting,
) -> tff.learning.templates.ClientResult:
  """Returns the mediator's update and its weight in the average (line 15).

  A mediator counts as nothing, zeros with weight zero, if no visit is left that
  trained: its clients dropped out, or every visit was undone. So does one that
  received weights that are not finite, and one whose batches are empty, though
  an optimizer that decays the weights changes them in such a batch.

  Args:
    initial_trainable: The trainable weights received from the server.
    trainable: Those that the last client handed on.
    num_examples: int64 []; the examples trained on, over all passes.
    num_passes: int64 []; how often each example was trained on, and counted:
      their number is divided by it.
    client_weighting: How a mediator weighs in the average. One without an
      example, or without passes, counts as nothing either way.
  """
  trainable = tf.nest.pack_sequence_as(
      initial_trainable, tf.nest.flatten(trainable)
  )
  update = tf.nest.map_structure(tf.subtract, initial_trainable, trainable)
  counts = tf.logical_and(visit_lib.all_finite(update), num_examples > 0)
  update = tf.nest.map_structure(
      lambda x: tf.where(counts, x, tf.zeros_like(x)), update
  )
  if client_weighting is tff.learning.ClientWeighting.NUM_EXAMPLES:
    weight = tf.math.divide_no_nan(
        tf.cast(num_examples, tf.float32),
        tf.cast(num_passes, tf.float32),
    )
  else:
    weight = tf.constant(1.0)
  weight = tf.where(counts, weight, 0.0)
  return tff.learning.templates.ClientResult(update, weight)
