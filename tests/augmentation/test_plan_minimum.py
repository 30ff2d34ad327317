"""Floors of the numbers of copies, from who knows the classes."""

import numpy as np
import pytest

from astraea_tff.augmentation import plan as plan_lib

PLAN = plan_lib.augmentation_plan([90, 10, 40, 0], 0.67)


def test_floors_raise_and_never_lower():
  floored = PLAN.with_minimum({0: 2.5, 1: 1.5, 3: 4})
  assert PLAN.copies[1] > 1.5
  np.testing.assert_array_equal(floored.copies, [2.5, PLAN.copies[1], 1, 4])
  np.testing.assert_array_equal(floored.counts, PLAN.counts)
  assert floored.alpha == PLAN.alpha


def test_a_class_with_examples_that_gets_copies_is_augmented():
  assert PLAN.augmented_classes == (1,)
  floored = PLAN.with_minimum({0: 2, 2: 1, 3: 4})
  assert floored.augmented_classes == (0, 1)
  assert floored.expected_extra_examples == (
      pytest.approx(PLAN.expected_extra_examples + 90)
  )


def test_a_floor_above_the_cap_takes_a_class_from_the_capped_ones():
  capped = plan_lib.augmentation_plan([1, 1, 100, 100], 1, max_copies=5)
  assert capped.capped_classes == (0, 1)
  floored = capped.with_minimum({0: 1000, 1: 4})
  np.testing.assert_array_equal(floored.copies, [1000, 5, 1, 1])
  assert floored.capped_classes == (1,)


def test_no_floors_leave_the_plan_and_json_brings_floors_back():
  same = PLAN.with_minimum({})
  assert same.to_json() == PLAN.to_json()
  floored = PLAN.with_minimum({0: 1.25})
  back = plan_lib.AugmentationPlan.from_json(floored.to_json())
  np.testing.assert_array_equal(back.copies, floored.copies)
  assert back.augmented_classes == floored.augmented_classes


@pytest.mark.parametrize(
    'floors, error, message',
    [
        ({4: 2}, ValueError, 'a class of `copies_by_class` must be at most 3'),
        ({'a': 2}, TypeError, 'a class of `copies_by_class` must be an int'),
        ({0: 0.5}, ValueError, r'`copies_by_class`\[0\] must be finite and at'),
        ({0: np.inf}, ValueError, r'`copies_by_class`\[0\] must be finite'),
        ({0: '2'}, TypeError, r'`copies_by_class`\[0\] must be a number'),
        ([2, 2], TypeError, '`copies_by_class` must map classes'),
    ],
)
def test_bad_floors_are_refused_by_name(floors, error, message):
  with pytest.raises(error, match=message):
    PLAN.with_minimum(floors)
