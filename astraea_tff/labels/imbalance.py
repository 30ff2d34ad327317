"""How imbalanced a federation is: in size, on each client, and over all.

The three kinds of imbalance that section II of the paper (Duan et al. 2019)
tells apart, measured on label counts.
"""

import dataclasses
from typing import Any

import numpy as np

from astraea_tff import arguments
from astraea_tff.labels import counts as counts_lib
from astraea_tff.labels import divergence


@dataclasses.dataclass(frozen=True, eq=False)
class ImbalanceReport(arguments.CopiedByConstructor):
  """How imbalanced a federation is, in the paper's three senses (section II).

  `str(report)` is a summary to print. The arrays are read-only.

  Attributes:
    client_sizes: `int64 [K]`, examples of each client (size imbalance).
    client_kl_divergence: `float64 [K]`, nats, each client to the target (local
      imbalance).
    client_absent_classes: `int64 [K]`, how many classes each client lacks.
    class_sizes: `int64 [N]`, examples of each class over all clients (global
      imbalance).
    kl_divergence: The pooled counts to the target, in nats.
  """

  client_sizes: np.ndarray
  client_kl_divergence: np.ndarray
  client_absent_classes: np.ndarray
  class_sizes: np.ndarray
  kl_divergence: float

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if isinstance(value, np.ndarray):
        value = value.copy()
        value.setflags(write=False)
        object.__setattr__(self, field.name, value)

  @property
  def size_variation(self) -> float:
    """Coefficient of variation of the client sizes; 0 without examples."""
    mean = self.client_sizes.mean()
    return float(self.client_sizes.std() / mean) if mean else 0.0

  @property
  def size_ratio(self) -> float:
    """Largest client to smallest nonempty one; 1 without examples."""
    return _largest_to_smallest(self.client_sizes)

  @property
  def class_ratio(self) -> float:
    """Largest class to smallest that occurs; 1 without examples."""
    return _largest_to_smallest(self.class_sizes)

  @property
  def absent_classes(self) -> tuple[int, ...]:
    """The classes that no client has an example of."""
    return tuple(np.flatnonzero(self.class_sizes == 0).tolist())

  def __str__(self) -> str:
    rows = (
        ('size    examples of a client', self.client_sizes, ',.1f'),
        ('local   KL of a client, nats', self.client_kl_divergence, '.4f'),
        ('        absent classes', self.client_absent_classes, ',.1f'),
        ('global  examples of a class', self.class_sizes, ',.1f'),
    )
    statistics = (np.min, np.mean, np.median, np.max)
    names = ''.join(f'{name.__name__:>14}' for name in statistics)
    lines = [
        f'{len(self.client_sizes):,} clients, {len(self.class_sizes):,} '
        f'classes, {self.class_sizes.sum():,} examples',
        f'{"":28}{names}',
    ]
    for title, values, layout in rows:
      cells = ''.join(f'{s(values):>14{layout}}' for s in statistics)
      lines.append(f'{title:28}{cells}')
    empty = np.count_nonzero(self.client_sizes == 0)
    lines += [
        f'size    variation {self.size_variation:.2f}, largest to smallest '
        f'{self.size_ratio:,.1f}, empty clients {empty:,}',
        f'global  KL {self.kl_divergence:.4f} nats, largest to smallest '
        f'{self.class_ratio:,.1f}, absent classes {len(self.absent_classes):,}',
    ]
    return '\n'.join(lines)


def imbalance_report(counts: Any, target: Any = None) -> ImbalanceReport:
  """Measures size, local and global imbalance.

  Args:
    counts: Integers `[K, N]`, a row for each client.
    target: `float [N]`; see `astraea_tff.kl_divergence`. Uniform by default.

  Returns:
    An `ImbalanceReport`.

  Raises:
    TypeError: `counts` or `target` is not of the documented type.
    ValueError: `counts` is not `[K, N]`, or has a negative entry, or `target`
      is not a distribution over the N classes.
  """
  counts = counts_lib.check_counts(counts)
  class_sizes = counts.sum(axis=0)
  return ImbalanceReport(
      client_sizes=counts.sum(axis=1),
      client_kl_divergence=divergence.kl_divergence(counts, target),
      client_absent_classes=(counts == 0).sum(axis=1),
      class_sizes=class_sizes,
      kl_divergence=float(divergence.kl_divergence(class_sizes, target)),
  )


def _largest_to_smallest(sizes: np.ndarray) -> float:
  sizes = sizes[sizes > 0]
  return float(sizes.max() / sizes.min()) if sizes.size else 1.0
