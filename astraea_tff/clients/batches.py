"""The clients' data, and the batches that they train on.

`clients` is, throughout, one of

  * a sequence of `tf.data.Dataset`s, client k's at index k;
  * a `tff.simulation.datasets.ClientData`, client k being the k-th of its
    `client_ids`;
  * either of them behind an object with a method `for_round(round_num)` that
    returns such a sequence, for data that change with the round (a new order of
    the examples, new augmentation).

What a client trains on are batches, so the datasets given to a learning process
are batched; `BatchedClients` does that.
"""

import collections.abc
from collections.abc import Mapping, Sequence
from typing import Any, Union

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff import randomness
from astraea_tff.client_datasets import names as client_names

# The most examples that tf.data shuffles or takes to a batch.
LARGEST_BUFFER = tf.int32.max
# Datasets without examples, by the kind of elements.
_WITHOUT_EXAMPLES: dict[str, tf.data.Dataset] = {}
Clients = Union[Sequence[tf.data.Dataset], tff.simulation.datasets.ClientData]


class ClientsOfRound(collections.abc.Sequence):
  """The clients of one round by their index, which `for_round` may return.

  Any sequence will do; a class of this kind also says what is put in the place
  of a client that is missing from a mediator, and what messages call a client.
  """

  def name(self, index: int) -> str:
    """What messages call a client."""
    return f'clients[{index}]'

  @property
  def nobody(self) -> Any:
    """What stands for a client without examples, as the others are given."""
    return _without_examples(self[0])


class _ClientDataSequence(ClientsOfRound):
  """A `ClientData` as a sequence, which makes each client's dataset once.

  Making a dataset anew in every round leaks memory in TensorFlow.
  """

  def __init__(self, client_data: tff.simulation.datasets.ClientData):
    self._client_data = client_data
    self._client_ids = client_data.client_ids
    self._datasets = {}

  def __len__(self) -> int:
    return len(self._client_ids)

  def name(self, index: int) -> str:
    return f'client {self._client_ids[index]!r}'

  def __getitem__(self, index: int) -> tf.data.Dataset:
    if index not in self._datasets:
      client_id = self._client_ids[index]
      dataset = self._client_data.create_tf_dataset_for_client(client_id)
      self._datasets[index] = dataset
    return self._datasets[index]


class BatchedClients:
  """The clients' examples in batches, in a new order at every reading.

  The order depends on the seed, the client and the round, and within a round on
  the epoch; the same seed gives the same batches, as long as the program's
  `tf.random.set_seed`, which TensorFlow mixes in, is the same too. Nothing is
  traced anew from round to round.
  """

  def __init__(
      self,
      clients: Clients,
      batch_size: int,
      *,
      seed: int,
      shuffle_buffer: int = 10_000,
  ):
    """Initializes the clients.

    Args:
      clients: The clients' datasets of single examples.
      batch_size: The number of examples in a batch, B; the last batch of a
        client may be smaller.
      seed: The seed of the order, at least 0.
      shuffle_buffer: Among how many examples the next is drawn. A client with
        more examples than this is shuffled in part. The memory for so many is
        taken only of a client that does not say how many it has.

    Raises:
      TypeError: If a number is no int.
      ValueError: If a number is below 1 or beyond int32, or `seed` below 0.
    """
    check_integer = arguments.check_integer
    self._clients = as_sequence(clients)
    self._batch_size = check_integer(
        batch_size, '`batch_size`', 1, LARGEST_BUFFER
    )
    self._seed = check_integer(seed, '`seed`', 0)
    self._shuffle_buffer = check_integer(
        shuffle_buffer, '`shuffle_buffer`', 1, LARGEST_BUFFER
    )

  def __len__(self) -> int:
    return len(self._clients)

  def for_round(self, round_num: int) -> ClientsOfRound:
    """Returns the clients' batches in a round.

    Args:
      round_num: The number of the round, at least 0.

    Returns:
      The datasets of batches, client k's at index k, made on demand.
    """
    return _RoundOfBatches(
        clients_for_round(self._clients, round_num),
        self._batch_size,
        self._shuffle_buffer,
        (self._seed, round_num),
    )

  def examples_for_round(self, round_num: int) -> Sequence[tf.data.Dataset]:
    """Returns the clients' single examples in a round, before the shuffle."""
    return clients_for_round(self._clients, round_num)


class _RoundOfBatches(ClientsOfRound):
  """The datasets of `BatchedClients` in one round, made on demand."""

  def __init__(self, clients, batch_size, shuffle_buffer, seeds):
    self._clients = clients
    self._batch_size = batch_size
    self._shuffle_buffer = shuffle_buffer
    self._seeds = seeds

  def __len__(self) -> int:
    return len(self._clients)

  def name(self, index: int) -> str:
    return name_of(self._clients, index)

  def __getitem__(self, index: int) -> tf.data.Dataset:
    index = range(len(self))[index]
    dataset = self._clients[index]
    arguments.check_type(dataset, self.name(index), tf.data.Dataset)
    return batch_examples(
        dataset,
        self._batch_size,
        seed=randomness.shuffle_seed(*self._seeds, index),
        shuffle_buffer=self._shuffle_buffer,
    )


