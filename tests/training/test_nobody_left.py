"""Mediators without an example, and rounds of nothing else.

What they train must be what the same process trains without them.
"""

import functools

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import aggregation
from astraea_tff.training import astraea

pytestmark = pytest.mark.usefixtures('execution_context')

OPTIMIZERS = tff.learning.optimizers
ONE, TWO, THREE = (chain_oracle.make_client(n, seed=n) for n in (7, 10, 4))
EMPTY = chain_oracle.make_client(0, 0)
UNDONE = ONE.map(lambda features, label: (features * np.nan, label))
COUNTING = [(ONE, TWO), (THREE, EMPTY)]
# All dropped out; the only one undone; undone and dropped out in another order.
NOT_COUNTING = [(EMPTY, EMPTY), (UNDONE, EMPTY), (EMPTY, UNDONE)]

UNWEIGHTED_AGGREGATORS = {
    'mean': tff.aggregators.UnweightedMeanFactory,
    # Fixed norms, as those that adapt see every update.
    'robust': lambda: tff.aggregators.clipping_factory(
        0.05, tff.aggregators.UnweightedMeanFactory()
    ),
    'debug': lambda: tff.learning.add_debug_measurements(
        tff.aggregators.UnweightedMeanFactory()
    ),
    'secure': lambda: tff.learning.secure_aggregator(
        zeroing=False, clipping=False, weighted=False
    ),
    'sum': tff.aggregators.SumFactory,
}


@functools.cache
def unweighted(name):
  return astraea.build_unweighted_astraea(
      chain_oracle.variable_model_fn,
      OPTIMIZERS.build_sgdm(0.1),
      model_aggregator=UNWEIGHTED_AGGREGATORS[name](),
      max_clients=2,
  )


@functools.cache
def with_server_adam(**arguments):
  return astraea.build_weighted_astraea(
      chain_oracle.variable_model_fn,
      OPTIMIZERS.build_sgdm(0.1),
      OPTIMIZERS.build_adam(0.01),
      max_clients=2,
      **arguments,
  )


def assert_moved(weights):
  initial = chain_oracle.initial_weights()
  assert chain_oracle.largest_difference(weights, initial) > 1e-3


@pytest.mark.parametrize('name', sorted(UNWEIGHTED_AGGREGATORS))
def test_unweighted_mediators_without_an_example_count_as_nothing(name):
  process = unweighted(name)
  expected, _ = chain_oracle.run_round(process, COUNTING)
  actual, metrics = chain_oracle.run_round(process, COUNTING + NOT_COUNTING)
  assert_moved(expected)
  # Secure sums are of rounded numbers.
  tolerance = 1e-4 if name == 'secure' else 1e-6
  chain_oracle.assert_weights_close(actual, expected, tolerance)
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 2


def test_unweighted_mean_is_that_of_chains_by_hand():
  _, build_optimizer = chain_oracle.OPTIMIZERS['sgd']
  chains = [
      chain_oracle.run_chain(clients, build_optimizer)
      for clients in ([ONE, TWO], [THREE])
  ]
  expected = [np.mean(parts, axis=0) for parts in zip(*chains)]
  actual, _ = chain_oracle.run_round(
      unweighted('mean'), COUNTING + NOT_COUNTING
  )
  chain_oracle.assert_weights_close(actual, expected)


@pytest.mark.parametrize('aggregator', [None, 'mean'])
def test_uniform_weights_count_mediators_with_an_example(aggregator):
  arguments = {}
  if aggregator:
    arguments['model_aggregator'] = tff.aggregators.as_weighted_aggregator(
        UNWEIGHTED_AGGREGATORS[aggregator]()
    )
  process = chain_oracle.build_process(
      max_clients=2,
      client_weighting=tff.learning.ClientWeighting.UNIFORM,
      **arguments,
  )
  expected, _ = chain_oracle.run_round(process, COUNTING)
  actual, _ = chain_oracle.run_round(process, COUNTING + NOT_COUNTING)
  assert_moved(expected)
  chain_oracle.assert_weights_close(actual, expected)


def assert_equal(actual, expected):
  tf.nest.map_structure(
      np.testing.assert_array_equal,
      tf.nest.flatten(actual),
      tf.nest.flatten(expected),
  )


@pytest.mark.parametrize(
    'arguments',
    [
        {},
        dict(client_weighting=tff.learning.ClientWeighting.UNIFORM),
        dict(mediator_optimizer_fn=OPTIMIZERS.build_adam(0.1)),
        # With norms that adapt to what they see.
        dict(model_aggregator=tff.learning.robust_aggregator()),
        dict(model_aggregator=tff.learning.secure_aggregator(zeroing=False)),
    ],
    ids=['plain', 'uniform', 'mediator optimizer', 'robust', 'secure'],
)
def test_a_round_in_which_nobody_is_left_changes_nothing(arguments):
  """Neither weights nor any state, though the server has momentum."""
  process = with_server_adam(**arguments)
  state = process.next(process.initialize(), COUNTING).state
  assert_moved(list(process.get_model_weights(state).trainable))
  output = process.next(state, NOT_COUNTING)
  assert_equal(output.state, state)
  assert output.metrics['finalizer']['update_non_finite'] == 1
  # And the next round goes on from there.
  actual = process.next(output.state, COUNTING).state
  assert_equal(actual, process.next(state, COUNTING).state)


def test_kept_mediator_state_passes_over_mediators_without_an_example():
  process = astraea.build_unweighted_astraea(
      chain_oracle.variable_model_fn,
      OPTIMIZERS.build_sgdm(0.1),
      mediator_optimizer_fn=OPTIMIZERS.build_adam(0.1),
      max_clients=2,
  )
  expected, actual = (
      process.next(process.initialize(), data).state
      for data in (COUNTING, COUNTING + NOT_COUNTING)
  )
  kept = expected.client_work['mediator']
  assert np.abs(kept['accumulator'][0]).max() > 1e-4
  tf.nest.map_structure(
      lambda a, e: np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-7),
      tf.nest.flatten(actual.client_work['mediator']),
      tf.nest.flatten(kept),
  )


def test_a_private_aggregator_learns_no_number_beside_its_noise():
  value_type = tff.types.to_type([(np.float32, [2])])

  def count_sums(process):
    block = process.next.to_building_block()
    return block.compact_representation().count('federated_sum')

  added = []
  for unweighted_factory in (
      tff.learning.dp_aggregator(0.1, 100),
      tff.aggregators.UnweightedMeanFactory(),
  ):
    factory = tff.aggregators.as_weighted_aggregator(unweighted_factory)
    ours = aggregation.create(factory, value_type)
    theirs = factory.create(value_type, tff.TensorType(np.float32))
    added.append(count_sums(ours) - count_sums(theirs))
  # The number of values and of those that count.
  assert added == [0, 2]


def test_the_number_that_counts_is_summed_securely_where_values_are():
  factory = tff.learning.secure_aggregator(weighted=False)
  process = aggregation.create(
      tff.aggregators.as_weighted_aggregator(factory),
      tff.types.to_type([(np.float32, [2])]),
  )
  tff.test.assert_not_contains_unsecure_aggregation(process.next)
