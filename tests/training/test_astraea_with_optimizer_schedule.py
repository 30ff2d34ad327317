"""The scheduled form against TFF's for FedAvg."""

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import astraea_with_optimizer_schedule

CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4)]
BUILD = (
    astraea_with_optimizer_schedule.build_weighted_astraea_with_optimizer_schedule
)


def halved_every_round(round_num):
  return 0.1 * 0.5 ** tf.cast(round_num, tf.float32)


def build_momentum(learning_rate):
  return tff.learning.optimizers.build_sgdm(learning_rate, momentum=0.9)


@pytest.mark.usefixtures('execution_context')
def test_one_client_a_mediator_equals_fed_avg():
  ours = BUILD(
      chain_oracle.variable_model_fn,
      halved_every_round,
      build_momentum,
      max_clients=1,
  )
  theirs = tff.learning.algorithms.build_weighted_fed_avg_with_optimizer_schedule(
      chain_oracle.variable_model_fn, halved_every_round, build_momentum
  )
  assert ours.initialize.type_signature == theirs.initialize.type_signature
  our_state, their_state = ours.initialize(), theirs.initialize()
  for round_num in range(3):
    our_state, our_metrics = ours.next(our_state, [(c,) for c in CLIENTS])
    their_state, their_metrics = theirs.next(their_state, CLIENTS)
    our_work = our_metrics['client_work']
    assert our_work['client_learning_rate'] == np.float32(0.1 * 0.5**round_num)
    their_train = their_metrics['client_work']['train']
    for name, value in their_train.items():
      np.testing.assert_allclose(our_work['train'][name], value, rtol=1e-5)
  assert our_state.client_work == their_state.client_work == 3
  chain_oracle.assert_weights_close(
      ours.get_model_weights(our_state).trainable,
      theirs.get_model_weights(their_state).trainable,
  )


@pytest.mark.usefixtures('execution_context')
@pytest.mark.parametrize('kind', ['variable', 'functional'])
def test_a_chain_trains_at_the_rate_of_its_round(kind):
  """Of a functional model too, where TFF 0.87's form for FedAvg fails."""
  arguments = dict(max_clients=3, mediator_epochs=2)
  scheduled = BUILD(
      chain_oracle.shared_model(kind),
      halved_every_round,
      build_momentum,
      **arguments,
  )
  state = scheduled.initialize()
  for _ in range(2):
    state = scheduled.next(state, [tuple(CLIENTS)]).state
  weights = None
  for rate in (0.1, 0.05):
    weights = chain_oracle.run_chain(
        CLIENTS,
        lambda: tf.keras.optimizers.legacy.SGD(rate, momentum=0.9),
        mediator_epochs=2,
        weights=weights,
    )
  actual = scheduled.get_model_weights(state)
  chain_oracle.assert_weights_close(actual.trainable, weights)
  state = scheduled.set_model_weights(scheduled.initialize(), actual)
  chain_oracle.assert_weights_close(
      scheduled.get_model_weights(state).trainable, weights
  )


def test_other_arguments_are_checked_as_ever():
  with pytest.raises(ValueError, match='`max_clients` must be at least 1'):
    BUILD(
        chain_oracle.variable_model_fn,
        halved_every_round,
        build_momentum,
        max_clients=0,
    )
