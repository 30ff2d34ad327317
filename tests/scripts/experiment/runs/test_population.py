"""How a test set is divided into a validation and a test part."""

import numpy as np
import pytest

from experiment.runs import population as population_lib


def test_validation_is_the_first_examples_of_every_class():
  labels = np.array([2, 0, 0, 2, 0, 2, 0, 2, 1], np.int32)
  validation, test = population_lib.split_test(labels, 0.5)
  assert validation.tolist() == [0, 1, 2, 3]
  assert test.tolist() == [4, 5, 6, 7, 8]


def test_a_product_that_is_whole_is_not_rounded_down():
  validation, _ = population_lib.split_test(np.zeros(100, np.int32), 0.29)
  assert len(validation) == 29


@pytest.mark.parametrize('fraction', [0.0, 0.2, 0.3])
def test_parts_share_nothing_and_stay_balanced(fraction):
  labels = np.random.default_rng(0).permutation(np.arange(100) % 10)
  validation, test = population_lib.split_test(labels, fraction)
  assert sorted([*validation, *test]) == list(range(100))
  assert np.bincount(labels[validation], minlength=10).tolist() == (
      [round(10 * fraction)] * 10
  )
