"""The classes that each client has: the paper's local axis.

Sizes of clients and totals of classes are given; this module finds the table
between them, `int64 [K, N]`, whose rows sum to the sizes and whose columns sum
to the class totals, both exactly. Of Duan et al.'s Table I, "Balanced" is
'proportional' and "Random" is 'random'.

'proportional', 'random' and 'dirichlet' start from the mix of classes that each
client would have by itself, scale rows and columns in turn until both sums are
right (iterative proportional fitting, which changes no odds ratio of the
mixes), and round to whole examples without losing either sum. 'iid' and
'n_classes' have both sums by construction: they deal out all examples in a row.
"""

import numpy as np

from astraea_tff import arguments

LOCAL_DISTRIBUTIONS = (
    'iid', 'proportional', 'random', 'dirichlet', 'n_classes',
)

# A class that a client all but lacks; zero could make the sums unreachable.
_SMALLEST_SHARE = 1e-6
_MAX_FITTING_STEPS = 200
# Nearly one class a client. Below, most shares are too small to say where a
# class goes that too few clients drew; far below, NumPy's sampler hangs.
_SMALLEST_BETA = 0.01


def client_class_counts(
    distribution: str,
    sizes: np.ndarray,
    class_totals: np.ndarray,
    rng: np.random.Generator,
    *,
    beta: float = 0.5,
    classes_per_client: int = 2,
) -> np.ndarray:
  """How many examples of each class each client has.

  Args:
    distribution: One of
      'iid': all examples shuffled and dealt out;
      'proportional': each client has the global mix, as nearly as whole
        examples allow;
      'random': each client draws a mix of classes, uniform over all mixes;
        'dirichlet' with beta 1;
      'dirichlet': each client draws its mix from a symmetric Dirichlet
        distribution; the smaller beta, the fewer classes a client has;
      'n_classes': each client has `classes_per_client` classes, in equal parts.
        There are at most N - 1 (client, class) pairs more than that over all
        clients, where a class ends in the middle of a client's part. A client
        has fewer if it has fewer examples, or if a class is too large to be
        placed otherwise. No client has more or fewer where equal sizes and
        whole parts allow it.
    sizes: `int64 [K]`, at least 1 each.
    class_totals: `int64 [N]`, at least 0, with the same sum.
    rng: Source of everything random here.
    beta: Concentration of 'dirichlet', at least 0.01.
    classes_per_client: A client's classes under 'n_classes', at least 1 and at
      most the number of classes that have examples.

  Returns:
    `int64 [K, N]`.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: Unknown name, or an argument out of range.
  """
  if distribution == 'iid':
    owners = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return _count_dealt(owners, len(sizes), class_totals)
  if distribution == 'n_classes':
    return _deal_classes(sizes, class_totals, classes_per_client, rng)
  if distribution == 'proportional':
    mixes = np.ones((len(sizes), len(class_totals)))
  elif distribution == 'random':
    mixes = rng.dirichlet(np.ones(len(class_totals)), len(sizes))
  elif distribution == 'dirichlet':
    beta = arguments.check_number(beta, 'beta', _SMALLEST_BETA, ends='[)')
    mixes = rng.dirichlet(np.full(len(class_totals), beta), len(sizes))
  else:
    raise ValueError(
        f'local_distribution {distribution!r} is unknown; known are '
        f'{", ".join(LOCAL_DISTRIBUTIONS)}.'
    )
  targets = _fit_sums(
      np.maximum(mixes, _SMALLEST_SHARE) * class_totals, sizes, class_totals
  )
  return _round_keeping_sums(targets, sizes, class_totals, rng)


def _fit_sums(
    table: np.ndarray, sizes: np.ndarray, class_totals: np.ndarray
) -> np.ndarray:
  """Scales columns and rows until both sums are right, the rows' exactly."""
  used = class_totals > 0
  for _ in range(_MAX_FITTING_STEPS):
    columns = table.sum(axis=0)
    table = table * np.divide(class_totals, columns, where=used,
                              out=np.zeros(len(used)))
    table *= (sizes / table.sum(axis=1))[:, np.newaxis]
    if np.abs(table.sum(axis=0) - class_totals).sum() < 0.5:
      break
  return table


