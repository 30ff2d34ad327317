"""EMNIST, and the five distributed EMNIST sets of the paper's Table I.

EMNIST (Cohen et al. 2017, arXiv:1702.05373) holds handwritten digits and
letters of 28x28 pixels. Duan et al. (2019) resample 47 classes of it to 117,500
or 230,752 training examples on 500 clients, and 18,800 balanced ones for
testing. We take TFDS's `emnist/bymerge`, because `emnist/balanced` has 2,400
training examples of a class and BAL1 alone needs 2,500.

A smaller pool gives the same sets at a fraction: as many times fewer examples
on as many times fewer clients, who keep their sizes and their mixes.
"""

from collections.abc import Mapping
import dataclasses
import math
import os
import types
from typing import Any, Optional, Union

import numpy as np

from astraea_tff import arguments
from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets.partitioning import distributions
from astraea_tff.datasets.partitioning import global_distribution
from astraea_tff.datasets.sources import kept_for_testing
from astraea_tff.datasets.sources import tfds_images

# Fifteen letters have one class for both cases, the others one for each.
CLASS_NAMES = tuple('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt')
NUM_CLIENTS = 500

_LETTERS = 'letter_frequency_any_case'
# Table I as arguments of `partition`. Its local axis "Balanced" is
# 'proportional', which gives each client of BAL1 five examples of each class.
TABLE_I: Mapping[str, Mapping[str, Any]] = types.MappingProxyType({
    name: dict(
        num_examples=num_examples,
        size_distribution=sizes,
        global_distribution=classes,
        local_distribution=mixes,
    )
    for name, num_examples, sizes, classes, mixes in (
        ('emnist_bal1', 117_500, 'even', 'balanced', 'proportional'),
        ('emnist_bal2', 117_500, 'even', 'balanced', 'random'),
        ('emnist_ins', 117_500, 'instagram', 'balanced', 'random'),
        ('emnist_ltrf1', 117_500, 'instagram', _LETTERS, 'random'),
        ('emnist_ltrf2', 230_752, 'instagram', _LETTERS, 'random'),
    )
})

TEST_EXAMPLES_PER_CLASS = 400


def load_emnist(
    name: str = 'emnist/bymerge',
    data_dir: Optional[Union[str, os.PathLike]] = None,
) -> federated_dataset.LabelledExamples:
  """Loads a set of EMNIST with its images upright.

  NIST stores the images transposed, and TFDS hands them on as they are.

  Args:
    name: 'emnist/bymerge', 'emnist/balanced' or another name that TFDS has.
    data_dir: See `load_tfds_images`.

  Returns:
    Images of 28x28x1, upright; the split 'train' is the pool and 'test' the
    test set. Sets of 47 classes have `CLASS_NAMES`, the others TFDS's numbers.

  Raises:
    ValueError: TFDS has no such data set.
    RuntimeError: The data are not there and cannot be had, or are damaged.
  """
  data = tfds_images.load_tfds_images(name, data_dir)
  is_named = data.num_classes == len(CLASS_NAMES)
  return dataclasses.replace(
      data,
      class_names=CLASS_NAMES if is_named else data.class_names,
      features=data.features.swapaxes(1, 2),
      test_features=data.test_features.swapaxes(1, 2),
  )


def scale(number: int, fraction: float) -> int:
  """Returns a fraction of a number of Table I, rounded, at least 1.

  Args:
    number: At least 1.
    fraction: In (0, 1].

  Raises:
    TypeError: The fraction is no number.
    ValueError: The fraction is out of range.
  """
  fraction = arguments.check_number(fraction, 'fraction', 0, 1, ends='(]')
  return max(1, round(number * fraction))


def check_every_class(name: str, fraction: float, labels: np.ndarray) -> None:
  """Checks that a fraction of a set has an image of every class of the pool.

  Args:
    name: A key of `TABLE_I`.
    fraction: In (0, 1].
    labels: `int32 [m]`, in [0, 47), the labels of the pool.

  Raises:
    TypeError: The fraction is no number.
    ValueError: The fraction is out of range or too small; the message says
      which would do.
    PoolTooSmallError: The pool has too few of a class.
  """
  division, available = TABLE_I[name], _count(labels)
  distribution, all_of_it = (
      division[key] for key in ('global_distribution', 'num_examples')
  )
  total = scale(all_of_it, fraction)
  counts = global_distribution.class_counts(distribution, available, total)
  lacking = np.flatnonzero((counts == 0) & (available > 0))
  if lacking.size:
    shares = global_distribution.class_shares(
        distribution, len(available), available=available
    )
    # With half an image more for the rounding of the total.
    enough = (1 / shares[shares > 0].min() + 0.5) / all_of_it
    raise ValueError(
        f'fraction={fraction:g} of {name} leaves no image of class {lacking[0]}'
        f' ({CLASS_NAMES[lacking[0]]}), as it has {total} in all; give'
        f' {math.ceil(enough * 1000) / 1000:g} or more.'
    )


