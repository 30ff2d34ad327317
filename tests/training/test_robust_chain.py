"""Clients that go non-finite, against the chain run by hand without them."""

import functools

import attacks
import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import astraea

pytestmark = pytest.mark.usefixtures('execution_context')

SIZES = (7, 10, 4)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in SIZES]
VICTIM = chain_oracle.make_client(9, seed=9)
EMPTY = chain_oracle.make_client(0, seed=0)
LOSS = attacks.LOSS
# Where a bad client stands among the others, and a mediator without one.
POSITIONS = (0, 1, 3)
OTHER = (CLIENTS[2], CLIENTS[0], EMPTY, EMPTY)
REDUCE = tff.learning.LoopImplementation.DATASET_REDUCE


def with_features(value):
  """The victim with one feature of its second batch replaced."""

  def poison(index, batch):
    features, labels = batch
    mask = tf.one_hot(1, chain_oracle.NUM_FEATURES, True, False, dtype=tf.bool)
    mask = tf.logical_and(mask, tf.equal(index, 1))
    return tf.where(mask, tf.constant(value, tf.float32), features), labels

  return VICTIM.enumerate().map(poison)


BAD_CLIENTS = {
    'input NaN': with_features(np.nan),
    'input Inf': with_features(np.inf),
    **{
        attack: attacks.attacking(VICTIM, attack)
        for attack in (
            'gradient NaN', 'gradient Inf', 'weights up', 'loss NaN', 'loss Inf'
        )
    },
    'weights NaN': attacks.attacking(VICTIM, 'weights up', 'weights down'),
    'in the last batch': attacks.attacking(
        VICTIM, 'none', 'none', 'gradient NaN'
    ),
}


def build(
    model='variable', loop_implementation=REDUCE, max_clients=4, **arguments
):
  return chain_oracle.build_process(
      model,
      attacks.OPTIMIZER,
      loss=LOSS,
      max_clients=max_clients,
      loop_implementation=loop_implementation,
      **(dict(mediator_epochs=2) | arguments),
  )


def run_by_hand(clients, mediator_epochs=2, **arguments):
  return chain_oracle.run_chain(
      clients,
      attacks.build_keras_optimizer,
      mediator_epochs=mediator_epochs,
      loss=LOSS,
      **arguments,
  )


def num_non_finite_clients(metrics):
  return metrics['client_work']['chain']['num_non_finite_clients']


def insert(position, client):
  return tuple(CLIENTS[:position] + [client] + CLIENTS[position:])


def test_the_attacks_are_what_they_are_called():
  """One step by hand: what of it is not finite."""
  expected = {
      'gradient NaN': (True, False),
      'gradient Inf': (True, False),
      'weights up': (True, True),
      'loss NaN': (False, True),
      'loss Inf': (False, True),
  }
  for attack, finite in expected.items():
    model = chain_oracle.build_keras_model()
    features, labels = next(iter(BAD_CLIENTS[attack]))
    with tf.GradientTape() as tape:
      loss = LOSS(labels, model(features))
    gradients = tape.gradient(loss, model.trainable_variables)
    are_finite = all(np.isfinite(g.numpy()).all() for g in gradients)
    assert (bool(np.isfinite(loss)), are_finite) == finite, attack
    weights = chain_oracle.run_chain(
        [BAD_CLIENTS[attack].take(1)], attacks.build_keras_optimizer, loss=LOSS
    )
    stays_finite = all(np.isfinite(w).all() for w in weights)
    assert stays_finite == attack.startswith('loss'), attack
    assert attack != 'weights up' or np.isinf(weights[-1]).all()
  weights = chain_oracle.run_chain(
      [BAD_CLIENTS['weights NaN'].take(2)],
      attacks.build_keras_optimizer,
      loss=LOSS,
  )
  assert any(np.isnan(w).any() for w in weights)


@pytest.mark.parametrize('bad', BAD_CLIENTS)
@pytest.mark.parametrize('carry_optimizer_state', [False, True])
@pytest.mark.parametrize('loop_implementation', tff.learning.LoopImplementation)
@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_non_finite_client_is_undone_wherever_it_stands(
    model, loop_implementation, carry_optimizer_state, bad
):
  """As if it were not there: weights, share in the average, and metrics."""
  process = build(
      model, loop_implementation, carry_optimizer_state=carry_optimizer_state
  )
  mediators = [insert(position, BAD_CLIENTS[bad]) for position in POSITIONS]
  actual, metrics = chain_oracle.run_round(process, [*mediators, OTHER])
  trained = expected_chains(carry_optimizer_state)
  shares = [len(POSITIONS) * sum(SIZES), 4 + 7]
  expected = [
      np.average(np.stack(weights), axis=0, weights=shares)
      for weights in zip(*trained)
  ]
  # A third of a mediator's: an average hides what only one of three gets wrong.
  chain_oracle.assert_weights_close(actual, expected, tolerance=7e-7)
  assert num_non_finite_clients(metrics) == len(POSITIONS)
  train = metrics['client_work']['train']
  expected_train = train_without(process)
  assert train['num_examples'] == 2 * sum(shares)
  assert train.keys() == expected_train.keys()
  for name, value in expected_train.items():
    np.testing.assert_allclose(train[name], value, rtol=1e-5, err_msg=name)


@functools.cache
def expected_chains(carry_optimizer_state):
  """The two mediators of the test above by hand, without the bad client."""
  arguments = dict(carry_optimizer_state=carry_optimizer_state)
  return (
      run_by_hand(CLIENTS, **arguments),
      run_by_hand([CLIENTS[2], CLIENTS[0]], **arguments),
  )


