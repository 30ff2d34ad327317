"""The loop of a mediator's chain (Algorithm 1, lines 9 to 14), in TensorFlow.

The lines of Algorithm 1 are done by these functions of `astraea_tff.training`:

  line 6         the server adds the average    `process.compose_astraea`
  line 9         E_m mediator epochs            `chain_batches.join_clients`
  line 10        one client after another       `chain.run_chain`, `visit.end`
  line 11        E local epochs                 `chain_batches.join_clients`
  lines 13, 14   an optimizer's step on a batch `client_steps.ClientSteps.step`
  line 15        the update, and its weight n_m `mediator_update`

A mediator's clients are one dataset, whose batches carry their index
(`astraea_tff.training.chain_batches`), so that the loop sees where a visit
begins. What a visit left is handed on, or undone if it is not finite
(`astraea_tff.training.visit`).

TensorFlow passes every tensor that a loop or a condition in it knows through
some operations of its own in every step. What a client was handed is as much as
a network, and small networks notice that (`docs/performance.md`). Over an
iterator, the steps of a visit are therefore a loop within the loop over visits:
it passes on what a step changes, and its one condition, on the next batch,
knows nothing else.
"""

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import chain_batches
from astraea_tff.training import chain_options
from astraea_tff.training import client_steps
from astraea_tff.training import visit as visit_lib


def run_chain(
    chain: tf.data.Dataset,
    steps: client_steps.ClientSteps,
    handed: visit_lib.Handed,
    hand_over: visit_lib.HandOver,
    options: chain_options.ChainOptions,
) -> tuple[visit_lib.Handed, tf.Tensor]:
  """Trains one client after another (Algorithm 1, lines 9 to 14).

  Args:
    chain: The batches with their indices.
    steps: How a client trains.
    handed: What the first client is handed.
    hand_over: What the mediator makes of what a client left.
    options: How the chain is trained.

  Returns:
    What the last client handed on, and bool [gamma], the clients of which a
    visit was undone.
  """
  reduce_loop = tff.learning.LoopImplementation.DATASET_REDUCE
  run = _reduce if options.loop_implementation is reduce_loop else _iterate
  no_client_yet = visit_lib.Visit(
      handed,
      tf.constant(-1, tf.int64),
      tf.constant(True),
      tf.zeros([options.max_clients], tf.bool),
  )
  return run(chain, steps, no_client_yet, hand_over)


def _iterate(chain, steps, no_client_yet, hand_over):
  """As `run_chain`, over an iterator."""
  batches = iter(chain)

  def run_visit(next_batch, handed, index, non_finite_clients):

    def run_step(next_batch, _, index, state, has_finite_losses):
      index, batch = next_batch.get_value()
      state, loss = steps.step(state, batch)
      has_finite_losses = visit_lib.add_loss(has_finite_losses, loss)
      next_batch = batches.get_next_as_optional()
      is_same_visit = _goes_on_with(next_batch)
      return next_batch, is_same_visit, index, state, has_finite_losses

    next_batch, _, index, state, has_finite_losses = tf.while_loop(
        lambda _, is_same_visit, *others: is_same_visit,
        run_step,
        (
            next_batch,
            tf.constant(True),
            index,
            steps.begin(handed),
            tf.constant(True),
        ),
    )
    handed, non_finite_clients = visit_lib.end(
        visit_lib.Visit(handed, index, has_finite_losses, non_finite_clients),
        steps.hand_on(state),
        hand_over,
    )
    return next_batch, handed, index, non_finite_clients

  _, handed, _, non_finite_clients = tf.while_loop(
      lambda next_batch, *others: next_batch.has_value(),
      run_visit,
      (
          batches.get_next_as_optional(),
          no_client_yet.before,
          no_client_yet.index,
          no_client_yet.non_finite_clients,
      ),
  )
  return handed, non_finite_clients


def _goes_on_with(indexed_batch: tf.experimental.Optional) -> tf.Tensor:
  """Returns bool []: whether this is one more batch of the visit under way."""
  return tf.cond(
      indexed_batch.has_value(),
      lambda: tf.logical_not(_begins_visit(indexed_batch.get_value()[0])),
      lambda: tf.constant(False),
  )


def _begins_visit(index: tf.Tensor) -> tf.Tensor:
  return tf.equal(index % chain_batches.PLACE_STRIDE, 0)


def _reduce(chain, steps, no_client_yet, hand_over):
  """As `run_chain`, as a reduction of the dataset.

  Its steps are all alike, so a visit is ended by the first batch of the next,
  and the last one after the loop.
  """

  def step(loop_state, indexed_batch):
    state, visit = loop_state
    index, batch = indexed_batch

    def begin_visit():
      handed, non_finite_clients = visit_lib.end(
          visit, steps.hand_on(state), hand_over
      )
      return steps.begin(handed), visit_lib.Visit(
          handed, index, tf.constant(True), non_finite_clients
      )

    state, visit = tf.cond(
        _begins_visit(index), begin_visit, lambda: (state, visit)
    )
    state, loss = steps.step(state, batch)
    return state, visit._replace(
        index=index,
        has_finite_losses=visit_lib.add_loss(visit.has_finite_losses, loss),
    )

  initial_state = steps.begin(no_client_yet.before)
  state, visit = chain.reduce((initial_state, no_client_yet), step)
  return visit_lib.end(visit, steps.hand_on(state), hand_over)
