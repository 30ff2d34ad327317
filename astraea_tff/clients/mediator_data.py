"""The data of a round's mediators, as a learning process takes them."""

import collections
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf

from astraea_tff.clients import batches
from astraea_tff.clients import client_errors

# A mediator's data: `max_clients` datasets in training order; or, under
# 'clients', in any order, with the order of every pass under 'order'.
MediatorData = Union[
    tuple[tf.data.Dataset, ...], collections.OrderedDict[str, Any]
]


def mediator_data(
    mediators: Sequence[Sequence[int]],
    clients: Sequence[tf.data.Dataset],
    max_clients: int,
    *,
    orders: Optional[Sequence[np.ndarray]] = None,
) -> list[MediatorData]:
  """Returns the data of the given mediators, as a learning process takes it.

  Args:
    mediators: Client indices of each mediator, in training order. A mediator
      may be without clients, as when all of them dropped out.
    clients: The clients' datasets of batches.
    max_clients: The number of datasets of a mediator, gamma. One with fewer
      clients is padded with empty ones.
    orders: For each mediator int32 [E_m, gamma], the order of the visits in
      each pass. For a process built with `client_order='reshuffled'`, as
      `astraea_tff.reshuffled_orders` draws it; for one with
      `mediator_epochs=None`, as `astraea_tff.mediator_orders` does, E_m being
      each mediator's own.

  Returns:
    A tuple of `max_clients` datasets for each mediator; with `orders` that
    tuple and a list of E_m times int32 [gamma], as
    `OrderedDict(order=, clients=)`.

  Raises:
    ValueError: A client never ends, calls Python, or has other elements than
      most (the message names it); or `orders` are not as above.
  """
  visited = {
      client: clients[client] for mediator in mediators for client in mediator
  }
  _check_datasets(visited, clients)
  nobody = batches.nobody_of(clients, visited)
  data = []
  for mediator in mediators:
    datasets = [visited[client] for client in mediator]
    datasets += [nobody] * (max_clients - len(datasets))
    data.append(tuple(datasets))
  if orders is None:
    return data
  check_orders(orders, [len(mediator) for mediator in mediators], max_clients)
  return [
      collections.OrderedDict(order=list(order), clients=datasets)
      for order, datasets in zip(orders, data)
  ]


def _check_datasets(
    visited: Mapping[int, Any], clients: Sequence[Any]
) -> None:
  """Refuses datasets that cannot train with the others in a worker."""
  datasets = [
      (batches.name_of(clients, client), dataset)
      for client, dataset in visited.items()
      if isinstance(dataset, tf.data.Dataset)
  ]
  for name, dataset in datasets:
    client_errors.check_ends(name, dataset)
    client_errors.check_runs_in_a_worker(name, dataset)
  client_errors.check_alike(
      [(name, dataset.element_spec) for name, dataset in datasets]
  )


def check_orders(
    orders: Any, num_clients: Sequence[int], max_clients: int
) -> None:
  """Refuses orders that do not visit every client of a mediator once a pass.

  Args:
    orders: int [mediators, E_m, gamma].
    num_clients: How many clients each mediator has.
    max_clients: gamma.

  Raises:
    ValueError: `orders` has another shape, or a pass is no permutation of
      [0, gamma).
  """
  orders = np.asarray(orders)
  shape = (len(num_clients), max_clients)
  if orders.ndim != 3 or orders.shape[::2] != shape:
    raise ValueError(
        f'orders must have shape [{shape[0]}, mediator epochs, {shape[1]}], got'
        f' {list(orders.shape)}.'
    )
  if not np.array_equal(
      np.sort(orders, axis=-1),
      np.broadcast_to(np.arange(max_clients), orders.shape),
  ):
    places = np.arange(max_clients)
    wrong = np.argwhere((np.sort(orders, axis=-1) != places).any(axis=-1))
    mediator, epoch = wrong[0]
    raise ValueError(
        f'orders[{mediator}, {epoch}] must hold each place from 0 to'
        f' {max_clients - 1} once, got {orders[mediator, epoch].tolist()}.'
    )
