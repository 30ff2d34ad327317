"""Algorithm 3 of the paper: which clients share a mediator, and in what order.

The server knows each client's label counts. It fills one mediator after the
other, always with the client that brings the mediator's pooled label
distribution closest to uniform, so that a chain of clients trains on nearly
balanced data although none of its members has any. See Duan et al. 2019,
section III-C.

Four points the paper leaves open are read as follows. `P_m + P_k` (line 7)
pools label counts and normalises the sum, because that is the data the mediator
will train on; averaging the two distributions would let a client of ten
examples weigh as much as one of a thousand. Ties go to the lowest client index.
The last mediator may be short. Either the whole population is scheduled once
and mediators are drawn from the schedule every round
(`astraea_tff.Schedule.sample`), or a round's clients are drawn and those are
scheduled (`clients=`).
"""

from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np

from astraea_tff import randomness
from astraea_tff.scheduling import grouping
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib

# Rounding moves a divergence by some 1e-14, so mathematically equal ones lie
# within this of each other, whatever order sums are taken in.
_TIE_TOLERANCE = 1e-12


def reschedule(
    counts: Any,
    max_clients: int,
    *,
    target: Any = None,
    clients: Optional[Sequence[int]] = None,
) -> schedule_lib.Schedule:
  """Groups clients into mediators, greedily by KL divergence (Algorithm 3).

  While clients are left, a new mediator takes `argmin_k D_KL(P_m + P_k || P_u)`
  of those left (line 7), where P_m + P_k is the normalised sum of the label
  counts, until it has `max_clients` (line 6) or none is left. Divergences
  within 1e-12 of the smallest are ties, and the lowest client index wins; so
  those that are mathematically equal, mirrored histograms for example, are
  never told apart by how their sums were rounded.

  Takes O(K^2 N) time, O(K N) memory.

  Args:
    counts: Integers `[K, N]`, a row for each client; clients without examples
      are scheduled like any other.
    max_clients: The paper's gamma, at least 1.
    target: What to bring mediators close to. None is the paper's uniform
      distribution; 'pooled' is the label distribution of the scheduled clients
      together (uniform if they have no examples), the better choice when
      classes are too unequal for every mediator to become uniform; or
      `float [N]`, nonnegative, normalised here, positive for each class that
      these clients have.
    clients: The distinct rows of `counts` to schedule, in any order, for the
      per-round form. All of them by default, the paper's static form.

  Returns:
    A schedule in which each of these clients stands once, by its row in
    `counts`. Every mediator but the last has `max_clients`.

  Raises:
    TypeError: An argument of the wrong type.
    ValueError: `counts` is not as `labels.counts.check_counts` wants it,
      `max_clients` is less than 1, `clients` is empty, out of range or has
      duplicates, or `target` is of a wrong shape, negative, not finite, zero
      everywhere or zero for a class that occurs.
  """
  return grouping.group(
      counts,
      max_clients,
      target,
      clients,
      lambda *measured: arrange_greedily(*measured, max_clients),
  )


def reschedule_round(
    counts: np.ndarray,
    clients_per_round: int,
    max_clients: int,
    *,
    seed: int,
    round_num: int,
    target: Optional[Union[str, np.ndarray]] = None,
) -> schedule_lib.Schedule:
  """Samples a round's clients and schedules those (Algorithm 3 per round).

  Args:
    counts: int64 [K, N]; the label counts of all clients.
    clients_per_round: How many clients take part in the round, c.
    max_clients: How many clients a mediator has at the most, gamma.
    seed: The seed of the draw, which depends on it and `round_num` alone.
    round_num: The number of the round.
    target: See `astraea_tff.reschedule`.

  Returns:
    The round's schedule, with client indices from 0 to K - 1.

  Raises:
    TypeError: See `reschedule` and `sample_clients`.
    ValueError: If `clients_per_round` is not in [1, K], or see `reschedule`.
  """
  clients = sampling.sample_clients(
      len(counts), clients_per_round, seed=seed, round_num=round_num
  )
  return reschedule(
      counts, max_clients, target=target, clients=clients
  )


