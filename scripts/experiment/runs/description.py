"""A population in numbers: how imbalanced it is, and what Astraea does to that.

What `astraea_tff.describe` says of any clients, with what is known of those of
`scripts/describe.py`: their name, their kind, and how they were augmented.
"""

from astraea_tff import datasets
from astraea_tff.datasets import kinds
from astraea_tff.labels import imbalance
from astraea_tff.metrics import description
from experiment.runs import names as names_lib
from experiment.runs import population as population_lib


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
  """Returns the label histogram, the plan, and what became of it."""
  data = population.data
  return description.describe_plan(
      population.plan,
      [names_lib.on_one_line(name) for name in data.class_names],
      population.counts.sum(axis=0),
      population_lib.bytes_per_example(data),
  )
