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
from collections.abc import Sequence
from typing import Union

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import randomness

Clients = Union[Sequence[tf.data.Dataset], tff.simulation.datasets.ClientData]


class _ClientDataSequence(collections.abc.Sequence):
  """A `ClientData` as a sequence, which makes each client's dataset once.

  Making a dataset anew in every round leaks memory in TensorFlow.
  """

  def __init__(self, client_data: tff.simulation.datasets.ClientData):
    self._client_data = client_data
    self._client_ids = client_data.client_ids
    self._datasets = {}

  def __len__(self) -> int:
    return len(self._client_ids)

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
      seed: The seed of the order.
      shuffle_buffer: Among how many examples the next is drawn. A client with
        more examples than this is shuffled in part.

    Raises:
      ValueError: If `batch_size` is below 1.
    """
    if batch_size < 1:
      raise ValueError(f'`batch_size` must be at least 1, got {batch_size}.')
    self._clients = as_sequence(clients)
    self._batch_size = batch_size
    self._seed = seed
    self._shuffle_buffer = shuffle_buffer

  def __len__(self) -> int:
    return len(self._clients)

  def for_round(self, round_num: int) -> Sequence[tf.data.Dataset]:
    """Returns the clients' batches in round `round_num`."""
    return _RoundOfBatches(
        clients_for_round(self._clients, round_num),
        self._batch_size,
        self._shuffle_buffer,
        (self._seed, round_num),
    )

  def examples_for_round(self, round_num: int) -> Sequence[tf.data.Dataset]:
    """Returns the clients' single examples in a round, before the shuffle."""
    return clients_for_round(self._clients, round_num)


class _RoundOfBatches(collections.abc.Sequence):
  """The datasets of `BatchedClients` in one round, made on demand."""

  def __init__(self, clients, batch_size, shuffle_buffer, seeds):
    self._clients = clients
    self._batch_size = batch_size
    self._shuffle_buffer = shuffle_buffer
    self._seeds = seeds

  def __len__(self) -> int:
    return len(self._clients)

  def __getitem__(self, index: int) -> tf.data.Dataset:
    dataset = self._clients[index].shuffle(
        self._shuffle_buffer,
        seed=randomness.shuffle_seed(*self._seeds, index),
        reshuffle_each_iteration=True,
    )
    return dataset.batch(self._batch_size)


def as_sequence(clients):
  """Returns `clients` with a length, a `ClientData` as a sequence."""
  if isinstance(clients, tff.simulation.datasets.ClientData):
    return _ClientDataSequence(clients)
  return clients


def clients_for_round(
    clients: Clients, round_num: int
) -> Sequence[tf.data.Dataset]:
  """Returns the clients' datasets in round `round_num`, by client index."""
  if hasattr(clients, 'for_round'):
    return clients.for_round(round_num)
  return as_sequence(clients)