@functools.cache
def train_without(process):
  """The metrics of the same round with an empty client for the bad one."""
  mediators = [insert(position, EMPTY) for position in POSITIONS] + [OTHER]
  _, metrics = chain_oracle.run_round(process, mediators)
  assert num_non_finite_clients(metrics) == 0
  return metrics['client_work']['train']


@pytest.mark.parametrize('weighting', tff.learning.ClientWeighting)
@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_mediator_with_all_clients_bad_counts_as_nothing(model, weighting):
  process = build(model, client_weighting=weighting)
  bad = tuple(list(BAD_CLIENTS.values())[:3]) + (EMPTY,)
  good = insert(3, EMPTY)
  actual, metrics = chain_oracle.run_round(process, [good, bad])
  chain_oracle.assert_weights_close(actual, run_by_hand(CLIENTS), 2e-6)
  assert num_non_finite_clients(metrics) == 3
  assert metrics['client_work']['train']['num_examples'] == 2 * sum(SIZES)


@pytest.mark.parametrize('weighting', tff.learning.ClientWeighting)
@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_round_with_all_mediators_bad_leaves_the_model_as_it_was(
    model, weighting
):
  process = build(model, client_weighting=weighting)
  bad = list(BAD_CLIENTS.values())
  actual, metrics = chain_oracle.run_round(
      process, [tuple(bad[:4]), tuple(bad[4:8])]
  )
  chain_oracle.assert_weights_close(
      actual, chain_oracle.initial_weights(), tolerance=0
  )
  assert num_non_finite_clients(metrics) == 8
  assert metrics['client_work']['train']['num_examples'] == 0


@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_only_the_visit_that_goes_bad_is_undone(model):
  """A client with a good first pass and a bad second one."""
  features, labels = next(iter(VICTIM))
  good_or_bad = tf.data.Dataset.from_tensor_slices(
      (tf.stack([features, features * np.nan]), tf.stack([labels, labels]))
  )

  def make_turning(seed):
    return good_or_bad.shuffle(2, seed=seed).take(1)

  def turns_bad(seed):
    turning = make_turning(seed).repeat(2)
    passes = [np.isnan(x.numpy()).any() for x, _ in turning]
    return passes == [False, True]

  turning = make_turning(next(filter(turns_bad, range(100))))
  process = build(model)
  clients = (CLIENTS[0], turning, CLIENTS[1], EMPTY)
  actual, metrics = chain_oracle.run_round(process, [clients])
  once = tf.data.Dataset.from_tensors((features, labels))
  by_hand = run_by_hand(
      [CLIENTS[0], once, CLIENTS[1], CLIENTS[0], CLIENTS[1]], mediator_epochs=1
  )
  chain_oracle.assert_weights_close(actual, by_hand, 2e-6)
  assert num_non_finite_clients(metrics) == 1
  assert metrics['client_work']['train']['num_examples'] == 2 * (7 + 10) + 4
  # In the average the client counts by the half of its examples.
  alone = (CLIENTS[2], EMPTY, EMPTY, EMPTY)
  actual, _ = chain_oracle.run_round(process, [clients, alone])
  expected = [
      np.average(np.stack(weights), axis=0, weights=[7 + 10 + 4 / 2, 4])
      for weights in zip(by_hand, run_by_hand([CLIENTS[2]]))
  ]
  chain_oracle.assert_weights_close(actual, expected, 2e-6)


class BatchCounter(tf.keras.layers.Layer):
  """Scales by the number of batches seen, a non-trainable weight."""

  def build(self, input_shape):
    self.count = self.add_weight(
        'count', [], trainable=False, initializer='zeros'
    )

  def call(self, inputs, training=False):
    if training:
      self.count.assign_add(1.0)
    return inputs * (1 + self.count / 10)


def build_counting_model():
  model = chain_oracle.build_keras_model()
  inputs = tf.keras.layers.Input([chain_oracle.NUM_FEATURES])
  return tf.keras.Sequential([inputs, BatchCounter(), model])


def test_non_trainable_weights_are_put_back():
  process = astraea.build_weighted_astraea(
      functools.partial(
          chain_oracle.variable_model_fn, build_counting_model, LOSS
      ),
      attacks.OPTIMIZER,
      max_clients=3,
  )
  bad = BAD_CLIENTS['gradient NaN']
  clients = (CLIENTS[0], bad, CLIENTS[1])
  actual, _ = chain_oracle.run_round(process, [clients])
  expected = run_by_hand(
      [CLIENTS[0], CLIENTS[1]], 1, build_model=build_counting_model
  )
  chain_oracle.assert_weights_close(actual, expected, 2e-6)


def test_optimizer_state_that_would_spoil_the_next_client_is_not_carried():
  """With Adam a huge gradient leaves the weights finite, its square not."""
  _, build_keras_adam = chain_oracle.OPTIMIZERS['adam']
  process = chain_oracle.build_process(
      optimizer='adam', loss=LOSS, max_clients=2, carry_optimizer_state=True
  )
  huge = attacks.attacking(VICTIM, 'large')
  actual, metrics = chain_oracle.run_round(process, [(huge, CLIENTS[1])])
  assert num_non_finite_clients(metrics) == 1
  expected = chain_oracle.run_chain([CLIENTS[1]], build_keras_adam, loss=LOSS)
  chain_oracle.assert_weights_close(actual, expected, 1e-5)


def test_weights_that_are_not_finite_when_they_arrive_undo_every_client():
  process = build()
  state = process.initialize()
  weights = process.get_model_weights(state)
  trainable = [np.full_like(w, np.nan) for w in weights.trainable]
  state = process.set_model_weights(
      state, tff.learning.models.ModelWeights(trainable, [])
  )
  output = process.next(state, [insert(3, EMPTY)])
  assert num_non_finite_clients(output.metrics) == 3
  assert output.metrics['client_work']['train']['num_examples'] == 0
