"""What a user's model and optimizer do where they branch on tensors, against
the same computed eagerly, in which Python's `if` needs no AutoGraph."""

import collections

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import astraea
from astraea_tff.training import unconverted

LOOPS = list(tff.learning.LoopImplementation)
START = np.linspace(-1, 1, 5, dtype=np.float32)[:, np.newaxis]
INPUT_SPEC = (
    tf.TensorSpec([None, 5], tf.float32),
    tf.TensorSpec([None, 1], tf.float32),
)


def scale(features):
  if tf.reduce_mean(features) > 0:
    return 2 * features
  return 3 * features


def squares(y_true, y_pred):
  """A loss of each example; batches with high labels count twice."""
  values = tf.reduce_mean(tf.square(y_true - y_pred), axis=1)
  if tf.reduce_sum(y_true) > 0:
    values = 2 * values
  return values


def count_high(count, y_true):
  if tf.reduce_sum(y_true) > 0:
    count = count + 1
  return count


def show(count):
  if count > 1:
    return 100 + count
  return count


class BranchingOptimizer(tff.learning.optimizers.Optimizer):
  """SGD whose steps are longer from the third on."""

  def initialize(self, specs):
    return tf.constant(0)

  def next(self, state, weights, gradients):
    rate = 0.01
    if state > 1:
      rate = 0.03
    return state + 1, tf.nest.map_structure(
        lambda w, g: w - rate * g, weights, gradients
    )


class Scale(tf.keras.layers.Layer):

  def call(self, features):
    return scale(features)


class Squares(tf.keras.losses.Loss):

  def call(self, y_true, y_pred):
    return squares(y_true, y_pred)


class High(tf.keras.metrics.Metric):

  def __init__(self, name='high', dtype=tf.float32):
    super().__init__(name, dtype)
    self.count = self.add_weight('count', initializer='zeros')

  def update_state(self, y_true, y_pred, sample_weight=None):
    self.count.assign(count_high(self.count, y_true))

  def result(self):
    return show(self.count)


def keras_model():
  return tff.learning.models.from_keras_model(
      tf.keras.Sequential([
          tf.keras.layers.Input([5]),
          Scale(),
          tf.keras.layers.Dense(
              1,
              use_bias=False,
              kernel_initializer=tf.keras.initializers.Constant(START),
          ),
      ]),
      Squares(),
      INPUT_SPEC,
      metrics=[High()],
  )


class OwnModel(tff.learning.models.VariableModel):
  """A user's, none of whose methods is a `tf.function`."""

  def __init__(self):
    self._weight = tf.Variable(START)
    self._count = tf.Variable(0.0, trainable=False)

  trainable_variables = property(lambda self: [self._weight])
  non_trainable_variables = property(lambda self: [])
  local_variables = property(lambda self: [self._count])
  input_spec = property(lambda self: INPUT_SPEC)

  def predict_on_batch(self, x, training=True):
    return scale(x) @ self._weight

  def forward_pass(self, batch_input, training=True):
    features, labels = batch_input
    predictions = self.predict_on_batch(features)
    loss = tf.reduce_mean(squares(labels, predictions))
    self._count.assign(count_high(self._count, labels))
    return tff.learning.models.BatchOutput(loss, predictions, None)

  def report_local_unfinalized_metrics(self):
    return collections.OrderedDict(high=self._count.read_value())

  def metric_finalizers(self):
    return collections.OrderedDict(high=tf.function(show))

  def reset_metrics(self):
    self._count.assign(0.0)


class OwnModelOfFunctions(OwnModel):
  """The same with methods that are, as TFF's tutorial has them."""

  forward_pass = tf.function(OwnModel.forward_pass)
  report_local_unfinalized_metrics = tf.function(
      OwnModel.report_local_unfinalized_metrics
  )

  @tf.function
  def shown(self, metric):
    return show(metric)

  def metric_finalizers(self):
    return collections.OrderedDict(high=self.shown)


def functional_model():

  @tf.function
  def predict(weights, x, training):
    (weight,), _ = weights
    return scale(x) @ weight

  def loss(output, label, sample_weight=None):
    return tf.reduce_mean(squares(label, output))

  @tf.function
  def start():
    return collections.OrderedDict(high=tf.constant(0.0))

  @tf.function
  def update(state, labels, batch_output, sample_weight=None):
    return collections.OrderedDict(high=count_high(state['high'], labels))

  @tf.function
  def finalize(state):
    return collections.OrderedDict(high=show(state['high']))

  return tff.learning.models.FunctionalModel(
      initial_weights=((START,), ()),
      predict_on_batch_fn=predict,
      loss_fn=loss,
      metrics_fns=(start, update, finalize),
      input_spec=INPUT_SPEC,
  )


MODELS = {
    'Keras': lambda: keras_model,
    'own': lambda: OwnModel,
    'own, of tf.functions': lambda: OwnModelOfFunctions,
    'functional': functional_model,
}


def make_client(seed):
  """Four batches, so that every branch is taken in either client."""
  rng = np.random.default_rng(seed)
  signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
  features = rng.uniform(0, 1, [4, 3, 5]) * signs[:, :1, np.newaxis]
  labels = rng.uniform(0, 1, [4, 3, 1]) * signs[:, 1:, np.newaxis]
  return tf.data.Dataset.from_tensor_slices(
      (features.astype(np.float32), labels.astype(np.float32))
  )


def train_eagerly(clients):
  """Returns the weight after a round of one mediator, and the metric."""
  optimizer = BranchingOptimizer()
  weight, count = tf.constant(START), tf.constant(0.0)
  for client in clients:
    state = optimizer.initialize(())
    for features, labels in client:
      with tf.GradientTape() as tape:
        tape.watch(weight)
        loss = tf.reduce_mean(squares(labels, scale(features) @ weight))
      gradient = tape.gradient(loss, weight)
      state, weight = optimizer.next(state, weight, gradient)
      count = count_high(count, labels)
  _, weight = optimizer.next(optimizer.initialize(()), START, START - weight)
  return weight.numpy(), float(show(count))


@pytest.mark.parametrize(
    'model, loop',
    [(name, LOOPS[0]) for name in MODELS] + [('Keras', LOOPS[1])],
)
def test_what_branches_on_tensors_is_converted(model, loop, execution_context):
  clients = [make_client(1), make_client(2)]
  process = astraea.build_weighted_astraea(
      MODELS[model](),
      BranchingOptimizer(),
      BranchingOptimizer(),
      max_clients=2,
      loop_implementation=loop,
  )
  (weight,), metrics = chain_oracle.run_round(process, [tuple(clients)])
  expected, high = train_eagerly(clients)
  np.testing.assert_allclose(weight, expected, rtol=1e-5)
  assert metrics['client_work']['train']['high'] == high == 104


def test_the_branches_of_the_model_are_all_taken():
  taken = {
      (bool(tf.reduce_mean(x) > 0), bool(tf.reduce_sum(y) > 0))
      for x, y in make_client(1)
  }
  assert len(taken) == 4


def test_what_is_run_as_it_stands_is_not_converted():
  def branch(value):
    return 1 if value > 0 else 2

  with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
    unconverted.tf_function(branch)(tf.constant(1))
  assert int(tf.function(branch)(tf.constant(1))) == 1
