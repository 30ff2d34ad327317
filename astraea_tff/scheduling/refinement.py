"""Refinement: clients change places between the mediators of a schedule.

Algorithm 3 of the paper (Duan et al. 2019) spends the clients that go together
best on its first mediators and leaves its last ones a bad remainder. Here two
clients of different mediators change places wherever that lowers the summed KL
divergence, until no exchange of two clients does. Mediators keep their numbers
of clients. This is a local search on top of the paper, not a part of it.
"""

from typing import Any, Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.labels import counts as counts_lib
from astraea_tff.labels import divergence
from astraea_tff.scheduling import grouping
from astraea_tff.scheduling import schedule as schedule_lib

# An exchange must lower the summed divergence by more than sums of some
# thousand terms can be rounded by, so that the search comes to an end.
_SMALLEST_GAIN = 1e-10

# Partners evaluated at once; their pooled counts should stay in the cache.
_PARTNERS_AT_ONCE = 512


def refine(
    schedule: schedule_lib.Schedule,
    counts: Any,
    *,
    target: Any = None,
    size_weight: float = 0.0,
    max_sweeps: Optional[int] = None,
) -> schedule_lib.Schedule:
  """Exchanges clients between mediators while the summed divergence falls.

  A sweep visits every client once, those of the worst mediators first. The
  client changes places with the one, of all clients of other mediators, with
  which that lowers the objective most, if it lowers it by more than 1e-10. The
  objective is `sum_m D_KL(P_m || target)`, plus
  `size_weight * sum_m (n_m / mean(n) - 1)^2` where n_m is a mediator's number
  of examples. The search ends after a sweep without an exchange. Then no single
  exchange lowers the objective; it is a local optimum, not the best schedule.

  A sweep takes O(c^2 N) time for c scheduled clients, less towards the end,
  because exchanges between mediators that stayed as they were are not looked
  at again; memory is O(c N). docs/scheduling.md has the number of seconds.

  Args:
    schedule: Any schedule of these clients.
    counts: Integers `[K, N]`, as for `reschedule`.
    target: As for `reschedule`; 'pooled' is the label distribution of the
      clients that `schedule` holds.
    size_weight: What an uneven number of examples costs, at least 0. With 0 the
      summed divergence alone decides, and it never rises. Above 0 it may rise
      in exchange for mediators that take equally long to train.
    max_sweeps: Stops after so many sweeps, at least 1. None goes on to the end.

  Returns:
    A schedule of the same clients with mediators of the same numbers of
    clients. A client that moved takes its partner's place in training order.
    Depends on the arguments alone.

  Raises:
    TypeError: An argument of the wrong type.
    ValueError: `counts` is not as `labels.counts.check_counts` wants it or
      lacks rows for scheduled clients, `target` is not as for `reschedule`,
      `size_weight` is negative or not finite, or `max_sweeps` is less than 1.
  """
  size_weight = arguments.check_number(
      size_weight, 'size_weight', 0, ends='[)'
  )
  if max_sweeps is not None:
    arguments.check_integer(max_sweeps, 'max_sweeps', 1)
  clients, counts = _scheduled_counts(schedule, counts)
  lengths = [len(mediator) for mediator in schedule.mediators]

  def arrange(counts, surprisals):
    search = _Search(counts, lengths, surprisals, size_weight)
    sweeps = 0
    while search.sweep():
      sweeps += 1
      if sweeps == max_sweeps:
        break
    return np.split(search.placed, np.cumsum(lengths)[:-1])

  return grouping.group_checked(
      clients, counts, schedule.max_clients, target, arrange
  )


