"""A population in numbers: how imbalanced it is, and what Astraea does to that.

The paper's three kinds of imbalance, the plan of Algorithm 2 with its result,
and the divergences before and after Algorithm 3, as text to print
(`scripts/describe.py`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from astraea_tff import datasets
from astraea_tff.datasets import kinds
from astraea_tff.labels import divergence
from astraea_tff.labels import imbalance
from astraea_tff.scheduling import greedy
from experiment.runs import names as names_lib
from experiment.runs import population as population_lib

# Drawn with the seeds 0, 1, ...
_NUM_RANDOM_SCHEDULES = 10


def describe_data(population: population_lib.Population) -> str:
  """Returns what the data are, and how imbalanced before augmentation."""
  data = population.data
  return (
      f'{names_lib.on_one_line(data.name)}: {_describe_features(data)}, '
      f'{data.label_counts.sum():,} training examples in use of '
      f'{data.num_pool_examples:,}, {len(data.test_labels):,} test examples\n'
      f'partition of seed {population.seed}: {data.partition_hash}\n\n'
      'Imbalance before augmentation, KL divergence from uniform\n'
      f'{imbalance.imbalance_report(data.label_counts)}'
  )


def _describe_features(data: datasets.PreparedDataset) -> str:
  spec = data.feature_spec
  sizes = 'x'.join(str(size) for size in spec.shape)
  if data.kind == kinds.TABLE:
    return f'{spec.dtype.name} rows of {sizes} columns'
  if data.kind == kinds.TEXT:
    words = len(data.feature_names)
    return f'{spec.dtype.name} texts of {sizes} tokens out of {words:,}'
  return f'{spec.dtype.name} images {sizes}'


def describe_augmentation(population: population_lib.Population) -> str:
  """Returns the label histogram, the plan, and what became of it.

  Only classes that the plan really adds to are named as augmented, so with
  alpha = 0 there are none.
  """
  data, plan = population.data, population.plan
  after = population.counts.sum(axis=0)
  columns = zip(
      data.class_names, plan.counts, plan.copies, plan.expected_counts, after
  )
  rows = [
      (
          names_lib.on_one_line(name), f'{before:,}', f'{copies:.3f}',
          f'{expected:,.1f}', f'{n:,}',
      )
      for name, before, copies, expected, n in columns
  ]
  augmented = _name_classes(data, np.flatnonzero(plan.copies > 1))
  header = ('class', 'before', 'copies', 'expected', 'after')
  extra_bytes = plan.extra_bytes(population_lib.bytes_per_example(data))
  return (
      f'Labels before and after augmentation, alpha = {plan.alpha:g}\n'
      f'{_format_table([header, *rows])}\n'
      f'augmented classes: {augmented}\n'
      f'held back by the cap: {_name_classes(data, plan.capped_classes)}\n'
      f'expected extra storage: {plan.expected_extra_examples:,.1f} examples, '
      f'{100 * plan.storage_overhead:.1f} %, '
      f'{extra_bytes / 1e6:,.2f} MB\n'
      f'actual extra storage: {after.sum() - plan.counts.sum():,} examples'
  )


def _name_classes(
    data: datasets.PreparedDataset, classes: Sequence[int]
) -> str:
  called = (names_lib.on_one_line(data.class_names[c]) for c in classes)
  return ', '.join(called) or 'none'


def measure_divergences(
    population: population_lib.Population,
    max_clients: Sequence[int],
    target: str,
) -> dict[str, np.ndarray]:
  """Measures how far clients and mediators are from the target.

  Args:
    population: The clients, augmented.
    max_clients: The gammas.
    target: 'uniform' or 'pooled'.

  Returns:
    By name, the divergences in nats: of the clients, float64 [K], before and
    after augmentation, and for each gamma of the mediators of augmented
    clients, float64 [M]; the random ones are those of all their schedules.
  """
  divergences = {
      name: divergence.kl_divergence(
          counts, counts.sum(axis=0) if target == 'pooled' else None
      )
      for name, counts in (
          ('clients', population.data.label_counts),
          ('augmented clients', population.counts),
      )
  }
  counts = population.counts
  target = None if target == 'uniform' else target
  for gamma in max_clients:
    divergences[f'greedy mediators of {gamma}'] = greedy.reschedule(
        counts, gamma, target=target
    ).kl_divergence
    divergences[f'random mediators of {gamma}'] = np.concatenate([
        greedy.random_schedule(
            counts, gamma, seed=seed, target=target
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


def _format_table(rows: Sequence[Sequence[str]]) -> str:
  """Aligns columns, the first to the left and numbers to the right."""
  first, *widths = [max(map(len, column)) for column in zip(*rows)]
  return '\n'.join(
      f'{name:{first}}'
      + ''.join(f'  {cell:>{width}}' for cell, width in zip(cells, widths))
      for name, *cells in rows
  )
