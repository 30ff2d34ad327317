"""The data of a round's mediators, as a learning process takes them."""

import collections
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf

from astraea_tff.clients import batches
from astraea_tff.clients import client_errors

# A mediator's data: `max_clients` datasets in training order; or, under
# 'clients', in any order, with the order of every pass under 'order'. Its
# number is under 'mediator'.
MediatorData = Union[
    tuple[tf.data.Dataset, ...], collections.OrderedDict[str, Any]
]


def mediator_data(
    mediators: Sequence[Sequence[int]],
    clients: Sequence[tf.data.Dataset],
    max_clients: int,
    *,
    orders: Optional[Sequence[np.ndarray]] = None,
    numbers: Optional[Sequence[int]] = None,
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
    numbers: The number of each mediator, for a process built with
      `report_mediators`.

  Returns:
    A tuple of `max_clients` datasets for each mediator; with `orders` or
    `numbers` an `OrderedDict(order=, clients=, mediator=)` of it, of a list of
    E_m times int32 [gamma], and of the number, int32 [] in a list.

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
  if orders is None and numbers is None:
    return data
  if orders is not None:
    check_orders(orders, [len(mediator) for mediator in mediators], max_clients)
  structs = [collections.OrderedDict() for _ in data]
  for place, struct in enumerate(structs):
    if orders is not None:
      struct['order'] = list(orders[place])
    struct['clients'] = data[place]
    if numbers is not None:
      struct['mediator'] = [np.int32(numbers[place])]
  return structs


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
    client_errors.remember_name(name, dataset)
    client_errors.check_ends(name, dataset)
    client_errors.check_runs_in_a_worker(name, dataset)
  client_errors.check_alike(
      [(name, dataset.element_spec) for name, dataset in datasets]
  )


def check_orders(
    orders: Sequence[Any], num_clients: Sequence[int], max_clients: int
) -> None:
  """Refuses orders that do not visit every client of a mediator once a pass.

  Args:
    orders: For each mediator int [E_m, gamma].
    num_clients: How many clients each mediator has.
    max_clients: gamma.

  Raises:
    ValueError: `orders` has another shape, or a pass is no permutation of
      [0, gamma).
  """
  shapes = [list(np.shape(order)) for order in orders]
  if len(shapes) != len(num_clients) or any(
      len(shape) != 2 or shape[1] != max_clients for shape in shapes
  ):
    raise ValueError(
        f'orders must have shape [{len(num_clients)}, mediator epochs,'
        f' {max_clients}], got {_shape_of(shapes)}.'
    )
  places = np.arange(max_clients)
  for mediator, order in enumerate(orders):
    wrong = np.flatnonzero((np.sort(order, axis=-1) != places).any(axis=-1))
    if wrong.size:
      raise ValueError(
          f'orders[{mediator}, {wrong[0]}] must hold each place from 0 to'
          f' {max_clients - 1} once, got {np.asarray(order)[wrong[0]].tolist()}.'
      )


def _shape_of(shapes: list[list[int]]) -> list[Any]:
  """Returns the shape of parts of one shape, or a list of their shapes."""
  if all(shape == shapes[0] for shape in shapes[1:]):
    return [len(shapes), *(shapes[0] if shapes else [])]
  return shapes
