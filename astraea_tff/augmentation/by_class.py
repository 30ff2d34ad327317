"""A transform for each class, from those who know what a class bears.

A turned 6 is no 6, and a mirrored letter may be another one, where most classes
bear all of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.augmentation import copying


def check_transforms(transforms: Mapping[int, Any], num_classes: int) -> None:
  """Raises unless a mapping has a transform for some classes.

  Args:
    transforms: The transforms by class.
    num_classes: N.

  Raises:
    TypeError: A class is no int, or a transform not callable.
    ValueError: A class is not in [0, N), or there is none.
  """
  if not transforms:
    raise ValueError('`transform` must have a class, got an empty mapping.')
  for label, transform in transforms.items():
    arguments.check_integer(
        label, 'a class of `transform`', 0, num_classes - 1
    )
    if not callable(transform):
      raise TypeError(
          f'`transform`[{label}] must be a function of features and a seed, got'
          f' {transform!r:.80}.'
      )


def copy_rows_fn(
    transforms: Mapping[int, copying.Transform],
    default: Callable[[Any], copying.Transform],
    num_classes: int,
) -> Callable[..., Any]:
  """Returns a `copying.copy_rows_fn` of a transform for each class.

  Args:
    transforms: The transforms by class.
    default: Makes, of a batch's features, the transform of the other classes,
      if there are any.
    num_classes: N.
  """
  given = {
      label: copying.copy_rows_fn(transform)
      for label, transform in sorted(transforms.items())
  }

  def copy_rows(features, classes, rows, seed, axis):
    classes_of_rows = tf.cast(tf.gather(classes, rows, axis=axis), tf.int64)
    is_other = tf.ones_like(classes_of_rows, tf.bool)
    makers, masks = [], []
    for label, maker in given.items():
      # Not `==`, which in a TFF worker's graph compares identities.
      is_of_class = tf.equal(classes_of_rows, label)
      is_other &= ~is_of_class
      makers.append(maker)
      masks.append(is_of_class)
    if len(given) < num_classes:
      makers.append(copying.copy_rows_fn(default(features)))
      masks.append(is_other)
    copies, places = [], []
    # The default, if there is one, is the last and has no label.
    of_each = zip(makers, masks, [*given, None])
    for index, (maker, mask, label) in enumerate(of_each):
      place = tf.where(mask)[:, 0]
      copied = maker(
          features,
          classes,
          tf.gather(rows, place, axis=axis),
          tf.random.experimental.stateless_fold_in(seed, index),
          axis,
      )
      parts = copying.check_copies(copied, features)
      if label is not None:
        parts = _as_many(parts, tf.size(place), f'`transform`[{label}]')
      copies.append(parts)
      places.append(place)
    # Back to the order of the rows.
    order = tf.argsort(tf.concat(places, axis=0))
    return tf.nest.pack_sequence_as(
        features,
        [
            tf.gather(tf.concat(parts, axis=0), order, axis=axis)
            for parts in zip(*copies)
        ],
    )

  return copy_rows


def _as_many(
    parts: list[tf.Tensor], number: tf.Tensor, name: str
) -> list[tf.Tensor]:
  """Fails where parts have another number of rows: rows would change places."""
  checks = [
      tf.raw_ops.Assert(
          condition=tf.equal(tf.shape(part)[0], number),
          data=[
              f'{name} must return as many features as it was given,', number,
              'got', tf.shape(part)[0],
          ],
      )
      for part in parts
  ]
  with tf.control_dependencies(checks):
    return [tf.identity(part) for part in parts]
