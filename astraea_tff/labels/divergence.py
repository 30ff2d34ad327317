"""How far label counts are from a target distribution, in nats.

`kl_divergence` checks what it is given and is finite for every histogram.
`divergences` measures many candidates quickly and checks nothing; the ways of
grouping clients use it on counts that are checked already.
"""

from typing import Any

import numpy as np

from astraea_tff import arguments


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
  counts = arguments.check_numbers(counts, 'counts').astype(np.float64)
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
  target = arguments.check_numbers(target, 'target').astype(np.float64)
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


def scaled(counts: np.ndarray, dtype: Any) -> np.ndarray:
  """Divides counts by the mean client's size.

  No divergence depends on the unit of counts. In this one the sums of a
  mediator are about its number of clients, so that neither huge counts nor
  `float32` spoil them.

  Args:
    counts: `int64 [c, N]`.
    dtype: The dtype of the result.

  Returns:
    `dtype [c, N]`.
  """
  return (counts / unit(counts)).astype(dtype)


def unit(counts: np.ndarray) -> float:
  """Returns the mean client's size, at least 1; see `scaled`."""
  return max(counts.sum() / len(counts), 1)


def divergences(pooled: np.ndarray, surprisals: np.ndarray) -> np.ndarray:
  """The divergences of many histograms, as fast as NumPy does it.

  With x of sum n, `sum(x log x) / n - log n + sum(x * surprisals) / n`: one log
  and no quotient for each entry. Unlike `kl_divergence` it
  checks nothing, and what is zero may come out negative by rounding.

  Args:
    pooled: `float [..., N]`, zero or more, in any unit.
    surprisals: `[N]` of the same dtype, -log of the target.

  Returns:
    `[...]` of the same dtype, in nats; for a histogram without examples the
    largest surprisal, as `kl_divergence` has it.
  """
  smallest = np.finfo(pooled.dtype).tiny
  sizes = pooled.sum(axis=-1)
  terms = np.log(np.maximum(pooled, smallest))
  terms += surprisals
  terms *= pooled
  totals = np.where(sizes > 0, sizes, 1)
  values = terms.sum(axis=-1) / totals - np.log(totals)
  return np.where(sizes > 0, values, surprisals.max())
