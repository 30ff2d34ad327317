"""Clients whose examples are arrays in memory, of any structure.

`tff.simulation.datasets.TestClientData` keeps a dataset of each client in every
computation, and asks all of them for the right one. Here the examples of all
clients are one array of each part, of which a client has a slice.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.client_datasets import names as client_names


class InMemoryClients(tff.simulation.datasets.ClientData):
  """A `ClientData` of arrays; see `ClientData` for what it can do.

  Where a worker reads clients by id, the arrays are part of the computation
  that it is sent once, which may have 2 GB.
  """

  def __init__(
      self, client_ids: Sequence[str], sizes: Sequence[int], examples: Any
  ):
    """Initializes the clients.

    Args:
      client_ids: K names, each a different one.
      sizes: K numbers of examples.
      examples: A structure of arrays `[n, ...]`: the examples of the first
        client, followed by those of the second, and so on.

    Raises:
      TypeError: `sizes` are no integers, or an array has a mask.
      ValueError: There are no clients, a name is there twice, or is the same
        bytes as another, or `sizes` do not add up to n.
    """
    self._client_ids = [str(name) for name in client_ids]
    self._places = {name: k for k, name in enumerate(self._client_ids)}
    sizes = arguments.check_integers(sizes, '`sizes`', 0)
    for part in tf.nest.flatten(examples):
      if isinstance(part, np.ma.MaskedArray):
        raise TypeError(
            '`examples` must be arrays without a mask, which clients do not'
            ' keep; fill it in (`filled`), or leave out the examples.'
        )
    self._examples = tf.nest.map_structure(np.asarray, examples)
    lengths = {len(part) for part in tf.nest.flatten(self._examples)}
    if not self._client_ids:
      raise ValueError('`client_ids` must name at least one client, got none.')
    if len(self._places) < len(self._client_ids):
      twice = next(
          name
          for k, name in enumerate(self._client_ids)
          if self._places[name] != k
      )
      raise ValueError(f'`client_ids` must differ, got {twice!r} twice.')
    # TensorFlow takes ids as bytes.
    self._known = [client_names.id_in_bytes(name) for name in self._client_ids]
    self._names = dict(zip(self._known, self._client_ids))
    if len(self._names) < len(self._client_ids):
      name, same = next(
          (name, self._names[known])
          for name, known in zip(self._client_ids, self._known)
          if self._names[known] != name
      )
      raise ValueError(
          f'`client_ids` must differ in UTF-8, which TensorFlow has for texts,'
          f' but {name!r} and {same!r} are the same bytes.'
      )
    if len(sizes) != len(self._client_ids) or lengths != {sum(sizes)}:
      raise ValueError(
          f'`sizes` must say how the {sorted(lengths)} `examples` belong to '
          f'{len(self._client_ids)} clients, got {sizes!r:.80}.'
      )
    ends = np.cumsum(sizes, dtype=np.int64)
    self._bounds = np.stack([ends - sizes, ends], axis=1)

  @property
  def client_ids(self) -> list[str]:
    """The clients' names, in the order in which they were given."""
    return list(self._client_ids)

  @property
  def element_type_structure(self) -> Any:
    """The `tf.TensorSpec`s of an example."""
    return tf.nest.map_structure(
        lambda part: tf.TensorSpec(
            part.shape[1:],
            tf.string if part.dtype.kind in 'OSU' else part.dtype,
        ),
        self._examples,
    )

  def create_tf_dataset_for_client(self, client_id: str) -> tf.data.Dataset:
    """Returns a client's examples.

    Args:
      client_id: One of `client_ids`.

    Returns:
      A dataset of single examples.

    Raises:
      ValueError: There is no such client.
    """
    if client_id not in self._places:
      raise ValueError(
          f'{client_id!r} is not one of the {len(self._client_ids)} clients, '
          f'the first of which is {self._client_ids[0]!r}.'
      )
    start, end = self._bounds[self._places[client_id]]
    return tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda part: part[start:end], self._examples)
    )

  @property
  def serializable_dataset_fn(self):
    """As `create_tf_dataset_for_client`, of a `tf.string []` in a graph."""
    return self._dataset_of_id

  def _dataset_of_id(self, client_id: Any) -> tf.data.Dataset:
    if isinstance(client_id, str):
      client_id = client_names.id_in_bytes(client_id)
    if tf.executing_eagerly():
      known = tf.convert_to_tensor(client_id).numpy()
      return self.create_tf_dataset_for_client(
          self._names.get(known, known.decode(errors='replace'))
      )
    number = len(self._known)
    is_client = tf.equal(client_id, self._known)
    # An unknown client gets the number after the last, and `gather` fails.
    place = tf.reduce_min(tf.where(is_client, tf.range(number), number))
    start, end = tf.unstack(
        tf.gather(self._bounds, place, name='client_id_must_be_known')
    )
    return tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(
            lambda part: tf.constant(part)[start:end], self._examples
        )
    )


def check_features(features: Any, client: str, label: str) -> list[str]:
  """Checks that columns are features, beside those of the client and the label.

  Args:
    features: The argument, an iterable of names.
    client: The column that names the client.
    label: The column of the label.

  Returns:
    The features.

  Raises:
    TypeError: `features` is no iterable of names.
    ValueError: It names none, or a column is one of all these twice.
  """
  features = arguments.check_list(features, '`features`')
  names = [client, label, *features]
  for name in names:
    if names.count(name) > 1:
      raise ValueError(
          f'Column {name!r} must be one of the client, the label and the '
          'features, and once, got it more often.'
      )
  if not features:
    raise ValueError(
        f'`features` must name a column besides {client!r} and {label!r}, got'
        ' none.'
    )
  return features


def group_by_client(
    clients: np.ndarray,
    examples: Any,
    make: Callable[..., InMemoryClients] = InMemoryClients,
) -> InMemoryClients:
  """Brings together what belongs to one client.

  Args:
    clients: `[n]`, of each example the client that it belongs to.
    examples: A structure of arrays `[n, ...]`.
    make: What makes the clients, of the arguments of `InMemoryClients`.

  Returns:
    The clients, ordered by their values in `clients`; the examples of a client
    stay in their order.

  Raises:
    ValueError: The lengths differ.
  """
  lengths = {len(part) for part in tf.nest.flatten(examples)}
  if lengths != {len(clients)}:
    raise ValueError(
        f'There must be a client for each example, got {len(clients)} clients'
        f' and parts of {sorted(lengths)} examples.'
    )
  if clients.dtype.kind in 'OS':
    # Numbers, and texts of NumPy, are no bytes; a table may have many rows.
    given = clients.tolist()
    if any(isinstance(name, bytes) for name in given):
      names = [str(client_names.id_of(name)) for name in given]
      clients = np.array(names, object)
  names, owners, sizes = np.unique(
      clients, return_inverse=True, return_counts=True
  )
  order = np.argsort(owners, kind='stable')
  return make(
      [str(name) for name in names.tolist()],
      sizes,
      tf.nest.map_structure(lambda part: np.asarray(part)[order], examples),
  )
