"""Algorithm 3 for populations that its O(K^2) time is too long for.

Three things make it an approximation of `astraea_tff.reschedule`:

*   The population is cut at random into blocks, and each is scheduled alone. A
    mediator chooses among the clients left of its block.
*   In a block, 32 mediators are filled at the same time, each getting one
    client in turn. Their divergences to all clients left are then a product of
    two matrices.
*   That product is a surrogate of the divergence (`_Surrogate`). It only names
    candidates, the best of each of 64 parts of the block. Among these the
    divergence itself decides, as in line 7 of the paper's Algorithm 3.

docs/scheduling.md says how close it comes.
"""

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.labels import divergence
from astraea_tff import randomness
from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import grouping
from astraea_tff.scheduling import schedule as schedule_lib

# Up to here the exact schedule is quick enough, and nothing is gained.
_LARGEST_EXACT = 2000

_MEDIATORS_AT_ONCE = 32

# Twice as many as mediators, so that a taken candidate leaves good ones.
_NUM_CANDIDATES = 64

# The surrogate values of so many clients stay in the processor's cache.
_CLIENTS_AT_ONCE = 2048

_SMALLEST = np.finfo(np.float32).tiny

# More clients would not make the surrogate better.
_CLIENTS_FITTED = 10_000


def reschedule_approximately(
    counts: Any,
    max_clients: int,
    *,
    seed: int,
    block_size: int = 10_000,
    target: Any = None,
    clients: Optional[Sequence[int]] = None,
) -> schedule_lib.Schedule:
  """Groups clients into mediators nearly as `reschedule` does, much faster.

  Takes O(K B N) time for blocks of B clients, where `reschedule` takes
  O(K^2 N), and O(K N) memory. Up to 2,000 clients it is `reschedule`.

  Args:
    counts: See `reschedule`.
    max_clients: See `reschedule`.
    seed: The seed of the cut into blocks, at least 0. The same seed gives the
      same schedule on the same machine; on another one, matrix products may be
      rounded otherwise.
    block_size: B, at least 1: the most clients of a block, but for rounding up
      to full mediators. The larger, the more a mediator can choose from, and
      the longer it takes.
    target: See `reschedule`; 'pooled' is the label distribution of all
      scheduled clients, not of a block.
    clients: See `reschedule`.

  Returns:
    A schedule like `reschedule`'s: every mediator but the last has
    `max_clients`.

  Raises:
    TypeError: See `reschedule`.
    ValueError: See `reschedule`.
  """
  generator = randomness.grouping_generator(seed)
  block_size = arguments.check_integer(block_size, 'block_size', 1)

  def arrange(counts, surprisals):
    if len(counts) <= _LARGEST_EXACT:
      return greedy.arrange_greedily(counts, surprisals, max_clients)
    shuffled = generator.permutation(len(counts))
    blocks = _blocks(shuffled, block_size, max_clients)
    return _arrange_blocks(counts, surprisals, max_clients, blocks)

  return grouping.group(counts, max_clients, target, clients, arrange)


def _arrange_blocks(
    counts: np.ndarray,
    surprisals: np.ndarray,
    max_clients: int,
    blocks: Sequence[np.ndarray],
) -> list[np.ndarray]:
  """Schedules each block alone; returns the rows of each mediator."""
  unit = divergence.unit(counts)
  fitted = np.concatenate(blocks)[:_CLIENTS_FITTED]
  surrogate = _Surrogate(counts[fitted] / unit)
  mediators = []
  for block in blocks:
    # In this unit a float32 is precise enough, see divergence.scaled.
    scaled = (counts[block] / unit).astype(np.float32)
    search = _Block(scaled, surprisals.astype(np.float32), surrogate)
    mediators += [block[mediator] for mediator in search.schedule(max_clients)]
  return mediators


