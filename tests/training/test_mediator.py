"""The mediator update against chains run by hand."""

import collections
import functools

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import astraea

pytestmark = pytest.mark.usefixtures('execution_context')

EMPTY = chain_oracle.make_client(0, seed=0)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4)]
DEFAULTS = dict(mediator_epochs=1, local_epochs=1, carry_optimizer_state=False)


def run_mediator(clients, optimizer='sgd', model='variable', **arguments):
  """Trains one mediator on `clients` for one round; returns its weights."""
  return _run_mediator(
      tuple(clients), optimizer, model, **(DEFAULTS | arguments)
  )


def run_by_hand(clients, optimizer='sgd', **arguments):
  _, build_keras_optimizer = chain_oracle.OPTIMIZERS[optimizer]
  return chain_oracle.run_chain(
      clients, build_keras_optimizer, **(DEFAULTS | arguments)
  )


# A round gives the same for the same; several tests compare one with others.
@functools.cache
def _run_mediator(clients, optimizer, model, **arguments):
  process = chain_oracle.build_process(
      model, optimizer, max_clients=len(clients), **arguments
  )
  weights, _ = chain_oracle.run_round(process, [clients])
  return weights


@pytest.mark.parametrize('carry_optimizer_state', [False, True])
@pytest.mark.parametrize('mediator_epochs', [1, 2])
@pytest.mark.parametrize('optimizer', ['sgd', 'momentum', 'adam'])
def test_equals_the_chain_run_by_hand(
    optimizer, mediator_epochs, carry_optimizer_state
):
  arguments = dict(
      mediator_epochs=mediator_epochs,
      carry_optimizer_state=carry_optimizer_state,
  )
  chain_oracle.assert_weights_close(
      run_mediator(CLIENTS, optimizer, **arguments),
      run_by_hand(CLIENTS, optimizer, **arguments),
  )


@pytest.mark.parametrize('loop_implementation', tff.learning.LoopImplementation)
@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_every_model_and_loop_equals_the_chain_run_by_hand(
    model, loop_implementation
):
  arguments = dict(mediator_epochs=2, local_epochs=2)
  actual = run_mediator(
      CLIENTS,
      'adam',
      model,
      loop_implementation=loop_implementation,
      **arguments,
  )
  expected = run_by_hand(CLIENTS, 'adam', **arguments)
  chain_oracle.assert_weights_close(actual, expected)


def test_functional_model_hands_its_optimizer_state_along():
  actual = run_mediator(
      CLIENTS, 'adam', 'functional', carry_optimizer_state=True
  )
  expected = run_by_hand(CLIENTS, 'adam', carry_optimizer_state=True)
  chain_oracle.assert_weights_close(actual, expected)


def test_fresh_and_carried_optimizer_state_differ():
  fresh = run_mediator(CLIENTS, 'adam')
  carried = run_mediator(CLIENTS, 'adam', carry_optimizer_state=True)
  assert chain_oracle.largest_difference(fresh, carried) > 1e-3


@pytest.mark.parametrize('optimizer', ['sgd', 'adam'])
def test_two_mediator_epochs_equal_the_chain_given_twice(optimizer):
  """Fresh optimizers: only the weights pass from one epoch to the next."""
  chain_oracle.assert_weights_close(
      run_mediator(CLIENTS, optimizer, mediator_epochs=2),
      run_mediator(CLIENTS + CLIENTS, optimizer),
  )


def test_two_carried_mediator_epochs_equal_the_chain_given_twice():
  chain_oracle.assert_weights_close(
      run_mediator(
          CLIENTS, 'adam', mediator_epochs=2, carry_optimizer_state=True
      ),
      run_mediator(CLIENTS + CLIENTS, 'adam', carry_optimizer_state=True),
  )


def test_local_epochs_are_one_visit_and_mediator_epochs_are_several():
  local = run_mediator(CLIENTS, 'adam', local_epochs=2)
  chain_oracle.assert_weights_close(
      local, run_by_hand(CLIENTS, 'adam', local_epochs=2)
  )
  mediator = run_mediator(CLIENTS, 'adam', mediator_epochs=2)
  assert chain_oracle.largest_difference(local, mediator) > 1e-3


@pytest.mark.parametrize('carry_optimizer_state', [False, True])
def test_differs_from_training_on_the_pooled_data(carry_optimizer_state):
  pooled = CLIENTS[0].unbatch()
  for client in CLIENTS[1:]:
    pooled = pooled.concatenate(client.unbatch())
  expected = run_by_hand([pooled.batch(4)], 'adam')
  actual = run_mediator(
      CLIENTS, 'adam', carry_optimizer_state=carry_optimizer_state
  )
  assert chain_oracle.largest_difference(actual, expected) > 1e-3


