"""Finding and reading the labels of a client's dataset."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import operator
from typing import Any, Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.client_datasets import errors as client_errors

# Enough to make Python's share of reading negligible, 64 kB at most in memory.
_LABELS_PER_READ = 8192


def check_clients(clients: Any) -> tuple[Any, int]:
  """Returns clients as what can be read several times, and their number.

  Args:
    clients: See `labels.counts.label_counts`.

  Raises:
    TypeError: They are neither a `ClientData` nor a sequence.
    ValueError: There are none.
  """
  if isinstance(clients, tff.simulation.datasets.ClientData):
    number = len(clients.client_ids)
  # A dataset is iterable too, and would read as one client for each example.
  elif isinstance(clients, tf.data.Dataset) or not isinstance(
      clients, Iterable
  ):
    raise TypeError(
        'clients must be a ClientData or a sequence of tf.data.Datasets, got '
        f'{type(clients).__name__}.'
    )
  else:
    if not isinstance(clients, Sequence):
      clients = list(clients)
    number = len(clients)
  if not number:
    raise ValueError('clients must hold at least one client, got none.')
  return clients, number


def named_datasets(clients: Any) -> Iterator[tuple[str, Any]]:
  """Yields what messages call a client, and its dataset.

  Args:
    clients: See `labels.counts.label_counts`.

  Raises:
    TypeError: One of a sequence is no `tf.data.Dataset`.
    tf.errors.OpError: A `ClientData` cannot make a client's dataset; the
      message names the client.
  """
  if isinstance(clients, tff.simulation.datasets.ClientData):
    for client_id in clients.client_ids:
      name = f'client {client_id!r}'
      # Some read the client's file at once.
      with client_errors.named_errors(name, None, 'read'):
        dataset = clients.create_tf_dataset_for_client(client_id)
      yield name, dataset
    return
  for index, dataset in enumerate(clients):
    name = f'clients[{index}]'
    arguments.check_type(dataset, name, tf.data.Dataset)
    yield name, dataset


def count_labels(
    client: str,
    dataset: Any,
    num_classes: int,
    label_fn: Optional[Callable[[Any], Any]],
) -> np.ndarray:
  """Counts one client's labels.

  Args:
    client: What messages call the dataset's owner.
    dataset: The client's `tf.data.Dataset`.
    num_classes: N.
    label_fn: See `labels.counts.label_counts`.

  Returns:
    `int64 [N]`.

  Raises:
    TypeError: An element has no label that can be found without `label_fn`,
      that is no function, or labels are no integers.
    ValueError: A label is not in [0, N), labels are one-hot, or the dataset may
      never end.
    tf.errors.OpError: The dataset cannot be read; the message names the client.
  """
  row = np.zeros(num_classes, np.int64)
  for labels in _label_batches(client, dataset, label_fn):
    outside = labels[(labels < 0) | (labels >= num_classes)]
    if outside.size:
      raise ValueError(
          f'{client} has label {outside[0]}, but labels must lie in '
          f'[0, {num_classes}); correct num_classes, or map the labels with '
          'label_fn.'
      )
    row += np.bincount(labels.astype(np.int64), minlength=num_classes)
  return row


def _label_batches(
    client: str, dataset: Any, label_fn: Optional[Callable[[Any], Any]]
) -> Iterator[np.ndarray]:
  """Yields a client's labels as integer arrays `[n]`, as they are read."""
  limit = client_endings.ExampleLimit(client, dataset)
  labels = label_dataset(client, dataset, label_fn)
  with client_errors.named_errors(client, dataset, 'read'):
    for batch in labels.as_numpy_iterator():
      batch = np.asarray(batch)
      if batch.ndim > 1 and batch.size != len(batch):
        raise ValueError(_one_hot_message(client, batch.shape))
      limit.add(batch.size)
      yield batch.ravel()