def _blocks(
    shuffled: np.ndarray, block_size: int, max_clients: int
) -> list[np.ndarray]:
  """Cuts clients into blocks of nearly one size and of full mediators."""
  num_blocks = -(-len(shuffled) // block_size)
  mediators_per_block = -(-len(shuffled) // (num_blocks * max_clients))
  return grouping.cut(shuffled, mediators_per_block * max_clients)


class _Surrogate:
  """Approximates the divergence by products of a mediator's and a client's.

  The divergence of a mediator's counts x with a client's counts v needs the sum
  of `f(x + v) - f(x)` over classes, `f(t) = t log t`. As a function of v it is
  close to `a v + b v log v + c v^2` for each x, exactly so for x = 0. a, b and
  c are fitted, for a grid of x, to quantiles of the population's counts.
  """

  def __init__(self, counts: np.ndarray):
    """Fits to counts `float64 [c, N]` of some clients, scaled."""
    present = counts[counts > 0]
    if not present.size:
      present = np.ones(1)
    quantiles = np.unique(np.quantile(present, np.linspace(0, 1, 201)))
    # Below the smallest count a mediator has nothing; above a thousand times
    # the largest, f is as good as linear.
    self._grid = np.geomspace(quantiles[0], 1000 * quantiles[-1], 400)
    x = np.concatenate([[0], self._grid])[:, np.newaxis]
    rises = _x_log_x(x + quantiles) - _x_log_x(x)
    features = self.features(quantiles[:, np.newaxis])
    fitted, *_ = np.linalg.lstsq(features, rises.T, rcond=1e-10)
    self._coefficients = fitted.T.astype(np.float32)

  def features(self, counts: np.ndarray) -> np.ndarray:
    """A client's factors, `[c, 3 N]` of counts `[c, N]`."""
    return np.concatenate([counts, _x_log_x(counts), counts**2], axis=1)

  def coefficients(self, pooled: np.ndarray) -> np.ndarray:
    """A mediator's factors, `float32 [M, 3, N]` of counts `[M, N]`."""
    smallest, second = self._grid[:2]
    steps = np.log(np.maximum(pooled, smallest / 2) / smallest)
    places = np.rint(steps / np.log(second / smallest)).astype(np.int64)
    places = np.clip(places + 1, 1, len(self._grid))
    places[pooled == 0] = 0
    return self._coefficients[places].transpose(0, 2, 1)


class _Block:
  """The clients of a block that have no mediator yet."""

  def __init__(
      self, counts: np.ndarray, surprisals: np.ndarray, surrogate: _Surrogate
  ):
    """Takes counts `float32 [c, N]`, scaled."""
    self._surprisals = surprisals
    self._surrogate = surrogate
    self._clients = np.arange(len(counts))
    self._counts = counts
    self._sizes = counts.sum(axis=1)
    self._features = surrogate.features(counts)

  def schedule(self, max_clients: int) -> list[list[int]]:
    """The rows of clients in each mediator, of which the last may be short."""
    mediators = []
    while len(self._clients):
      at_once = min(len(self._clients) // max_clients, _MEDIATORS_AT_ONCE)
      filled = [[] for _ in range(max(at_once, 1))]
      pooled = np.zeros((len(filled), self._counts.shape[1]), np.float32)
      for _ in range(min(max_clients, len(self._clients))):
        picks = self._pick(pooled)
        pooled += self._counts[picks]
        for mediator, pick in zip(filled, picks):
          mediator.append(self._clients[pick])
        self._remove(picks)
      mediators += filled
    return mediators

  def _pick(self, pooled: np.ndarray) -> list[int]:
    """The best client for each mediator, the earlier ones choosing first."""
    candidates = self._candidates(pooled)
    divergences = divergence.divergences(
        pooled[:, np.newaxis] + self._counts[candidates], self._surprisals
    )
    picks = []
    ranks = divergences.argsort(axis=1, kind='stable')
    for ranked in np.take_along_axis(candidates, ranks, axis=1).tolist():
      picks.append(next(pick for pick in ranked if pick not in picks))
    return picks

  def _candidates(self, pooled: np.ndarray) -> np.ndarray:
    """Places `int64 [M, C]` of each mediator's candidates, C at least M."""
    num_left = len(self._clients)
    width = num_left // _NUM_CANDIDATES
    if width < 2:
      return np.tile(np.arange(num_left), (len(pooled), 1))
    factors = self._surrogate.coefficients(pooled)
    factors[:, 0] += self._surprisals
    factors = factors.reshape(len(pooled), -1)
    constants = (_x_log_x(pooled) + pooled * self._surprisals).sum(
        axis=1, keepdims=True
    )
    sizes = pooled.sum(axis=1, keepdims=True)
    num_parted = width * _NUM_CANDIDATES
    step = width * max(_CLIENTS_AT_ONCE // width, 1)
    best = []
    for start in range(0, num_parted, step):
      clients = slice(start, min(start + step, num_parted))
      values = factors @ self._features[clients].T
      values += constants
      totals = np.maximum(sizes + self._sizes[clients], _SMALLEST)
      values /= totals
      values -= np.log(totals, out=totals)
      places = values.reshape(len(pooled), -1, width).argmin(axis=2)
      best.append(places + np.arange(clients.start, clients.stop, width))
    # The few beyond the last part are candidates all.
    rest = np.tile(np.arange(num_parted, num_left), (len(pooled), 1))
    return np.concatenate([*best, rest], axis=1)

  def _remove(self, picks: list[int]) -> None:
    """Takes clients out; the last ones move into the gaps."""
    num_left = len(self._clients) - len(picks)
    gaps = sorted(pick for pick in picks if pick < num_left)
    taken = set(picks)
    movers = [
        place
        for place in range(num_left, len(self._clients))
        if place not in taken
    ]
    for name in ('_clients', '_counts', '_sizes', '_features'):
      array = getattr(self, name)
      array[gaps] = array[movers]
      setattr(self, name, array[:num_left])


def _x_log_x(values: np.ndarray) -> np.ndarray:
  return values * np.log(np.where(values > 0, values, 1))
