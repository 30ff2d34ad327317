"""Clients from a `datasets.Dataset` of Hugging Face.

The caller loads it; nothing of that library is imported here. What is used of
the dataset is `column_names`, `features` and `dataset[column]`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.client_datasets import names as client_names
from astraea_tff.datasets.sources import in_memory_clients
from astraea_tff.datasets.sources import narrowing


class HuggingFaceClients(in_memory_clients.InMemoryClients):
  """The clients of a `datasets.Dataset`.

  Attributes:
    class_names: The classes' names, if the label's column is a `ClassLabel`;
      else None.
  """

  class_names: Optional[tuple[str, ...]] = None


def from_hugging_face(
    dataset: Any,
    *,
    client: str,
    label: str,
    features: Optional[Sequence[str]] = None,
    encode: Optional[Callable[[Any], Any]] = None,
) -> HuggingFaceClients:
  """Makes clients of a `datasets.Dataset` with a column that names the client.

  Args:
    dataset: A `datasets.Dataset`, one split, as `datasets.load_dataset` returns
      it with `split=`. All of its used columns come into memory.
    client: The column that names the client.
    label: The column of the label: integers, a `ClassLabel`, or floats (say
      with `label_fn` which class one counts for).
    features: The columns to learn from; by default all others.
    encode: Turns an example's features into numbers of one shape, such as a
      text into token ids: takes the value of the one column, or a mapping of
      several, and returns an array or a mapping of arrays. None takes numbers,
      lists of one length and images as they are.

  Returns:
    A `ClientData` of `(features, label)`, with an array for one column and a
    mapping by column for several. `client_ids` are sorted by the values of the
    column.

  Raises:
    TypeError: `dataset` is something else, such as all splits together, or
      `features` or `encode` is.
    ValueError: A column is missing or named twice, its values are no numbers of
      one shape, or there are no rows. The message names the column.
  """
  names = getattr(dataset, 'column_names', None)
  if isinstance(dataset, Mapping) and (
      names is None or isinstance(names, Mapping)
  ):
    splits = sorted(dataset)
    advice = f'; give dataset[{splits[0]!r}], for example' if splits else ''
    raise TypeError(
        f'`dataset` must be one split, got all of {splits}{advice}.'
    )
  if names is None or not hasattr(dataset, '__getitem__'):
    raise TypeError(
        '`dataset` must be a datasets.Dataset of Hugging Face, got '
        f'{type(dataset).__name__}.'
    )
  arguments.check_function(encode, '`encode`')
  if features is None:
    features = [name for name in names if name not in (client, label)]
  features = in_memory_clients.check_features(features, client, label)
  for name in (client, label, *features):
    if name not in names:
      raise ValueError(
          f'Column {name!r} is not in the dataset, which has {list(names)}.'
      )
  owners = list(dataset[client])
  if not owners:
    raise ValueError('`dataset` must hold examples, but it has no rows.')
  columns = {name: list(dataset[name]) for name in features}
  labels = _as_numbers(list(dataset[label]), label, '')
  if labels.dtype.kind in 'iub':
    labels = narrowing.to_integers(labels, f'Column {label!r}', np.int64)
  else:
    labels = labels.astype(np.float32)
  clients = in_memory_clients.group_by_client(
      _client_names(owners, client),
      (_encode(columns, encode), labels),
      HuggingFaceClients,
  )
  # A ClassLabel's.
  class_names = getattr(
      (getattr(dataset, 'features', None) or {}).get(label), 'names', None
  )
  clients.class_names = None if class_names is None else tuple(class_names)
  return clients


def _client_names(values: list[Any], name: str) -> np.ndarray:
  """Returns the clients of the examples, or raises."""
  # A data set with_format('tensorflow') gives tensors.
  values = [
      client_names.id_of(
          value.numpy() if isinstance(value, tf.Tensor) else value
      )
      for value in values
  ]
  for row, value in enumerate(values):
    if isinstance(value, Mapping) or np.ndim(value):
      raise ValueError(
          f'Column {name!r} must name a client by one value, got {value!r:.60}'
          f' in row {row}.'
      )
    if _is_missing(value):
      raise ValueError(f'Column {name!r} names no client in row {row}.')
    first, kind = map(_kind_of_name, (values[0], value))
    if kind != first:
      raise ValueError(
          f'Column {name!r} must name all clients by one kind of value, got'
          f' {values[0]!r:.60} in row 0 and {value!r:.60} in row {row}.'
      )
  # NumPy's own kind of text would lose what it ends with if that is NUL.
  if any(isinstance(value, str) for value in values):
    return np.array([*map(str, values)], object)
  array = np.array(values)
  # As floats, large integers that differ would become equal.
  return np.array(values, object) if array.dtype.kind == 'f' else array


def _is_missing(value: Any) -> bool:
  """Returns whether a value is None, NaN, NaT or pandas' NA."""
  try:
    return value is None or bool(value != value)
  except TypeError:  # NA is neither equal to itself nor not.
    return True


