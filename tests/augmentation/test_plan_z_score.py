"""The journal's rule: copies by z-scores, and classes that are thinned out."""

import math

import augmentation_support as support
import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.augmentation import one_client
from astraea_tff.augmentation import plan as plan_lib

COUNTS = np.array([10, 20, 40, 50, 50, 60, 60, 60, 400])


def plan(threshold=1.5, **options):
  return plan_lib.augmentation_plan(
      COUNTS, 0, rule='z_score', threshold=threshold, **options
  )


def test_copies_and_shares_follow_the_formula():
  mean = sum(COUNTS) / 9
  deviation = math.sqrt(sum((c - mean) ** 2 for c in COUNTS) / 9)
  made = plan()
  for label, count in enumerate(COUNTS):
    z = (count - mean) / deviation
    copies, kept = 1.0, 1.0
    if z < -1 / 1.5:
      copies = (mean - deviation * math.sqrt(-z / 1.5)) / count
      assert copies > 1
    if z > 1.5:
      kept = (mean + deviation * math.sqrt(z * 1.5)) / count
      assert kept < 1
    assert made.copies[label] == pytest.approx(copies, rel=1e-12)
    assert made.kept[label] == pytest.approx(kept, rel=1e-12)
  assert made.augmented_classes == tuple(np.flatnonzero(made.copies > 1))
  np.testing.assert_allclose(
      made.expected_counts, COUNTS * made.copies * made.kept
  )
  assert made.expected_extra_examples == pytest.approx(
      made.expected_counts.sum() - COUNTS.sum()
  )


def test_ten_classes_are_never_thinned_out_at_three():
  counts = [1] * 9 + [100_000]
  made = plan_lib.augmentation_plan(counts, 0, rule='z_score', threshold=3)
  assert (made.kept == 1).all()


def test_equal_classes_stay_and_an_absent_one_gets_nothing():
  made = plan_lib.augmentation_plan([5, 5, 5], 1, rule='z_score')
  np.testing.assert_array_equal(made.multiples, [1, 1, 1])
  made = plan_lib.augmentation_plan([0, 5, 50, 60], 1, rule='z_score')
  assert made.copies[0] == 1 and made.copies[1] > 1


def test_json_and_floors_know_what_is_kept():
  made = plan()
  back = plan_lib.AugmentationPlan.from_json(made.to_json())
  np.testing.assert_array_equal(back.kept, made.kept)
  assert 'kept' not in plan_lib.augmentation_plan(COUNTS, 1).to_json()
  floored = made.with_minimum({8: 1.0})
  assert floored.kept[8] == 1 and floored.copies[8] == 1


def test_bad_values_are_refused():
  with pytest.raises(ValueError, match='`threshold` must be finite and at lea'):
    plan(threshold=0.5)
  fields = dict(alpha=0, copies=[1, 2], counts=[1, 1])
  fields |= dict(augmented_classes=(), capped_classes=())
  for kept in ([0.5, 0.5], [0, 1], [1.5, 1], [1]):
    with pytest.raises(ValueError, match='`kept` must be a share in'):
      plan_lib.AugmentationPlan(**fields, kept=kept)


def _thinned(labels, seed, fresh=False):
  return one_client.augment(
      support.as_dataset(labels), THINNING, seed=seed,
      transform=support.unchanged, fresh_every_epoch=fresh,
  )


THINNING = plan_lib.AugmentationPlan(
    alpha=0, copies=[1, 1, 3, 1, 1], counts=[9, 9, 3, 9, 9],
    augmented_classes=(2,), capped_classes=(), kept=[0.25, 1, 1, 1, 1],
)


def test_a_class_is_thinned_out_by_chance_and_the_same_for_a_seed():
  labels = np.array([0] * 2000 + [1] * 100 + [2] * 50)
  counts = support.counts_of(_thinned(labels, 3))
  assert counts[1] == 100 and counts[2] == 150
  # Within five standard deviations.
  assert abs(counts[0] - 500) < 5 * math.sqrt(2000 * 0.25 * 0.75)
  assert support.read(_thinned(labels, 3)) == support.read(_thinned(labels, 3))
  assert support.counts_of(_thinned(labels, 4))[0] != counts[0]


def test_those_that_are_kept_are_unchanged():
  labels = np.array([0] * 40)
  originals = support.read(support.as_dataset(labels))
  kept = support.read(_thinned(labels, 1))
  assert 0 < len(kept) < 40
  assert set(kept) <= set(originals) and len(set(kept)) == len(kept)


def test_copies_as_data_draw_as_those_of_a_plan_without_a_new_trace():
  labels = support.all_labels()
  augment = one_client.augment_dataset_fn(
      plan_lib.augmentation_plan(support.COUNTS, 1), support.unchanged, True
  )
  pair = np.array([3, 4])
  dataset = support.as_dataset(labels)
  for copies in ([1, 1, 1, 7, 1.75], [0.5, 1, 2, 3, 4]):
    copies = np.array(copies)
    fixed = plan_lib.AugmentationPlan(
        alpha=0, copies=np.maximum(copies, 1), counts=support.COUNTS,
        augmented_classes=(), capped_classes=(), kept=np.minimum(copies, 1),
    )
    by_plan = one_client.augment_dataset_fn(fixed, support.unchanged, True)
    as_data = augment(dataset, pair, tf.constant(copies, tf.float32))
    assert support.read(as_data) == support.read(by_plan(dataset, pair))
  assert augment.experimental_get_tracing_count() == 1


@pytest.mark.parametrize('largest', [147, 10, 100_000])
def test_a_class_at_the_border_has_one_copy_whatever_the_rounding(largest):
  """Of nine classes alike and a tenth, z is -1/3 and 3 exactly."""
  made = plan_lib.augmentation_plan([1] * 9 + [largest], 0, rule='z_score')
  np.testing.assert_allclose(made.copies, 1, rtol=1e-12)
  np.testing.assert_allclose(made.kept, 1, rtol=1e-12)
