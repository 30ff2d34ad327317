"""The classifier with the prior, against the loss by hand in NumPy."""

import collections

import label_prior_oracle as oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import models
from astraea_tff.models import label_prior

_LABELS = np.array([0, 2, 1, 2, 2])
_COUNTS, _GLOBAL = [4, 0, 8], [10, 30, 60]


def _features():
  shape = [len(_LABELS), oracle.NUM_FEATURES]
  return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def _rows(prior):
  return np.tile(np.float32(prior), [len(_LABELS), 1])


def _loss_and_gradients(keras_model, input_spec, batch):
  """What TFF's model computes in training."""
  model = tff.learning.models.from_keras_model(
      keras_model,
      loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
      input_spec=input_spec,
  )
  with tf.GradientTape() as tape:
    output = model.forward_pass(batch, training=True)
  return output.loss, tape.gradient(output.loss, model.trainable_variables)


def _with_prior(prior):
  batch = ((_features(), _rows(prior)), _LABELS)
  return _loss_and_gradients(
      *label_prior.model_with_label_prior(
          oracle.build_keras_model(), oracle.SPEC
      ),
      batch,
  )


def test_loss_and_gradients_are_those_by_hand():
  prior = oracle.log_prior(_COUNTS, _GLOBAL)
  loss, gradients = _with_prior(prior)
  expected_loss, expected_gradients = oracle.loss_and_gradients(
      oracle.initial_weights(), _features(), _LABELS, prior
  )
  np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
  for ours, theirs in zip(gradients, expected_gradients, strict=True):
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize('policy', ['float32', 'mixed_float16'])
@pytest.mark.parametrize(
    'dtype, expected',
    [('float16', 'float32'), ('float32', 'float32'), ('float64', 'float64')],
)
def test_logits_keep_their_precision(policy, dtype, expected):
  """Keras advises float32 logits under a policy of mixed precision."""
  tf.keras.mixed_precision.set_global_policy(policy)
  try:
    layer = label_prior.AddLabelPrior()
  finally:
    tf.keras.mixed_precision.set_global_policy('float32')
  # The second is more than a float16 holds, and the third than a float32 tells.
  logits = np.array([[1.0, 2.0**15, 3.0]]).astype(dtype)
  if dtype != 'float16':
    logits[0, 1] = 2.0**17
  if dtype == 'float64':
    logits[0, 2] += 2.0**-40
  prior = np.float32([[-0.5, -0.25, -2.0]])
  for training, added in ((True, prior), (False, 0 * prior)):
    result = layer((tf.constant(logits), tf.constant(prior)), training=training)
    assert result.dtype == expected
    np.testing.assert_array_equal(result, np.float64(logits) + added)


def _logits():
  kernel, bias = oracle.initial_weights()
  return np.float64(_features()) @ kernel + bias


def test_share_of_zero_is_balanced_softmax():
  """Of counts smoothed by 1e-3 of the client's examples a class."""
  loss, _ = _with_prior(oracle.log_prior(_COUNTS, _GLOBAL, 0))
  counts = np.float64(_COUNTS) + 1e-3 * sum(_COUNTS)
  weighted = counts * np.exp(_logits())
  expected = weighted[np.arange(5), _LABELS] / weighted.sum(axis=1)
  np.testing.assert_allclose(loss, -np.log(expected).mean(), rtol=1e-5)


def test_share_of_one_is_logit_adjustment():
  """Softplus form: log(1 + sum over y' of (pi_y' / pi_y) e^(z_y' - z_y))."""
  loss, _ = _with_prior(oracle.log_prior(_COUNTS, _GLOBAL, 1))
  shares = (np.float64(_GLOBAL) / sum(_GLOBAL) + 1e-3) / 1.003
  logits, expected = _logits(), 0
  for row, label in zip(logits, _LABELS):
    others = [other for other in range(3) if other != label]
    expected += np.log1p(sum(
        shares[other] / shares[label] * np.exp(row[other] - row[label])
        for other in others
    )) / len(_LABELS)
  np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_uniform_counts_change_nothing():
  loss, gradients = _with_prior(oracle.log_prior([5, 5, 5], [7, 7, 7]))
  plain_loss, plain_gradients = _loss_and_gradients(
      oracle.build_keras_model(), oracle.SPEC, (_features(), _LABELS)
  )
  np.testing.assert_allclose(loss, plain_loss, rtol=1e-6)
  for ours, theirs in zip(gradients, plain_gradients, strict=True):
    np.testing.assert_allclose(ours, theirs, atol=1e-7)