def _round_keeping_sums(
    targets: np.ndarray,
    sizes: np.ndarray,
    class_totals: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
  """Rounds to whole numbers, each row and column keeping its sum.

  Rows are rounded at random points of their running sum: each entry goes down
  or up, up with its fraction's probability. That leaves a few examples too many
  in some columns; they move, within their row, to a column that lacks some,
  where the move does least harm.
  """
  running = np.round(np.cumsum(targets, axis=1), 6)
  running = np.minimum(running, sizes[:, np.newaxis])
  running[:, -1] = sizes
  steps = np.floor(running + rng.random((len(sizes), 1)))
  counts = np.diff(steps, axis=1, prepend=0).astype(np.int64)
  while True:
    excess = counts.sum(axis=0) - class_totals
    source, destination = np.argmax(excess), np.argmin(excess)
    amount = min(excess[source], -excess[destination])
    if not amount:
      return counts
    gains = (
        targets[:, destination] - counts[:, destination]
        - targets[:, source] + counts[:, source]
    )
    rows = np.flatnonzero(counts[:, source])
    rows = rows[np.argsort(-gains[rows], kind='stable')]
    movable = np.minimum(counts[rows, source],
                         np.maximum(gains[rows] // 2, 1).astype(np.int64))
    already_moved = np.cumsum(movable) - movable
    moved = np.clip(amount - already_moved, 0, movable)
    counts[rows, source] -= moved
    counts[rows, destination] += moved


def _deal_classes(sizes, class_totals, classes_per_client, rng) -> np.ndarray:
  """Lays the clients' parts, class by class, beside the examples in a row."""
  classes_per_client = arguments.check_integer(
      classes_per_client, 'classes_per_client', 1
  )
  num_used = np.count_nonzero(class_totals)
  if classes_per_client > num_used:
    raise ValueError(
        f'classes_per_client is {classes_per_client}, but only {num_used} '
        'classes have examples.'
    )
  parts = sizes[:, np.newaxis] // classes_per_client + (
      np.arange(classes_per_client) < sizes[:, np.newaxis] % classes_per_client
  )
  classes = _draw_classes(parts, class_totals, rng)
  row = np.argsort(classes, axis=None, kind='stable')
  clients = np.repeat(np.arange(len(sizes)), classes_per_client)[row]
  owners = np.repeat(clients, parts.reshape(-1)[row])
  return _count_dealt(owners, len(sizes), class_totals)


def _draw_classes(
    parts: np.ndarray, class_totals: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
  """Draws each client's classes so that the parts nearly make the totals.

  A client draws without repetition, a class with a probability proportional to
  what is left of it (systematic sampling). Large clients draw first, so that
  small ones fill what they leave.

  Args:
    parts: `int64 [K, n]`, each client's examples in n equal parts.
    class_totals: `int64 [N]`.
    rng: The source of the draws.

  Returns:
    `int64 [K, n]`, the class of each part, distinct within a row.
  """
  remaining = class_totals.astype(np.float64)
  # A class that is used up stays a last resort, if not enough others are left.
  floor = np.where(class_totals > 0, _SMALLEST_SHARE, 0)
  classes = np.empty_like(parts)
  num_parts = parts.shape[1]
  for client in np.argsort(-parts.sum(axis=1), kind='stable'):
    order = rng.permutation(len(class_totals))
    chances = _inclusion_chances(np.maximum(remaining, floor), num_parts)
    edges = np.cumsum(chances[order])
    edges[-1] = num_parts
    points = rng.random() + np.arange(num_parts)
    classes[client] = order[np.searchsorted(edges, points, side='right')]
    remaining[classes[client]] -= parts[client]
  return classes


def _inclusion_chances(weights: np.ndarray, num_draws: int) -> np.ndarray:
  """Chances proportional to weights, of sum `num_draws`, none above 1."""
  certain = np.zeros(len(weights), bool)
  while True:
    rest = weights * ~certain
    left = num_draws - np.count_nonzero(certain)
    chances = left * rest / (rest.sum() or 1.0)
    above = chances > 1
    if not above.any():
      return np.where(certain, 1.0, chances)
    certain |= above


def _count_dealt(
    owners: np.ndarray, num_clients: int, class_totals: np.ndarray
) -> np.ndarray:
  """Counts `int64 [K, N]` if `owners` get the examples in order of class."""
  num_classes = len(class_totals)
  pairs = owners * num_classes + np.repeat(np.arange(num_classes), class_totals)
  counts = np.bincount(pairs, minlength=num_clients * num_classes)
  return counts.reshape(num_clients, num_classes)
