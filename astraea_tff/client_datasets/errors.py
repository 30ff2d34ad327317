"""Errors about one client among many: one line that names the client."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import re
from typing import Any, Optional

import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.client_datasets import names as client_names

_PYTHON_OPERATIONS = frozenset({'PyFunc', 'PyFuncStateless', 'EagerPyFunc'})
# Parts of TensorFlow's messages.
_PREAMBLE = ('Graph execution error', 'Detected at', 'Node:', '<stack traces')
_TAG = re.compile(r'\{\{[^}]*\}\}')
_OPERATION = re.compile(r' *\[Op:[^]]*\]( name: *)?$')
_NODE = re.compile(r'\{\{node ([^}]*)\}\}')
# These operations are named by what they check.
_CHECK = re.compile(r'\{\{node (?:[^}]*/)?(\w+_must_be_\w+)\}\}')


def check_runs_in_a_worker(client: str, dataset: tf.data.Dataset) -> None:
  """Refuses a dataset that calls Python, which a TFF worker does not have.

  Args:
    client: What messages call the dataset's owner.
    dataset: The client's batches.

  Raises:
    ValueError: The dataset comes from a generator, or calls a Python function
      (`tf.py_function`, `tf.numpy_function`).
  """
  if _calls_python(dataset):
    raise ValueError(
        f'{client} has a dataset that calls Python (from_generator, '
        'py_function or numpy_function), which does not run in a TFF worker; '
        'write it in TensorFlow operations, or read it once and give the arrays'
        ' to tf.data.Dataset.from_tensor_slices.'
    )


@contextlib.contextmanager
def named_errors(
    client: str, dataset: Optional[tf.data.Dataset], doing: str
) -> Iterator[None]:
  """Shortens TensorFlow's errors while a client is read to one line.

  Args:
    client: What messages call the dataset's owner.
    dataset: Its dataset, or None while it is made. Where it knows its files
      (`file_paths`, as `tf.keras.utils.image_dataset_from_directory` has it),
      the message names the one that is no image.
    doing: What fails, such as 'read'.

  Yields:
    None, for the time of reading.

  Raises:
    tf.errors.OpError: Of the kind that was raised, and from it.
  """
  try:
    yield
  except tf.errors.OpError as error:
    reason = first_reason(error.message)
    path = '' if dataset is None else _damaged_file(dataset)
    if path and path not in reason:
      reason = f'{path}: {reason}'
    message = f'{client} cannot be {doing}: {reason}'
    if client_endings.TOO_LONG in error.message:
      message = client_endings.too_long_message(
          client, client_endings.MOST_EXAMPLES_OF_UNKNOWN_NUMBER
      )
    raise type(error)(error.node_def, error.op, message) from error


def first_reason(message: str) -> str:
  """Returns the line of an error of TensorFlow that says what is wrong.

  Before it there may be where in the program an operation was made, and behind
  it the traceback of a Python function.
  """
  lines = [
      _OPERATION.sub('', _TAG.sub('', line).strip())
      for line in message.splitlines()
      if line and not line[0].isspace() and not line.startswith(_PREAMBLE)
  ]
  reason = arguments.shorten(next((line for line in lines if line), message))
  node = _CHECK.search(message)
  if node is None and message.startswith(_PREAMBLE):
    node = _NODE.search(message)
  return f'{reason} (at {node[1]})' if node else reason


def describe(structure: Any) -> str:
  """Returns an `element_spec` in short: `(uint8 [8, 8, 1], int32 [])`."""
  if isinstance(structure, Mapping):
    parts = (f'{key!r}: {describe(part)}' for key, part in structure.items())
    return arguments.shorten(f'{{{", ".join(parts)}}}')
  if isinstance(structure, tuple):
    return arguments.shorten(f'({", ".join(map(describe, structure))})')
  if isinstance(structure, tf.TensorSpec):
    shape = structure.shape
    shape = '[...]' if shape.rank is None else shape.as_list()
    return f'{structure.dtype.name} {shape}'
  return arguments.shorten(str(structure))


def check_alike(clients: Sequence[tuple[str, Any]]) -> None:
  """Refuses a client whose elements are not like those of the others.

  Args:
    clients: What messages call each client, and its `element_spec`. Dimensions
      that one leaves open fit any.

  Raises:
    ValueError: A client's elements are of another structure, dtype or size than
      those of most clients.
  """
  if all(spec == clients[0][1] for _, spec in clients):
    return
  kinds = []
  # Specs that leave most sizes open come last, as they fit several kinds.
  for client, spec in sorted(clients, key=lambda named: _num_open(named[1])):
    for kind in kinds:
      if _fits(kind[0][1], spec):
        kind.append((client, spec))
        break
    else:
      kinds.append([(client, spec)])
  if len(kinds) < 2:
    return
  usual = max(kinds, key=len)
  odd = next(kind for kind in kinds if kind is not usual)
  raise ValueError(
      f'{odd[0][0]} has elements {describe(odd[0][1])}, but {usual[0][0]}, '
      f'like {len(usual)} of {len(clients)} clients, has '
      f'{describe(usual[0][1])}; bring all to one structure, dtype and size '
      'with map().'
  )


def _num_open(spec: Any) -> float:
  """How many dimensions elements leave open."""
  shapes = [getattr(part, 'shape', None) for part in tf.nest.flatten(spec)]
  return sum(
      float('inf') if shape.rank is None else shape.as_list().count(None)
      for shape in shapes
      if isinstance(shape, tf.TensorShape)
  )


def _fits(spec: Any, other: Any) -> bool:
  """Whether elements are of one structure, dtype and size."""
  if spec == other:
    return True
  try:
    tf.nest.assert_same_structure(spec, other)
  except (TypeError, ValueError):
    return False
  return all(
      part.is_compatible_with(other_part)
      for part, other_part in zip(tf.nest.flatten(spec), tf.nest.flatten(other))
  )


def _calls_python(dataset: tf.data.Dataset) -> bool:
  """Whether a function of a dataset, or of what it reads, calls Python."""
  return any(
      not _PYTHON_OPERATIONS.isdisjoint(client_names.operations_in(function))
      for function in client_names.functions_of(dataset)
  ) or any(map(_calls_python, client_names.inputs_of(dataset)))


def _damaged_file(dataset: tf.data.Dataset) -> str:
  """Returns the first of a dataset's files that is no image, '' for none."""
  for path in getattr(dataset, 'file_paths', ()):
    try:
      tf.io.decode_image(tf.io.read_file(path), expand_animations=False)
    except tf.errors.OpError:
      return path
  # A dataset that maps or batches another does not know that one's files.
  inputs = client_names.inputs_of(dataset)
  return next(filter(None, map(_damaged_file, inputs)), '')
