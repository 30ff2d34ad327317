"""Clients from the JSON files of LEAF (Caldas et al. 2018, arXiv:1812.01097).

A file of LEAF has `users`, a list of names; `num_samples`, their numbers of
examples; and `user_data`, for each name the lists `x` and `y` of one length.
"""

from collections.abc import Callable, Iterator, Sequence
import json
import os
import pathlib
from typing import Any, Optional, Union

import numpy as np

from astraea_tff import arguments
from astraea_tff.datasets.sources import in_memory_clients
from astraea_tff.datasets.sources import narrowing

_KEYS = ('users', 'num_samples', 'user_data')


def from_leaf(
    path: Union[str, os.PathLike],
    *,
    shape: Optional[Sequence[int]] = None,
    encode: Optional[Callable[[Any], Any]] = None,
    encode_label: Optional[Callable[[Any], Any]] = None,
) -> in_memory_clients.InMemoryClients:
  """Makes clients of the JSON files that LEAF's scripts write.

  Args:
    path: A file, or a folder of which all files `*.json` are read, such as
      `data/femnist/data/train`.
    shape: The shape of an example's features, such as `(28, 28, 1)` for the 784
      numbers of FEMNIST. None leaves it as it is in the file.
    encode: Turns an example's `x` as it is in the file, such as a text, into
      numbers of one shape. None takes numbers as they are.
    encode_label: Turns its `y` into a label. None takes numbers as they are.

  Returns:
    A `ClientData` of `(features, label)`: float32, or int32 where all numbers
    are integers (int64 where they are large), and labels int64 or float32.
    `client_ids` have the order of the files' names and, within a file, of its
    `users`.

  Raises:
    TypeError: `shape` holds no integers, or what encodes is no function.
    FileNotFoundError: There is no such file, or none in the folder.
    ValueError: A file is not LEAF's, a user is in two files, or the examples
      are no numbers of one shape. The message names the file and the user.
  """
  if shape is not None:
    shape = [
        arguments.check_integer(size, '`shape`', -1)
        for size in arguments.check_list(shape, '`shape`', 'ints')
    ]
  arguments.check_function(encode, '`encode`')
  arguments.check_function(encode_label, '`encode_label`')
  names, sizes, features, labels = [], [], [], []
  files = {}
  path = pathlib.Path(arguments.expand_path(path, '`path`'))
  for file, name, user_data in _users(path):
    owner = f'user {name!r} of {file}'
    if name in files:
      raise ValueError(f'{owner} is in {files[name]} too.')
    files[name] = file
    if not isinstance(user_data, dict) or not all(
        isinstance(user_data.get(key), list) for key in 'xy'
    ):
      raise ValueError(f"{owner} must have the lists 'x' and 'y'.")
    x, y = user_data['x'], user_data['y']
    if len(x) != len(y):
      raise ValueError(
          f'{owner} must have as many of x as of y, got {len(x)} and {len(y)}.'
      )
    names.append(name)
    sizes.append(len(x))
    if not x:
      continue
    features.append(_as_numbers(x, encode, shape, 'x', owner))
    labels.append(_as_numbers(y, encode_label, None, 'y', owner))
    for part, found, key in ((features, x, 'x'), (labels, y, 'y')):
      if part[-1].shape[1:] != part[0].shape[1:]:
        raise ValueError(
            f'{owner} has {key} of shape {part[-1].shape[1:]}, but users '
            f'before it of {part[0].shape[1:]}; `encode` can pad them.'
        )
  if not features:
    raise ValueError(f'{path} holds no examples.')
  return in_memory_clients.InMemoryClients(
      names,
      sizes,
      (
          _join(features, np.int32, f'x of {path}'),
          _join(labels, np.int64, f'y of {path}'),
      ),
  )


def _users(path: pathlib.Path) -> Iterator[tuple[pathlib.Path, str, Any]]:
  """Yields the file, the name and the data of each user."""
  files = sorted(path.glob('*.json')) if path.is_dir() else [path]
  if not files or not files[0].is_file():
    raise FileNotFoundError(
        f'{path} must be a JSON file of LEAF or a folder of some, and is not.'
    )
  for file in files:
    try:
      content = json.loads(file.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
      raise ValueError(f'{file} is not JSON: {error}') from error
    missing = [
        key for key in _KEYS
        if not isinstance(content, dict) or key not in content
    ]
    if missing:
      raise ValueError(
          f"{file} must have LEAF's keys {', '.join(_KEYS)}, but lacks "
          f'{", ".join(missing)}.'
      )
    for key, kind in zip(_KEYS, (list, list, dict)):
      if not isinstance(content[key], kind):
        raise ValueError(
            f'{file} must have a {kind.__name__} as {key!r}, got'
            f' {content[key]!r:.60}.'
        )
    if len(content['users']) != len(content['num_samples']):
      raise ValueError(
          f'{file} must have a number in num_samples for each of its '
          f'{len(content["users"])} users, got {len(content["num_samples"])}.'
      )
    for name, size in zip(content['users'], content['num_samples']):
      # A key of JSON is a text.
      if not isinstance(name, str) or name not in content['user_data']:
        raise ValueError(f'{file} has no user_data of its user {name!r:.60}.')
      user_data = content['user_data'][name]
      labels = user_data.get('y') if isinstance(user_data, dict) else None
      if isinstance(labels, list) and len(labels) != size:
        raise ValueError(
            f'user {name!r} of {file} must have the {size!r} examples that '
            f'num_samples says, got {len(labels)}.'
        )
      yield file, name, user_data
    unnamed = content['user_data'].keys() - set(map(str, content['users']))
    if unnamed:
      raise ValueError(
          f'{file} has user_data of {min(unnamed)!r:.60}, whom users does not'
          ' name; add such users, or leave out their data.'
      )


def _as_numbers(values, encode, shape, key, owner) -> np.ndarray:
  """Returns a user's values as numbers `[n, ...]`, or raises."""
  if encode is not None:
    values = [np.asarray(encode(value)) for value in values]
  try:
    array = np.array(values)
  except ValueError:
    array = np.array(None)
  if array.dtype.kind not in 'iufb':
    argument = 'encode' if key == 'x' else 'encode_label'
    raise ValueError(
        f'{owner} must have {key} that are numbers of one shape, got '
        f'{values[0]!r:.60} first; say with `{argument}` how to make them.'
    )
  if array.dtype.kind == 'f':
    array = narrowing.to_float32(array, f'{key} of {owner}')
  else:
    array = narrowing.to_integers(array, f'{key} of {owner}', np.int64)
  if shape is None:
    return array
  try:
    return array.reshape([len(values), *shape])
  except ValueError as error:
    raise ValueError(
        f'{owner} has {key} of shape {array.shape[1:]}, which cannot be '
        f'brought to `shape` {tuple(shape)}.'
    ) from error


def _join(arrays: Sequence[np.ndarray], integer: Any, name: str) -> np.ndarray:
  """Returns all users' numbers, of the integer type or float32."""
  joined = np.concatenate(arrays)
  if joined.dtype.kind == 'f':
    integers = [part for part in arrays if part.dtype.kind != 'f']
    if integers:
      narrowing.to_float32(np.concatenate(integers), name)
    return joined.astype(np.float32)
  bounds = np.iinfo(integer)
  fits = bounds.min <= joined.min() and joined.max() <= bounds.max
  return joined.astype(integer if fits else np.int64)
