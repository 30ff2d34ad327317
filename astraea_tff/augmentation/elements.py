"""The elements that augmentation takes: an image and a label each."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from astraea_tff.clients import client_errors

_KEYS = ({'x', 'y'}, {'image', 'label'})


def image_and_label(element: Any) -> list[Any]:
  """Returns the two parts of a checked element, or batch, or `element_spec`."""
  # Flattening sorts the keys of a mapping; in both pairs of `_KEYS` the image
  # is then first, as in a tuple.
  return tf.nest.flatten(element)


def check_elements(structure: Any) -> None:
  """Raises unless elements are single examples as `augment` takes them."""
  if isinstance(structure, Mapping):
    known = set(structure) in _KEYS
  else:
    known = isinstance(structure, tuple) and len(structure) == 2
  specs = tf.nest.flatten(structure)
  if (
      not known
      or len(specs) != 2
      or not all(isinstance(spec, tf.TensorSpec) for spec in specs)
  ):
    raise ValueError(
        'Elements of the dataset must be (image, label) or a mapping with the '
        "keys 'x' and 'y', or 'image' and 'label', got "
        f'{client_errors.describe(structure)}; bring them to one of these with '
        '`map()`.'
    )
  image, label = specs
  if label.shape.rank != 0 or image.shape.rank != 3:
    raise ValueError(
        'Elements of the dataset must be single examples with an image [H, W, '
        f'C] and a label [], got an image {image.shape} and a label '
        f'{label.shape}; `unbatch()` batches, and give images without channels '
        'an axis for them.'
    )
  if not image.shape.is_fully_defined():
    raise ValueError(
        'Images must have a known size, got '
        f'{image.shape}; resize them, or state it with `tf.ensure_shape`.'
    )
  if image.dtype != tf.uint8 and not image.dtype.is_floating:
    raise TypeError(
        f'Images must be uint8 or of a float dtype, got {image.dtype.name}.'
    )
  if not label.dtype.is_integer:
    raise TypeError(f'Labels must be integers, got {label.dtype.name}.')
