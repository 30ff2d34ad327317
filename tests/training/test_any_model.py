"""Models of every kind in a chain, against a chain by hand in Keras.

Batch normalisation and other weights that training changes without a gradient,
several inputs, recurrent layers, values as labels, and mixed precision.
"""

import collections

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff

_LAYERS = tf.keras.layers


def _glorot(seed):
  return tf.keras.initializers.GlorotUniform(seed=seed)


class Counting(_LAYERS.Layer):
  """Multiplies by the number of batches it has been trained on, and one."""

  def build(self, input_shape):
    self.batches = self.add_weight(
        'batches', [], initializer='zeros', trainable=False
    )

  def call(self, inputs, training=None):
    if training:
      self.batches.assign_add(1.0)
    return inputs * (1 + self.batches)


def normalised():
  return tf.keras.Sequential([
      _LAYERS.Input([chain_oracle.NUM_FEATURES]),
      _LAYERS.Dense(4, kernel_initializer=_glorot(1)),
      _LAYERS.BatchNormalization(),
      Counting(),
      _LAYERS.Dense(chain_oracle.NUM_CLASSES, kernel_initializer=_glorot(2)),
  ])


def mixed_precision():
  return tf.keras.Sequential([
      _LAYERS.Input([chain_oracle.NUM_FEATURES]),
      _LAYERS.Dense(
          4, 'tanh', kernel_initializer=_glorot(1), dtype='mixed_bfloat16'
      ),
      _LAYERS.Dense(chain_oracle.NUM_CLASSES, kernel_initializer=_glorot(2)),
  ])


def recurrent_of_two_inputs():
  """A value from a sequence and some numbers."""
  tokens = tf.keras.Input([6], dtype=tf.int32, name='tokens')
  numbers = tf.keras.Input([2], name='numbers')
  embedded = _LAYERS.Embedding(
      5, 3, embeddings_initializer=_glorot(1), mask_zero=True
  )(tokens)
  read = _LAYERS.LSTM(
      4, kernel_initializer=_glorot(2), recurrent_initializer=_glorot(3)
  )(embedded)
  value = _LAYERS.Dense(1, kernel_initializer=_glorot(4))(
      _LAYERS.Concatenate()([read, numbers])
  )
  return tf.keras.Model(
      collections.OrderedDict(numbers=numbers, tokens=tokens),
      _LAYERS.Flatten()(value),
  )


def client_of_two_inputs(num_examples, seed):
  rng = np.random.default_rng(seed)
  features = collections.OrderedDict(
      numbers=rng.normal(size=[num_examples, 2]).astype(np.float32),
      tokens=rng.integers(0, 5, [num_examples, 6]).astype(np.int32),
  )
  values = rng.gamma(2.0, size=[num_examples, 1]).astype(np.float32)
  return tf.data.Dataset.from_tensor_slices((features, values))


def train(build_model, clients, loss=None):
  """Returns the weights after a round of one mediator, and before it."""
  process = astraea_tff.build_weighted_astraea(
      lambda: tff.learning.models.from_keras_model(
          build_model(),
          loss=loss or chain_oracle.loss_fn(),
          input_spec=clients[0].element_spec,
      ),
      tff.learning.optimizers.build_sgdm(0.1),
      max_clients=len(clients),
  )
  state = process.initialize()
  trained = process.next(state, [tuple(clients)]).state
  return process.get_model_weights(trained), process.get_model_weights(state)


@pytest.mark.usefixtures('execution_context')
def test_batch_normalisation_in_a_chain():
  """Statistics of batches train; moving ones are handed on and then dropped.

  `Counting` shows that they are handed on: a client's steps depend on the
  batches of those before it.
  """
  clients = [chain_oracle.make_client(n, n) for n in (8, 6)]
  weights, before = train(normalised, clients)
  expected = chain_oracle.run_chain(
      clients, chain_oracle.OPTIMIZERS['sgd'][1], build_model=normalised
  )
  chain_oracle.assert_weights_close(weights.trainable, expected, 1e-5)
  restarted = chain_oracle.run_chain(
      clients[1:], chain_oracle.OPTIMIZERS['sgd'][1], build_model=normalised
  )
  assert chain_oracle.largest_difference(expected, restarted) > 0.01
  # As in TFF's FedAvg, the server averages trainable weights only.
  assert len(weights.non_trainable) == 3
  for after, initial in zip(weights.non_trainable, before.non_trainable):
    np.testing.assert_array_equal(after, initial)


@pytest.mark.usefixtures('execution_context')
def test_mixed_precision_in_a_chain():
  clients = [chain_oracle.make_client(n, n) for n in (8, 6)]
  weights, before = train(mixed_precision, clients)
  # Weights stay in full precision; steps are those of bfloat16.
  assert all(weight.dtype == np.float32 for weight in weights.trainable)
  expected = chain_oracle.run_chain(
      clients, chain_oracle.OPTIMIZERS['sgd'][1], build_model=mixed_precision
  )
  step = chain_oracle.largest_difference(expected, before.trainable)
  chain_oracle.assert_weights_close(weights.trainable, expected, 0.02 * step)


def stateful_model_fn():
  """Keras does not tell of a layer's state among the model's variables."""
  network = tf.keras.Sequential([
      _LAYERS.Input(batch_shape=[4, 3, 2]),
      _LAYERS.LSTM(
          4, stateful=True, kernel_initializer=_glorot(1),
          recurrent_initializer=_glorot(3),
      ),
      _LAYERS.Dense(3, kernel_initializer=_glorot(2)),
  ])
  spec = (tf.TensorSpec([4, 3, 2]), tf.TensorSpec([4], tf.int32))
  return tff.learning.models.from_keras_model(
      network, loss=chain_oracle.loss_fn(), input_spec=spec
  )