def random_schedule(
    counts: Any,
    max_clients: int,
    *,
    seed: int,
    target: Any = None,
    clients: Optional[Sequence[int]] = None,
) -> schedule_lib.Schedule:
  """Groups clients into mediators at random: a baseline, not in the paper.

  Beside `reschedule` it tells what training clients in a chain brings from
  what choosing them by divergence adds.

  Args:
    counts: See `reschedule`.
    max_clients: See `reschedule`.
    seed: At least 0. The same seed gives the same schedule, whatever the order
      of `clients`.
    target: See `reschedule`; only `kl_divergence` depends on it.
    clients: See `reschedule`.

  Returns:
    A schedule like `reschedule`'s, in an order uniform over all orders.

  Raises:
    TypeError: See `reschedule`.
    ValueError: See `reschedule`.
  """
  generator = randomness.grouping_generator(seed)

  def arrange(counts, surprisals):
    del surprisals
    return grouping.cut(generator.permutation(len(counts)), max_clients)

  return grouping.group(counts, max_clients, target, clients, arrange)


def arrange_greedily(
    counts: np.ndarray, surprisals: np.ndarray, max_clients: int
) -> list[np.ndarray]:
  """Algorithm 3 on checked counts; see `grouping.Arrange`.

  Args:
    counts: `int64 [c, N]`.
    surprisals: `float64 [N]`, -log of the target.
    max_clients: gamma.

  Returns:
    The rows of each mediator in the order in which they are picked.
  """
  order = _greedy_order(counts, surprisals, max_clients)
  return grouping.cut(order, max_clients)


def _greedy_order(
    counts: np.ndarray, surprisals: np.ndarray, max_clients: int
) -> np.ndarray:
  """The rows of counts in the order in which Algorithm 3 picks them.

  With pooled counts x of sum n, the divergence is
  `sum(x log x) / n - log n + sum(x * surprisals) / n`. The last sum is linear,
  hence known beforehand for every client. The logs of the first are taken once
  for each distinct count of a class instead of once for each client.
  """
  num_clients, num_classes = counts.shape
  values, classes, entries = _distinct_counts(counts)
  sizes = counts.sum(axis=1)
  cross_entropies = (counts * surprisals).sum(axis=1)
  left = np.arange(num_clients)
  order = np.empty(num_clients, np.int64)
  for picked in range(num_clients):
    if picked % max_clients == 0:
      pooled = np.zeros(num_classes, np.int64)
    candidates = num_clients - picked
    totals = sizes[:candidates] + pooled.sum()
    sums = (values + pooled[classes]).astype(np.float64)
    terms = sums * np.log(np.maximum(sums, 1))
    divergences = (
        terms[entries[:candidates]].sum(axis=1)
        + cross_entropies[:candidates]
        + (pooled * surprisals).sum()
    ) / np.maximum(totals, 1) - np.log(np.maximum(totals, 1))
    # Clients without examples have no distribution; they get the largest value.
    divergences[totals == 0] = surprisals.max()
    ties = np.flatnonzero(divergences <= divergences.min() + _TIE_TOLERANCE)
    pick = ties[left[ties].argmin()]
    client = order[picked] = left[pick]
    pooled += counts[client]
    # The last candidate moves into the gap, so that candidates stay together.
    last = candidates - 1
    for array in (left, entries, sizes, cross_entropies):
      array[pick] = array[last]
  return order


def _distinct_counts(
    counts: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Lists the distinct counts of every class, and where each entry stands.

  Args:
    counts: `int64 [K, N]`.

  Returns:
    Counts `int64 [D]`, the class of each `int64 [D]`, and indices
    `int64 [K, N]` into them: `counts == values[entries]`.
  """
  entries = np.empty(counts.shape, np.int64)
  values, classes, offset = [], [], 0
  for label, column in enumerate(counts.T):
    distinct, places = np.unique(column, return_inverse=True)
    entries[:, label] = places + offset
    values.append(distinct)
    classes.append(np.full(len(distinct), label))
    offset += len(distinct)
  return np.concatenate(values), np.concatenate(classes), entries
