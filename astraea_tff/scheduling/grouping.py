"""The frame of every way to group clients into mediators.

`group` checks the arguments, asks an `Arrange` function which clients share a
mediator, and measures the schedule that comes of it. The ways to group are such
functions: Algorithm 3 (`greedy`), its approximation for many clients
(`approximate`), an assignment problem (`assignment`), a random order, and the
exchanges of `refinement`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.labels import counts as counts_lib
from astraea_tff.labels import divergence
from astraea_tff.scheduling import schedule as schedule_lib

# Takes the counts of the clients that are grouped, int64 [c, N], and the -log
# of the target, float64 [N]. Returns the rows of the counts in each mediator,
# each row in one of them, in training order.
Arrange = Callable[[np.ndarray, np.ndarray], Sequence[Sequence[int]]]


def group(
    counts: Any,
    max_clients: int,
    target: Any,
    clients: Optional[Sequence[int]],
    arrange: Arrange,
) -> schedule_lib.Schedule:
  """Groups clients into mediators; `astraea_tff.reschedule` has the arguments.

  Args:
    counts: Integers `[K, N]`.
    max_clients: The most clients of a mediator, the paper's gamma; at least 1.
    target: None, 'pooled' or `float [N]`.
    clients: Distinct rows of `counts`, in any order; None for all.
    arrange: Chooses the clients that share a mediator. It gets the counts in
      the order of the client index, so that the order of `clients` is without
      effect.

  Returns:
    The schedule, measured.

  Raises:
    TypeError: An argument of the wrong type.
    ValueError: An argument is out of its range, or `arrange` returns mediators
      that no `Schedule` may have.
  """
  max_clients = arguments.check_integer(max_clients, 'max_clients', 1)
  clients, counts = select(counts, clients)
  return group_checked(clients, counts, max_clients, target, arrange)


def group_checked(
    clients: np.ndarray,
    counts: np.ndarray,
    max_clients: int,
    target: Any,
    arrange: Arrange,
) -> schedule_lib.Schedule:
  """`group` for clients that are selected already.

  Args:
    clients: `int64 [c]`, what the clients are called.
    counts: `int64 [c, N]`, their label counts.
    max_clients: See `group`.
    target: See `group`.
    arrange: See `group`.

  Returns:
    The schedule. Raises what `group` does for `target`.
  """
  target = resolve_target(target, counts)
  mediators = arrange(counts, divergence.target_surprisals(target, counts))
  order = np.concatenate(mediators)
  ends = np.cumsum([len(mediator) for mediator in mediators])
  starts = ends - [len(mediator) for mediator in mediators]
  pooled = np.add.reduceat(counts[order], starts, axis=0)
  ordered = clients[order].tolist()
  return schedule_lib.Schedule(
      [ordered[start:end] for start, end in zip(starts, ends)],
      divergence.kl_divergence(pooled, target),
      max_clients,
  )


def select(
    counts: Any, clients: Optional[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray]:
  """Checks which clients are to be grouped.

  Args:
    counts: Integers `[K, N]`.
    clients: Distinct rows of `counts`, in any order; None for all.

  Returns:
    The client indices `int64 [c]`, ascending, and their counts `int64 [c, N]`.

  Raises:
    TypeError: `counts` or `clients` holds something other than integers.
    ValueError: `counts` is not as `labels.counts.check_counts` wants it,
      or `clients` is empty, out of range or has duplicates.
  """
  counts = counts_lib.check_counts(counts)
  if clients is None:
    return np.arange(len(counts)), counts
  clients = np.asarray(clients)
  if clients.ndim != 1 or not clients.size:
    raise ValueError(
        'clients must be a nonempty sequence of client indices, got shape '
        f'{list(clients.shape)}.'
    )
  if clients.dtype.kind not in 'iu':
    raise TypeError(f'clients must hold ints, got dtype {clients.dtype}.')
  distinct, repeats = np.unique(clients, return_counts=True)
  if distinct[0] < 0 or distinct[-1] >= len(counts):
    outside = distinct[0] if distinct[0] < 0 else distinct[-1]
    raise ValueError(
        f'clients must lie in [0, {len(counts)}), the rows of counts, got '
        f'{outside}.'
    )
  if repeats.max() > 1:
    raise ValueError(
        f'clients must be distinct, got {distinct[repeats.argmax()]} '
        f'{repeats.max()} times.'
    )
  return distinct.astype(np.int64), counts[distinct]


def resolve_target(target: Any, counts: np.ndarray) -> Any:
  """Returns what `labels.divergence` takes as a target.

  Args:
    target: None, 'pooled' or `float [N]`; see `astraea_tff.reschedule`.
    counts: `int64 [c, N]` of the clients that are grouped.

  Returns:
    None for the uniform distribution, or `[N]`.

  Raises:
    ValueError: `target` is any other string.
  """
  if not isinstance(target, str):
    return target
  if target != 'pooled':
    raise ValueError(
        "target must be None, 'pooled' or a probability for each class, got "
        f'{target!r}.'
    )
  pooled = counts.sum(axis=0)
  return pooled if pooled.any() else None


def cut(order: np.ndarray, max_clients: int) -> list[np.ndarray]:
  """Cuts an order of clients into mediators; the last may be short.

  Args:
    order: Client indices, int [c].
    max_clients: gamma, at least 1.

  Returns:
    int arrays of `max_clients` indices each, but for the last.
  """
  return [
      order[start : start + max_clients]
      for start in range(0, len(order), max_clients)
  ]


def mediator_counts(
    mediators: Sequence[Sequence[int]], counts: Any
) -> np.ndarray:
  """Adds up the label counts of the clients of each mediator.

  Args:
    mediators: The clients of each of M mediators, as in `Schedule.mediators`.
    counts: Integers [K, N], the label counts of all clients.

  Returns:
    int64 [M, N].

  Raises:
    TypeError: `counts` or a mediator does not hold integers.
    ValueError: `counts` is not [K, N], or a client is not in [0, K).
  """
  counts = counts_lib.check_counts(counts)
  last = len(counts) - 1
  pooled = [
      counts[[
          arguments.check_integer(client, 'a client of mediators', 0, last)
          for client in mediator
      ]].sum(axis=0)
      for mediator in mediators
  ]
  return np.array(pooled, np.int64).reshape(len(mediators), counts.shape[1])
