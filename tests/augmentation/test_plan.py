"""The plan of the augmentation: which classes, how many copies."""

import json
import math

import augmentation_support as support
import numpy as np
import pytest

from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.augmentation.plan import augmentation_plan


@pytest.mark.parametrize('alpha', support.ALPHAS)
def test_copies_of_each_class(alpha):
  plan = augmentation_plan(support.COUNTS, alpha)
  expected = [1, 1, 1, 7**alpha, 1.75**alpha]
  np.testing.assert_allclose(plan.copies, expected, rtol=1e-12)
  np.testing.assert_allclose(
      plan.expected_counts, support.COUNTS * expected, rtol=1e-12
  )
  assert plan.copies.dtype == np.float64
  assert plan.counts.dtype == np.int64
  assert plan.augmented_classes == (3, 4)
  assert plan.capped_classes == ()
  assert plan.alpha == alpha


def test_alpha_0_costs_nothing():
  plan = augmentation_plan(support.COUNTS, 0)
  assert plan.expected_extra_examples == 0
  assert plan.storage_overhead == 0
  assert plan.extra_bytes(785) == 0


def test_alpha_1_brings_augmented_classes_to_the_mean():
  counts = np.random.default_rng(3).integers(1, 1000, 47)
  plan = augmentation_plan(counts, 1, max_copies=math.inf)
  below = counts < counts.mean()
  assert set(plan.augmented_classes) == set(np.flatnonzero(below))
  np.testing.assert_allclose(plan.expected_counts[below], counts.mean())
  np.testing.assert_array_equal(plan.expected_counts[~below], counts[~below])


def test_alpha_2_overshoots_the_mean():
  expected_counts = augmentation_plan(support.COUNTS, 2).expected_counts
  np.testing.assert_allclose(expected_counts, [100, 100, 100, 490, 122.5])


def test_alpha_above_1_warns_and_1_does_not(caplog):
  augmentation_plan(support.COUNTS, 1)
  assert not caplog.records
  augmentation_plan(support.COUNTS, 1.01)
  (record,) = caplog.records
  assert 'alpha = 1.01 is above 1' in record.getMessage()
  assert record.levelname == 'WARNING'


def test_storage_figures():
  plan = augmentation_plan(support.COUNTS, 1)
  # 60 more of class 3 and 30 more of class 4, on 350.
  assert plan.expected_extra_examples == pytest.approx(90)
  assert plan.storage_overhead == pytest.approx(90 / 350)
  assert plan.extra_bytes(785) == pytest.approx(90 * 785)


def test_counts_of_clients_are_added_up():
  by_client = np.array([[60, 0, 100, 10, 0], [40, 100, 0, 0, 40]])
  plan = augmentation_plan(by_client, 0.67)
  np.testing.assert_array_equal(plan.counts, support.COUNTS)
  np.testing.assert_array_equal(
      plan.copies, augmentation_plan(support.COUNTS, 0.67).copies
  )


def test_an_absent_class_counts_in_the_mean_and_is_not_augmented():
  plan = augmentation_plan([0, 30, 90], 1)
  assert plan.augmented_classes == (1,)
  np.testing.assert_allclose(plan.copies, [1, 40 / 30, 1])


def test_a_class_at_the_mean_is_not_augmented():
  assert augmentation_plan([10, 20, 30], 1).augmented_classes == (0,)
  assert augmentation_plan([7, 7, 7], 1).augmented_classes == ()


def test_no_examples_at_all():
  plan = augmentation_plan([0, 0], 1)
  np.testing.assert_array_equal(plan.copies, [1, 1])
  assert plan.storage_overhead == 0


@pytest.mark.parametrize('alpha', support.ALPHAS)
def test_rule_extra_is_one_more_for_the_same_classes(alpha):
  plan = augmentation_plan(support.COUNTS, alpha, rule='extra')
  np.testing.assert_allclose(
      plan.copies, [1, 1, 1, 1 + 7**alpha, 1 + 1.75**alpha]
  )
  assert plan.augmented_classes == (3, 4)


def test_the_cap_holds_and_its_warning_names_the_class(caplog):
  plan = augmentation_plan(support.COUNTS, 1, max_copies=5)
  np.testing.assert_allclose(plan.copies, [1, 1, 1, 5, 1.75])
  assert plan.capped_classes == (3,)
  (record,) = caplog.records
  message = record.getMessage()
  assert 'max_copies = 5 limits' in message
  assert 'class 3 (of 7.0)' in message
  assert 'class 4' not in message


def test_a_class_that_wants_just_the_cap_is_not_held_back(caplog):
  plan = augmentation_plan(support.COUNTS, 1, max_copies=7)
  np.testing.assert_array_equal(plan.copies, [1, 1, 1, 7, 1.75])
  assert plan.capped_classes == ()
  assert not caplog.records


def test_the_default_cap_is_100(caplog):
  plan = augmentation_plan([1, 10_000, 10_000], 2)
  np.testing.assert_array_equal(plan.copies, [100, 1, 1])
  assert any('class 0' in record.getMessage() for record in caplog.records)


