"""Which clients train in a round, and in which order a mediator visits them.

What a round draws depends on the seed and the round's number alone, so that a
resumed run, and one on more workers, draws the same.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff import randomness


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


def sample_mediators(
    num_mediators: int, mediators_per_round: int, *, seed: int, round_num: int
) -> tuple[int, ...]:
  """Draws a round's mediators uniformly without replacement.

  Args:
    num_mediators: The number of all mediators, M.
    mediators_per_round: How many to draw, in [1, M].
    seed: At least 0. Of the whole run.
    round_num: At least 0.

  Returns:
    Distinct indices below `num_mediators`, in the order drawn.

  Raises:
    TypeError: An argument is not an int.
    ValueError: An argument is out of its range.
  """
  arguments.check_integer(mediators_per_round, 'mediators_per_round', 1)
  if mediators_per_round > num_mediators:
    raise ValueError(
        f'mediators_per_round must be at most {num_mediators}, the '
        f'number of mediators, got {mediators_per_round}.'
    )
  drawn = randomness.round_generator(seed, round_num).choice(
      num_mediators, mediators_per_round, replace=False
  )
  return tuple(drawn.tolist())


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
  arguments.check_number(drop_probability, 'drop_probability', 0, 1)
  clients = tuple(
      arguments.check_integer(client, 'a client', 0)
      for client in clients
  )
  generator = randomness.round_generator(
      seed, round_num, randomness.AVAILABILITY_STREAM
  )
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
  check_integer = arguments.check_integer
  check_integer(max_clients, 'max_clients', 1)
  check_integer(mediator_epochs, 'mediator_epochs', 1)
  generator = randomness.round_generator(
      seed, round_num, randomness.ORDER_STREAM
  )
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
