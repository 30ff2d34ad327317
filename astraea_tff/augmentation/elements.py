"""The elements that augmentation takes: single examples, features and a label.

Features are a tensor, or any structure of them that a Keras model takes. Their
kind says which random transform suits them where none is given.
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.augmentation.transforms import affine
from astraea_tff.augmentation.transforms import tabular
from astraea_tff.client_datasets import errors as client_errors

# Takes an element and returns the class it counts for, an integer [].
LabelFn = Callable[[Any], Any]

_FEATURES_KEYS = {'y': 'x', 'label': 'image'}


def features_and_label(element: Any) -> tuple[Any, Any]:
  """Returns the two parts of a checked element, or batch, or `element_spec`.

  Flattened one after another they are what `tf.nest.flatten` makes of the
  element, since it sorts the keys of a mapping.
  """
  if not isinstance(element, Mapping):
    features, label = element
    return features, label
  (label_key,) = set(element) & set(_FEATURES_KEYS)
  return element[_FEATURES_KEYS[label_key]], element[label_key]


def check_elements(structure: Any, transform: Any, label_fn: Any) -> None:
  """Raises unless elements are single examples as `augment` takes them.

  Args:
    structure: The `element_spec` of a dataset.
    transform: The transform; with one, features of any kind will do. Or None.
    label_fn: The `label_fn`; with one, labels of any kind will do. Or None.

  Raises:
    TypeError: The features or the label have a wrong dtype, or `label_fn` is no
      function.
    ValueError: Elements have another structure, or are batches.
  """
  arguments.check_function(label_fn, '`label_fn`')
  if isinstance(structure, Mapping):
    known = set(structure) in [set(pair) for pair in _FEATURES_KEYS.items()]
  else:
    known = isinstance(structure, tuple) and len(structure) == 2
  if not known or not all(
      isinstance(spec, tf.TensorSpec) for spec in tf.nest.flatten(structure)
  ):
    raise ValueError(
        'Elements of the dataset must be (features, label) or a mapping with '
        "the keys 'x' and 'y', or 'image' and 'label', of dense tensors, got "
        f'{client_errors.describe(structure)}; bring them to one of these with '
        '`map()`.'
    )
  features, label = features_and_label(structure)
  if label_fn is None:
    _check_label(features, label)
  for spec in tf.nest.flatten(structure):
    if not spec.shape.is_fully_defined():
      raise ValueError(
          'The parts of an element must have a known size, got '
          f'{spec.shape}; resize or pad them, or state it with '
          '`tf.ensure_shape`.'
      )
  if transform is None:
    default_transform(features)


def default_transform(features: Any) -> Callable[..., Any]:
  """Returns the random transform that suits features of their kind.

  Args:
    features: The `tf.TensorSpec`s of one example's features.

  Returns:
    An `AffineTransform` for an image `[H, W, C]`, uint8 or float; a
    `TabularTransform` for a row of a table: numbers or vectors of which some
    are floats and any others categories.

  Raises:
    TypeError: The features are integers of some other kind.
    ValueError: The features are of some other kind.
  """
  leaves = tf.nest.flatten(features)
  if isinstance(features, tf.TensorSpec) and features.shape.rank == 3:
    if features.dtype != tf.uint8 and not features.dtype.is_floating:
      raise TypeError(
          'Images must be uint8 or of a float dtype, got '
          f'{features.dtype.name}.'
      )
    return affine.AffineTransform()
  if all(leaf.shape.rank < 2 for leaf in leaves):
    if any(leaf.dtype.is_floating for leaf in leaves):
      return tabular.TabularTransform()
    raise TypeError(
        'Features without a float could be token ids as well as categories, '
        f'got {client_errors.describe(features)}; say which: give '
        '`transform=TextTransform(...)` for token ids, cast quantities to '
        'float32, or give a function (`lambda features, seed: features` copies '
        'rows as they are).'
    )
  raise ValueError(
      'Features of which it is known how to transform them are images '
      '[H, W, C] and rows of a table, numbers or vectors, got '
      f'{client_errors.describe(features)}; give images without channels an '
      'axis for them, or give '
      '`transform`, such as TabularTransform() for a window of measurements.'
  )


def with_classes(
    dataset: tf.data.Dataset, label_fn: LabelFn
) -> tf.data.Dataset:
  """Pairs a checked dataset's elements with what `label_fn` makes of them.

  Args:
    dataset: Single examples.
    label_fn: The class for which an example counts.

  Returns:
    A dataset of `(element, class)`.

  Raises:
    TypeError: The class is no integer.
    ValueError: The class is no single number.
  """
  is_tuple = type(dataset.element_spec) is tuple
  # AutoGraph turns the function's conditions on tensors into graph operations.
  class_of = tf.function(lambda element: label_fn(element))

  def pair(*parts):
    element = parts if is_tuple else parts[0]
    label = tf.convert_to_tensor(class_of(element))
    if not label.dtype.is_integer:
      raise TypeError(
          f'`label_fn` must return an integer, got {label.dtype.name}.'
      )
    if label.shape.rank != 0:
      raise ValueError(
          '`label_fn` must return one class [] for an example, got '
          f'{label.shape}.'
      )
    return element, label

  return dataset.map(pair)


def _check_label(features, label):
  """Raises unless the label is an integer [] beside single features."""
  shapes = [leaf.shape for leaf in tf.nest.flatten(features)]
  if not isinstance(label, tf.TensorSpec):
    raise ValueError(
        'A label must be one integer [], got '
        f'{client_errors.describe(label)}; say with `label_fn` for which class '
        'an example counts.'
    )
  if label.shape.rank != 0:
    raise ValueError(
        'Elements of the dataset must be single examples with a label [], got '
        f'features {shapes} and a label {label.shape}; `unbatch()` batches, '
        'and say with `label_fn` for which class an example counts if its '
        'label is no single integer.'
    )
  if not label.dtype.is_integer:
    raise TypeError(
        f'Labels must be integers, got {label.dtype.name}; cast them, or say '
        'with `label_fn` for which class an example counts.'
    )
