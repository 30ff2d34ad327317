"""What all ways to group clients into mediators share.

They take the same arguments (`astraea_tff.reschedule` says which), compare
pooled label counts by the same divergence, and end with a schedule. The module
is NumPy only.
"""

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from astraea_tff.labels import counts as counts_lib
from astraea_tff.labels import divergence
from astraea_tff.scheduling import schedule as schedule_lib


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


def to_schedule(
    clients: np.ndarray,
    counts: np.ndarray,
    mediators: Sequence[np.ndarray],
    max_clients: int,
    target: Any,
) -> schedule_lib.Schedule:
  """Makes a schedule and measures it.

  Args:
    clients: `int64 [c]`, what the clients are called.
    counts: `int64 [c, N]`, their label counts.
    mediators: The rows of `counts` in each mediator, one or more, in training
      order.
    max_clients: The paper's gamma.
    target: None for the uniform distribution, or `[N]`.

  Returns:
    The schedule.
  """
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


def cut(order: np.ndarray, max_clients: int) -> list[np.ndarray]:
  """Cuts an order into mediators of `max_clients`; the last may be short."""
  return [
      order[start : start + max_clients]
      for start in range(0, len(order), max_clients)
  ]
