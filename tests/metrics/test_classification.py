import numpy as np
import pytest
from scipy import special
from sklearn import metrics
import tensorflow as tf

from astraea_tff.metrics import classification


def _identity(batch):
  """A 'model' whose logits are the images."""
  return np.asarray(batch)


def _one_hot(predictions, num_classes):
  return 5.0 * np.eye(num_classes)[predictions]


# Of class 0: two of three right, one taken for 1. Of 1: one right, one taken
# for 2. Of 2: the only one right.
_LABELS = np.array([0, 0, 0, 1, 1, 2])
_PREDICTIONS = np.array([0, 0, 1, 1, 2, 2])


def test_every_measure_by_hand():
  result = classification.evaluate(
      _identity, _one_hot(_PREDICTIONS, 3), _LABELS, 3)
  assert result.accuracy == pytest.approx(4 / 6)
  assert result.confusion_matrix.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
  assert result.confusion_matrix.dtype == np.int64
  np.testing.assert_allclose(result.precision, [1, 1 / 2, 1 / 2])
  np.testing.assert_allclose(result.recall, [2 / 3, 1 / 2, 1])
  np.testing.assert_allclose(result.f1, [4 / 5, 1 / 2, 2 / 3])
  assert result.macro_precision == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
  assert result.macro_recall == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
  assert result.macro_f1 == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
  assert result.worst_class_recall == pytest.approx(1 / 2)
  assert result.num_unpredicted == 0
  # A right answer costs log(1 + 2 e^-5), a wrong one 5 more.
  assert result.loss == pytest.approx(
      np.log(1 + 2 * np.exp(-5)) + 5 * 2 / 6)


def test_batches_make_no_difference():
  logits = np.random.default_rng(0).normal(size=(23, 4))
  labels = np.random.default_rng(1).integers(0, 4, 23)
  sizes = []

  def model(batch):
    sizes.append(len(batch))
    return batch

  whole = classification.evaluate(_identity, logits, labels, 4)
  batched = classification.evaluate(model, logits, labels, 4, batch_size=10)
  assert sizes == [10, 10, 3]
  assert batched.loss == whole.loss and batched.accuracy == whole.accuracy
  np.testing.assert_array_equal(
      batched.confusion_matrix, whole.confusion_matrix)
  assert whole.accuracy == metrics.accuracy_score(labels, logits.argmax(axis=1))


def test_a_keras_model_is_evaluated_without_dropout_on_images_as_they_are():
  model = tf.keras.Sequential([
      tf.keras.layers.Input([2, 2, 1], dtype=tf.uint8),
      tf.keras.layers.Rescaling(1 / 255),
      tf.keras.layers.Dropout(0.9),
      tf.keras.layers.Flatten(),
  ])
  images = np.random.default_rng(2).integers(0, 256, (50, 2, 2, 1), np.uint8)
  labels = images.reshape(50, 4).argmax(axis=1)
  result = classification.evaluate(model, images, labels, 4)
  assert result.accuracy == 1
  # Keras computes its own loss in single precision.
  expected = tf.keras.losses.sparse_categorical_crossentropy(
      labels, images.reshape(50, 4) / 255, from_logits=True)
  assert result.loss == pytest.approx(float(np.mean(expected)), rel=1e-5)


def test_features_may_be_a_structure():
  rng = np.random.default_rng(5)
  images, rows = rng.normal(size=(7, 2, 2, 1)), rng.normal(size=(7, 3))
  labels = rng.integers(3, size=7)
  inputs = {
      'images': tf.keras.Input([2, 2, 1]), 'rows': tf.keras.Input([3])
  }
  flat = tf.keras.layers.Flatten()(inputs['images'])
  joined = tf.keras.layers.Concatenate()([flat, inputs['rows']])
  model = tf.keras.Model(inputs, tf.keras.layers.Dense(3)(joined))
  features = {'images': images, 'rows': rows}
  found = classification.evaluate(model, features, labels, 3, batch_size=2)
  kernel, bias = model.get_weights()
  logits = np.hstack([images.reshape(7, 4), rows]) @ kernel + bias
  by_hand = classification.evaluate(_identity, logits, labels, 3)
  assert found.loss == pytest.approx(by_hand.loss, rel=1e-5)
  np.testing.assert_array_equal(
      found.confusion_matrix, by_hand.confusion_matrix
  )
  # Lists of examples are an array.
  for examples in (logits.tolist(), [*logits]):
    listed = classification.evaluate(_identity, examples, labels, 3)
    assert listed.loss == by_hand.loss


def test_nan_counts_as_wrong_and_is_in_no_column():
  logits = _one_hot(_PREDICTIONS, 3)
  logits[0, 2] = np.nan  # A right answer for class 0, spoilt.
  result = classification.evaluate(_identity, logits, _LABELS, 3)
  assert result.num_unpredicted == 1
  assert result.accuracy == pytest.approx(3 / 6)
  assert result.confusion_matrix.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 1]]
  np.testing.assert_allclose(result.recall, [1 / 3, 1 / 2, 1])
  np.testing.assert_allclose(result.precision, [1, 1 / 2, 1 / 2])
  assert np.isnan(result.loss)