def test_outside_training_the_model_is_the_plain_one():
  plain = oracle.build_keras_model()
  model, _ = label_prior.model_with_label_prior(plain, oracle.SPEC)
  prior = _rows(oracle.log_prior(_COUNTS, _GLOBAL))
  np.testing.assert_array_equal(
      model((_features(), prior), training=False), plain(_features())
  )
  difference = model((_features(), prior), training=True) - plain(_features())
  np.testing.assert_allclose(difference, prior, atol=1e-6)
  np.testing.assert_array_equal(
      model.predict((_features(), prior), verbose=0),
      plain.predict(_features(), verbose=0),
  )


def test_the_plain_model_has_the_weights_and_is_what_is_exported(tmp_path):
  plain = oracle.build_keras_model()
  model, _ = label_prior.model_with_label_prior(plain, oracle.SPEC)
  for ours, theirs in zip(model.variables, plain.variables, strict=True):
    assert ours is theirs
  plain.save(tmp_path / 'model')
  loaded = tf.keras.models.load_model(tmp_path / 'model')
  assert loaded.input_shape == (None, oracle.NUM_FEATURES)
  np.testing.assert_allclose(loaded(_features()), plain(_features()))


@pytest.mark.parametrize('is_function', [False, True])
def test_a_functional_model_has_the_same_loss_and_weights(is_function):
  build = oracle.build_keras_model
  keras_model, input_spec = label_prior.model_with_label_prior(
      build if is_function else build(), oracle.SPEC
  )
  model = tff.learning.models.functional_model_from_keras(
      keras_model,
      tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
      input_spec,
  )
  for ours, theirs in zip(
      model.initial_weights[0], oracle.initial_weights(), strict=True
  ):
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
  prior = oracle.log_prior(_COUNTS, _GLOBAL)
  features = (_features(), _rows(prior))
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    trained, evaluated = session.run([
        model.predict_on_batch(model.initial_weights, features, training)
        for training in (True, False)
    ])
  np.testing.assert_allclose(evaluated, _logits(), atol=1e-6)
  np.testing.assert_allclose(trained, _logits() + prior, atol=1e-5)


def _two_inputs(shared_order):
  inputs = {
      name: tf.keras.layers.Input([2], name=name) for name in shared_order
  }
  joined = tf.keras.layers.Concatenate()([inputs['wide'], 3 * inputs['deep']])
  return tf.keras.Model(inputs, tf.keras.layers.Dense(3)(joined))


@pytest.mark.parametrize('order', [('wide', 'deep'), ('deep', 'wide')])
def test_a_model_of_several_inputs(order):
  plain = _two_inputs(order)
  features = {'wide': _features()[:, :2], 'deep': _features()[:, 2:]}
  spec = collections.OrderedDict(
      x={name: tf.TensorSpec([None, 2]) for name in features},
      y=tf.TensorSpec([None], tf.int32),
  )
  model, with_prior = label_prior.model_with_label_prior(plain, spec)
  assert list(with_prior) == ['x', 'y'] and len(with_prior['x']) == 2
  prior = oracle.log_prior(_COUNTS, _GLOBAL)
  batch = {'x': (features, _rows(prior)), 'y': _LABELS}
  loss, _ = _loss_and_gradients(model, with_prior, batch)
  shares = oracle.softmax(plain(features).numpy() + prior)
  expected = -np.log(shares[np.arange(5), _LABELS]).mean()
  np.testing.assert_allclose(loss, expected, rtol=1e-5)


class _Subclassed(tf.keras.Model):
  """A model whose layers stand in another order than they are called in."""

  def __init__(self):
    super().__init__()
    self.logits = tf.keras.layers.Dense(3, kernel_initializer='ones')
    self.hidden = tf.keras.layers.Dense(
        2, 'softmax', kernel_initializer='ones', use_bias=False
    )

  def call(self, inputs):
    return self.logits(self.hidden(inputs))


