"""What a round makes of the mediators' optimizer's state, without a chain."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import mediator_optimizer as mediator_optimizer_lib
from astraea_tff.training import mediator_state_average


@pytest.fixture(name='optimizer')
def fixture_optimizer():
  return mediator_optimizer_lib.MediatorOptimizer(
      tff.learning.optimizers.build_adam(0.1),
      [tf.TensorSpec([2], tf.float32)],
      1.0,
  )


def _state(optimizer, mean, squares, step):
  """A state of an optimizer of one vector."""
  state = optimizer.initialize()
  state['accumulator'] = (tf.constant(mean, tf.float32),)
  state['preconditioner'] = (tf.constant(squares, tf.float32),)
  state['step'] = tf.constant(step, state['step'].dtype)
  return state


def _after_round(average, state_type, before, changed, weights):
  """The server's state after mediators changed it, each to one of `changed`."""

  @tff.tensorflow.computation(state_type, state_type, np.float32)
  def change(before, after, weight):
    return average.change(before, after, weight)

  @tff.federated_computation(
      tff.FederatedType(state_type, tff.SERVER),
      tff.FederatedType(state_type, tff.CLIENTS),
      tff.FederatedType(np.float32, tff.CLIENTS),
  )
  def run(state, changed, weights):
    changes = tff.federated_map(
        change, (tff.federated_broadcast(state), changed, weights)
    )
    _, after = average.next(average.initialize(), state, changes, weights)
    return after

  return run(before, changed, weights)


@pytest.mark.usefixtures('execution_context')
@pytest.mark.parametrize('kind', ['plain', 'of_kind'])
def test_states_are_averaged_by_weight_and_squares_stay_positive(
    optimizer, kind
):
  state_type = tff.tensorflow.computation(
      optimizer.initialize
  ).type_signature.result
  if kind == 'plain':
    average = mediator_state_average.plain(optimizer, state_type)
  else:
    average = mediator_state_average.of_kind(
        tff.aggregators.MeanFactory(), optimizer, state_type
    )
  before = _state(optimizer, [1, -1], [1, 1], 5)
  after = _after_round(
      average,
      state_type,
      before,
      # A mean's rounding, or an aggregator's, may go below zero.
      [
          _state(optimizer, [3, -3], [5, -3], 9),
          _state(optimizer, [1, -1], [1, -4], 6),
      ],
      [1.0, 3.0],
  )
  # By hand: 1 + (2 + 3 * 0) / 4; 1 + 4 / 4, and 1 - (4 + 15) / 4 below zero.
  np.testing.assert_allclose(after['accumulator'][0], [1.5, -1.5])
  np.testing.assert_allclose(after['preconditioner'][0], [2, 0])
  # 5 + round((4 + 3) / 4).
  assert after['step'] == 7
  assert after['learning_rate'] == np.float32(0.1)
