"""The loop of a mediator's chain (Algorithm 1, lines 9 to 13), in TensorFlow.

A mediator's clients are one dataset, whose batches carry their index
(`astraea_tff.training.chain_batches`), so that the loop sees where a visit begins. What
a visit left is handed on, or undone if it is not finite (`astraea_tff.training.visit`).

TensorFlow passes every tensor that a loop or a condition in it knows through
some operations of its own in every step. The networks are small, and what a
client was handed is as much as a network, so that took a sixth of a step's
time. Over an iterator, the steps of a visit are therefore a loop within the
loop over visits: it passes on what a step changes, and its one condition, on
the next batch, knows nothing else.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import chain_batches
from astraea_tff.training import chain_options
from astraea_tff.training import visit as visit_lib


def run_chain(
    chain: tf.data.Dataset,
    initial_state: Any,
    read: Callable[[Any], visit_lib.Handed],
    write: Callable[[visit_lib.Handed], Any],
    train_on_batch: Callable[[Any, Any], tuple[Any, tf.Tensor]],
    options: chain_options.ChainOptions,
) -> tuple[visit_lib.Handed, tf.Tensor]:
  """Trains on the chain's batches and ends each visit.

  Args:
    chain: The batches with their indices.
    initial_state: What the loop passes from batch to batch.
    read: From such a state to what would be handed on.
    write: From what is handed on to the state in which the next visit begins.
    train_on_batch: From a state and a batch to the state after it and the loss.
    options: How the chain is trained.

  Returns:
    What the last client handed on, and bool [gamma], the clients of which a
    visit was undone.
  """
  reduce_loop = tff.learning.LoopImplementation.DATASET_REDUCE
  if options.loop_implementation is reduce_loop:
    run = _reduce
  else:
    run = _iterate
  return run(chain, initial_state, read, write, train_on_batch, options)


def _iterate(chain, initial_state, read, write, train_on_batch, options):
  """As `run_chain`, over an iterator."""
  handed = read(initial_state)
  non_finite_clients = tf.zeros([options.max_clients], tf.bool)
  batches = iter(chain)
  indexed_batch = batches.get_next_as_optional()
  while indexed_batch.has_value():
    index, _ = indexed_batch.get_value()
    state = write(handed)
    has_finite_losses = tf.constant(True)
    is_same_visit = tf.constant(True)
    while is_same_visit:
      _, batch = indexed_batch.get_value()
      state, loss = train_on_batch(state, batch)
      has_finite_losses = visit_lib.add_loss(has_finite_losses, loss)
      indexed_batch = batches.get_next_as_optional()
      is_same_visit = _goes_on_with(indexed_batch)
    handed, non_finite_clients = visit_lib.end(
        visit_lib.Visit(
            handed,
            index // chain_batches.PLACE_STRIDE,
            has_finite_losses,
            non_finite_clients,
        ),
        read(state),
        options.client_clipping_norm,
    )
  return handed, non_finite_clients


@tf.autograph.experimental.do_not_convert
def _goes_on_with(indexed_batch: tf.experimental.Optional) -> tf.Tensor:
  """Returns bool []: whether this is one more batch of the visit under way."""
  return tf.cond(
      indexed_batch.has_value(),
      lambda: tf.logical_not(_begins_visit(indexed_batch.get_value()[0])),
      lambda: tf.constant(False),
  )


def _begins_visit(index: tf.Tensor) -> tf.Tensor:
  return tf.equal(index % chain_batches.PLACE_STRIDE, 0)


def _reduce(chain, initial_state, read, write, train_on_batch, options):
  """As `run_chain`, as a reduction of the dataset.

  Its steps are all alike, so a visit is ended by the first batch of the next,
  and the last one after the loop.
  """

  def step(loop_state, indexed_batch):
    state, visit = loop_state
    index, batch = indexed_batch

    def begin_visit():
      handed, non_finite_clients = visit_lib.end(
          visit, read(state), options.client_clipping_norm
      )
      return write(handed), visit_lib.Visit(
          handed,
          index // chain_batches.PLACE_STRIDE,
          tf.constant(True),
          non_finite_clients,
      )

    state, visit = tf.cond(
        _begins_visit(index), begin_visit, lambda: (state, visit)
    )
    state, loss = train_on_batch(state, batch)
    return state, visit._replace(
        has_finite_losses=visit_lib.add_loss(visit.has_finite_losses, loss)
    )

  no_client_yet = visit_lib.Visit(
      read(initial_state),
      tf.constant(-1, tf.int64),
      tf.constant(True),
      tf.zeros([options.max_clients], tf.bool),
  )
  state, visit = chain.reduce((initial_state, no_client_yet), step)
  return visit_lib.end(visit, read(state), options.client_clipping_norm)
