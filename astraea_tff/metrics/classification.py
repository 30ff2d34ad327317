"""How well a model classifies a test set, over all and by class.

The paper (Duan et al. 2019, section IV-B) reports top-1 accuracy alone, as its
test sets are balanced. Global imbalance is paid for by the minority classes
(Fig. 1), so what each class gets is measured here as well.
"""

from collections.abc import Callable, Iterator
import dataclasses
import functools
from typing import Any, Union

import numpy as np
from scipy import special
from sklearn import metrics
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.labels import counts as counts_lib

# The prediction of a model that answers with NaN; no class.
_NO_CLASS = -1
_NUM_CALIBRATION_BINS = 15


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
  """A model's results on labelled examples.

  A measure that would divide by zero is 0: the precision of a class that is
  never predicted, the recall of a class without examples.

  Attributes:
    accuracy: Top-1, share of the examples whose class has the largest logit, in
      [0, 1].
    loss: Mean cross-entropy in nats; NaN if a logit is.
    confusion_matrix: `int64 [N, N]`, rows the true class, columns the predicted
      one. Examples without a prediction are in no column.
    precision: `float64 [N]`, share of the predictions of a class that is right.
    recall: `float64 [N]`, share of a class that is predicted as such.
    f1: `float64 [N]`, harmonic mean of the two.
    macro_precision: Mean of `precision` over the classes that have examples.
    macro_recall: Mean of `recall` over them; balanced accuracy by another name.
    macro_f1: Mean of `f1` over them.
    worst_class_recall: Smallest recall of a class that has examples.
    calibration_error: Expected calibration error with 15 bins of equal width:
      the mean over examples of how far the accuracy of their bin is from its
      mean confidence, the probability of the predicted class, in [0, 1]; NaN if
      a probability is.
    num_unpredicted: Examples for which a logit was NaN. They count as wrong.
  """

  accuracy: float
  loss: float
  confusion_matrix: np.ndarray
  precision: np.ndarray
  recall: np.ndarray
  f1: np.ndarray
  macro_precision: float
  macro_recall: float
  macro_f1: float
  worst_class_recall: float
  calibration_error: float
  num_unpredicted: int


def evaluate(
    model: Union[tf.keras.Model, Callable[[np.ndarray], Any]],
    features: Any,
    labels: np.ndarray,
    num_classes: int,
    *,
    batch_size: int = 500,
) -> Evaluation:
  """Evaluates a model on examples.

  A model that diverged answers with NaN, of which an argmax would make the
  class 0; such an example has no prediction here and counts as wrong.

  Args:
    model: A Keras model that returns logits, called with `training=False`, or a
      function from features `[B, ...]` to logits `[B, N]`.
    features: `[n, ...]` in the form that the model takes, n at least 1; an
      array, or a structure of such.
    labels: `int [n]` in [0, N).
    num_classes: N, at least 2.
    batch_size: How many examples the model gets at once, at least 1.

  Returns:
    The evaluation.

  Raises:
    TypeError: `labels` are no integers, or a number is no int.
    ValueError: Shapes do not fit, a label is outside [0, N), there are no
      examples, or the model does not return N logits for each example.
  """
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  batch_size = arguments.check_integer(batch_size, 'batch_size', 1)
  features, labels = check_examples(features, labels, num_classes)
  if isinstance(model, tf.keras.Model):
    model = functools.partial(model, training=False)
  batches = []
  for part in parts_of(len(labels), batch_size):
    length = len(labels[part])
    logits = np.asarray(model(take(features, part)), np.float64)
    if logits.shape != (length, num_classes):
      raise ValueError(
          f'model must return logits of shape [{length}, {num_classes}] '
          f'for {length} examples, got {list(logits.shape)}.'
      )
    batches.append(logits)
  return _evaluate_logits(np.concatenate(batches), labels)


