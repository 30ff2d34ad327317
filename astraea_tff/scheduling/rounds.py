"""What a round trains: which clients are left, in which order, and the data.

A round begins with scheduled mediators. Some of their clients may have dropped
out, and the clients may be visited in a new order in each pass
(`visits_of_round`). The clients' datasets then make the data that a learning
process takes (`data_of_round`). What a round draws depends on the run's seed
and the round's number alone, so that a resumed run continues as the unbroken
one would.
"""

from collections.abc import Callable, Iterator, Sequence
import itertools
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from astraea_tff import arguments
from astraea_tff.clients import batches
from astraea_tff.clients import mediator_data as mediator_data_lib
from astraea_tff.scheduling import sampling


class Visits(NamedTuple):
  """The clients that the mediators of a round visit.

  Attributes:
    mediators: The clients of each mediator in training order; none where all
      of a mediator's clients dropped out.
    orders: For each mediator int32 [E_m, gamma], the order of the visits in
      each pass; None if every pass goes through the clients as scheduled.
    places: The indices of these mediators among the round's scheduled ones.
      Mediators that sit out are missing.
  """

  mediators: tuple[tuple[int, ...], ...]
  orders: Optional[Sequence[np.ndarray]]
  places: tuple[int, ...]


def visits_of_round(
    mediators: Sequence[Sequence[int]],
    max_clients: int,
    *,
    seed: int,
    round_num: int,
    drop_probability: float = 0.0,
    reshuffled_epochs: Optional[int] = None,
    passes: Optional[Sequence[int]] = None,
    reshuffled: bool = False,
) -> Visits:
  """Draws which clients of a round's mediators train, and in which order.

  Args:
    mediators: The scheduled clients of each mediator of the round.
    max_clients: The most clients a mediator may have, gamma.
    seed: The run's seed, at least 0.
    round_num: At least 0.
    drop_probability: See `Schedule.rounds`.
    reshuffled_epochs: See `Schedule.rounds`.
    passes: How many passes each of the mediators makes, at least 0, for a
      process built with `mediator_epochs=None`; None for any other.
    reshuffled: See `Schedule.rounds`.

  Returns:
    The visits. A mediator without passes is left out, unless all are without.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of its range.
  """
  arguments.check_type(reshuffled, '`reshuffled`', bool)
  available = tuple(
      sampling.available_clients(
          mediator, drop_probability, seed=seed, round_num=round_num
      )
      for mediator in mediators
  )
  orders = None
  if reshuffled_epochs is not None and (passes is not None or reshuffled):
    raise ValueError(
        'reshuffled_epochs is for a process of a fixed mediator_epochs, and'
        ' passes and reshuffled for one of mediator_epochs=None; give one of'
        ' them.'
    )
  if reshuffled and passes is None:
    raise ValueError(
        'reshuffled needs passes; give reshuffled_epochs for a process of a'
        ' fixed mediator_epochs.'
    )
  if reshuffled_epochs is not None:
    orders = sampling.reshuffled_orders(
        [len(mediator) for mediator in available],
        max_clients,
        reshuffled_epochs,
        seed=seed,
        round_num=round_num,
    )
  places = range(len(available))
  if passes is not None:
    orders = sampling.mediator_orders(
        [len(mediator) for mediator in available],
        max_clients,
        passes,
        reshuffled=reshuffled,
        seed=seed,
        round_num=round_num,
    )
    # The model need not be sent to a mediator that sits out. If all sit out,
    # they stay, since a round must have participants.
    places = np.flatnonzero(passes).tolist() or places
    available = tuple(available[place] for place in places)
    orders = [orders[place] for place in places]
  return Visits(available, orders, tuple(places))


