"""Small networks for tables and for token sequences; the paper has none.

Keras models that return logits: train with `from_logits=True`.
"""

from collections.abc import Sequence
from typing import Optional

import tensorflow as tf

from astraea_tff import arguments
from astraea_tff import randomness

_EMBEDDING_SIZE = 16
_CHANNELS = 32
_WINDOW = 3


def build_mlp(
    num_classes: int,
    num_features: int,
    seed: Optional[int] = None,
    *,
    hidden_units: Sequence[int] = (64, 32),
) -> tf.keras.Model:
  """A network for rows of a table: dense layers of ReLU units.

  Args:
    num_classes: N, at least 2.
    num_features: D, at least 1. Features should have a mean near 0 and a
      deviation near 1.
    seed: Makes the initial weights the same every time. None draws them anew.
    hidden_units: The units of each hidden layer, at least 1; none at all gives
      a logistic regression.

  Returns:
    A Keras model from `float32 [B, D]` to logits `float32 [B, N]`.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of range.
  """
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  num_features = arguments.check_integer(num_features, 'num_features', 1)
  seeds = randomness.layer_seeds(seed)

  def dense(units, activation=None):
    return tf.keras.layers.Dense(
        units,
        activation,
        kernel_initializer=tf.keras.initializers.GlorotUniform(next(seeds)),
    )

  return tf.keras.Sequential(
      [
          tf.keras.layers.Input([num_features]),
          *(
              dense(arguments.check_integer(units, 'hidden_units', 1), 'relu')
              for units in hidden_units
          ),
          dense(num_classes),
      ],
      name='mlp',
  )


def build_text_cnn(
    num_classes: int,
    num_tokens: int,
    length: int,
    seed: Optional[int] = None,
) -> tf.keras.Model:
  """A network for token sequences: what is anywhere in three tokens in a row.

  An embedding of 16 numbers, a convolution of 32 channels over 3 tokens, its
  largest values over the sequence (Kim 2014, with one width), and the output.

  Args:
    num_classes: N, at least 2.
    num_tokens: Token ids lie in [0, num_tokens); at least 1.
    length: L, the tokens of a sequence with its padding; at least 3.
    seed: Makes the initial weights the same every time. None draws them anew.

  Returns:
    A Keras model from `int32 [B, L]` to logits `float32 [B, N]`.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of range.
  """
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  num_tokens = arguments.check_integer(num_tokens, 'num_tokens', 1)
  length = arguments.check_integer(length, 'length', _WINDOW)
  seeds, layers = randomness.layer_seeds(seed), tf.keras.layers
  uniform = tf.keras.initializers.RandomUniform(-0.05, 0.05, next(seeds))
  glorot = tf.keras.initializers.GlorotUniform
  return tf.keras.Sequential(
      [
          layers.Input([length], dtype=tf.int32),
          layers.Embedding(
              num_tokens, _EMBEDDING_SIZE, embeddings_initializer=uniform
          ),
          layers.Conv1D(
              _CHANNELS,
              _WINDOW,
              activation='relu',
              kernel_initializer=glorot(next(seeds)),
          ),
          layers.GlobalMaxPooling1D(),
          layers.Dense(num_classes, kernel_initializer=glorot(next(seeds))),
      ],
      name='text_cnn',
  )
