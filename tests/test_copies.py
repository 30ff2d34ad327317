"""What copies and pickles keep: values, and that arrays are read-only."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import astraea_tff
from astraea_tff import datasets
from astraea_tff.control import allocation

COUNTS = np.array([[9, 1, 0], [0, 4, 2], [3, 3, 3]])
VALUES = [
    astraea_tff.augmentation_plan(COUNTS.sum(axis=0), 1, rule='z_score'),
    astraea_tff.imbalance_report(COUNTS),
    astraea_tff.reschedule(COUNTS, max_clients=2),
    datasets.Partition.from_labels([[0, 2], [3]], [0, 1, 2, 1]),
    allocation.TrafficBudget([[1, 2], [3, 4]], 5),
    allocation.SecondsBudget([[1, 2], [3, 4]], 5),
]


@pytest.mark.parametrize('value', VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    'made', [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))],
    ids=['copy', 'deepcopy', 'pickle'],
)
def test_a_copy_has_the_values_and_no_array_that_can_be_written(value, made):
  copied = made(value)
  assert type(copied) is type(value)
  arrays = 0
  for field in dataclasses.fields(value):
    before, after = (getattr(each, field.name) for each in (value, copied))
    np.testing.assert_equal(after, before)
    if isinstance(before, np.ndarray):
      arrays += 1
      assert not before.flags.writeable and not after.flags.writeable
  assert arrays
