"""Errors about one client among many: one line that names the client."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import re
import threading
from typing import Any, Optional
import weakref

import tensorflow as tf

from astraea_tff import arguments
from astraea_tff import client_names

# A dataset that does not say how many examples it has is taken for endless
# beyond this.
MOST_EXAMPLES_OF_UNKNOWN_NUMBER = 100_000

# So long may a dataset take to its first example that takes some of an endless
# one: behind a filter that lets nothing through it would take for ever.
SECONDS_TO_THE_FIRST_EXAMPLE = 60.0

# What a worker says of it that has no name for the client.
MAY_NEVER_END = 'A client has a dataset that may never end.'

_PYTHON_OPERATIONS = frozenset({'PyFunc', 'PyFuncStateless', 'EagerPyFunc'})
# As long as they live, so that a client's functions are searched once.
_GRAPHS_THAT_CALL_PYTHON = weakref.WeakKeyDictionary()
# Of a dataset: the limit, and the dataset with it.
_LIMITED = '_astraea_tff_limited'
# Of a dataset: that its first example came in time.
_GIVES = '_astraea_tff_gives'
# The operation that fails where a dataset goes on for too long.
_TOO_LONG = 'a_dataset_that_may_never_end'

# Parts of TensorFlow's messages.
_PREAMBLE = ('Graph execution error', 'Detected at', 'Node:', '<stack traces')
_TAG = re.compile(r'\{\{[^}]*\}\}')
_NODE = re.compile(r'\{\{node ([^}]*)\}\}')


def check_ends(client: str, dataset: tf.data.Dataset) -> None:
  """Refuses a dataset that says that it never ends.

  Args:
    client: What messages call the dataset's owner.
    dataset: The client's examples or batches.

  Raises:
    ValueError: The dataset has an infinite cardinality, or goes through one
      that has, such as behind a filter; or takes some examples of such a one,
      of which none comes in a minute.
  """
  if _never_ends(dataset):
    raise ValueError(
        f'{client} has a dataset that never ends; leave out its repeat(), or '
        'take(n) a number of examples.'
    )
  if _may_starve(dataset):
    if not _gives_an_example(dataset):
      raise ValueError(
          f'{client} gave no example in {SECONDS_TO_THE_FIRST_EXAMPLE:g}'
          ' seconds: its dataset repeats without an end, and a filter behind'
          ' that may let nothing through. Leave out the repeat(), or filter'
          ' before it.'
      )
    _note_gives(dataset)


def _may_starve(dataset: tf.data.Dataset) -> bool:
  """Whether an unknown share of endless examples is read."""
  if getattr(dataset, _GIVES, False):
    return False
  cardinality = int(dataset.cardinality())
  if cardinality != tf.data.UNKNOWN_CARDINALITY:
    return cardinality == tf.data.INFINITE_CARDINALITY
  return any(map(_may_starve, client_names.inputs_of(dataset)))


def _note_gives(dataset: tf.data.Dataset) -> None:
  # Where it is the user's, so that not each round reads an example for it. What
  # is repeated gives an example again.
  if 'Take' in type(dataset).__name__:
    setattr(dataset, _GIVES, True)
  for part in client_names.inputs_of(dataset):
    _note_gives(part)


def _gives_an_example(dataset: tf.data.Dataset) -> bool:
  """Whether the first example, an error or the end comes in time."""

  def read():
    # What is wrong with it, they find who read it all.
    with contextlib.suppress(Exception):
      next(iter(dataset), None)

  # Nothing could stop TensorFlow's reading, but this program can go on.
  thread = threading.Thread(target=read, daemon=True)
  thread.start()
  thread.join(SECONDS_TO_THE_FIRST_EXAMPLE)
  return not thread.is_alive()


def _never_ends(dataset: tf.data.Dataset) -> bool:
  cardinality = int(dataset.cardinality())
  if cardinality != tf.data.UNKNOWN_CARDINALITY:
    return cardinality == tf.data.INFINITE_CARDINALITY
  # A filter that lets nothing through would read on for ever, and nothing
  # could stop it. Only what takes a number, or takes while, ends before its
  # input; with several inputs it may be with any.
  inputs = client_names.inputs_of(dataset)
  takes = 'Take' in type(dataset).__name__
  return len(inputs) == 1 and not takes and _never_ends(inputs[0])


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
        'py_function or numpy_function), which does not run in a TFF worker; write it in '
        'TensorFlow operations, or read it once and give the arrays to '
        'tf.data.Dataset.from_tensor_slices.'
    )


class ExampleLimit:
  """Counts the examples that are read of a client, and stops endless reading.

  Only a dataset of unknown cardinality (behind a filter, from a generator, of
  CSV files) has a limit.
  """

  def __init__(self, client: str, dataset: tf.data.Dataset):
    """Checks that the dataset ends, as far as it says; see `check_ends`."""
    check_ends(client, dataset)
    self._client = client
    self._is_known = (
        int(dataset.cardinality()) != tf.data.UNKNOWN_CARDINALITY
    )
    self._num_read = 0

  def add(self, num_examples: int) -> None:
    """Takes note of examples that were read.

    Args:
      num_examples: At least 0.

    Raises:
      ValueError: They are more than a client of unknown size may have.
    """
    self._num_read += num_examples
    limit = MOST_EXAMPLES_OF_UNKNOWN_NUMBER
    if not self._is_known and self._num_read > limit:
      raise ValueError(too_long_message(self._client, self._num_read))


def surely_ends(dataset: tf.data.Dataset) -> bool:
  """Returns whether a dataset, or all that it reads, says that it ends."""
  cardinality = int(dataset.cardinality())
  if cardinality != tf.data.UNKNOWN_CARDINALITY:
    return cardinality != tf.data.INFINITE_CARDINALITY
  inputs = client_names.inputs_of(dataset)
  # A `flat_map` of the user's makes datasets that nobody knows.
  makes_datasets = any(
      isinstance(function.output_structure, tf.data.DatasetSpec)
      for function in dataset._functions()
  )
  return bool(inputs) and not makes_datasets and all(map(surely_ends, inputs))


def may_be_endless(client_data: Any) -> bool:
  """Returns whether clients do not say how many examples they have.

  The first stands for all, as one function makes the datasets.

  Args:
    client_data: A `tff.simulation.datasets.ClientData`.

  Raises:
    ValueError: The first one never ends.
  """
  client_id = client_data.client_ids[0]
  try:
    dataset = client_data.create_tf_dataset_for_client(client_id)
  except tf.errors.OpError:  # The round says which client is damaged.
    return False
  check_ends(f'client {client_id!r}', dataset)
  return not surely_ends(dataset)


def bounded(dataset: tf.data.Dataset) -> tf.data.Dataset:
  """Makes a dataset fail that goes on for too long without saying so.

  Reading it then fails, in a worker too, as `named_errors` explains.

  Args:
    dataset: Elements whose last part is a label `[]` or labels `[B]`.

  Returns:
    The dataset, with a limit unless it surely ends.
  """
  # One for all rounds: a worker keeps what it is sent as the same object again.
  most, limited = getattr(dataset, _LIMITED, (None, dataset))
  if most != MOST_EXAMPLES_OF_UNKNOWN_NUMBER and not surely_ends(dataset):
    most = MOST_EXAMPLES_OF_UNKNOWN_NUMBER
    limited = fail_when_too_long(dataset, most)
    client_names.remember_sources(limited, dataset)
    setattr(dataset, _LIMITED, (most, limited))
  return limited


# One trace is for all clients.
@tf.function(autograph=False)
def fail_when_too_long(
    dataset: tf.data.Dataset, most_examples: tf.Tensor
) -> tf.data.Dataset:
  """As `bounded`, whatever the cardinality, in a graph or not."""
  most_examples = tf.cast(most_examples, tf.int64)

  def count(num_read, element):
    label = tf.nest.flatten(element, expand_composites=True)[-1]
    num_read += tf.shape(label, tf.int64)[0] if label.shape.rank else 1
    # On a CPU this fails, and the operation's name tells why. An assertion
    # would have state, and a dataset with one is not sent without complaint.
    zero = tf.gather(
        tf.constant([0], tf.int64),
        tf.cast(num_read > most_examples, tf.int32),
        name=_TOO_LONG,
    )
    return num_read + zero, element

  return dataset.scan(tf.constant(0, tf.int64), count)


def too_long_message(client: str, num_examples: int) -> str:
  """Says of a client that was read for too long what to do."""
  return (
      f'{client} was read for {num_examples:,} examples without an end, and its'
      ' dataset does not say how many there are: it may never end. Leave out'
      ' its repeat(), or take(n); if there are really n, say so with'
      ' .apply(tf.data.experimental.assert_cardinality(n)).'
  )


@contextlib.contextmanager
def named_errors(
    client: str, dataset: Optional[tf.data.Dataset], doing: str
) -> Iterator[None]:
  """Makes of TensorFlow's errors, while a client is read, one line.

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
    if _TOO_LONG in error.message:
      message = too_long_message(client, MOST_EXAMPLES_OF_UNKNOWN_NUMBER)
    raise type(error)(error.node_def, error.op, message) from error


