"""What the study of schedules measures: populations, and ways to group them."""

from collections.abc import Callable, Sequence
import resource
import time
from typing import Any

import numpy as np
from sklearn import cluster

from astraea_tff.datasets.partitioning import global_distribution
from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import grouping
from astraea_tff.scheduling import refinement
from astraea_tff.scheduling import schedule as schedule_lib
from experiment.runs import grouping as runs_grouping

_Schedule = schedule_lib.Schedule

# What a population is drawn by: the arguments of `draw_counts`, in order, and
# the first columns of every row.
SETTING = ('num_classes', 'classes', 'beta', 'num_clients', 'seed')

_CLIENT_SIZE = 460
_CLIENTS_DRAWN_AT_ONCE = 10_000


def group_by_k_means(counts: np.ndarray, gamma: int, seed: int) -> _Schedule:
  """Clusters label distributions, and deals every cluster out.

  With as many clusters as classes. The clients in the order of their clusters
  go to the mediators in turn, so that a mediator has them from many clusters.

  Args:
    counts: Integers `[c, N]`.
    gamma: The most clients of a mediator.
    seed: The seed of the initial centers.

  Returns:
    A schedule of all clients.
  """

  def arrange(counts, surprisals):
    del surprisals
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    model = cluster.KMeans(
        min(counts.shape[1], len(counts)), n_init=1, random_state=seed
    )
    order = np.argsort(model.fit_predict(shares), kind='stable')
    num_mediators = -(-len(counts) // gamma)
    return [order[first::num_mediators] for first in range(num_mediators)]

  return grouping.group(counts, gamma, None, None, arrange)


def _grouping(name: str) -> Callable[..., _Schedule]:
  """Returns train.py's way to group, towards uniform."""
  group = runs_grouping.GROUPINGS[name]
  return lambda counts, gamma, seed: group(
      counts, gamma, target=None, clients=None, seed=seed
  )


def _assignment_refined(
    counts: np.ndarray, gamma: int, seed: int
) -> _Schedule:
  schedule = _grouping('assignment')(counts, gamma, seed)
  return refinement.refine(schedule, counts)


# By name: a function of counts, gamma and seed, and the most clients that it is
# tried on.
METHODS: dict[str, tuple[Callable[..., _Schedule], int]] = {
    'random': (_grouping('random'), 10**9),
    'k-means': (group_by_k_means, 20_000),
    'exact': (_grouping('greedy'), 40_000),
    'approximate': (_grouping('approximate'), 10**9),
    'refined': (_grouping('refined'), 1000),
    'assignment': (_grouping('assignment'), 2000),
    'assignment, refined': (_assignment_refined, 1000),
}


def draw_counts(
    num_classes: int,
    classes: str,
    beta: float,
    num_clients: int,
    seed: int,
    *,
    size_sigma: float = 0.0,
) -> np.ndarray:
  """Draws the label counts of clients of 460 examples on average.

  Args:
    num_classes: N.
    classes: Sizes of the classes over all clients, a name in
      `datasets.GLOBAL_DISTRIBUTIONS`.
    beta: A client's mix of classes is Dirichlet(beta N shares); infinity makes
      all mixes the shares.
    num_clients: c.
    seed: The seed of all draws.
    size_sigma: Above 0, the clients' expected sizes are log-normal: the
      standard deviation of their logarithms. 0 makes them equal.

  Returns:
    `int32 [c, N]`.

  Raises:
    ValueError: `beta` is not positive, or `classes` unknown.
  """
  if not beta > 0:
    raise ValueError(f'--beta must be greater than 0, got {beta}.')
  shares = global_distribution.class_shares(classes, num_classes)
  generator = np.random.default_rng(seed)
  counts = np.empty((num_clients, num_classes), np.int32)
  for start in range(0, num_clients, _CLIENTS_DRAWN_AT_ONCE):
    part = counts[start : start + _CLIENTS_DRAWN_AT_ONCE]
    mixes, sizes = shares, _CLIENT_SIZE
    if np.isfinite(beta):
      mixes = generator.dirichlet(beta * num_classes * shares, len(part))
    if size_sigma > 0:
      # A log-normal variable of mean 1.
      sizes = _CLIENT_SIZE * generator.lognormal(
          -(size_sigma**2) / 2, size_sigma, (len(part), 1)
      )
    part[:] = generator.poisson(sizes * mixes, part.shape)
  return counts


def _divergences(schedule: _Schedule) -> dict[str, float]:
  return {
      'mean_kl': schedule.mean_kl_divergence,
      'worst_kl': float(schedule.kl_divergence.max()),
  }


def measure(
    method: str, counts: np.ndarray, gamma: int, seed: int
) -> dict[str, float]:
  """Groups the clients once.

  Args:
    method: A name in `METHODS`.
    counts: Integers `[c, N]`.
    gamma: The most clients of a mediator.
    seed: The seed for a method that draws.

  Returns:
    `seconds` of the processor, `seconds_by_the_clock`, and the divergences of
    the mediators from uniform in nats, `mean_kl` and `worst_kl`.
  """
  group, _ = METHODS[method]
  start, cpu_start = time.perf_counter(), time.process_time()
  schedule = group(counts, gamma, seed)
  return {
      'seconds': time.process_time() - cpu_start,
      'seconds_by_the_clock': time.perf_counter() - start,
      **_divergences(schedule),
  }


def measure_large(setting: Sequence[Any], gamma: int) -> dict[str, Any]:
  """Draws and groups a population approximately; for a process of its own.

  Args:
    setting: The arguments of `draw_counts`.
    gamma: The most clients of a mediator.

  Returns:
    The columns of `SETTING`, `method`, those of `measure`, and the process's
    `peak_megabytes` so far (10^6 bytes).
  """
  counts = draw_counts(*setting)
  return {
      **dict(zip(SETTING, setting)),
      'method': 'approximate',
      **measure('approximate', counts, gamma, setting[-1]),
      'peak_megabytes': (
          resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
      ),
  }


def measure_size_weights(
    counts: np.ndarray, gamma: int, weights: Sequence[float]
) -> dict[str, dict[str, float]]:
  """Refines Algorithm 3's schedule with each of some `size_weight`s.

  Args:
    counts: Integers `[c, N]`, of clients of uneven sizes.
    gamma: The most clients of a mediator.
    weights: The weights; see `refinement.refine`.

  Returns:
    By setting (`exact`, and `size weight <w>` for each weight) the divergences
    as `measure` has them and `largest_over_mean`, the examples of the largest
    mediator over those of the average one.
  """
  exact = greedy.reschedule(counts, gamma)
  schedules = {'exact': exact} | {
      f'size weight {weight:g}': refinement.refine(
          exact, counts, size_weight=weight
      )
      for weight in weights
  }
  measured = {}
  for name, schedule in schedules.items():
    sizes = np.array([counts[list(m)].sum() for m in schedule.mediators])
    measured[name] = _divergences(schedule) | {
        'largest_over_mean': float(sizes.max() / sizes.mean())
    }
  return measured
