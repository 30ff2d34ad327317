"""Data sets in memory, by name."""

import dataclasses
import os
from typing import Any, Optional, Union

from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets.partitioning import global_distribution
from astraea_tff.datasets.partitioning import partition as partition_lib
from astraea_tff.datasets.sources import presets


def load(
    name: str,
    *,
    num_clients: Optional[int] = None,
    seed: int,
    data_dir: Optional[Union[str, os.PathLike]] = None,
    fraction: Optional[float] = None,
    test_per_class: Optional[int] = None,
    **partition_arguments: Any,
) -> federated_dataset.FederatedDataset:
  """Loads a data set and divides its training examples among clients.

  Args:
    name: A built-in name, or that of any image-classification set of TensorFlow
      Datasets with images of one shape and splits 'train' and 'test', such as
      'fashion_mnist', 'cifar100', 'svhn_cropped' or 'emnist/balanced'. Built in
      are 'digits' (bundled with scikit-learn; 28x28x1), 'mnist' (28x28x1),
      'cifar10' and 'cinic10' (32x32x3); the tables 'breast_cancer' (30 columns)
      and 'wine' (13), bundled with scikit-learn; and 'messages', short texts of
      a grammar. 'tff_emnist', 'tff_cifar100' and 'tff_stackoverflow' are the
      synthetic sets of TFF, a handful of examples. Other names stand for a
      division too: 'emnist_bal1', 'emnist_bal2', 'emnist_ins', 'emnist_ltrf1'
      and 'emnist_ltrf2' for Table I of Duan et al. (2019) with K = 500, and
      'cifar10_imbalanced' and 'cinic10_imbalanced' for a global standard normal
      with K = 100. TensorFlow Datasets downloads what is not there yet.
    num_clients: K, at least 1. None takes that of the name, if it says one.
    seed: The seed of the division, at least 0. The test set does not depend on
      it.
    data_dir: Where TensorFlow Datasets keeps its data; by default TFDS's own
      choice. What is bundled needs none.
    fraction: How much of a set of Table I, in (0, 1]: 0.12 has 14,100 of
      117,500 examples, 60 of 500 clients and 48 of 400 test images a class.
    test_per_class: Test images of each class of a set of Table I, at least 1,
      where the fraction's are not wanted.
    **partition_arguments: Keyword arguments of `partition`: the three
      distributions, their parameters and `num_examples`. They come before what
      the name says; None leaves an argument to the name, and to the default of
      `partition` if that says nothing.

  Returns:
    The data set.

  Raises:
    TypeError: An argument has a wrong type, or is unknown.
    ValueError: The name is unknown, an argument is out of range or does not
      go with the name, or there are too few examples for the distributions;
      the message says what would do.
    RuntimeError: The data are neither there nor can be downloaded.
  """
  preset = presets.find_preset(name, fraction, test_per_class)
  if num_clients is None:
    num_clients = preset.num_clients
  if num_clients is None:
    raise ValueError(
        f'num_clients must be given: the data set {name!r} does not say how '
        'many clients it is divided among.'
    )
  arguments = presets.partition_arguments(name, partition_arguments, fraction)
  data = preset.load_examples(data_dir)
  try:
    presets.check_fraction(name, fraction, arguments, data.labels)
    partition = partition_lib.partition(
        data.labels, num_clients, data.num_classes, seed=seed, **arguments
    )
  except global_distribution.PoolTooSmallError as error:
    advice = presets.advise_fraction(name, error.largest)
    raise ValueError(f'{error}{advice}') from error
  return federated_dataset.FederatedDataset(
      **{field.name: getattr(data, field.name)
         for field in dataclasses.fields(data)},
      name=name,
      partition=partition,
  )
