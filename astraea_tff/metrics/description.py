"""Clients in numbers: how imbalanced they are, and what Astraea makes of that.

The paper's three kinds of imbalance, the plan of Algorithm 2 with what it is
expected to add, and the divergences before and after Algorithm 3 beside those
of random groups. Nothing is trained or augmented for it.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any, Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.labels import counts as counts_lib
from astraea_tff.labels import divergence
from astraea_tff.labels import imbalance
from astraea_tff.scheduling import greedy

TARGETS = ('uniform', 'pooled')
# Drawn with the seeds 0, 1, ...
_NUM_RANDOM_SCHEDULES = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Description:
  """Clients in numbers; `str(description)` is a summary to print.

  Attributes:
    label_counts: `int64 [K, N]`, each client's examples by class.
    class_names: What the N classes are called.
    imbalance: How imbalanced the clients are, from the target.
    plan: The plan of the augmentation.
    divergences: By name ('clients', 'augmented clients', and for each gamma
      'greedy mediators of 5' and 'random mediators of 5') the divergences in
      nats, as `measure_divergences` returns them.
    target: What they diverge from, 'uniform' or 'pooled'.
  """

  label_counts: np.ndarray
  class_names: tuple[str, ...]
  imbalance: imbalance.ImbalanceReport
  plan: plan_lib.AugmentationPlan
  divergences: Mapping[str, np.ndarray]
  target: str

  def __str__(self) -> str:
    return '\n\n'.join([
        f'Imbalance, KL divergence from {self.target}\n{self.imbalance}',
        describe_plan(self.plan, self.class_names),
        describe_divergences(self.divergences, self.target),
    ])


def describe(
    clients: Any,
    num_classes: int,
    *,
    label_fn: Optional[Callable[[Any], Any]] = None,
    class_names: Optional[Sequence[Any]] = None,
    alpha: float = 0.67,
    max_clients: Sequence[int] = (5,),
    target: str = 'uniform',
) -> Description:
  """Describes clients' data: how imbalanced they are, and what helps.

  Clients of any structure are read once, their labels alone. For instance

      print(astraea_tff.describe(clients, 4, label_fn=label_fn))

  The augmented clients are those that the plan makes one expect.

  Args:
    clients: A `tff.simulation.datasets.ClientData`, or a sequence of
      `tf.data.Dataset`s.
    num_classes: N, at least 2.
    label_fn: Gives the class in [0, N) that an example counts for, where its
      label is no class number; see `astraea_tff.label_counts`.
    class_names: What the N classes are called; their numbers by default.
    alpha: The augmentation factor; see `astraea_tff.augmentation_plan`.
    max_clients: How many clients a mediator has, gamma; several are compared.
    target: From which distribution divergences are, 'uniform' or 'pooled',
      that of all clients together.

  Returns:
    A `Description`. Raises what `label_counts` does.

  Raises:
    TypeError: An argument is not of the documented type.
    ValueError: An argument is out of its range, `class_names` are not N, or
      a gamma is there twice.
  """
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  max_clients = arguments.check_integers(max_clients, 'max_clients', 1)
  if not max_clients or len(set(max_clients)) < len(max_clients):
    raise ValueError(
        'max_clients must be one or several different values, got'
        f' {max_clients}.'
    )
  arguments.check_choice(target, 'target', TARGETS)
  if class_names is None:
    class_names = range(num_classes)
  class_names = tuple(' '.join(str(name).split()) for name in class_names)
  if len(class_names) != num_classes:
    raise ValueError(
        f'class_names must be {num_classes}, one for each class, got'
        f' {len(class_names)}.'
    )
  # Checked before the clients are read, which may take long.
  arguments.check_number(alpha, '`alpha`', 0, 2)
  counts = counts_lib.label_counts(clients, num_classes, label_fn=label_fn)
  plan = plan_lib.augmentation_plan(counts, alpha)
  augmented = np.rint(counts * plan.multiples).astype(np.int64)
  counts.setflags(write=False)
  return Description(
      counts,
      class_names,
      imbalance.imbalance_report(
          counts, counts.sum(axis=0) if target == 'pooled' else None
      ),
      plan,
      measure_divergences(counts, augmented, max_clients, target),
      target,
  )


def measure_divergences(
    counts: np.ndarray,
    augmented_counts: np.ndarray,
    max_clients: Sequence[int],
    target: str,
) -> dict[str, np.ndarray]:
  """Measures how far clients and mediators are from the target.

  Args:
    counts: int64 [K, N].
    augmented_counts: int64 [K, N], the same after augmentation.
    max_clients: The gammas.
    target: 'uniform', or 'pooled' for the clients' of the same counts.

  Returns:
    By name, the divergences in nats: of the clients, float64 [K], before and
    after augmentation, and for each gamma of the mediators of augmented
    clients, float64 [M]; the random ones are those of all their schedules.
  """
  divergences = {
      name: divergence.kl_divergence(
          of_clients, of_clients.sum(axis=0) if target == 'pooled' else None
      )
      for name, of_clients in (
          ('clients', counts),
          ('augmented clients', augmented_counts),
      )
  }
  target = None if target == 'uniform' else target
  for gamma in max_clients:
    divergences[f'greedy mediators of {gamma}'] = greedy.reschedule(
        augmented_counts, gamma, target=target
    ).kl_divergence
    divergences[f'random mediators of {gamma}'] = np.concatenate([
        greedy.random_schedule(
            augmented_counts, gamma, seed=seed, target=target
        ).kl_divergence
        for seed in range(_NUM_RANDOM_SCHEDULES)
    ])
  return divergences


def describe_divergences(
    divergences: Mapping[str, np.ndarray], target: str
) -> str:
  """Returns a table of what `measure_divergences` measured."""
  rows = [('', 'number', 'min', 'mean', 'median', 'max')]
  for name, values in divergences.items():
    statistics = (f(values) for f in (np.min, np.mean, np.median, np.max))
    rows.append(
        (name, f'{len(values):,}', *(f'{value:.4f}' for value in statistics))
    )
  return (
      f'KL divergence from the {target} distribution, nats\n'
      f'{_format_table(rows)}\n'
      'Mediators are of augmented clients; the random ones are those of'
      f' {_NUM_RANDOM_SCHEDULES} schedules.'
  )


def describe_plan(
    plan: plan_lib.AugmentationPlan,
    class_names: Sequence[str],
    class_sizes: Optional[np.ndarray] = None,
    bytes_per_example: Optional[int] = None,
) -> str:
  """Returns the label histogram, the plan, and what became of it.

  Only classes that the plan really adds to are named as augmented, so with
  alpha = 0 there are none.

  Args:
    plan: The plan.
    class_names: What its N classes are called, each on one line.
    class_sizes: int64 [N], the examples after augmentation, if there was one.
    bytes_per_example: What an example takes, if that is known.
  """
  columns = [
      ('class', class_names),
      ('before', (f'{size:,}' for size in plan.counts)),
      ('copies', (f'{copies:.3f}' for copies in plan.copies)),
      ('expected', (f'{size:,.1f}' for size in plan.expected_counts)),
  ]
  if class_sizes is not None:
    columns.append(('after', (f'{size:,}' for size in class_sizes)))
  rows = zip(*([title, *cells] for title, cells in columns))

  def name(classes):
    return ', '.join(class_names[label] for label in classes) or 'none'

  extra = (
      f'{plan.expected_extra_examples:,.1f} examples,'
      f' {100 * plan.storage_overhead:.1f} %'
  )
  if bytes_per_example is not None:
    extra += f', {plan.extra_bytes(bytes_per_example) / 1e6:,.2f} MB'
  lines = [
      f'Labels before and after augmentation, alpha = {plan.alpha:g}',
      _format_table(list(rows)),
      f'augmented classes: {name(np.flatnonzero(plan.copies > 1))}',
      f'held back by the cap: {name(plan.capped_classes)}',
      f'expected extra storage: {extra}',
  ]
  if class_sizes is not None:
    added = class_sizes.sum() - plan.counts.sum()
    lines.append(f'actual extra storage: {added:,} examples')
  return '\n'.join(lines)


def _format_table(rows: Sequence[Sequence[str]]) -> str:
  """Aligns columns, the first to the left and numbers to the right."""
  first, *widths = [max(map(len, column)) for column in zip(*rows)]
  return '\n'.join(
      f'{name:{first}}'
      + ''.join(f'  {cell:>{width}}' for cell, width in zip(cells, widths))
      for name, *cells in rows
  )
