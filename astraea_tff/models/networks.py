"""The paper's two networks, as Keras models that return logits.

Section II-B of Duan et al. (2019) describes the EMNIST network and gives its
size, 68,873 parameters; section IV-A takes the CIFAR-10 network "described in
Keras documentation". Both end in logits where the paper has a softmax, since a
loss from logits is the stabler form of the same: train with
`from_logits=True`.
"""

from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.models import batch_seeded_dropout
from astraea_tff import randomness


def build_emnist_cnn(
    num_classes: int = 47,
    input_shape: Sequence[int] = (28, 28, 1),
    seed: Optional[int] = None,
    *,
    dropout_rate: float = 0.5,
) -> tf.keras.Model:
  """The paper's EMNIST network; 68,873 parameters for 47 classes of 28x28x1.

  Section II-B: convolutions of 12 channels 5x5 and 18 channels 3x3, both with
  stride 2, dropout with keep probability 0.5, a convolution of 24 channels 2x2
  with stride 1, 150 ReLU units, and the output. The paper does not say how the
  convolutions pad nor which activation follows them. Valid padding everywhere
  is the one choice that gives 68,873 parameters; ReLU is ours. The dropout is
  read as one layer after the two convolutions.

  Args:
    num_classes: N, at least 2.
    input_shape: Height, width and channels of an image, at least 13x13x1, with
      values in [0, 1].
    seed: Makes the initial weights and the dropout the same every time. None
      draws them anew.
    dropout_rate: Share of the values dropped in training, in [0, 1).

  Returns:
    A Keras model from `float32 [B, H, W, C]` to logits `float32 [B, N]`.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of range.
  """
  num_classes, shape = _check_arguments(num_classes, input_shape, 13)
  arguments.check_number(dropout_rate, 'dropout_rate', 0, 1, ends='[)')
  layers, seeds = tf.keras.layers, randomness.layer_seeds(seed)
  initializer = tf.keras.initializers.GlorotUniform
  return _chain_layers('emnist_cnn', shape, [
      layers.Conv2D(12, 5, strides=2, activation='relu',
                    kernel_initializer=initializer(next(seeds))),
      layers.Conv2D(18, 3, strides=2, activation='relu',
                    kernel_initializer=initializer(next(seeds))),
      batch_seeded_dropout.BatchSeededDropout(dropout_rate, next(seeds)),
      layers.Conv2D(24, 2, activation='relu',
                    kernel_initializer=initializer(next(seeds))),
      layers.Flatten(),
      layers.Dense(150, activation='relu',
                   kernel_initializer=initializer(next(seeds))),
      layers.Dense(num_classes, kernel_initializer=initializer(next(seeds))),
  ])


def build_cifar10_cnn(
    num_classes: int = 10,
    input_shape: Sequence[int] = (32, 32, 3),
    seed: Optional[int] = None,
) -> tf.keras.Model:
  """The Keras documentation's CIFAR-10 network; 1,250,858 parameters.

  Two blocks of two 3x3 convolutions (32, then 64 channels; the first of a block
  padded, the second not), 2x2 max-pooling and dropout 0.25; 512 ReLU units,
  dropout 0.5, and the output. The paper uses it for CINIC-10.

  Args:
    num_classes: N, at least 2.
    input_shape: Height, width and channels of an image, at least 10x10x1, with
      values in [0, 1].
    seed: Makes the initial weights and the dropout the same every time. None
      draws them anew.

  Returns:
    A Keras model from `float32 [B, H, W, C]` to logits `float32 [B, N]`.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of range.
  """
  num_classes, shape = _check_arguments(num_classes, input_shape, 10)
  layers, seeds = tf.keras.layers, randomness.layer_seeds(seed)
  initializer = tf.keras.initializers.GlorotUniform

  def block(channels):
    return [
        layers.Conv2D(channels, 3, padding='same', activation='relu',
                      kernel_initializer=initializer(next(seeds))),
        layers.Conv2D(channels, 3, activation='relu',
                      kernel_initializer=initializer(next(seeds))),
        layers.MaxPooling2D(2),
        batch_seeded_dropout.BatchSeededDropout(0.25, next(seeds)),
    ]

  return _chain_layers('cifar10_cnn', shape, [
      *block(32),
      *block(64),
      layers.Flatten(),
      layers.Dense(512, activation='relu',
                   kernel_initializer=initializer(next(seeds))),
      batch_seeded_dropout.BatchSeededDropout(0.5, next(seeds)),
      layers.Dense(num_classes, kernel_initializer=initializer(next(seeds))),
  ])


def tff_model_fn(
    keras_builder: Callable[[], tf.keras.Model],
    input_spec: tuple[tf.TensorSpec, tf.TensorSpec],
) -> Callable[[], tff.learning.models.VariableModel]:
  """The `model_fn` that a learning process takes, for a classifier.

  Args:
    keras_builder: Returns a new Keras model at every call, from images to
      logits.
    input_spec: Specs of a batch, `([None, H, W, C], int32 [None])`.

  Returns:
    A function without arguments that returns a TFF model with cross-entropy as
    its loss and top-1 accuracy, `sparse_categorical_accuracy`, as its metric.

  Raises:
    TypeError: `keras_builder` is a model, not a function.
  """
  if isinstance(keras_builder, tf.keras.Model):
    raise TypeError(
        '`keras_builder` must be a function that returns a new model at every'
        ' call, got a model. tff.learning.models.functional_model_from_keras'
        ' takes one.'
    )

  def model_fn() -> tff.learning.models.VariableModel:
    return tff.learning.models.from_keras_model(
        keras_builder(),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        input_spec=input_spec,
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
    )

  return model_fn


def _chain_layers(
    name: str,
    input_shape: tuple[int, ...],
    layers: Sequence[tf.keras.layers.Layer],
) -> tf.keras.Model:
  """Returns a model of the layers, one after another."""
  images = values = tf.keras.layers.Input(input_shape)
  for layer in layers:
    if isinstance(layer, batch_seeded_dropout.BatchSeededDropout):
      values = layer([values, images])
    else:
      values = layer(values)
  return tf.keras.Model(images, values, name=name)


def _check_arguments(num_classes, input_shape, smallest):
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  shape = tuple(input_shape)
  valid = len(shape) == 3 and all(
      isinstance(length, (int, np.integer)) and length is not True
      for length in shape
  )
  if not valid or min(shape[:2]) < smallest or shape[2] < 1:
    raise ValueError(
        'input_shape must be height, width and channels, at least '
        f'{smallest}x{smallest}x1, got {input_shape!r}.'
    )
  return num_classes, shape