def label_dataset(
    client: str, dataset: Any, label_fn: Optional[Callable[[Any], Any]]
) -> Any:
  """Maps a dataset to its labels, some thousands at a time.

  Args:
    client: What messages call the dataset's owner.
    dataset: A `tf.data.Dataset`, in a graph or not.
    label_fn: See `labels.counts.label_counts`.

  Returns:
    A `tf.data.Dataset` of integer labels, `[n]`, `[n, 1]` or of unknown shape.

  Raises:
    TypeError: An element has no label that can be found without `label_fn`,
      that is no function, or labels are no integers.
    ValueError: Labels are visibly one-hot.
  """
  arguments.check_function(label_fn, 'label_fn')
  elements = dataset.element_spec
  if label_fn is None:
    label_fn = operator.itemgetter(_label_key(client, elements))
  # tf.data unpacks plain tuples into arguments, and nothing else.
  try:
    if type(elements) is tuple:
      labels = dataset.map(lambda *element: label_fn(element))
    else:
      labels = dataset.map(lambda element: label_fn(element))
  except TypeError as error:
    if 'positional argument' not in str(error):
      raise
    raise TypeError(
        f'{client} cannot be read: label_fn takes one argument, the whole'
        ' element, such as lambda element: element[1].'
    ) from error
  except tf.errors.InvalidArgumentError as error:
    raise TypeError(
        f'{client} must have one dense tensor as its labels, but label_fn'
        ' returned none.'
    ) from error
  _check_label_spec(client, labels.element_spec, elements)
  if labels.element_spec.shape.num_elements() == 1:
    labels = labels.batch(_LABELS_PER_READ)
  return labels


def _label_key(client: str, elements: Any) -> Any:
  """Where the label stands in an element."""
  if isinstance(elements, tuple) and len(elements) == 2:
    return 1
  if isinstance(elements, Mapping):
    keys = [key for key in ('y', 'label') if key in elements]
    if len(keys) == 1:
      return keys[0]
  raise TypeError(
      f'{client} must have elements (x, y), or mappings with one of the keys '
      f"'y' and 'label', got {client_errors.describe(elements)}; pass label_fn "
      'to take the label out.'
  )


def _check_label_spec(client: str, labels: Any, elements: Any) -> None:
  """Refuses labels that are no integers, or visibly one-hot, before reading."""
  if not isinstance(labels, tf.TensorSpec):
    raise TypeError(
        f'{client} must have one dense tensor as its labels, got '
        f'{client_errors.describe(labels)}.'
    )
  if not labels.dtype.is_integer:
    raise TypeError(
        f'{client} has labels of dtype {labels.dtype.name}; they must be '
        'integers, so map or cast them with label_fn.'
    )
  if labels.shape.rank is None or labels.shape.num_elements() == 1:
    return
  trailing = labels.shape[1:].num_elements()
  length = labels.shape[0]
  # Parts of a batch have one first dimension; where it is unknown in one part
  # only a scalar beside it shows that there is no batch.
  is_vector = any(
      is_scalar or (None not in (dimension, length) and dimension != length)
      for is_scalar, dimension in _leading_dimensions(elements)
  )
  if is_vector or trailing not in (None, 1):
    raise ValueError(_one_hot_message(client, labels.shape))


def _one_hot_message(client: str, shape: Any) -> str:
  return (
      f'{client} has labels of shape {list(shape)}, which look one-hot; one '
      'integer for each example is needed, such as argmax in label_fn gives.'
  )


def _leading_dimensions(elements: Any) -> Iterator[tuple[bool, Optional[int]]]:
  """Yields of each tensor in an element: is it a scalar, its first dimension.

  The dimension is None where it is unknown, and of a scalar.
  """
  if isinstance(elements, Mapping):
    elements = tuple(elements.values())
  if isinstance(elements, tuple):
    for element in elements:
      yield from _leading_dimensions(element)
  elif getattr(elements, 'shape', None) is not None:
    rank = elements.shape.rank
    yield rank == 0, elements.shape[0] if rank else None