@pytest.mark.parametrize('is_function', [False, True])
def test_a_subclassed_model(is_function):
  model, spec = label_prior.model_with_label_prior(
      _Subclassed if is_function else _Subclassed(), oracle.SPEC
  )
  assert spec[0][1].shape[1] == 3
  model = model() if is_function else model
  prior = _rows(oracle.log_prior(_COUNTS, _GLOBAL))
  for training in (True, False):
    # A softmax sums to 1, and its two weights to the logits are ones.
    np.testing.assert_allclose(
        model((_features(), prior), training=training),
        1 + training * prior,
        rtol=1e-5,
    )


def test_the_papers_network_on_bytes():
  def build():
    return tf.keras.Sequential([
        tf.keras.layers.Input([28, 28, 1], dtype=tf.uint8),
        tf.keras.layers.Rescaling(1 / 255),
        models.build_emnist_cnn(5, seed=1),
    ])

  spec = (
      tf.TensorSpec([None, 28, 28, 1], tf.uint8),
      tf.TensorSpec([None], tf.int32),
  )
  builder, spec_with_prior = label_prior.model_with_label_prior(build, spec)
  model = models.tff_model_fn(builder, spec_with_prior)()
  plain = models.tff_model_fn(build, spec)()
  images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)
  prior = np.log(np.float32([[0.1, 0.2, 0.3, 0.2, 0.2]] * 3))
  labels = np.int32([0, 1, 2])
  # Dropout and all: the same masks come from the same batch.
  trained = model.forward_pass(((images, prior), labels)).predictions
  expected = plain.forward_pass((images, labels)).predictions + prior
  np.testing.assert_allclose(trained, expected, atol=1e-5)


@pytest.mark.parametrize(
    'spec',
    [
        oracle.SPEC[:1],
        {'x': oracle.SPEC[0], 'label': oracle.SPEC[1]},
        (oracle.SPEC[0], tf.TensorSpec([], tf.int32)),
        (oracle.SPEC[0], oracle.SPEC),
    ],
)
def test_specs_without_labels_of_batches_are_refused(spec):
  with pytest.raises(ValueError, match='`input_spec` must be the specs of bat'):
    label_prior.model_with_label_prior(oracle.build_keras_model(), spec)


@pytest.mark.parametrize('last', [
    tf.keras.layers.Dense(3, activation='softmax'),
    tf.keras.layers.Dense(3, activation=tf.nn.softmax),
    tf.keras.layers.Softmax(),
    tf.keras.layers.Lambda(tf.nn.softmax),
    tf.keras.layers.Activation('softmax'),
])
def test_a_softmax_at_the_end_is_refused(last):
  inner = tf.keras.Sequential([tf.keras.layers.Dense(3), last])
  model = tf.keras.Sequential([tf.keras.layers.Input([4]), inner])
  with pytest.raises(ValueError, match='must end in logits, got a softmax'):
    label_prior.model_with_label_prior(model, oracle.SPEC)


def test_other_outputs_are_refused():
  inputs = tf.keras.layers.Input([4])
  dense = tf.keras.layers.Dense(3)(inputs)
  for outputs in (
      [dense, dense], tf.keras.layers.Dense(1)(inputs), dense[:, None]
  ):
    model = tf.keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match=r'must have one output \[B, N\]'):
      label_prior.model_with_label_prior(model, oracle.SPEC)


def test_what_is_no_model_is_refused():
  with pytest.raises(TypeError, match='`keras_model` must be'):
    label_prior.model_with_label_prior([1], oracle.SPEC)


@pytest.mark.parametrize('name', ['m.keras', 'm.h5'])
def test_a_loaded_model_is_the_saved_one(tmp_path, name):
  model, _ = label_prior.model_with_label_prior(
      oracle.build_keras_model(), oracle.SPEC
  )
  model.save(tmp_path / name)
  loaded = tf.keras.models.load_model(tmp_path / name)
  batch = _features(), _rows(oracle.log_prior(_COUNTS, _GLOBAL))
  for training in (False, True):
    np.testing.assert_array_equal(
        loaded(batch, training=training), model(batch, training=training)
    )