def _kind_of_name(value: Any) -> str:
  """Returns what a client is named by: a text, a truth value or a number."""
  if isinstance(value, str):
    return 'text'
  return 'truth' if isinstance(value, (bool, np.bool_)) else 'number'


def _encode(columns, encode) -> Any:
  """Returns the features of all examples, an array or a mapping of arrays."""
  hint = '; say with `encode` how to make them'
  if encode is None:
    arrays = {
        name: _as_numbers(values, name, hint)
        for name, values in columns.items()
    }
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))
  if len(columns) == 1:
    encoded = [encode(value) for value in next(iter(columns.values()))]
  else:
    encoded = [
        encode(dict(zip(columns, row))) for row in zip(*columns.values())
    ]
  if encoded and isinstance(encoded[0], Mapping):
    for row, parts in enumerate(encoded):
      if not isinstance(parts, Mapping) or parts.keys() != encoded[0].keys():
        found = list(parts) if isinstance(parts, Mapping) else parts
        raise ValueError(
            '`encode` must return a mapping with the same keys for every'
            f' example, got {list(encoded[0])} for row 0 and {found!r:.100} for'
            f' row {row}.'
        )
    return {
        key: _as_numbers([row[key] for row in encoded], f'encode: {key}', '')
        for key in encoded[0]
    }
  return _as_numbers(encoded, 'encode: ' + ', '.join(columns), '')


def _as_numbers(values: list[Any], name: str, hint: str) -> np.ndarray:
  """Returns a column as an array `[n, ...]`, or raises."""
  convert = 'give encode=lambda image: image.convert("RGB").'
  for row, value in enumerate(values):
    if value is None:
      raise ValueError(f'Column {name!r} has no value in row {row}.')
    # Only Pillow's images have a mode. A palette's index means another color
    # in every image.
    mode, first = (getattr(each, 'mode', None) for each in (value, values[0]))
    if mode in ('P', 'PA'):
      raise ValueError(
          f'Column {name!r} has an image of indices into a palette in row'
          f' {row}; {convert}'
      )
    if mode != first:
      raise ValueError(
          f'Column {name!r} has values of mode {first} in row 0 and of mode'
          f' {mode} in row {row}, whose numbers do not mean the same; {convert}'
      )
  try:
    # Images become arrays one by one.
    arrays = [np.asarray(value) for value in values]
    array = np.stack(arrays)
  except ValueError:
    array = np.array(None)
  if array.dtype.kind not in 'iufb':
    raise ValueError(
        f'Column {name!r} must hold numbers of one shape, got '
        f'{values[0] if values else None!r:.60} first{hint}.'
    )
  if array.dtype == np.float64:
    # NumPy has no integers that hold all of uint64 and a negative one.
    integers = [
        narrowing.to_integers(part, f'Column {name!r}', np.int64)
        for part in arrays
        if part.dtype.kind in 'iu'
    ]
    if integers:
      narrowing.to_float32(np.stack(integers), f'Column {name!r}')
    return narrowing.to_float32(array, f'Column {name!r}')
  narrowing.check_finite(array, f'Column {name!r}')
  return array
