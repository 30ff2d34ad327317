"""From a schedule and the clients' data to the data of a round.

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

import collections
import collections.abc
from collections.abc import Iterator, Sequence
import itertools
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import participation
from astraea_tff import rescheduling
from astraea_tff import schedule as schedule_lib

Clients = Union[Sequence[tf.data.Dataset], tff.simulation.datasets.ClientData]
# A mediator's data: `max_clients` datasets in training order; or, under
# 'clients', in any order, with the order of every pass under 'order'.
MediatorData = Union[
    tuple[tf.data.Dataset, ...], collections.OrderedDict[str, Any]
]


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
    self._clients = _as_clients(clients)
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
        seed=shuffle_seed(*self._seeds, index),
        reshuffle_each_iteration=True,
    )
    return dataset.batch(self._batch_size)


def shuffle_seed(seed: int, round_num: int, client: int) -> int:
  """Returns the seed of the order of a client's examples in a round."""
  sequence = np.random.SeedSequence([seed, round_num, client])
  return int(sequence.generate_state(1)[0])


def _as_clients(clients):
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
  return _as_clients(clients)


def mediator_data(
    mediators: Sequence[Sequence[int]],
    clients: Sequence[tf.data.Dataset],
    max_clients: int,
    *,
    orders: Optional[np.ndarray] = None,
) -> list[MediatorData]:
  """Returns the data of the given mediators, as a learning process takes it.

  Args:
    mediators: Client indices of each mediator, in training order. A mediator
      may be without clients, as when all of them dropped out.
    clients: The clients' datasets of batches.
    max_clients: The number of datasets of a mediator, gamma. One with fewer
      clients is padded with empty ones.
    orders: int32 [mediators, E_m, gamma]; for a process built with
      `client_order='reshuffled'`, the order of the visits in each pass, as
      `astraea_tff.reshuffled_orders` draws it.

  Returns:
    A tuple of `max_clients` datasets for each mediator; with `orders` that
    tuple and a list of E_m times int32 [gamma], as
    `OrderedDict(order=, clients=)`.
  """
  nobody = getattr(clients, 'nobody', None)  # Of clients given by their ids.
  if nobody is None:
    nobody = clients[0].take(0)
  data = []
  for mediator in mediators:
    datasets = [clients[client] for client in mediator]
    datasets += [nobody] * (max_clients - len(datasets))
    data.append(tuple(datasets))
  if orders is None:
    return data
  return [
      collections.OrderedDict(order=list(order), clients=datasets)
      for order, datasets in zip(orders, data)
  ]


def static_rounds(
    schedule: schedule_lib.Schedule,
    clients: Clients,
    mediators_per_round: int,
    *,
    seed: int,
    first_round: int = 1,
    drop_probability: float = 0.0,
    reshuffled_epochs: Optional[int] = None,
) -> Iterator[list[MediatorData]]:
  """Yields the data of one round after another under one schedule for all.

  The static form of Algorithm 3: all K clients were scheduled once, and a round
  draws `mediators_per_round` of the mediators uniformly without replacement.
  What round r draws depends on the seed and r alone, so that a resumed run
  continues as the unbroken one would.

  Args:
    schedule: The schedule.
    clients: The clients' datasets of batches.
    mediators_per_round: How many mediators take part in a round.
    seed: The seed of the draw.
    first_round: The number of the first round to yield.
    drop_probability: See `astraea_tff.Schedule.rounds`.
    reshuffled_epochs: See `astraea_tff.Schedule.rounds`.

  Yields:
    A round's mediators, without end.

  Raises:
    ValueError: If there are fewer clients than the schedule has, fewer
      mediators than `mediators_per_round`, or another argument is out of its
      range.
  """
  clients = _as_clients(clients)
  if len(clients) < schedule.num_clients:
    raise ValueError(
        f'`clients` must hold the {schedule.num_clients} clients of the'
        f' schedule, got {len(clients)}.'
    )
  for round_num in itertools.count(first_round):
    sampled = schedule.sample(
        mediators_per_round, seed=seed, round_num=round_num
    )
    mediators = [
        participation.available_clients(
            schedule.mediators[mediator],
            drop_probability,
            seed=seed,
            round_num=round_num,
        )
        for mediator in sampled
    ]
    orders = None
    if reshuffled_epochs is not None:
      orders = participation.reshuffled_orders(
          [len(mediator) for mediator in mediators],
          schedule.max_clients,
          reshuffled_epochs,
          seed=seed,
          round_num=round_num,
      )
    yield mediator_data(
        mediators,
        clients_for_round(clients, round_num),
        schedule.max_clients,
        orders=orders,
    )


def reschedule_round(
    counts: np.ndarray,
    clients_per_round: int,
    max_clients: int,
    *,
    seed: int,
    round_num: int,
    target: Optional[Union[str, np.ndarray]] = None,
) -> schedule_lib.Schedule:
  """Samples a round's clients and schedules those (Algorithm 3 per round).

  Args:
    counts: int64 [K, N]; the label counts of all clients.
    clients_per_round: How many clients take part in the round, c.
    max_clients: How many clients a mediator has at the most, gamma.
    seed: The seed of the draw, which depends on it and `round_num` alone.
    round_num: The number of the round.
    target: See `astraea_tff.reschedule`.

  Returns:
    The round's schedule, with client indices from 0 to K - 1.

  Raises:
    ValueError: If `clients_per_round` is not in [1, K].
  """
  clients = sample_clients(
      len(counts), clients_per_round, seed=seed, round_num=round_num
  )
  return rescheduling.reschedule(
      counts, max_clients, target=target, clients=clients
  )


def sample_clients(
    num_clients: int, clients_per_round: int, *, seed: int, round_num: int
) -> list[int]:
  """Draws a round's clients uniformly without replacement, as FedAvg does.

  Args:
    num_clients: The number of all clients, K.
    clients_per_round: How many take part in the round, c.
    seed: The seed of the draw, which depends on it and `round_num` alone.
    round_num: The number of the round.

  Returns:
    The indices of the round's clients.

  Raises:
    ValueError: If `clients_per_round` is not in [1, K].
  """
  if not 1 <= clients_per_round <= num_clients:
    raise ValueError(
        '`clients_per_round` must be between 1 and the number of clients,'
        f' {num_clients}, got {clients_per_round}.'
    )
  sample = tff.simulation.build_uniform_sampling_fn(
      range(num_clients), replace=False, random_seed=seed
  )
  return [int(client) for client in sample(round_num, clients_per_round)]
