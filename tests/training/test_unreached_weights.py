"""A trainable weight that the loss does not reach, as in a frozen branch: with
one client a mediator the process must train what TFF's FedAvg trains."""

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import astraea

pytestmark = pytest.mark.usefixtures('execution_context')

ITERATOR = tff.learning.LoopImplementation.DATASET_ITERATOR
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10)]
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


@pytest.mark.parametrize('name', OPTIMIZERS)
@pytest.mark.parametrize('kind', ['variable', 'functional'])
def test_a_weight_without_gradient_trains_as_in_fed_avg(kind, name):
  model_fn = build_model_fn(kind)
  arguments = dict(loop_implementation=ITERATOR)
  ours = astraea.build_weighted_astraea(
      model_fn, OPTIMIZERS[name], max_clients=1, **arguments
  )
  theirs = tff.learning.algorithms.build_weighted_fed_avg(
      model_fn, OPTIMIZERS[name], **arguments
  )
  actual, metrics = chain_oracle.run_round(ours, [(c,) for c in CLIENTS])
  expected, _ = chain_oracle.run_round(theirs, CLIENTS)
  chain_oracle.assert_weights_close(actual, expected)
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 0
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