def data_of_round(
    visits: Visits,
    clients: batches.Clients,
    max_clients: int,
    *,
    round_num: int,
    numbers: Optional[Sequence[int]] = None,
) -> list[mediator_data_lib.MediatorData]:
  """Returns the data of a round, as a learning process takes it.

  Args:
    visits: Whom the round's mediators visit.
    clients: The clients' batches; see `astraea_tff.clients.batches`.
    max_clients: The number of datasets of a mediator, gamma.
    round_num: The number of the round.
    numbers: The number of each scheduled mediator of the round, for a process
      built with `report_mediators`; None for any other.

  Returns:
    See `astraea_tff.mediator_data`.
  """
  return mediator_data_lib.mediator_data(
      visits.mediators,
      batches.clients_for_round(clients, round_num),
      max_clients,
      orders=visits.orders,
      numbers=numbers and [numbers[place] for place in visits.places],
  )


def static_round(
    mediators: Sequence[Sequence[int]],
    max_clients: int,
    clients: batches.Clients,
    mediators_per_round: int,
    *,
    seed: int,
    round_num: int,
    drop_probability: float = 0.0,
    reshuffled_epochs: Optional[int] = None,
    weights: Any = None,
    passes: Union[
        None, int, Callable[[int, tuple[int, ...]], Sequence[int]]
    ] = None,
    reshuffled: bool = False,
    report_mediators: bool = False,
) -> list[mediator_data_lib.MediatorData]:
  """Returns the data of one round under one schedule for all rounds.

  The static form of Algorithm 3: all K clients were scheduled once, and a round
  draws some of the mediators without replacement.

  Arguments that are not listed are those of `Schedule.rounds`.

  Args:
    mediators: The clients of each mediator of the schedule, in training order.
    max_clients: The most clients a mediator may have, gamma.
    clients: A `ClientData` makes its datasets anew at every call, which
      `batches.as_sequence` avoids.
    round_num: At least 0.

  Returns:
    What `Schedule.rounds` yields.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of its range, or `clients` has fewer clients
      than the schedule.
  """
  arguments.check_type(report_mediators, '`report_mediators`', bool)
  num_clients = 1 + max(map(max, mediators))
  clients = batches.as_sequence(clients)
  if len(clients) < num_clients:
    raise ValueError(
        f'`clients` must hold {num_clients} clients or more, as the schedule'
        f' has client {num_clients - 1}, got {len(clients)}.'
    )
  sampled = sampling.sample_mediators(
      len(mediators),
      mediators_per_round,
      seed=seed,
      round_num=round_num,
      weights=weights(round_num) if callable(weights) else weights,
  )
  if callable(passes):
    passes = passes(round_num, sampled)
    if not hasattr(passes, '__len__'):
      raise TypeError(
          '`passes` must return one number for each mediator, got'
          f' {arguments.shorten(repr(passes))} in round {round_num}.'
      )
  elif passes is not None:
    passes = [passes] * len(sampled)
  visits = visits_of_round(
      [mediators[mediator] for mediator in sampled],
      max_clients,
      seed=seed,
      round_num=round_num,
      drop_probability=drop_probability,
      reshuffled_epochs=reshuffled_epochs,
      passes=passes,
      reshuffled=reshuffled,
  )
  return data_of_round(
      visits,
      clients,
      max_clients,
      round_num=round_num,
      numbers=sampled if report_mediators else None,
  )


def static_rounds(
    mediators: Sequence[Sequence[int]],
    max_clients: int,
    clients: batches.Clients,
    mediators_per_round: int,
    *,
    first_round: int = 1,
    **options: Any,
) -> Iterator[list[mediator_data_lib.MediatorData]]:
  """Yields `static_round` of one round after another, without end.

  Arguments that are not listed are those of `static_round`.

  Args:
    first_round: The number of the first round that is yielded.
    **options: Its other ones.

  Yields:
    A round's data. Raises what `static_round` does.
  """
  clients = batches.as_sequence(clients)
  for round_num in itertools.count(first_round):
    yield static_round(
        mediators,
        max_clients,
        clients,
        mediators_per_round,
        round_num=round_num,
        **options,
    )