def largest_fraction(
    name: str, num_examples: int, test_per_class: Optional[int] = None
) -> float:
  """Returns which fraction of a set fits, in thousandths, rounded down.

  Args:
    name: A key of `TABLE_I`.
    num_examples: The most examples that the pool has in the set's proportions.
    test_per_class: The most images that the test split has of every class; None
      if it has enough.
  """
  thousandths = num_examples * 1000 // TABLE_I[name]['num_examples']
  if test_per_class is not None:
    thousandths = min(
        thousandths, test_per_class * 1000 // TEST_EXAMPLES_PER_CLASS
    )
  return thousandths / 1000


def load_table_i(
    data_dir: Optional[Union[str, os.PathLike]] = None,
    *,
    test_per_class: int = TEST_EXAMPLES_PER_CLASS,
    name: Optional[str] = None,
) -> federated_dataset.LabelledExamples:
  """Loads the pool and the test set of Table I: `emnist/bymerge`.

  Args:
    data_dir: See `load_tfds_images`.
    test_per_class: Test images of each class, at least 1.
    name: A key of `TABLE_I`, of which an error says the fraction that fits.

  Returns:
    The pool is the whole split 'train', 697,932 images of the official files;
    the test set has `test_per_class` images of each class, which are the same
    every time.

  Raises:
    TypeError: `test_per_class` is no whole number.
    ValueError: The test split has fewer of a class.
    RuntimeError: The data are not there and cannot be had, or are damaged.
  """
  test_per_class = arguments.check_integer(test_per_class, 'test_per_class', 1)
  data = load_emnist('emnist/bymerge', data_dir)
  advice = 'a smaller fraction'
  if name is not None:
    fraction = _fraction_that_fits(name, data.labels, data.test_labels)
    advice = f'leave it out with a fraction of {name} of at most {fraction:g}'
  chosen = balanced_test_indices(data.test_labels, test_per_class, advice)
  return dataclasses.replace(
      data,
      test_features=data.test_features[chosen],
      test_labels=data.test_labels[chosen],
  )


def _count(labels: np.ndarray) -> np.ndarray:
  return np.bincount(labels, minlength=len(CLASS_NAMES))


def _fraction_that_fits(
    name: str, labels: np.ndarray, test_labels: np.ndarray
) -> float:
  """Returns the largest fraction for which pool and test split suffice."""
  available = _count(labels)
  shares = global_distribution.class_shares(
      TABLE_I[name]['global_distribution'],
      len(available),
      available=available,
  )
  return largest_fraction(
      name,
      global_distribution.largest_total(shares, available),
      int(_count(test_labels).min()),
  )


def balanced_test_indices(
    labels: np.ndarray,
    per_class: int = TEST_EXAMPLES_PER_CLASS,
    advice: str = 'a smaller fraction',
) -> np.ndarray:
  """Draws the examples of Table I's test set, by a seed of its own.

  Args:
    labels: `int32 [m]`, in [0, 47), the labels of the test split.
    per_class: How many are drawn of each class.
    advice: What would do too where there are too few, for the message.

  Returns:
    `int64 [47 * per_class]`, ascending, without repetition.

  Raises:
    ValueError: There are too few of a class; the message says how many
      are missing.
  """
  counts = _count(labels)
  lacking = np.flatnonzero(counts < per_class)
  if lacking.size:
    lacks = distributions.join_some([
        f'class {label} ({CLASS_NAMES[label]}) has {counts[label]} '
        f'({per_class - counts[label]} missing)' for label in lacking
    ])
    raise ValueError(
        f'The test set of Table I takes {per_class} images of each class from '
        f"EMNIST's test split, but {lacks}. Give a test_per_class of at most "
        f'{counts.min()}, or {advice}; or delete the folder '
        "emnist/bymerge of TFDS's data to have it prepared again from the "
        'official files.'
    )
  _, test = kept_for_testing.split(labels, len(CLASS_NAMES), per_class)
  return np.sort(test)
