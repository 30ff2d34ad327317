"""Label counts of clients and their KL divergence.

Everything Astraea decides, it decides from label counts: `int64 [K, N]`, one
row of class sizes for each of K clients. This module makes them, checks those
that others made, and measures how far a histogram is from a target
distribution. It imports no TensorFlow.
"""

from collections.abc import Callable
from typing import Any, Optional

import numpy as np

from astraea_tff import label_reading


def label_counts(
    clients: Any,
    num_classes: int,
    *,
    label_fn: Optional[Callable[[Any], Any]] = None,
) -> np.ndarray:
  """Counts each client's examples by label.

  Clients are read one after the other and only their labels leave the
  pipeline, a bounded number at a time, so a client larger than memory is fine.

  An element is `(x, y)` or a mapping with a key 'y' or 'label'; one example
  with a label of shape `[]` or `[1]`, or a batch with labels `[B]` or
  `[B, 1]`. One-hot labels are refused where they can be told: a batch of them
  always, and a single one when another part of the element shows that its
  first dimension is no batch dimension (`x` of shape `[28, 28]` beside `y` of
  shape `[10]`). A single one-hot label beside an `x` whose first dimension
  happens to be equal, or unknown, reads as a batch of labels 0 and 1.

  Args:
    clients: A `tff.simulation.datasets.ClientData`, or a sequence of
      `tf.data.Dataset`s.
    num_classes: N, at least 2. Labels lie in [0, N).
    label_fn: Maps a dataset's element to its integer labels, inside the
      dataset's graph, for elements of any other structure.

  Returns:
    `int64 [K, N]`, rows in the order of `clients.client_ids`, or of the
    sequence.

  Raises:
    TypeError: `clients` is neither, an element has no label that can be found
      without `label_fn`, or labels are no integers.
    ValueError: There are no clients, a label lies outside [0, N), labels are
      one-hot, or a dataset never ends. The message names the client.
  """
  num_classes = check_integer(num_classes, 'num_classes', 2)
  rows = [
      label_reading.count_labels(client, dataset, num_classes, label_fn)
      for client, dataset in label_reading.named_datasets(clients)
  ]
  if not rows:
    raise ValueError('clients must hold at least one client, got none.')
  return np.stack(rows)


def kl_divergence(counts: Any, target: Any = None) -> np.ndarray:
  """D_KL(P || target) in nats, P being the normalised counts; always finite.

  The direction is Algorithm 3's (line 7): with the counts first, a class
  without examples contributes nothing (`0 log 0 = 0`), where the reverse would
  be infinite.

  A histogram without examples has no distribution. It gets the largest value
  any histogram can have, `max(-log target)` over the target's positive classes
  (`log N` for the uniform one), so that an empty client never looks balanced.

  Args:
    counts: `[..., N]`, nonnegative finite numbers, N at least 2.
    target: `float [N]`, nonnegative, normalised here. Uniform by default, as
      in the paper. It may be zero only for classes that have no counts.

  Returns:
    `float64 [...]`, in [0, max(-log target)] but for rounding.

  Raises:
    TypeError: `counts` or `target` does not hold real numbers.
    ValueError: `counts` or `target` has a wrong shape or a negative or
      non-finite entry, or `target` is zero everywhere or for a class that has
      counts, which would make the divergence infinite.
  """
  counts = _check_numbers(counts, 'counts').astype(np.float64)
  if counts.ndim < 1 or counts.shape[-1] < 2:
    raise ValueError(
        'counts must have shape [..., N] with N at least 2 classes, got shape '
        f'{list(counts.shape)}.'
    )
  surprisals = target_surprisals(target, counts)
  # Dividing by the largest first keeps the sum of huge counts finite.
  largest = counts.max(axis=-1, keepdims=True)
  scaled = counts / np.where(largest > 0, largest, 1)
  shares = scaled / np.maximum(scaled.sum(axis=-1, keepdims=True), 1)
  logs = np.log(np.where(shares > 0, shares, 1))
  divergences = np.maximum((shares * (logs + surprisals)).sum(axis=-1), 0)
  return np.where(largest[..., 0] > 0, divergences, surprisals.max())[()]