def client_of_sequences(num_examples, seed, first=None):
  rng = np.random.default_rng(seed)
  features = rng.normal(size=[num_examples, 3, 2]).astype(np.float32)
  if first is not None:
    features[0] = first
  labels = rng.integers(0, 3, num_examples).astype(np.int32)
  examples = tf.data.Dataset.from_tensor_slices((features, labels))
  return examples.batch(4, drop_remainder=True)


@pytest.mark.usefixtures('execution_context')
def test_every_client_begins_with_the_state_of_the_model():
  """Of a stateful network too, whatever a client before it left or spoilt."""
  process = astraea_tff.build_weighted_astraea(
      stateful_model_fn, tff.learning.optimizers.build_sgdm(0.1), max_clients=3
  )
  one, two = client_of_sequences(8, 1), client_of_sequences(12, 2)
  nobody, spoilt = one.take(0), client_of_sequences(8, 3, first=np.nan)
  # A round of one client after another is the chain of both.
  expected = process.initialize()
  for client in (one, two):
    expected = process.next(expected, [(client, nobody, nobody)]).state
  expected = process.get_model_weights(expected).trainable
  for clients, num_undone in (((one, two, nobody), 0), ((spoilt, one, two), 1)):
    trained = process.next(process.initialize(), [clients])
    weights = process.get_model_weights(trained.state).trainable
    chain_oracle.assert_weights_close(weights, expected, 1e-6)
    metrics = trained.metrics['client_work']
    assert metrics['train']['num_examples'] == 20
    assert metrics['chain']['num_non_finite_clients'] == num_undone


class ForgetfulModel(tff.learning.models.VariableModel):
  """Does not tell of the variables of its metrics, which FedAvg never asks for."""

  def __init__(self):
    self._weight = tf.Variable(tf.ones([2]))
    self._sum = tf.Variable(0.0, trainable=False)
    self._count = tf.Variable(0, trainable=False)

  trainable_variables = property(lambda self: [self._weight])
  non_trainable_variables = property(lambda self: [])
  local_variables = property(lambda self: [])
  input_spec = property(
      lambda self: (tf.TensorSpec([None, 2]), tf.TensorSpec([None]))
  )

  def predict_on_batch(self, x, training=True):
    return tf.linalg.matvec(x, self._weight)

  def forward_pass(self, batch_input, training=True):
    x, y = batch_input
    predictions = self.predict_on_batch(x)
    losses = (predictions - y) ** 2
    self._sum.assign_add(tf.reduce_sum(losses))
    self._count.assign_add(len(losses))
    return tff.learning.models.BatchOutput(
        tf.reduce_mean(losses), predictions, tf.shape(x)[0]
    )

  def report_local_unfinalized_metrics(self):
    return collections.OrderedDict(loss=[self._sum, self._count])

  def metric_finalizers(self):
    return collections.OrderedDict(
        loss=tf.function(lambda parts: parts[0] / tf.cast(parts[1], tf.float32))
    )

  def reset_metrics(self):
    self._sum.assign(0.0)
    self._count.assign(0)


@pytest.mark.usefixtures('execution_context')
def test_metrics_add_up_over_a_chain_though_the_model_does_not_tell_of_them():
  rng = np.random.default_rng(0)
  examples = [
      (rng.normal(size=[n, 2]).astype(np.float32), np.arange(n, dtype='f4'))
      for n in (4, 3)
  ]
  # No step, so that the losses are those of the weights of the beginning.
  process = astraea_tff.build_weighted_astraea(
      ForgetfulModel, tff.learning.optimizers.build_sgdm(0.0), max_clients=2
  )
  data = [tuple(tf.data.Dataset.from_tensors(pair) for pair in examples)]
  metrics = process.next(process.initialize(), data).metrics['client_work']
  losses = np.concatenate([(x.sum(axis=1) - y) ** 2 for x, y in examples])
  np.testing.assert_allclose(metrics['train']['loss'], losses.mean(), rtol=1e-5)


@pytest.mark.usefixtures('execution_context')
def test_regression_with_a_recurrent_network_of_two_inputs():
  """Quantiles say for which class a value counts, in every step."""
  examples = [client_of_two_inputs(n, n) for n in (9, 12, 7, 10)]
  values = np.concatenate([
      [value for _, value in client.as_numpy_iterator()] for client in examples
  ])
  edges = np.quantile(values, [0.25, 0.5, 0.9]).astype(np.float32)

  def label_fn(element):
    return tf.searchsorted(edges, element[1])[0]

  counts = astraea_tff.label_counts(examples, 4, label_fn=label_fn)
  np.testing.assert_array_equal(
      counts.sum(axis=0),
      np.bincount(np.searchsorted(edges, values[:, 0]), minlength=4),
  )
  plan = astraea_tff.augmentation_plan(counts, alpha=1.0)
  assert plan.copies[3] > 1
  augmented = astraea_tff.augment_clients(
      examples, plan, seed=0, label_fn=label_fn
  )
  after = astraea_tff.label_counts(augmented, 4, label_fn=label_fn)
  assert (after >= counts).all() and after[:, 3].sum() > counts[:, 3].sum()
  schedule = astraea_tff.reschedule(after, max_clients=2)
  clients = [augmented[k].batch(5) for k in schedule.mediators[0]]
  loss = tf.keras.losses.MeanSquaredError()
  weights, _ = train(recurrent_of_two_inputs, clients, loss)
  expected = chain_oracle.run_chain(
      clients,
      chain_oracle.OPTIMIZERS['sgd'][1],
      build_model=recurrent_of_two_inputs,
      loss=loss,
  )
  chain_oracle.assert_weights_close(weights.trainable, expected, 1e-5)