def check_examples(
    features: Any, labels: Any, num_classes: int
) -> tuple[Any, np.ndarray]:
  """Checks examples.

  Args:
    features: See `evaluate`.
    labels: See `evaluate`.
    num_classes: N, at least 2.

  Returns:
    The features as a structure of arrays, and the labels as an array.

  Raises:
    TypeError: `labels` are no integers.
    ValueError: Shapes do not fit, a label is outside [0, N), or there are no
      examples.
  """
  labels = np.asarray(labels)
  if isinstance(features, list) and not all(
      hasattr(part, 'shape') and part.shape[:1] == labels.shape
      for part in features
  ):
    # Examples, and no list of a model's inputs.
    features = np.asarray(features)
  # What has a shape is read batch by batch.
  features = tf.nest.map_structure(
      lambda part: part if hasattr(part, 'shape') else np.asarray(part),
      features,
  )
  shapes = [part.shape for part in tf.nest.flatten(features)]
  lengths = {shape[0] if shape else 0 for shape in shapes}
  if len(lengths) != 1:
    raise ValueError(
        'features must be arrays [n, ...] of one length, got shapes '
        f'{arguments.shorten(str([*map(list, shapes)]))}.'
    )
  (length,) = lengths
  return features, counts_lib.check_labels(labels, num_classes, length=length)


def parts_of(num_examples: int, batch_size: int) -> Iterator[slice]:
  """Yields the places of one batch after another."""
  for start in range(0, num_examples, batch_size):
    yield slice(start, start + batch_size)


def take(features: Any, part: slice) -> Any:
  """Returns some of the examples of a structure of arrays."""
  return tf.nest.map_structure(lambda array: array[part], features)


def _evaluate_logits(logits: np.ndarray, labels: np.ndarray) -> Evaluation:
  num_classes = logits.shape[1]
  unpredicted = np.isnan(logits).any(axis=1)
  predictions = np.where(unpredicted, _NO_CLASS, logits.argmax(axis=1))
  classes = np.arange(num_classes)
  precision, recall, f1, support = metrics.precision_recall_fscore_support(
      labels, predictions, labels=classes, zero_division=0
  )
  predicted = ~unpredicted
  confusion_matrix = np.zeros((num_classes, num_classes), np.int64)
  if predicted.any():
    confusion_matrix += metrics.confusion_matrix(
        labels[predicted], predictions[predicted], labels=classes
    )
  occurs = support > 0
  return Evaluation(
      accuracy=float(metrics.accuracy_score(labels, predictions)),
      loss=_mean_cross_entropy(logits, labels),
      confusion_matrix=confusion_matrix,
      precision=precision,
      recall=recall,
      f1=f1,
      macro_precision=float(precision[occurs].mean()),
      macro_recall=float(recall[occurs].mean()),
      macro_f1=float(f1[occurs].mean()),
      worst_class_recall=float(recall[occurs].min()),
      calibration_error=_calibration_error(logits, predictions == labels),
      num_unpredicted=int(unpredicted.sum()),
  )


def _mean_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
  # An infinite logit makes `inf - inf`, and NaN is then the honest answer.
  with np.errstate(invalid='ignore'):
    shifted = logits - logits.max(axis=1, keepdims=True)
    partition = np.log(np.exp(shifted).sum(axis=1))
    return float((partition - shifted[np.arange(len(labels)), labels]).mean())


def _calibration_error(logits: np.ndarray, is_right: np.ndarray) -> float:
  """Guo et al., On calibration of modern neural networks, 2017, equation 3."""
  # An infinite logit makes `inf - inf`, as in the loss.
  with np.errstate(invalid='ignore'):
    confidences = special.softmax(logits, axis=1).max(axis=1)
  if np.isnan(confidences).any():
    return float('nan')
  # A bin has its upper edge.
  bins = np.ceil(confidences * _NUM_CALIBRATION_BINS).astype(int) - 1
  excess = np.bincount(bins, weights=is_right - confidences)
  return float(np.abs(excess).sum() / len(logits))