def target_surprisals(target: Any, counts: np.ndarray) -> np.ndarray:
  """-log of the normalised target, checked against the counts it is for.

  Args:
    target: `float [N]`, or None for uniform; see `kl_divergence`.
    counts: `[..., N]`, already checked.

  Returns:
    `float64 [N]` in nats, zero where the target is zero: no count is there to
    multiply it with.

  Raises:
    TypeError: See `kl_divergence`.
    ValueError: See `kl_divergence`.
  """
  num_classes = counts.shape[-1]
  if target is None:
    return np.full(num_classes, np.log(num_classes))
  target = _check_numbers(target, 'target').astype(np.float64)
  if target.shape != (num_classes,):
    raise ValueError(
        f'target must have shape [{num_classes}], a probability for each class '
        f'of counts, got shape {list(target.shape)}.'
    )
  largest = target.max()
  if largest == 0:
    raise ValueError('target must be positive for some class, got all zeros.')
  occurs = (counts > 0).any(axis=tuple(range(counts.ndim - 1)))
  impossible = np.flatnonzero(occurs & (target == 0))
  if impossible.size:
    raise ValueError(
        f'target is zero for class {impossible[0]}, of which counts has '
        'examples: their divergence is infinite. Give every class that occurs '
        'a positive target.'
    )
  positive = target > 0
  surprisals = np.zeros(num_classes)
  # Logs are subtracted, not quotients taken: those of tiny targets underflow.
  surprisals[positive] = (
      np.log(largest)
      + np.log((target / largest).sum())
      - np.log(target[positive])
  )
  return np.maximum(surprisals, 0)


def check_counts(counts: Any, name: str = 'counts') -> np.ndarray:
  """Checks label counts of clients.

  Floats are refused even where they are whole: counts that went through
  floating point may have been rounded on the way, or be shares.

  Args:
    counts: Integers `[K, N]`, K at least 1, N at least 2, zero or more, with a
      total that fits an int64.
    name: What messages call them.

  Returns:
    A copy, `int64 [K, N]`.

  Raises:
    TypeError: `counts` holds something other than integers.
    ValueError: `counts` has a wrong shape, or an entry that is negative,
      non-finite or fractional, or too large a total.
  """
  counts = _check_numbers(counts, name)
  if counts.ndim != 2 or counts.shape[0] < 1 or counts.shape[1] < 2:
    raise ValueError(
        f'{name} must have shape [K, N], at least 1 client by at least 2 '
        f'classes, got shape {list(counts.shape)}.'
    )
  return _as_counts(counts, name)


def check_histogram(counts: Any, num_classes: int, name: str) -> np.ndarray:
  """Checks the label counts of one client.

  Args:
    counts: Integers `[N]`, otherwise as `check_counts` wants them.
    num_classes: N.
    name: What messages call them.

  Returns:
    A copy, `int64 [N]`. Raises what `check_counts` does.
  """
  counts = _check_numbers(counts, name)
  if counts.shape != (num_classes,):
    raise ValueError(
        f'{name} must have shape [{num_classes}], a count for each class, got '
        f'shape {list(counts.shape)}.'
    )
  return _as_counts(counts, name)


def check_integer(value: Any, name: str, minimum: int) -> int:
  """Checks that an argument is an integer of at least `minimum`; returns it."""
  if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
    raise TypeError(f'{name} must be an int, got {value!r}.')
  if value < minimum:
    raise ValueError(f'{name} must be at least {minimum}, got {value}.')
  return int(value)


def _check_numbers(values: Any, name: str) -> np.ndarray:
  """Returns nonnegative finite real numbers as an array, or refuses them."""
  try:
    values = np.asarray(values)
  except ValueError as error:
    raise ValueError(f'{name} must be rows of one length: {error}') from error
  if values.dtype.kind not in 'iuf':
    raise TypeError(
        f'{name} must hold integers or floats of at most 64 bits, got dtype '
        f'{values.dtype}.'
    )
  _refuse_entries(values, ~np.isfinite(values), name, 'be finite')
  _refuse_entries(values, values < 0, name, 'be zero or more')
  return values


def _as_counts(counts: np.ndarray, name: str) -> np.ndarray:
  """Returns checked numbers as a copy, int64, or refuses fractions and sums."""
  if counts.dtype.kind == 'f':
    _refuse_entries(counts, counts != np.floor(counts), name, 'be whole')
    raise TypeError(
        f'{name} must hold integers, got {counts.dtype}; all are whole, so '
        'cast them: .astype(np.int64).'
    )
  # In two halves, because the total itself may be what overflows.
  unsigned = counts.astype(np.uint64)
  high, low = unsigned >> np.uint64(32), unsigned & np.uint64(2**32 - 1)
  total = (int(high.sum()) << 32) + int(low.sum())
  if total > np.iinfo(np.int64).max:
    raise ValueError(
        f'{name} adds up to {total}, more than an int64 holds.'
    )
  return counts.astype(np.int64)


def _refuse_entries(
    values: np.ndarray, refused: np.ndarray, name: str, rule: str
) -> None:
  """Raises a ValueError that names the first refused entry, if there is one."""
  if refused.any():
    first = tuple(np.argwhere(refused)[0].tolist())
    raise ValueError(f'{name} must {rule}, but {name}{list(first)} is '
                     f'{values[first]}.')