def batch_examples(
    dataset: tf.data.Dataset,
    batch_size: int,
    *,
    seed: Any,
    shuffle_buffer: int,
    num_epochs: int = 1,
) -> tf.data.Dataset:
  """Returns a client's examples in batches, in a new order at every reading.

  Args:
    dataset: Single examples.
    batch_size: B; the last batch of an epoch may be smaller.
    seed: int or int64 `[]`, the seed of the order; None keeps the order.
    shuffle_buffer: Among how many examples the next is drawn.
    num_epochs: How often the examples come, at least 1.

  Returns:
    The batches, in a graph where `dataset` is in one.
  """
  if seed is not None:
    dataset = dataset.shuffle(
        _buffer_for(dataset, shuffle_buffer),
        seed=seed,
        reshuffle_each_iteration=True,
    )
  dataset = dataset.batch(batch_size)
  # `repeat(1)` would not leave the data as they are: it opens the shuffled
  # examples a second time, and they come in another order.
  return dataset.repeat(num_epochs) if num_epochs > 1 else dataset


def _buffer_for(dataset: tf.data.Dataset, most: int) -> Any:
  """Returns `most`, or the number of examples where that is less and known.

  The order is the same, and TensorFlow takes the memory of the whole buffer
  before the first example.
  """
  size = dataset.cardinality()
  if tf.executing_eagerly():
    size = int(size)
    return most if size < 0 else min(max(size, 1), most)
  most = tf.constant(most, tf.int64)
  return tf.where(size < 0, most, tf.clip_by_value(size, 1, most))


def as_sequence(clients):
  """Returns `clients` with a length, a `ClientData` as a sequence.

  Args:
    clients: A `tff.simulation.datasets.ClientData`, a sequence of datasets or a
      mapping of client indices to datasets, or something with `for_round`.

  Raises:
    TypeError: `clients` has no client at an index and no `for_round`, or is a
      mapping of other keys than the clients' numbers.
  """
  if isinstance(clients, tff.simulation.datasets.ClientData):
    return _ClientDataSequence(clients)
  if isinstance(clients, Mapping) and set(clients) != set(range(len(clients))):
    raise TypeError(
        '`clients` must be a ClientData or a sequence of datasets, by client'
        f' index, got a mapping of {arguments.shorten(repr(list(clients)))}.'
    )
  if not hasattr(clients, 'for_round') and not all(
      hasattr(clients, name) for name in ('__len__', '__getitem__')
  ):
    raise TypeError(
        '`clients` must be a ClientData or a sequence of tf.data.Datasets, got'
        f' {type(clients).__name__}.'
    )
  return clients


def clients_for_round(
    clients: Clients, round_num: int
) -> Sequence[tf.data.Dataset]:
  """Returns the clients' datasets in a round, by client index.

  Args:
    clients: As for `as_sequence`.
    round_num: The number of the round, at least 0.

  Raises:
    TypeError: `clients` is something else.
  """
  if hasattr(clients, 'for_round'):
    return clients.for_round(round_num)
  return as_sequence(clients)


def nobody_of(clients: Sequence[Any], visited: Mapping[int, Any]) -> Any:
  """Returns what takes the place of a client that is missing in a round.

  Args:
    clients: The clients of the round, by index.
    visited: Those that take part, by index. Datasets among them say what
      elements an empty one has, since a client that does not take part may have
      others.

  Returns:
    A client without examples.
  """
  for client in visited.values():
    if isinstance(client, tf.data.Dataset):
      return _without_examples(client)
    if isinstance(client, list):  # Of batches, as TFF takes it too.
      return []
  if isinstance(clients, ClientsOfRound):
    return clients.nobody
  return [] if isinstance(clients[0], list) else _without_examples(clients[0])


def _without_examples(dataset: tf.data.Dataset) -> tf.data.Dataset:
  """Returns a dataset with elements of the same kind and without any.

  It is the same one in every round, as data that change are sent anew, and
  does without the client's data where the elements are plain tensors.
  """
  structure = dataset.element_spec
  specs = tf.nest.flatten(structure)
  if not all(
      isinstance(spec, tf.TensorSpec) and spec.shape.rank is not None
      for spec in specs
  ):
    return dataset.take(0)
  kind = repr(structure)
  if kind not in _WITHOUT_EXAMPLES:
    with tf.init_scope():
      zeros = tuple(
          tf.zeros([size or 0 for size in spec.shape], spec.dtype)
          for spec in specs
      )
      empty = tf.data.Dataset.from_tensors(zeros).take(0)
      _WITHOUT_EXAMPLES[kind] = tf.data.experimental.from_variant(
          tf.data.experimental.to_variant(empty), structure
      )
      client_names.remember_sources(_WITHOUT_EXAMPLES[kind], empty)
  return _WITHOUT_EXAMPLES[kind]


def name_of(clients: Sequence[Any], index: int) -> str:
  """Returns what messages call a client."""
  if isinstance(clients, ClientsOfRound):
    return clients.name(index)
  return f'clients[{index}]'
