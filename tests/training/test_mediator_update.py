"""A mediator's round against a brute force, with a model that only adds.

A batch is one number. Training on it adds it to the weight, and it is its own
loss, so that a client with a NaN is undone.
"""

import collections

import mediator_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import chain_options
from astraea_tff.training import client_steps
from astraea_tff.training import mediator_optimizer
from astraea_tff.training import mediator_update
from astraea_tff.training import visit as visit_lib

NUM_EXAMPLES = tff.learning.ClientWeighting.NUM_EXAMPLES
UNIFORM = tff.learning.ClientWeighting.UNIFORM
LOOPS = list(tff.learning.LoopImplementation)
START = 100.0
NAN = np.nan


def start_chain(hparams, initial_weights):
  """As `client_steps.StartChain`; a batch counts ten examples."""
  del hparams

  def step(state, batch):
    (weight,), (batches,) = state.trainable, state.metrics
    state = state._replace(
        num_examples=state.num_examples + 10,
        trainable=(weight + batch,),
        metrics=(batches + 1,),
    )
    return state, batch

  first = visit_lib.Handed(
      tf.constant(0, tf.int64),
      tuple(initial_weights.trainable),
      (),
      (),
      (tf.constant(0),),
  )
  steps = client_steps.ClientSteps(
      begin=lambda handed: handed,
      step=step,
      hand_on=lambda state: state,
      report=lambda handed: (handed.trainable, handed.metrics),
  )
  return steps, first


def run(clients, weighting=NUM_EXAMPLES, orders=None, **arguments):
  """Returns the update, its weight, the batches, and the undone clients."""
  options = chain_options.ChainOptions(
      max_clients=len(clients),
      client_order='scheduled' if orders is None else 'reshuffled',
      **arguments,
  )
  update = mediator_update.build_mediator_update(
      start_chain, None, mediator_oracle.NoServerState, weighting, options
  )
  datasets = tuple(
      tf.data.Dataset.from_tensor_slices(np.array(client, np.float32))
      for client in clients
  )
  if orders is not None:
    orders = tf.data.Dataset.from_tensor_slices(np.array(orders, np.int32))
  output = update(
      collections.OrderedDict(clients=(), mediator=()),
      tff.learning.models.ModelWeights((tf.constant(START),), ()),
      datasets,
      orders,
  )
  (change,) = output.result.update
  return (
      float(change),
      float(output.result.update_weight),
      int(output.model_metrics[0]),
      int(output.chain_metrics['num_non_finite_clients']),
  )


@pytest.mark.parametrize('loop', LOOPS)
@pytest.mark.parametrize(
    'clients, update, num_batches, num_undone',
    [
        ([[1.0, 2.0], [4.0]], -7.0, 3, 0),
        ([[1.0], [], [8.0]], -9.0, 2, 0),
        # Undone at the first, a middle and the last batch of a visit, and as
        # the first, a middle and the last client.
        ([[NAN, 1.0], [2.0], [4.0]], -6.0, 2, 1),
        ([[1.0], [2.0, NAN, 2.0], [4.0]], -5.0, 2, 1),
        ([[1.0], [2.0], [4.0, NAN]], -3.0, 2, 1),
        ([[NAN], [NAN], [4.0]], -4.0, 1, 2),
        ([[np.inf], [2.0]], -2.0, 1, 1),
        # Nobody is left.
        ([[NAN], [-np.inf]], 0.0, 0, 2),
        ([[], [NAN]], 0.0, 0, 1),
        ([[], []], 0.0, 0, 0),
    ],
)
def test_a_chain_is_the_sum_of_those_who_are_left(
    clients, update, num_batches, num_undone, loop
):
  for weighting in (NUM_EXAMPLES, UNIFORM):
    weight = 10.0 * num_batches
    if weighting is UNIFORM:
      weight = float(num_batches > 0)
    actual = run(clients, weighting, loop_implementation=loop)
    assert actual == (update, weight, num_batches, num_undone)


@pytest.mark.parametrize('loop', LOOPS)
def test_epochs_train_more_and_weigh_the_same(loop):
  actual = run(
      [[1.0, 2.0], [NAN], [4.0]],
      local_epochs=2,
      mediator_epochs=3,
      loop_implementation=loop,
  )
  # A client is counted once a round, however often it was undone.
  assert actual == (-42.0, 30.0, 18, 1)


@pytest.mark.parametrize('loop', LOOPS)
def test_each_visit_is_clipped_on_its_own(loop):
  # Up by 9, clipped to 2; down by 1; up by 9 in two batches, clipped to 2.
  clients = [[9.0], [-1.0], [4.0, 5.0]]
  actual = run(clients, client_clipping_norm=2.0, loop_implementation=loop)
  assert actual == (-3.0, 40.0, 4, 0)


@pytest.mark.parametrize('loop', LOOPS)
def test_orders_visit_each_client_once_a_pass(loop):
  # In float32, 2**25 + 1 is 2**25: what comes first shows.
  clients = [[2.0**25], [1.0], [-(2.0**25)]]
  rounded = run(clients, orders=[[0, 1, 2]], loop_implementation=loop)
  exact = run(clients, orders=[[0, 2, 1]], loop_implementation=loop)
  start = np.float32(START)
  big, one = np.float32(2.0**25), np.float32(1)
  assert rounded[0] == start - (((start + big) + one) - big)
  assert exact[0] == start - (((start + big) - big) + one)
  assert rounded[0] != exact[0]


def test_weights_that_are_not_finite_count_as_nothing():
  update = mediator_update.build_mediator_update(
      start_chain,
      None,
      mediator_oracle.NoServerState,
      UNIFORM,
      chain_options.ChainOptions(max_clients=1),
  )
  output = update(
      collections.OrderedDict(clients=(), mediator=()),
      tff.learning.models.ModelWeights((tf.constant([NAN, 1.0]),), ()),
      (tf.data.Dataset.from_tensor_slices(np.float32([1.0])),),
  )
  np.testing.assert_array_equal(output.result.update[0], [0.0, 0.0])
  assert float(output.result.update_weight) == 0


def test_empty_batches_count_as_nothing():
  """An optimizer with decay changes weights in a batch without an example."""

  def start_empty_chain(hparams, initial_weights):
    steps, first = start_chain(hparams, initial_weights)

    def step(state, batch):
      after, loss = steps.step(state, batch)
      return after._replace(num_examples=state.num_examples), loss

    return steps._replace(step=step), first

  optimizer = mediator_optimizer.MediatorOptimizer(
      tff.learning.optimizers.build_sgdm(1.0, momentum=0.9),
      [tf.TensorSpec([], tf.float32)],
      1.0,
  )

  class ServerState:
    begin = staticmethod(lambda sent: optimizer.initialize())
    change = staticmethod(lambda before, after, weight: (before, after))

  for start, is_empty in ((start_chain, False), (start_empty_chain, True)):
    for weighting in (NUM_EXAMPLES, UNIFORM):
      update = mediator_update.build_mediator_update(
          start,
          optimizer,
          ServerState,
          weighting,
          chain_options.ChainOptions(max_clients=1),
      )
      output = update(
          collections.OrderedDict(clients=(), mediator=()),
          tff.learning.models.ModelWeights((tf.constant(START),), ()),
          (tf.data.Dataset.from_tensor_slices(np.float32([1.0])),),
      )
      changed = [
          bool((before != after).numpy().any())
          for before, after in zip(*map(tf.nest.flatten, output.state_change))
      ]
      assert (float(output.result.update[0]) == 0) == is_empty
      assert (float(output.result.update_weight) == 0) == is_empty
      assert any(changed) != is_empty
