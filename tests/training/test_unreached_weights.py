"""A trainable weight that the loss does not reach, as in a frozen branch: with
one client a mediator the process must train what TFF's FedAvg trains, which is
what TFF's optimizer does step by step."""

import collections
import functools

import chain_oracle
import mediator_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import astraea
from astraea_tff.training import chain_options
from astraea_tff.training import mediator_update
from astraea_tff.training import model_parts

pytestmark = pytest.mark.usefixtures('execution_context')

ITERATOR = tff.learning.LoopImplementation.DATASET_ITERATOR
SIZES = (7, 10)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in SIZES]
UNREACHED = np.array([3.0, -2.0, 1.0], np.float32)

_optimizers = tff.learning.optimizers
OPTIMIZERS = {
    'adagrad': _optimizers.build_adagrad(0.1),
    'adam': _optimizers.build_adam(0.01),
    # Its decay would show on a weight that is stepped with a gradient of zero.
    'adamw': _optimizers.build_adamw(0.01, weight_decay=0.5),
    'rmsprop': _optimizers.build_rmsprop(0.01),
    'sgd': _optimizers.build_sgdm(0.1),
    'momentum': _optimizers.build_sgdm(0.1, momentum=0.9),
    'scheduled': _optimizers.schedule_learning_rate(
        _optimizers.build_sgdm(), lambda step: 0.1
    ),
    'yogi': _optimizers.build_yogi(0.01),
}


class Unreached(tf.keras.layers.Layer):
  """Has a trainable weight and does not use it."""

  def build(self, input_shape):
    self.unused = self.add_weight(
        'unused', [3], initializer=tf.keras.initializers.Constant(UNREACHED)
    )

  def call(self, inputs):
    return inputs


def build_keras_model():
  return tf.keras.Sequential([
      tf.keras.layers.Input([chain_oracle.NUM_FEATURES]),
      Unreached(),
      tf.keras.layers.Dense(
          chain_oracle.NUM_CLASSES,
          kernel_initializer=tf.keras.initializers.GlorotUniform(seed=1),
      ),
  ])


def build_model_fn(kind):
  if kind == 'functional':
    return tff.learning.models.functional_model_from_keras(
        build_keras_model, chain_oracle.loss_fn(), chain_oracle.INPUT_SPEC
    )
  return lambda: chain_oracle.variable_model_fn(build_keras_model)


@functools.cache
def train_by_hand(name):
  """A round of FedAvg, each batch a step of TFF's optimizer."""
  optimizer, ends = OPTIMIZERS[name], []
  for client in CLIENTS:
    model = build_keras_model()
    variables = model.trainable_variables
    weights = tuple(tf.identity(v) for v in variables)
    state = optimizer.initialize(
        tuple(tf.TensorSpec(v.shape, v.dtype) for v in variables)
    )
    for features, labels in client:
      with tf.GradientTape() as tape:
        loss = chain_oracle.loss_fn()(labels, model(features, training=True))
      gradients = tuple(tape.gradient(loss, variables))
      assert gradients[0] is None
      state, weights = optimizer.next(state, weights, gradients)
      for variable, weight in zip(variables, weights):
        variable.assign(weight)
    ends.append([weight.numpy() for weight in weights])
  return [np.average(np.stack(w), axis=0, weights=SIZES) for w in zip(*ends)]


@pytest.mark.parametrize('kind', ['variable', 'functional'])
def test_a_round_is_that_of_fed_avg_and_the_one_by_hand(kind):
  model_fn, optimizer = build_model_fn(kind), OPTIMIZERS['adamw']
  arguments = dict(loop_implementation=ITERATOR)
  theirs = tff.learning.algorithms.build_weighted_fed_avg(
      model_fn, optimizer, **arguments
  )
  ours = astraea.build_weighted_astraea(
      model_fn, optimizer, max_clients=1, **arguments
  )
  expected, _ = chain_oracle.run_round(theirs, CLIENTS)
  chain_oracle.assert_weights_close(expected, train_by_hand('adamw'))
  actual, metrics = chain_oracle.run_round(ours, [(c,) for c in CLIENTS])
  chain_oracle.assert_weights_close(actual, expected)
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 0


def train_mediators(kind, optimizer):
  """The same round of Astraea's mediators, without the server around them.

  Returns the weights, and of each mediator how many clients were undone.
  """
  parts = model_parts.take(build_model_fn(kind), optimizer, False)
  initial = parts.initial_weights()
  specs = tuple(tf.TensorSpec(w.shape, w.dtype) for w in initial.trainable)
  options = chain_options.ChainOptions(
      max_clients=1, loop_implementation=ITERATOR
  )
  batches = tff.types.tensorflow_to_type(chain_oracle.INPUT_SPEC)

  @tff.tensorflow.computation(parts.weights_type, tff.SequenceType(batches))
  def train(weights, client):
    update = mediator_update.build_mediator_update(
        parts.start_chain(),
        None,
        mediator_oracle.NoServerState,
        tff.learning.ClientWeighting.NUM_EXAMPLES,
        options,
    )
    hparams = ()
    if kind == 'variable':
      hparams = optimizer.get_hparams(optimizer.initialize(specs))
    sent = collections.OrderedDict(clients=hparams, mediator=())
    return update(sent, weights, (client,))

  outputs = [train(initial, client) for client in CLIENTS]
  assert [output.result.update_weight for output in outputs] == list(SIZES)
  updates = zip(*(output.result.update for output in outputs))
  ends = [
      before - np.average(np.stack(arrays), axis=0, weights=SIZES)
      for before, arrays in zip(initial.trainable, updates, strict=True)
  ]
  return ends, [
      output.chain_metrics['num_non_finite_clients'] for output in outputs
  ]


@pytest.mark.parametrize('name', OPTIMIZERS)
@pytest.mark.parametrize('kind', ['variable', 'functional'])
def test_a_weight_without_gradient_trains_as_in_fed_avg(kind, name):
  actual, num_undone = train_mediators(kind, OPTIMIZERS[name])
  chain_oracle.assert_weights_close(actual, train_by_hand(name))
  assert num_undone == [0, 0]
  initial = [v.numpy() for v in build_keras_model().trainable_variables]
  np.testing.assert_array_equal(actual[0], UNREACHED)
  assert chain_oracle.largest_difference(actual[1:], initial[1:]) > 1e-3


@pytest.mark.parametrize('kind', ['variable', 'functional'])
def test_the_state_of_such_a_weight_is_handed_along(kind):
  process = astraea.build_weighted_astraea(
      build_model_fn(kind),
      OPTIMIZERS['momentum'],
      max_clients=2,
      carry_optimizer_state=True,
  )
  actual, _ = chain_oracle.run_round(process, [tuple(CLIENTS)])
  expected = chain_oracle.run_chain(
      CLIENTS,
      chain_oracle.OPTIMIZERS['momentum'][1],
      carry_optimizer_state=True,
      build_model=build_keras_model,
  )
  chain_oracle.assert_weights_close(actual, expected)