def test_a_plan_cannot_be_changed():
  counts = support.COUNTS.copy()
  plan = augmentation_plan(counts, 1)
  counts[0] = 0
  assert plan.counts[0] == 100
  for array in (plan.copies, plan.counts):
    with pytest.raises(ValueError, match='read-only'):
      array[0] = 3
  with pytest.raises(AttributeError):
    plan.alpha = 2


def test_a_plan_survives_json():
  plan = augmentation_plan(support.COUNTS, 0.83, max_copies=3)
  again = plan_lib.AugmentationPlan.from_json(plan.to_json())
  np.testing.assert_array_equal(again.copies, plan.copies)
  np.testing.assert_array_equal(again.counts, plan.counts)
  assert again.alpha == 0.83
  assert again.augmented_classes == (3, 4)
  assert again.capped_classes == (3,)


@pytest.mark.parametrize(
    'text',
    [
        '',
        '[1]',
        '{"alpha": 1}',
        '{"alpha": 1, "copies": [0.5, 1], "counts": [1, 2],'
        ' "augmented_classes": [], "capped_classes": []}',
        '{"alpha": 1, "copies": [1, 1, 1], "counts": [1, 2],'
        ' "augmented_classes": [], "capped_classes": []}',
        '{"alpha": 1, "copies": [NaN, 1], "counts": [1, 2],'
        ' "augmented_classes": [], "capped_classes": []}',
        '{"alpha": 1, "copies": [1, 1], "counts": [1, -2],'
        ' "augmented_classes": [], "capped_classes": []}',
    ],
)
def test_refuses_json_that_is_no_plan(text):
  with pytest.raises(ValueError, match='`text` must be an augmentation plan'):
    plan_lib.AugmentationPlan.from_json(text)


@pytest.mark.parametrize(
    'counts, error, message',
    [
        (5, ValueError, r'counts must have shape \[K, N\]'),
        ([], ValueError, 'counts must have shape'),
        ([5], ValueError, 'at least 2 classes'),
        ([[5], [6]], ValueError, 'at least 2 classes'),
        (np.ones([2, 2, 2], int), ValueError, 'counts must have shape'),
        ([[1, 2], [3]], ValueError, 'counts must be rows of one length'),
        ([1, -2], ValueError, 'counts must be zero or more'),
        ([1, math.nan], ValueError, 'counts must be finite'),
        ([1, 2.5], ValueError, 'counts must be whole'),
        ([1.0, 2.0], TypeError, 'counts must hold integers'),
        ([True, False], TypeError, 'counts must hold integers'),
        (['1', '2'], TypeError, 'counts must hold integers'),
    ],
)
def test_refuses_bad_counts(counts, error, message):
  with pytest.raises(error, match=message):
    augmentation_plan(counts, 1)


@pytest.mark.parametrize('alpha', [-0.1, 2.1, math.nan, math.inf])
def test_refuses_alpha_out_of_range(alpha):
  with pytest.raises(ValueError, match=r'`alpha` must be in \[0, 2\]'):
    augmentation_plan(support.COUNTS, alpha)


@pytest.mark.parametrize('alpha', [True, '1', None])
def test_refuses_alpha_that_is_no_number(alpha):
  with pytest.raises(TypeError, match='`alpha` must be a number'):
    augmentation_plan(support.COUNTS, alpha)


def test_refuses_a_bad_cap():
  for max_copies in (0.5, -1, math.nan):
    with pytest.raises(ValueError, match=r'`max_copies` must be in \[1, inf\]'):
      augmentation_plan(support.COUNTS, 1, max_copies=max_copies)
  with pytest.raises(TypeError, match='`max_copies` must be a number'):
    augmentation_plan(support.COUNTS, 1, max_copies='100')


def test_refuses_an_unknown_rule():
  with pytest.raises(ValueError, match="`rule` must be one of total, .*'both'"):
    augmentation_plan(support.COUNTS, 1, rule='both')


def test_refuses_bad_bytes():
  plan = augmentation_plan(support.COUNTS, 1)
  with pytest.raises(ValueError, match='`bytes_per_example` must be in'):
    plan.extra_bytes(-1)
  with pytest.raises(TypeError, match='`bytes_per_example` must be a number'):
    plan.extra_bytes('785')


def test_the_cap_holds_for_the_extra_rule_too():
  plan = augmentation_plan([1, 4, 100], 1, rule='extra', max_copies=3)
  np.testing.assert_array_equal(plan.copies, [3, 3, 1])
  assert plan.capped_classes == (0, 1)
  loose = augmentation_plan([1, 4, 100], 1, rule='extra', max_copies=20)
  np.testing.assert_allclose(loose.copies, [20, 1 + 35 / 4, 1])
  assert loose.capped_classes == (0,)


@pytest.mark.parametrize('change', [
    {'alpha': 'x'}, {'augmented_classes': 'ab'}, {'augmented_classes': [9]},
    {'capped_classes': [0.5]},
])
def test_json_of_other_values_is_no_plan(change):
  plan = plan_lib.augmentation_plan([1, 4, 9], 0.5)
  fields = json.loads(plan.to_json()) | change
  with pytest.raises(ValueError, match='must be an augmentation plan as written'):
    plan_lib.AugmentationPlan.from_json(json.dumps(fields))
