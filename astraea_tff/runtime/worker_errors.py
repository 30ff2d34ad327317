"""Errors of a computation in a worker: one line that names the client.

TFF's worker says what went wrong in several lines, and not with whose data.
"""

from collections.abc import Iterator, Mapping
import contextlib
import re
from typing import Any, Optional

import grpc
import numpy as np
import tensorflow as tf

from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.client_datasets import errors as client_errors
from astraea_tff.client_datasets import names as client_names
from astraea_tff.runtime import client_data_kinds

_WRONG_LABEL = re.compile(r'label value of -?\d+ .*range of \[0, (\d+)\)')
# An embedding's indices are features.
_WRONG_INDEX = re.compile(
    r' = (-?\d+) is not in \[0, (\d+)\).*embedding_lookup', re.DOTALL
)
# The worker's message has this before it says what is wrong.
_PREAMBLE = 'Failed to run computation: '


@contextlib.contextmanager
def named_errors(arg: Any) -> Iterator[None]:
  """Shortens a worker's error to one line, and names the client at fault.

  Args:
    arg: What the worker computes with. If that fails, its datasets are read
      here to find the one that is damaged or has a label out of range.

  Yields:
    None, for the time of the call.

  Raises:
    RuntimeError: The worker said that the computation failed.
  """
  try:
    yield
  except grpc.RpcError as error:
    if error.code() != grpc.StatusCode.INTERNAL:
      raise
    reason = client_errors.first_reason(
        error.details().removeprefix(_PREAMBLE)
    )
    wrong_label = _WRONG_LABEL.search(error.details())
    wrong_index = _WRONG_INDEX.search(error.details())
    found = ''
    # If the search itself fails, the worker's error is told.
    with contextlib.suppress(Exception):
      found = _find_fault(
          arg,
          wrong_label and int(wrong_label[1]),
          wrong_index and (int(wrong_index[1]), int(wrong_index[2])),
          client_endings.MAY_NEVER_END in error.details(),
      )
    raise RuntimeError(
        found or f'The computation failed in the TFF worker: {reason}'
    ) from error


def _find_fault(
    arg: Any,
    num_classes: Optional[int],
    wrong_index: Optional[tuple[int, int]],
    is_endless: bool,
) -> str:
  """Returns what is wrong with the first client's data that are, or ''."""
  # A dataset that does not end is read no further than any other.
  most = client_endings.MOST_EXAMPLES_OF_UNKNOWN_NUMBER
  for client, read in _clients(arg, ''):
    try:
      with client_errors.named_errors(client, None, 'read'):
        dataset = read()
      if is_endless:
        if not client_endings.surely_ends(dataset):
          return client_endings.too_long_message(client, most)
        continue
      with client_errors.named_errors(client, dataset, 'read'):
        for element in dataset.take(most):
          features, labels = _features_and_labels(element)
          wrong = _outside(labels, num_classes)
          if wrong is not None:
            return (
                f'{client} has label {wrong}, but the model has classes in [0,'
                f' {num_classes}).'
            )
          if wrong_index and _holds(features, wrong_index[0]):
            return (
                f'{client} has {wrong_index[0]} among its features, but the'
                ' model knows tokens or categories in [0,'
                f' {wrong_index[1]}).'
            )
    except tf.errors.OpError as error:
      return error.message
  return ''


def _clients(
    value: Any, place: str
) -> Iterator[tuple[str, client_names.Read]]:
  """Yields what the clients in an argument are called, and their readers."""
  if isinstance(value, tf.data.Dataset):
    name = client_names.name_of(value)
    yield name or f'The dataset at {place or "the top"}', lambda: value
    return
  by_id = client_names.reader_of(value)
  if by_id:
    yield by_id
    return
  parts = client_data_kinds.parts_of(value) or ()
  for number, (name, part) in enumerate(parts):
    yield from _clients(part, f'{place}[{number if name is None else name}]')


def _features_and_labels(element: Any) -> tuple[Any, Any]:
  """Returns x and y of a batch, None for what is not there."""
  if isinstance(element, Mapping):
    return element.get('x'), element.get('y')
  is_pair = isinstance(element, tuple) and len(element) == 2
  return element if is_pair else (None, None)


def _outside(labels: Any, limit: Optional[int]) -> Optional[int]:
  """Returns a label that is not in [0, limit); None if all are, or any may."""
  if limit is None:
    return None
  # A model of several losses has as many labels.
  for part in _integers(labels):
    outside = part[(part < 0) | (part >= limit)]
    if len(outside):
      return int(outside[0])
  return None


def _holds(features: Any, value: int) -> bool:
  """Whether an integer is among the features."""
  return any((part == value).any() for part in _integers(features))


def _integers(parts: Any) -> Iterator[np.ndarray]:
  """Yields the numbers of each of the tensors that are integers."""
  for part in tf.nest.flatten(parts):
    if isinstance(part, tf.Tensor) and part.dtype.is_integer:
      yield part.numpy().reshape(-1)
