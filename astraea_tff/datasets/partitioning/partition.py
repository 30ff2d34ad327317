"""Division of a pool of labels among clients, along the paper's three axes.

Section II-B of Duan et al. (2019) describes a federated data set by the sizes
of its clients, by the class distribution over all of them and by that of each
client. `partition` draws a division with the three asked for, exactly and for a
seed.
"""

from typing import Any, Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.datasets.partitioning import global_distribution as global_axis
from astraea_tff.datasets.partitioning import local_distribution as local_axis
from astraea_tff.datasets.partitioning import distributions
from astraea_tff.datasets.partitioning import partitions
from astraea_tff.datasets.partitioning import size_distribution as size_axis
from astraea_tff.labels import counts as counts_lib
from astraea_tff import randomness


def partition(
    labels: np.ndarray,
    num_clients: int,
    num_classes: int,
    *,
    seed: int,
    size_distribution: distributions.Distribution = 'even',
    local_distribution: str = 'iid',
    global_distribution: distributions.Distribution = 'natural',
    num_examples: Optional[int] = None,
    min_size: int = 1,
    power_law_exponent: float = 2.5,
    beta: float = 0.5,
    classes_per_client: int = 2,
    imbalance_factor: float = 10.0,
) -> partitions.Partition:
  """Divides a pool of labelled examples among clients.

  Class totals, client sizes and the assignment between them are drawn one after
  the other from streams of their own, so that changing how the classes are
  spread over the clients changes neither sizes nor class totals.

  Args:
    labels: `int [n]`, the pool's labels, in [0, N).
    num_clients: K, at least 1.
    num_classes: N, at least 2.
    seed: At least 0. The same seed and arguments give the same partition.
    size_distribution: A name of `size_distribution.client_sizes`, or K sizes.
    local_distribution: A name of `local_distribution.client_class_counts`.
    global_distribution: A name of `global_distribution.class_counts`, or N
      counts.
    num_examples: How many are used. None takes the sum of the sizes or counts
      if they are given, else as many as the pool allows for the global
      distribution.
    min_size: The smallest client has at least so many examples; at least 1.
    power_law_exponent: The exponent of size 'power_law', greater than 1.
    beta: The concentration of local 'dirichlet', at least 0.01.
    classes_per_client: A client's classes under local 'n_classes', in [1, N].
    imbalance_factor: The largest class over the smallest under global
      'long_tail', at least 1.

  Returns:
    A partition with exactly the client sizes and class totals asked for.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of range, or the pool does not suffice; the
      message says for which class, and how many examples are missing.
  """
  num_clients = arguments.check_integer(num_clients, 'num_clients', 1)
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  seed = arguments.check_integer(seed, 'seed', 0)
  min_size = arguments.check_integer(min_size, 'min_size', 1)
  classes_per_client = arguments.check_integer(
      classes_per_client, 'classes_per_client', 1
  )
  power_law_exponent = arguments.check_number(
      power_law_exponent, 'power_law_exponent', 1, ends='[)'
  )
  beta = arguments.check_number(beta, 'beta', 0, ends='[)')
  imbalance_factor = arguments.check_number(
      imbalance_factor, 'imbalance_factor', 1, ends='[)'
  )
  labels = counts_lib.check_labels(labels, num_classes).astype(np.int64)
  if not isinstance(size_distribution, str):
    size_distribution = distributions.check_given_counts(
        size_distribution, 'size_distribution', num_clients, min_size
    )
    if num_examples is None:
      num_examples = int(size_distribution.sum())
  class_totals = global_axis.class_counts(
      global_distribution,
      np.bincount(labels, minlength=num_classes),
      num_examples,
      imbalance_factor=imbalance_factor,
  )
  size_rng, local_rng, deal_rng = randomness.partition_generators(seed)
  sizes = size_axis.client_sizes(
      size_distribution,
      num_clients,
      int(class_totals.sum()),
      size_rng,
      min_size=min_size,
      power_law_exponent=power_law_exponent,
  )
  counts = local_axis.client_class_counts(
      local_distribution,
      sizes,
      class_totals,
      local_rng,
      beta=beta,
      classes_per_client=classes_per_client,
  )
  parameters = dict(
      seed=seed,
      num_clients=num_clients,
      num_classes=num_classes,
      size_distribution=_as_json(size_distribution),
      local_distribution=local_distribution,
      global_distribution=_as_json(global_distribution),
      num_examples=int(class_totals.sum()),
      min_size=min_size,
      power_law_exponent=power_law_exponent,
      beta=beta,
      classes_per_client=classes_per_client,
      imbalance_factor=imbalance_factor,
  )
  return partitions.Partition(
      _deal(labels, counts, deal_rng), counts, parameters
  )


def _as_json(distribution: distributions.Distribution) -> Any:
  if isinstance(distribution, str):
    return distribution
  return np.asarray(distribution).tolist()


def _deal(
    labels: np.ndarray, counts: np.ndarray, rng: np.random.Generator
) -> list[np.ndarray]:
  """Draws the examples behind the counts; each client's in a random order."""
  shuffled = rng.permutation(len(labels))
  by_class = shuffled[np.argsort(labels[shuffled], kind='stable')]
  class_starts = np.searchsorted(labels[by_class], np.arange(counts.shape[1]))
  clients = np.arange(len(counts))
  chosen = np.concatenate([
      by_class[start : start + used]
      for start, used in zip(class_starts, counts.sum(axis=0))
  ])
  owners = np.concatenate([np.repeat(clients, column) for column in counts.T])
  order = rng.permutation(len(chosen))
  order = order[np.argsort(owners[order], kind='stable')]
  return np.split(chosen[order], np.cumsum(counts.sum(axis=1))[:-1])
