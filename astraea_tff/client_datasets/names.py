"""The owner of a dataset, what it reads, and whether that may change.

Errors name a client by what is noted here. Notes are kept by object, for as
long as the object lives. The module also knows how TensorFlow writes a client's
id.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional
import weakref

import tensorflow as tf

# Returns a client's dataset.
Read = Callable[[], tf.data.Dataset]

_NAMES = weakref.WeakKeyDictionary()
# The kinds of a graph's operations, so that a client's functions are searched
# once.
_OPERATIONS = weakref.WeakKeyDictionary()
_MAY_CHANGE = weakref.WeakKeyDictionary()
# A dataset's attribute: the datasets that it was made of.
_SOURCES = '_astraea_tff_sources'
# Keys are identities, as what stands for such a client has no hash.
_BY_ID = {}


def id_in_bytes(client_id: str) -> bytes:
  """Returns a client's id as TensorFlow takes it, which refuses some texts.

  Args:
    client_id: Any text. One that is no Unicode, as Python reads the name of a
      file that is no UTF-8, becomes the bytes of that name.
  """
  try:
    return client_id.encode(errors='surrogateescape')
  except UnicodeEncodeError:
    return client_id.encode(errors='surrogatepass')


def id_of(value: Any) -> Any:
  """Returns a client's id, of the bytes of one as `id_in_bytes` makes them.

  Args:
    value: What names a client; other than bytes it is returned.
  """
  if isinstance(value, bytes):
    return value.decode(errors='surrogateescape')
  return value


def remember_name(client: str, dataset: tf.data.Dataset) -> None:
  """Notes whose a dataset is, for errors that a worker meets in it."""
  _NAMES[dataset] = client


def name_of(dataset: tf.data.Dataset) -> str:
  """Returns what a dataset's owner is called; '' if that is not known."""
  return _NAMES.get(dataset, '')


def remember_sources(
    dataset: tf.data.Dataset,
    *sources: tf.data.Dataset,
    calls_users_code: bool = False,
) -> None:
  """Notes what a dataset reads that a `tf.function` made, which hides it.

  Args:
    dataset: The dataset.
    *sources: What it reads.
    calls_users_code: Whether the function called a user's, which may look at a
      `tf.Variable`.
  """
  if calls_users_code:
    _MAY_CHANGE[dataset] = True
  # The note is at the dataset itself: a source may know in turn what was made
  # of it, and a table would then keep both for ever.
  setattr(dataset, _SOURCES, sources)


def inputs_of(dataset: tf.data.Dataset) -> Sequence[tf.data.Dataset]:
  """Returns the datasets that one reads."""
  # `_inputs` is not public in tf.data.
  return getattr(dataset, _SOURCES, None) or dataset._inputs()


def functions_of(dataset: tf.data.Dataset) -> Sequence[Any]:
  """Returns the functions that a dataset applies, not those of its inputs."""
  # Not public in tf.data. The public way, the dataset's graph, has all data in
  # it.
  return dataset._functions()


def may_change(dataset: tf.data.Dataset) -> bool:
  """Returns whether a dataset may hold other data though it is the same object.

  It may if a function of it, or of what it reads, looks at a `tf.Variable`, a
  table or another resource, and where that cannot be seen: a `tf.function` made
  it, a function of it reads another dataset, or its elements are datasets.
  """
  if dataset not in _MAY_CHANGE:
    inputs = inputs_of(dataset)
    _MAY_CHANGE[dataset] = (
        not inputs
        and (
            type(dataset).__name__ == '_VariantDataset'
            or _gives_datasets(dataset)
        )
        or any(
            capture.dtype in (tf.resource, tf.variant)
            for function in functions_of(dataset)
            for capture in function.function.captured_inputs
        )
        or any(map(may_change, inputs))
    )
  return _MAY_CHANGE[dataset]


def _gives_datasets(dataset: tf.data.Dataset) -> bool:
  """Whether datasets are among what a dataset's elements are made of."""
  specs = tf.nest.flatten(dataset.element_spec)
  return any(isinstance(spec, tf.data.DatasetSpec) for spec in specs)


def operations_in(function: Any) -> frozenset[str]:
  """Returns the kinds of operations in a dataset's function and what it calls.

  Args:
    function: One of `functions_of` a dataset.
  """
  graph = function.function.graph
  if graph not in _OPERATIONS:
    _OPERATIONS[graph] = frozenset(_operations(graph.as_graph_def()))
  return _OPERATIONS[graph]


def _operations(graph: tf.compat.v1.GraphDef) -> Iterator[str]:
  for node in graph.node:
    yield node.op
  for function in graph.library.function:
    for node in function.node_def:
      yield node.op


def remember_reader(client: str, given: Any, read: Read) -> None:
  """Notes how a client is read that is given by its id.

  Args:
    client: What messages call it.
    given: What stands for it, an object to which there can be weak references.
    read: Returns its dataset.
  """
  key = id(given)
  reference = weakref.ref(given, lambda _: _BY_ID.pop(key, None))
  _BY_ID[key] = reference, client, read


def reader_of(given: Any) -> Optional[tuple[str, Read]]:
  """Returns what a client is called that is given by its id, and its reader.

  Args:
    given: Anything.

  Returns:
    None if it stands for no such client.
  """
  found = _BY_ID.get(id(given))
  return found and found[1:]
