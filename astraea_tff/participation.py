"""Which of a round's clients train, and in which order their mediator asks.

Knows no TensorFlow. What a round draws depends on the seed and the round's
number alone, so that a resumed run, and one on more workers, draws the same.
"""

from collections.abc import Sequence

import numpy as np

from astraea_tff import label_distribution

# Each use of a round's seed has a stream of its own; `Schedule.sample` has the
# one without a number.
_AVAILABILITY_STREAM = 1
_ORDER_STREAM = 2


def available_clients(
    clients: Sequence[int],
    drop_probability: float,
    *,
    seed: int,
    round_num: int,
) -> tuple[int, ...]:
  """Drops each of the clients with a probability, as devices drop out.

  A client's draw depends on its index, the seed and the round, not on which
  clients are asked about with it: it drops out of FedAvg's list of clients in
  the rounds in which it drops out of its mediator.

  Args:
    clients: Client indices, each at least 0.
    drop_probability: The probability p that a client is dropped, in [0, 1].
    seed: At least 0. Of the whole run.
    round_num: At least 0.

  Returns:
    The clients that are left, in the order given; there may be none.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of its range.
  """
  if isinstance(drop_probability, bool) or not isinstance(
      drop_probability, (int, float)
  ):
    raise TypeError(
        f'drop_probability must be a float, got {drop_probability!r}.'
    )
  if not 0 <= drop_probability <= 1:
    raise ValueError(
        f'drop_probability must be in [0, 1], got {drop_probability}.'
    )
  clients = tuple(
      label_distribution.check_integer(client, 'a client', 0)
      for client in clients
  )
  generator = _generator(seed, round_num, _AVAILABILITY_STREAM)
  # One number for every client up to the last one asked about: the k-th belongs
  # to client k.
  draws = generator.random(max(clients, default=-1) + 1)
  return tuple(
      client for client in clients if draws[client] >= drop_probability
  )


def reshuffled_orders(
    num_clients: Sequence[int],
    max_clients: int,
    mediator_epochs: int,
    *,
    seed: int,
    round_num: int,
) -> np.ndarray:
  """Draws the order in which each mediator visits its clients in each pass.

  Args:
    num_clients: How many clients each of the round's mediators has, in
      [0, gamma].
    max_clients: The number of clients of a full mediator, gamma; at least 1.
    mediator_epochs: How many passes there are, E_m; at least 1.
    seed: At least 0. Of the whole run.
    round_num: At least 0.

  Returns:
    int32 [mediators, E_m, gamma]. For each pass a permutation of the places of
    the mediator's clients, all equally likely, and after it the empty places.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of its range.
  """
  check_integer = label_distribution.check_integer
  check_integer(max_clients, 'max_clients', 1)
  check_integer(mediator_epochs, 'mediator_epochs', 1)
  generator = _generator(seed, round_num, _ORDER_STREAM)
  shape = (len(num_clients), mediator_epochs, max_clients)
  orders = np.broadcast_to(np.arange(max_clients, dtype=np.int32), shape).copy()
  for order, num in zip(orders, num_clients):
    if check_integer(num, 'a number of clients', 0) > max_clients:
      raise ValueError(
          f'num_clients must be at most max_clients={max_clients}, got {num}.'
      )
    for places in order:
      places[:num] = generator.permutation(num)
  return orders


def _generator(seed: int, round_num: int, stream: int) -> np.random.Generator:
  check_integer = label_distribution.check_integer
  return np.random.default_rng(
      np.random.SeedSequence(
          check_integer(seed, 'seed', 0),
          spawn_key=(check_integer(round_num, 'round_num', 0), stream),
      )
  )
