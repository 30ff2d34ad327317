"""Draws the clients of a round, and the order in which mediators visit them.

What a round draws depends on the seed and the round's number alone, so that a
resumed run, and one on more workers, draws the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff import randomness

# TFF samples with one of NumPy's older generators, which take no larger seed.
LARGEST_SEED = 2**32 - 1
# A draw takes memory for all clients, whoever is asked about.
_MOST_CLIENTS = 2**31 - 1


def sample_clients(
    num_clients: int,
    clients_per_round: int,
    *,
    seed: int,
    round_num: int,
    weights: Any = None,
) -> list[int]:
  """Draws a round's clients without replacement, as FedAvg does.

  Args:
    num_clients: The number of all clients, K, an int32.
    clients_per_round: How many take part in the round, c.
    seed: The seed of the draw, which depends on it and `round_num` alone; at
      least 0, and without `weights` at most 2**32 - 1.
    round_num: At least 0. The number of the round.
    weights: None for a uniform draw, or K priorities; see `sample_mediators`.

  Returns:
    The indices of the round's clients.

  Raises:
    TypeError: If `weights` does not hold numbers, or another argument is no
      integer.
    ValueError: If `clients_per_round` is not in [1, K], another number is out
      of range, or `weights` are not K finite numbers of at least 0, at least
      one of them above 0.
  """
  arguments.check_integer(num_clients, '`num_clients`', 1, _MOST_CLIENTS)
  arguments.check_integer(round_num, 'round_num', 0)
  arguments.check_integer(clients_per_round, '`clients_per_round`', 1)
  if clients_per_round > num_clients:
    raise ValueError(
        '`clients_per_round` must be at most the number of clients,'
        f' {num_clients}, got {clients_per_round}.'
    )
  if weights is not None:
    return _sample_by_weight(
        num_clients, clients_per_round, weights, seed, round_num
    )
  arguments.check_integer(seed, 'seed', 0, LARGEST_SEED)
  sample = tff.simulation.build_uniform_sampling_fn(
      range(num_clients), replace=False, random_seed=seed
  )
  return [int(client) for client in sample(round_num, clients_per_round)]


def sample_mediators(
    num_mediators: int,
    mediators_per_round: int,
    *,
    seed: int,
    round_num: int,
    weights: Any = None,
) -> tuple[int, ...]:
  """Draws a round's mediators without replacement.

  Args:
    num_mediators: The number of all mediators, M.
    mediators_per_round: How many to draw, in [1, M].
    seed: The run's seed, at least 0.
    round_num: At least 0.
    weights: None for a uniform draw, or M priorities, such as
      `astraea_tff.rarity_weights` makes. Each draw then takes one of the
      mediators that are left with a probability proportional to its weight. A
      weight of 0 comes last: after all others, in random order.

  Returns:
    Distinct indices below `num_mediators`, in the order drawn.

  Raises:
    TypeError: An argument is not an int, or `weights` does not hold numbers.
    ValueError: An argument is out of its range, or `weights` are not M finite
      numbers of at least 0, at least one of them above 0.
  """
  arguments.check_integer(mediators_per_round, 'mediators_per_round', 1)
  if mediators_per_round > num_mediators:
    raise ValueError(
        f'mediators_per_round must be at most {num_mediators}, the '
        f'number of mediators, got {mediators_per_round}.'
    )
  if weights is not None:
    return tuple(
        _sample_by_weight(
            num_mediators, mediators_per_round, weights, seed, round_num
        )
    )
  drawn = randomness.round_generator(seed, round_num).choice(
      num_mediators, mediators_per_round, replace=False
  )
  return tuple(drawn.tolist())


def _sample_by_weight(
    num_all: int, num_drawn: int, weights: Any, seed: int, round_num: int
) -> list[int]:
  """Draws one after another, each with a probability in proportion to weight.

  The first of exponential variables, each divided by its weight, is the least
  with a probability proportional to the weight, and so is the second among the
  others: Efraimidis and Spirakis, "Weighted random sampling with a reservoir"
  (2006), whose keys `u ** (1 / weight)` have the same order.
  """
  weights = check_weights(weights, num_all)
  waits = randomness.round_generator(seed, round_num).standard_exponential(
      num_all
  )
  # In logarithms no weight is too small or too large to divide by.
  with np.errstate(divide='ignore'):
    keys = np.log(waits) - np.log(weights)
  return np.lexsort((waits, keys))[:num_drawn].tolist()


def check_weights(weights: Any, num_all: int) -> np.ndarray:
  """Returns priorities as float64 [num_all], or says what is wrong with them.

  Args:
    weights: `num_all` numbers of at least 0.
    num_all: How many mediators or clients there are.

  Returns:
    A copy.

  Raises:
    TypeError: `weights` does not hold numbers.
    ValueError: `weights` are not `num_all` finite numbers of at least 0, at
      least one of them above 0.
  """
  weights = arguments.check_numbers(weights, 'weights')
  if weights.shape != (num_all,):
    raise ValueError(
        f'weights must be one number for each of {num_all}, got shape'
        f' {list(weights.shape)}.'
    )
  if not weights.any():
    raise ValueError('weights must hold a number above 0, got zeros alone.')
  return weights.astype(np.float64)


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
    clients: Client indices, each at least 0 and below 2**31 - 1.
    drop_probability: The probability p that a client is dropped, in [0, 1].
    seed: The run's seed, at least 0.
    round_num: At least 0.

  Returns:
    The clients that are left, in the order given; there may be none.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of its range.
  """
  arguments.check_number(drop_probability, 'drop_probability', 0, 1)
  clients = tuple(
      arguments.check_integer(client, 'a client', 0, _MOST_CLIENTS - 1)
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
    seed: The run's seed, at least 0.
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
  for place, (order, num) in enumerate(zip(orders, num_clients)):
    check_integer(num, f'num_clients[{place}]', 0, max_clients)
    for places in order:
      places[:num] = generator.permutation(num)
  return orders


def mediator_orders(
    num_clients: Sequence[int],
    max_clients: int,
    passes: Sequence[int],
    *,
    reshuffled: bool = False,
    seed: int,
    round_num: int,
) -> list[np.ndarray]:
  """Draws the orders of mediators that each make passes of their own number.

  Every mediator draws from a stream of its own, pass by pass. So its orders do
  not depend on the passes of the others, and with more passes it begins as with
  fewer.

  Args:
    num_clients: How many clients each of the round's mediators has, in
      [0, gamma].
    max_clients: The number of clients of a full mediator, gamma; at least 1.
    passes: How many passes each makes, E_m; at least 0.
    reshuffled: Whether each pass has a random order. If not, all go through the
      clients as they stand.
    seed: The run's seed, at least 0.
    round_num: At least 0.

  Returns:
    For each mediator int32 [E_m, gamma]: for each pass the places of its
    clients in their order, and after them the empty places.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of its range.
  """
  arguments.check_integer(max_clients, 'max_clients', 1)
  arguments.check_type(reshuffled, '`reshuffled`', bool)
  if len(passes) != len(num_clients):
    raise ValueError(
        f'passes must be one number for each of {len(num_clients)} mediators,'
        f' got {len(passes)}.'
    )
  orders = []
  for place, (num, num_passes) in enumerate(zip(num_clients, passes)):
    arguments.check_integer(num, f'num_clients[{place}]', 0, max_clients)
    arguments.check_integer(num_passes, f'passes[{place}]', 0)
    order = np.tile(np.arange(max_clients, dtype=np.int32), (num_passes, 1))
    if reshuffled:
      generator = randomness.round_generator(
          seed, round_num, randomness.ORDER_STREAM, place
      )
      for places in order:
        places[:num] = generator.permutation(num)
    orders.append(order)
  return orders