def first_reason(message: str) -> str:
  """Returns the line of an error of TensorFlow that says what is wrong.

  Before it there may be where in the program an operation was made, and behind
  it the traceback of a Python function.
  """
  lines = [
      _TAG.sub('', line).strip()
      for line in message.splitlines()
      if line and not line[0].isspace() and not line.startswith(_PREAMBLE)
  ]
  reason = arguments.shorten(next((line for line in lines if line), message))
  node = _NODE.search(message)
  if node and message.startswith(_PREAMBLE):
    reason += f' (at {node[1]})'
  return reason


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
  kinds = []
  for client, spec in clients:
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
  # Not public in tf.data. The public way, the dataset's graph, has all data in
  # it.
  for function in dataset._functions():
    graph = function.function.graph
    if graph not in _GRAPHS_THAT_CALL_PYTHON:
      _GRAPHS_THAT_CALL_PYTHON[graph] = not _PYTHON_OPERATIONS.isdisjoint(
          _operations(graph.as_graph_def())
      )
    if _GRAPHS_THAT_CALL_PYTHON[graph]:
      return True
  return any(map(_calls_python, client_names.inputs_of(dataset)))


def _operations(graph: tf.compat.v1.GraphDef) -> Iterator[str]:
  """Yields the kinds of the operations in a graph and its functions."""
  for node in graph.node:
    yield node.op
  for function in graph.library.function:
    for node in function.node_def:
      yield node.op


def _damaged_file(dataset: tf.data.Dataset) -> str:
  """Returns the first of a dataset's files that is no image, '' for none."""
  for path in getattr(dataset, 'file_paths', ()):
    try:
      tf.io.decode_image(tf.io.read_file(path), expand_animations=False)
    except tf.errors.OpError:
      return path
  # Those that map or batch it do not know its files.
  inputs = client_names.inputs_of(dataset)
  return next(filter(None, map(_damaged_file, inputs)), '')
