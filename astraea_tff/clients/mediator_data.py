"""The data of a round's mediators, as a learning process takes them."""

import collections
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.client_datasets import errors as client_errors
from astraea_tff.client_datasets import names as client_names
from astraea_tff.clients import batches

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
    numbers: The number of each mediator, an int32 that no other one has, for a
      process built with `report_mediators`.

  Returns:
    A tuple of `max_clients` datasets for each mediator; with `orders` or
    `numbers` an `OrderedDict(order=, clients=, mediator=)` of it, of a list of
    E_m times int32 [gamma], and of the number, int32 [] in a list.

  Raises:
    TypeError: A mediator is no sequence of integers, a client holds no batches,
      or a number is no int.
    ValueError: A client is not there or visited twice, a mediator has more than
      gamma; a client never ends, calls Python, or has other elements than most
      (the message names it); or `orders` or `numbers` are not as above. In the
      round, one of unknown cardinality fails beyond 100,000 examples.
  """
  max_clients = arguments.check_integer(max_clients, 'max_clients', 1)
  _check_mediators(mediators, len(clients), max_clients)
  visited = {
      client: clients[client] for mediator in mediators for client in mediator
  }
  visited = _check_datasets(visited, clients)
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
  if numbers is not None:
    numbers = _check_numbers(numbers, len(mediators))
  structs = [collections.OrderedDict() for _ in data]
  for place, struct in enumerate(structs):
    if orders is not None:
      struct['order'] = list(np.asarray(orders[place], np.int32))
    struct['clients'] = data[place]
    if numbers is not None:
      struct['mediator'] = [np.int32(numbers[place])]
  return structs


def _check_mediators(
    mediators: Sequence[Sequence[int]], num_clients: int, max_clients: int
) -> None:
  """Refuses mediators of other clients than there are."""
  seen = set()
  for place, mediator in enumerate(mediators):
    if not hasattr(mediator, '__len__'):
      raise TypeError(
          f'mediators[{place}] must be a sequence of clients, got {mediator!r}.'
      )
    if len(mediator) > max_clients:
      raise ValueError(
          f'mediators[{place}] must have at most max_clients={max_clients}'
          f' clients, got {len(mediator)}.'
      )
    for client in mediator:
      client = arguments.check_integer(
          client, f'a client of mediators[{place}]', 0, num_clients - 1
      )
      if client in seen:
        raise ValueError(
            f'client {client} of mediators[{place}] is in the round twice.'
        )
      seen.add(client)


def _check_numbers(numbers: Any, num_mediators: int) -> tuple[int, ...]:
  """Returns the mediators' numbers, or says what is wrong with them."""
  checked = arguments.check_integers(
      numbers, 'numbers', tf.int32.min, tf.int32.max
  )
  if len(checked) != num_mediators or len(set(checked)) < num_mediators:
    raise ValueError(
        f'numbers must be a different one for each of {num_mediators}'
        f' mediators, got {arguments.shorten(repr(checked))}.'
    )
  return checked


def _check_datasets(
    visited: Mapping[int, Any], clients: Sequence[Any]
) -> dict[int, Any]:
  """Refuses datasets that cannot train with the others in a worker.

  Args:
    visited: The round's clients, by index.
    clients: All clients, which know their names.

  Returns:
    The clients, with a limit for those that may never end.
  """
  checked, specs = dict(visited), []
  for client, dataset in visited.items():
    if isinstance(dataset, (list, Mapping)):  # Batches, or a client's id.
      continue
    name = batches.name_of(clients, client)
    arguments.check_type(dataset, name, tf.data.Dataset)
    client_endings.check_ends(name, dataset)
    client_errors.check_runs_in_a_worker(name, dataset)
    checked[client] = client_endings.bounded(dataset)
    client_names.remember_name(name, checked[client])
    specs.append((name, dataset.element_spec))
  client_errors.check_alike(specs)
  return checked


def check_orders(
    orders: Sequence[Any], num_clients: Sequence[int], max_clients: int
) -> None:
  """Refuses orders that do not visit every client of a mediator once a pass.

  Args:
    orders: For each mediator int [E_m, gamma].
    num_clients: How many clients each mediator has.
    max_clients: gamma.

  Raises:
    ValueError: `orders` has another shape or holds no integers, or a pass is no
      permutation of [0, gamma).
  """
  for mediator, order in enumerate(orders):
    if not _are_integers(order):
      raise ValueError(
          f'orders[{mediator}] must be integers [mediator epochs,'
          f' {max_clients}], got {arguments.shorten(repr(order))}.'
      )
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
          f' {max_clients - 1} once, got'
          f' {np.asarray(order)[wrong[0]].tolist()}.'
      )


def _are_integers(order: Any) -> bool:
  try:
    return np.asarray(order).dtype.kind in 'iu'
  except ValueError:  # Rows of several lengths.
    return False


def _shape_of(shapes: list[list[int]]) -> list[Any]:
  """Returns the shape of parts of one shape, or a list of their shapes."""
  if all(shape == shapes[0] for shape in shapes[1:]):
    return [len(shapes), *(shapes[0] if shapes else [])]
  return shapes
