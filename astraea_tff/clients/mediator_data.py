"""The data of a round's mediators, as a learning process takes them."""

import collections
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf

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