@pytest.mark.parametrize('carry_optimizer_state', [False, True])
def test_differs_from_averaging_the_clients_of_the_mediator(
    carry_optimizer_state,
):
  sizes = np.array([7, 10, 4])
  alone = [run_by_hand([client]) for client in CLIENTS]
  averaged = [
      np.average(np.stack(weights), axis=0, weights=sizes)
      for weights in zip(*alone)
  ]
  actual = run_mediator(CLIENTS, carry_optimizer_state=carry_optimizer_state)
  assert chain_oracle.largest_difference(actual, averaged) > 1e-2


@pytest.mark.parametrize('carry_optimizer_state', [False, True])
def test_order_of_the_clients_matters(carry_optimizer_state):
  arguments = dict(
      optimizer='adam', carry_optimizer_state=carry_optimizer_state
  )
  forward = run_mediator(CLIENTS, **arguments)
  backward = run_mediator(CLIENTS[::-1], **arguments)
  chain_oracle.assert_weights_close(
      backward, run_by_hand(CLIENTS[::-1], **arguments)
  )
  assert chain_oracle.largest_difference(forward, backward) > 1e-4


@pytest.mark.parametrize('carry_optimizer_state', [False, True])
@pytest.mark.parametrize('position', [0, 1, 3])
def test_empty_client_changes_nothing(position, carry_optimizer_state):
  arguments = dict(
      optimizer='adam',
      mediator_epochs=2,
      carry_optimizer_state=carry_optimizer_state,
  )
  with_empty = list(CLIENTS)
  with_empty.insert(position, EMPTY)
  chain_oracle.assert_weights_close(
      run_mediator(with_empty, **arguments),
      run_mediator(CLIENTS, **arguments),
      tolerance=0,
  )


def test_trains_on_every_example_of_every_client_in_every_pass():
  """Labels summed from inside the training step."""

  class LabelSum(tf.keras.metrics.Sum):

    def update_state(self, y_true, y_pred, sample_weight=None):
      del y_pred
      return super().update_state(tf.cast(y_true, tf.float32), sample_weight)

  def model_fn():
    return tff.learning.models.from_keras_model(
        chain_oracle.build_keras_model(),
        input_spec=chain_oracle.INPUT_SPEC,
        loss=chain_oracle.loss_fn(),
        metrics=[LabelSum(name='label_sum')],
    )

  process = astraea.build_weighted_astraea(
      model_fn,
      tff.learning.optimizers.build_sgdm(0.1),
      max_clients=3,
      mediator_epochs=3,
      local_epochs=2,
  )
  _, metrics = chain_oracle.run_round(process, [tuple(CLIENTS)])
  train = metrics['client_work']['train']
  labels = [int(y.numpy().sum()) for client in CLIENTS for _, y in client]
  assert train['num_examples'] == (7 + 10 + 4) * 3 * 2
  assert train['label_sum'] == sum(labels) * 3 * 2


@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_the_loss_is_the_mean_over_all_examples(model):
  """Not of clients, batches or mediators, which are of several sizes here."""
  model_fn = chain_oracle.variable_model_fn
  if model == 'functional':
    model_fn = tff.learning.models.functional_model_from_keras(
        chain_oracle.build_keras_model,
        chain_oracle.loss_fn(),
        chain_oracle.INPUT_SPEC,
        lambda: collections.OrderedDict(
            loss=tf.keras.metrics.SparseCategoricalCrossentropy(
                from_logits=True
            )
        ),
    )
  process = astraea.build_weighted_astraea(
      model_fn,
      # So slow that every example meets the initial weights.
      tff.learning.optimizers.build_sgdm(1e-30),
      max_clients=2,
      mediator_epochs=2,
  )
  _, metrics = chain_oracle.run_round(
      process, [(CLIENTS[0], CLIENTS[1]), (CLIENTS[2], EMPTY)]
  )
  losses = [
      tf.keras.losses.sparse_categorical_crossentropy(
          labels, chain_oracle.build_keras_model()(features), from_logits=True
      )
      for client in CLIENTS
      for features, labels in client
  ]
  np.testing.assert_allclose(
      metrics['client_work']['train']['loss'],
      np.concatenate(losses).mean(),
      rtol=1e-6,
  )