def test_a_model_that_diverged_altogether_is_wrong_everywhere():
  logits = np.full((6, 3), np.nan)
  result = classification.evaluate(_identity, logits, _LABELS, 3)
  assert result.accuracy == 0 and result.num_unpredicted == 6
  assert result.confusion_matrix.tolist() == [[0] * 3] * 3
  assert result.macro_f1 == 0 and result.worst_class_recall == 0


def test_infinite_logits_still_predict():
  logits = _one_hot(_PREDICTIONS, 3)
  logits[0, 0] = np.inf
  logits[3, 0] = -np.inf
  result = classification.evaluate(_identity, logits, _LABELS, 3)
  assert result.accuracy == pytest.approx(4 / 6)
  assert result.num_unpredicted == 0


def test_calibration_error_is_that_of_the_bins_by_hand():
  # Confidences 0.5, 0.62, 0.66 and 0.99; bins are a fifteenth wide, so the two
  # in the middle share the tenth.
  confidences = np.array([0.5 + 1e-9, 0.62, 0.66, 0.99])
  logits = np.log(np.stack([confidences, 1 - confidences], axis=1))
  result = classification.evaluate(_identity, logits, np.array([0, 0, 1, 0]), 2)
  assert result.calibration_error == pytest.approx(
      (0.5 + abs(1 - 0.62 - 0.66) + 0.01) / 4
  )


def test_the_last_bin_has_confidence_one():
  # A wrong answer with confidence 1 and a right one with 0.95 share a bin.
  logits = np.array([[1000.0, 0.0], [np.log(0.95), np.log(0.05)]])
  result = classification.evaluate(_identity, logits, np.array([1, 0]), 2)
  assert result.calibration_error == pytest.approx((1 - 0.05) / 2)


def test_calibration_error_of_probabilities_that_are_right_is_small():
  rng = np.random.default_rng(0)
  logits = rng.normal(size=(20_000, 3)) * 2
  shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  labels = (rng.random((20_000, 1)) > shares.cumsum(axis=1)).sum(axis=1)
  honest = classification.evaluate(_identity, logits, labels, 3)
  too_sure = classification.evaluate(_identity, 3 * logits, labels, 3)
  assert honest.calibration_error < 0.02
  confidence = special.softmax(3 * logits, axis=1).max(axis=1).mean()
  assert too_sure.calibration_error == pytest.approx(
      confidence - too_sure.accuracy, abs=0.01
  )


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_calibration_error_of_no_probabilities_is_nan(value):
  logits = np.array([[value, 0.0], [0.0, 1.0]])
  result = classification.evaluate(_identity, logits, np.array([0, 1]), 2)
  assert np.isnan(result.calibration_error)


def test_large_logits_do_not_overflow():
  result = classification.evaluate(
      _identity, np.array([[0.0, 1e5]]), np.array([0]), 2)
  assert result.loss == pytest.approx(1e5)


def test_a_class_never_predicted_and_a_class_without_examples():
  # Class 1 is never predicted, class 3 has no examples and is predicted once.
  labels, predictions = np.array([0, 1, 2, 2]), np.array([0, 0, 2, 3])
  result = classification.evaluate(_identity, _one_hot(predictions, 4), labels, 4)
  np.testing.assert_allclose(result.precision, [1 / 2, 0, 1, 0])
  np.testing.assert_allclose(result.recall, [1, 0, 1 / 2, 0])
  assert result.macro_f1 == pytest.approx((2 / 3 + 0 + 2 / 3) / 3)
  assert result.macro_precision == pytest.approx((1 / 2 + 0 + 1) / 3)
  assert result.macro_recall == pytest.approx((1 + 0 + 1 / 2) / 3)
  assert result.worst_class_recall == 0
  present = classification.evaluate(
      _identity, _one_hot([0, 2], 4), np.array([0, 2]), 4)
  assert present.worst_class_recall == present.macro_f1 == 1


@pytest.mark.parametrize('changes, error, message', [
    (dict(labels=np.array([0.0, 1.0])), TypeError, 'labels must be integers'),
    (dict(labels=np.array([0])), ValueError, r'got shape \[1\] for 2 examples'),
    (dict(labels=np.array([[0], [1]])), ValueError, r'got shape \[2, 1\]'),
    (dict(labels=np.array([0, 3])), ValueError, r'\[0, 3\), .*\[1\] is 3'),
    (dict(labels=np.array([-1, 0])), ValueError, r'labels\[0\] is -1'),
    (dict(features=np.zeros((0, 3)), labels=np.array([], int)), ValueError,
     'at least one example'),
    (dict(num_classes=1), ValueError, 'num_classes must be at least 2'),
    (dict(num_classes=4), ValueError, r'shape \[2, 4\] .*got \[2, 3'),
    (dict(batch_size=0), ValueError, 'batch_size must be at least 1'),
    (dict(batch_size=1.0), TypeError, 'batch_size must be an int'),
    (dict(model=lambda batch: batch[:1]), ValueError, r'got \[1, 3\]'),
])
def test_bad_arguments_are_refused(changes, error, message):
  arguments = dict(model=_identity, features=np.eye(3)[:2],
                   labels=np.array([0, 1]), num_classes=3)
  with pytest.raises(error, match=message):
    classification.evaluate(**(arguments | changes))
