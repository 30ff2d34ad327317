"""Copies of some examples of a batch, made by a random transform.

Algorithm 2, line 11, for features of any structure.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from astraea_tff.augmentation.transforms import affine
from astraea_tff.augmentation.transforms import tabular
from astraea_tff.augmentation.transforms import text

# Takes the features of a batch and a stateless seed, int64 [2]; returns as many
# features of the same dtypes and sizes.
Transform = Callable[[Any, tf.Tensor], Any]

# These have no conditions on tensors.
_OUR_TRANSFORMS = (
    affine.AffineTransform,
    tabular.TabularTransform,
    text.TextTransform,
)


def copy_rows_fn(transform: Transform) -> Callable[..., Any]:
  """Returns a function that makes transformed copies of rows.

  It takes features `[B, ...]`, their classes `[B]`, the rows `[n]`, a seed
  int64 `[2]` and the axis 0. AutoGraph, which brings a user's conditions on
  tensors into the graph, stays out of the rest of an augmentation. Our own
  transforms have no conditions, and every function in a pipeline costs time at
  each client that it is opened for.

  Args:
    transform: The transform; one with a method `copy_rows` is asked by that.
  """
  is_ours = isinstance(transform, _OUR_TRANSFORMS)
  if hasattr(transform, 'copy_rows'):
    method = transform.copy_rows
    if not is_ours:
      method = tf.function(method)
    return lambda features, classes, rows, seed, axis: method(
        features, classes, rows, seed
    )
  if not is_ours:
    transform = _convert(transform)

  def copy_rows(features, classes, rows, seed, axis):
    del classes
    return transform(
        tf.nest.map_structure(
            lambda part: tf.gather(part, rows, axis=axis), features
        ),
        seed,
    )

  return copy_rows


def one_of(features: Any) -> Any:
  """Returns the specs of one example's features."""
  return tf.nest.map_structure(
      lambda part: tf.TensorSpec(part.shape[1:], part.dtype), features
  )


def check_copies(copies: Any, features: Any) -> list[tf.Tensor]:
  """Checks what a transform returned.

  Args:
    copies: What it returned.
    features: The features that it was given, `[B, ...]`.

  Returns:
    The parts of the copies, as `tf.nest.flatten` orders them.

  Raises:
    ValueError: They have another structure, dtype or size.
  """
  try:
    tf.nest.assert_same_structure(features, copies, check_types=False)
  except (TypeError, ValueError) as error:
    raise ValueError(
        '`transform` must return features of the structure it was given, '
        f'{one_of(features)}, got {copies}.'
    ) from error
  checked = []
  for part, copied in zip(tf.nest.flatten(features), tf.nest.flatten(copies)):
    copied = tf.convert_to_tensor(copied)
    if copied.dtype != part.dtype or not copied.shape.is_compatible_with(
        [None, *part.shape[1:]]
    ):
      raise ValueError(
          '`transform` must return features of the dtype and size it was '
          f'given, {part.dtype.name} {part.shape[1:]}, got '
          f'{copied.dtype.name} {copied.shape[1:]}.'
      )
    if not copied.shape[1:].is_fully_defined():
      copied = tf.ensure_shape(copied, [None, *part.shape[1:]])
    checked.append(copied)
  return checked


def _convert(transform: Transform) -> Transform:
  """Returns a user's transform with its conditions on tensors in the graph."""

  # The arguments have our names: TensorFlow complains of one called `_`.
  @tf.function
  def transform_features(features, seed):
    return transform(features, seed)

  return transform_features
