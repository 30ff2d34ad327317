"""Utility and gradient against a softmax regression in NumPy."""

import numpy as np
import pytest
from scipy import special
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.control import validation

RNG = np.random.default_rng(3)
IMAGES = RNG.normal(size=(23, 4)).astype(np.float32)
# No example of class 2, and few of class 3.
LABELS = np.array([0] * 11 + [1] * 9 + [3] * 3)


def build(batch_size=10):
  model = tf.keras.Sequential(
      [tf.keras.layers.Input([4]), tf.keras.layers.Dense(5)]
  )
  return validation.Validation(model, IMAGES, LABELS, 5, batch_size=batch_size)


def by_hand(vector):
  """U and its gradient, each class with examples counting alike."""
  kernel, bias = vector[:20].reshape(4, 5), vector[20:]
  log_shares = special.log_softmax(IMAGES @ kernel + bias, axis=1)
  weights = 1 / (np.bincount(LABELS)[LABELS] * 3)
  utility = (weights * log_shares[np.arange(23), LABELS]).sum()
  errors = weights[:, np.newaxis] * (np.eye(5)[LABELS] - np.exp(log_shares))
  return utility, np.concatenate([(IMAGES.T @ errors).ravel(), errors.sum(0)])


def test_utility_and_gradient_are_those_of_balanced_classes():
  examples = build()
  for scale in (0.1, 1.0):
    vector = scale * RNG.normal(size=25)
    utility, slope = by_hand(vector)
    assert examples.utility(vector) == pytest.approx(utility, rel=1e-5)
    np.testing.assert_allclose(examples.gradient(vector), slope, atol=1e-6)


def test_features_may_be_a_structure():
  inputs = [tf.keras.Input([1]), tf.keras.Input([3])]
  outputs = tf.keras.layers.Dense(5)(tf.keras.layers.Concatenate()(inputs))
  examples = validation.Validation(
      tf.keras.Model(inputs, outputs), [IMAGES[:, :1], IMAGES[:, 1:]], LABELS, 5,
      batch_size=10,
  )
  vector = RNG.normal(size=25)
  utility, slope = by_hand(vector)
  assert examples.utility(vector) == pytest.approx(utility, rel=1e-5)
  np.testing.assert_allclose(examples.gradient(vector), slope, atol=1e-6)
  weights = tff.learning.models.ModelWeights(
      [vector[:20].reshape(4, 5), vector[20:]], []
  )
  np.testing.assert_array_equal(
      examples.recall(weights), build().recall(weights)
  )


@pytest.mark.parametrize(
    'dtype, tolerance', [('mixed_bfloat16', 0.02), ('float64', 1e-5)]
)
def test_logits_of_other_precisions(dtype, tolerance):
  model = tf.keras.Sequential([
      tf.keras.layers.Input([4]), tf.keras.layers.Dense(5, dtype=dtype)
  ])
  examples = validation.Validation(model, IMAGES, LABELS, 5)
  vector = 0.1 * RNG.normal(size=25)
  utility, slope = by_hand(vector)
  assert examples.utility(vector) == pytest.approx(utility, rel=tolerance)
  np.testing.assert_allclose(examples.gradient(vector), slope, atol=tolerance)


def test_weights_of_a_state_become_a_vector_and_give_recalls():
  examples = build()
  kernel, bias = np.zeros((4, 5), np.float32), np.float32([0, 0, 0, 1, 0])
  weights = tff.learning.models.ModelWeights([kernel, bias], [])
  vector = examples.vector(weights)
  assert vector.dtype == np.float64
  np.testing.assert_array_equal(vector, [0] * 23 + [1, 0])
  np.testing.assert_array_equal(
      examples.recall(weights), [0, 0, np.nan, 1, np.nan]
  )


def test_bad_examples_are_refused_by_name():
  model = tf.keras.Sequential([tf.keras.layers.Dense(2)])
  with pytest.raises(TypeError, match='labels must be integers'):
    validation.Validation(model, IMAGES, LABELS * 1.0, 5)
  with pytest.raises(ValueError, match=r'labels must lie in \[0, 3\)'):
    validation.Validation(model, IMAGES, LABELS, 3)
  with pytest.raises(ValueError, match='a label for each of at least one'):
    validation.Validation(model, IMAGES[:0], LABELS[:0], 5)
  with pytest.raises(TypeError, match='model must be a .*Model, got None'):
    validation.Validation(None, IMAGES, LABELS, 5)
  for value in (np.nan, np.inf):
    spoilt = IMAGES.copy()
    spoilt[17, 2] = value
    with pytest.raises(ValueError, match=f'features must .* got {value}'):
      validation.Validation(model, {'x': spoilt}, LABELS, 5, batch_size=10)
  with pytest.raises(ValueError, match='weights must be the 25 trainable'):
    build().utility(np.zeros(24))


@pytest.mark.parametrize(
    'dtype', ['int8', 'uint8', 'int16', 'uint16', 'uint32', 'int32', 'uint64']
)
def test_labels_of_any_integers(dtype):
  model = tf.keras.Sequential(
      [tf.keras.layers.Input([4]), tf.keras.layers.Dense(5)]
  )
  examples = validation.Validation(model, IMAGES, LABELS.astype(dtype), 5)
  vector = np.linspace(-1, 1, 25)
  utility, slope = by_hand(vector)
  assert examples.utility(vector) == pytest.approx(utility, rel=1e-5)
  np.testing.assert_allclose(examples.gradient(vector), slope, atol=1e-6)
