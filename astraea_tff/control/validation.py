"""What the server wants of a model, measured on examples of its own."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.datasets.sources import narrowing
from astraea_tff.metrics import classification


class Validation:
  """Utility, gradient and recall of a model on validation examples.

  The utility U is minus the cross-entropy in nats, the mean over the classes
  that have examples of the mean over a class. It is no accuracy, which what one
  mediator changes is too little to move. The examples must not be test ones:
  what they say goes into the model.

  Vectors [P] hold the trainable weights, flattened one after another, as
  mediators' updates do that `report_mediators` brings.
  """

  def __init__(
      self,
      model: tf.keras.Model,
      features: Any,
      labels: Any,
      num_classes: int,
      *,
      batch_size: int = 500,
  ):
    """Takes the model and the examples.

    Args:
      model: Returns logits [B, N]. Its weights are overwritten. It must be
        built after the learning process: Keras gives up models made before one.
      features: [m, ...] in the form that the model takes, m at least 1; an
        array, or a structure of such.
      labels: int [m] in [0, N).
      num_classes: N, at least 2.
      batch_size: How many examples the model gets at once, at least 1.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: An argument is out of its range.
    """
    self._num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
    self._batch_size = arguments.check_integer(batch_size, 'batch_size', 1)
    features, labels = classification.check_examples(
        features, labels, num_classes
    )
    # TensorFlow's cross-entropy takes no smaller integers.
    labels = labels.astype(np.int64)
    arguments.check_type(model, 'model', tf.keras.Model)
    self._model = model
    self._features, self._labels = features, labels
    self._counts = np.bincount(labels, minlength=num_classes)
    shares = 1 / (self._counts[labels] * np.count_nonzero(self._counts))
    self._shares = shares.astype(np.float32)
    # One that is not finite would make all credits unknown.
    for batch, _, _ in self._batches():
      for part in tf.nest.flatten(batch, expand_composites=True):
        part = np.asarray(part)
        if tf.as_dtype(part.dtype).is_floating:
          narrowing.check_finite(part, 'features')
    self._utility = tf.function(self._utility_of_batch)
    self._slope = tf.function(self._slope_of_batch)

  def vector(self, weights: tff.learning.models.ModelWeights) -> np.ndarray:
    """Takes over a model's weights, and returns the trainable ones.

    Args:
      weights: What `get_model_weights` of the learning process returns. Those
        that are not trained are kept for `utility` and `gradient`.

    Returns:
      float64 [P].
    """
    weights.assign_weights_to(self._model)
    return np.concatenate([
        np.ravel(part).astype(np.float64)
        for part in tf.nest.flatten(weights.trainable)
    ])

  def utility(self, weights: np.ndarray) -> float:
    """Returns U of a model.

    Args:
      weights: The trainable weights, numbers [P].
    """
    self._assign(weights)
    return float(sum(self._utility(*batch) for batch in self._batches()))

  def gradient(self, weights: np.ndarray) -> np.ndarray:
    """Returns the gradient of U, float64 [P].

    Args:
      weights: The trainable weights, numbers [P].
    """
    self._assign(weights)
    return sum(
        self._slope(*batch).numpy().astype(np.float64)
        for batch in self._batches()
    )

  def recall(self, weights: tff.learning.models.ModelWeights) -> np.ndarray:
    """Returns each class's recall, float64 [N]; NaN without examples.

    Args:
      weights: What `get_model_weights` of the learning process returns.
    """
    weights.assign_weights_to(self._model)
    evaluation = classification.evaluate(
        self._model,
        self._features,
        self._labels,
        self._num_classes,
        batch_size=self._batch_size,
    )
    return np.where(self._counts > 0, evaluation.recall, np.nan)

  def _batches(self):
    for part in classification.parts_of(len(self._labels), self._batch_size):
      features = classification.take(self._features, part)
      yield features, self._labels[part], self._shares[part]

  def _utility_of_batch(self, features, labels, shares):
    logits = tf.cast(self._model(features, training=False), tf.float32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return -tf.reduce_sum(shares * losses)

  def _slope_of_batch(self, features, labels, shares):
    with tf.GradientTape() as tape:
      utility = self._utility_of_batch(features, labels, shares)
    variables = self._model.trainable_variables
    slopes = tape.gradient(
        utility, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return tf.concat(
        [tf.cast(tf.reshape(slope, [-1]), tf.float32) for slope in slopes],
        axis=0,
    )

  def _assign(self, weights: np.ndarray) -> None:
    """Puts a vector into the model's trainable variables."""
    variables = self._model.trainable_variables
    ends = np.cumsum([variable.shape.num_elements() for variable in variables])
    if weights.shape != (ends[-1],):
      raise ValueError(
          f'weights must be the {ends[-1]} trainable ones of the model, got'
          f' shape {list(weights.shape)}.'
      )
    for variable, part in zip(variables, np.split(weights, ends[:-1])):
      variable.assign(part.reshape(variable.shape))