class _Search:
  """The state of the local search.

  A place is a position in the schedule, mediator after mediator. Attributes:

    placed: `int64 [c]`, the client (a row of counts) in each place.
  """

  def __init__(
      self,
      counts: np.ndarray,
      lengths: list[int],
      surprisals: np.ndarray,
      size_weight: float,
  ):
    self.placed = np.arange(len(counts))
    # Counts are whole numbers, so sums are exact when a client is taken out.
    self._counts = counts
    self._unit = divergence.unit(counts)
    self._mediator = np.repeat(np.arange(len(lengths)), lengths)
    self._surprisals = surprisals
    self._size_weight = size_weight
    # In units, of which there is one a client at the most.
    num_units = min(len(counts), int(counts.sum())) or 1
    self._mean_size = num_units / len(lengths)
    starts = np.cumsum([0, *lengths[:-1]])
    self._pooled = np.add.reduceat(self._counts, starts, axis=0)
    self._costs = self._cost(self._pooled)
    # When a mediator last changed, and when a client's exchanges were last
    # looked at. A pair is worth a look only if one of its mediators changed
    # after the later of the two looks.
    self._now = 1
    self._changed = np.ones(len(lengths), np.int64)
    self._looked = np.zeros(len(counts), np.int64)

  def sweep(self) -> int:
    """Visits every client once; returns how many exchanges were made."""
    num_exchanges = 0
    worst_first = np.argsort(-self._costs[self._mediator], kind='stable')
    for place in worst_first:
      partners = self._stale_partners(place)
      self._looked[place] = self._now
      if not partners.size:
        continue
      changes = np.concatenate([
          self._changes(place, partners[i : i + _PARTNERS_AT_ONCE])
          for i in range(0, len(partners), _PARTNERS_AT_ONCE)
      ])
      best = changes.argmin()
      if changes[best] < -_SMALLEST_GAIN:
        self._exchange(place, partners[best])
        num_exchanges += 1
    return num_exchanges

  def _stale_partners(self, place: int) -> np.ndarray:
    """Places whose exchange with `place` was not looked at as things stand."""
    own = self._mediator[place]
    changed = np.maximum(self._changed[own], self._changed)[self._mediator]
    looked = np.maximum(self._looked[place], self._looked)
    return np.flatnonzero((changed > looked) & (self._mediator != own))

  def _changes(self, place: int, partners: np.ndarray) -> np.ndarray:
    """What exchanges with each of the partners would add to the objective."""
    own, others = self._mediator[place], self._mediator[partners]
    moved = self._counts[self.placed[partners]]
    moved -= self._counts[self.placed[place]]
    return (
        self._cost(self._pooled[own] + moved)
        - self._costs[own]
        + self._cost(self._pooled[others] - moved)
        - self._costs[others]
    )

  def _exchange(self, place: int, partner: int) -> None:
    """Lets the clients in two places change places."""
    pair = [place, partner]
    moved = self._counts[self.placed[partner]]
    moved = moved - self._counts[self.placed[place]]
    mediators = self._mediator[pair]
    self._pooled[mediators] += [moved, -moved]
    self._costs[mediators] = self._cost(self._pooled[mediators])
    self.placed[pair] = self.placed[pair[::-1]]
    # Exchanges with these mediators must be looked at again.
    self._now += 1
    self._changed[mediators] = self._now

  def _cost(self, pooled: np.ndarray) -> np.ndarray:
    """What mediators of pooled counts `[..., N]` add to the objective."""
    pooled = pooled / self._unit
    costs = divergence.divergences(pooled, self._surprisals)
    if self._size_weight:
      excess = pooled.sum(axis=-1) / self._mean_size - 1
      costs += self._size_weight * excess**2
    return costs


def _scheduled_counts(
    schedule: schedule_lib.Schedule, counts: Any
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the clients in the schedule's order, and their counts."""
  arguments.check_type(schedule, 'schedule', schedule_lib.Schedule)
  counts = counts_lib.check_counts(counts)
  clients = np.concatenate([np.array(m) for m in schedule.mediators])
  if clients.max() >= len(counts):
    raise ValueError(
        f'counts must have a row for each scheduled client, got {len(counts)} '
        f'rows for a schedule with client {clients.max()}.'
    )
  return clients, counts[clients]
