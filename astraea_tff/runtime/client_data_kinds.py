"""What a process takes as the data of a round, and what it was given.

TFF says of data of another kind that it cannot serialize them. Here the kinds
that our processes and TFF's take are told apart, so that the error says what to
do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import tensorflow as tf
import tensorflow_federated as tff

# Keys are what the process takes and what it was given.
_ADVICE = {
    ('clients', 'examples'): (
        'a mediator takes the data of several clients, got one dataset; make'
        ' the rounds by Schedule.rounds or mediator_data.'
    ),
    ('clients', 'id'): (
        'a mediator takes the data of several clients, got one client by id;'
        ' make the rounds by Schedule.rounds or mediator_data.'
    ),
    ('clients', 'orders'): (
        'the data bring the orders of the visits, which the process does not'
        " take; build it with client_order='reshuffled' or"
        ' mediator_epochs=None, or leave out reshuffled_epochs and passes.'
    ),
    ('orders', 'clients'): (
        'the process takes the orders of the visits with the data; give'
        " reshuffled_epochs for client_order='reshuffled', or passes for"
        ' mediator_epochs=None.'
    ),
    ('examples', 'id'): (
        'the process takes datasets, got a client by id; make the process by'
        ' read_by_id.'
    ),
    ('id', 'examples'): (
        'the process reads clients by id, got a dataset; make the rounds of the'
        ' ClientsById that read_by_id was given.'
    ),
    ('examples', 'clients'): (
        'the process takes one dataset of each client, got several; give'
        " FedAvg's processes the clients themselves."
    ),
}


def check(value: Any, type_spec: tff.types.Type) -> None:
  """Raises a TypeError that says what to do, for data of another known kind.

  Args:
    value: The data of a client or a mediator in a round.
    type_spec: What the process takes.

  Raises:
    TypeError: The data are of another kind, or for another number of clients.
  """
  wanted, given = _kind_of_type(type_spec), _kind(value)
  if (wanted, given) in _ADVICE:
    raise TypeError(f'Data of a round: {_ADVICE[wanted, given]}')
  if wanted != given:
    return
  parts = parts_of(value)
  if wanted == 'orders':
    check(dict(parts)['clients'], type_spec['clients'])
  elif wanted == 'clients':
    if len(parts) != len(type_spec):
      raise TypeError(
          f'Data of a round: a mediator has {len(parts)} places for clients,'
          f' but the process takes {len(type_spec)}; give both the same'
          ' max_clients.'
      )
    check(parts[0][1], type_spec[0])


def _kind_of_type(type_spec: tff.types.Type) -> Optional[str]:
  if isinstance(type_spec, tff.SequenceType):
    return 'examples'
  if not isinstance(type_spec, tff.StructType) or not len(type_spec):
    return None
  names = tff.structure.name_list(type_spec)
  if not names and _kind_of_type(type_spec[0]) in ('examples', 'id'):
    return 'clients'
  return _kind_of_names(names)


def _kind(value: Any) -> Optional[str]:
  if isinstance(value, tf.data.Dataset):
    return 'examples'
  parts = parts_of(value)
  if not parts:
    return None
  names = [name for name, _ in parts if name is not None]
  if not names and _kind(parts[0][1]) in ('examples', 'id'):
    return 'clients'
  return _kind_of_names(names)


def _kind_of_names(names: Sequence[str]) -> Optional[str]:
  if 'client_id' in names:
    return 'id'
  return 'orders' if {'order', 'clients'} <= set(names) else None


def parts_of(value: Any) -> Optional[list[tuple[Optional[str], Any]]]:
  """Returns what a container has with its names, or None for another value."""
  if isinstance(value, tff.structure.Struct):
    return tff.structure.to_elements(value)
  if isinstance(value, Mapping):
    return list(value.items())
  if isinstance(value, (list, tuple)):
    return [(None, part) for part in value]
  return None
