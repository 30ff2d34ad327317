"""Class weights from recall against the formula by hand."""

import numpy as np
import pytest

from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.control import feedback
from astraea_tff.control import priority
from astraea_tff.scheduling import sampling

NAN = float('nan')
COUNTS = np.array([[90, 10, 0], [30, 0, 2], [60, 18, 1]])


def make(**options):
  return feedback.ClassFeedback(3, **options)


def test_weights_follow_the_moving_average_of_the_recall():
  classes = make(decay=0.8, floor=0.15, power=1.5)
  classes.update([1.0, 0.5, 0.2])
  classes.update([1.0, 1.0, 0.0])
  average = np.array([1.0, 0.8 * 0.5 + 0.2 * 1.0, 0.8 * 0.2])
  raw = (1 - average + 0.15) ** 1.5
  np.testing.assert_allclose(classes.weights, raw / raw.mean(), rtol=1e-12)
  assert classes.weights.mean() == pytest.approx(1)


def test_without_recall_and_with_perfect_recall_all_weigh_the_same():
  classes = make()
  np.testing.assert_array_equal(classes.weights, 1)
  classes.update([1, 1, 1])
  np.testing.assert_allclose(classes.weights, 1)


def test_a_class_without_validation_examples_keeps_weight_one():
  classes = make()
  classes.update([0.9, NAN, 0.3])
  assert classes.weights[1] == 1
  assert classes.weights[[0, 2]].mean() == pytest.approx(1)
  classes.update([NAN, 0.4, NAN])
  np.testing.assert_allclose(classes.state['recall'], [0.9, 0.4, 0.3])
  classes.update([NAN] * 3)
  np.testing.assert_allclose(classes.state['recall'], [0.9, 0.4, 0.3])


def test_priorities_multiply():
  plain, expert = make(), make(priorities={0: 2.0, 2: 0.5})
  np.testing.assert_array_equal(expert.weights, [2.0, 1.0, 0.5])
  for classes in (plain, expert):
    classes.update([0.9, 0.5, 0.1])
  np.testing.assert_allclose(expert.weights, plain.weights * [2.0, 1.0, 0.5])


def test_copies_are_the_plan_s_times_the_weights_within_bounds():
  plan = plan_lib.augmentation_plan([900, 100, 10], 0.67)
  classes = make()
  classes.update([0.95, 0.6, 0.1])
  expected = np.clip(plan.copies * classes.weights, 0.5, 8)
  np.testing.assert_array_equal(classes.copies(plan), expected)
  assert expected[0] == 0.5 and expected[2] == 8 and 0.5 < expected[1] < 8
  wide = classes.copies(plan, smallest=1, largest=100)
  np.testing.assert_array_equal(
      wide, np.maximum(plan.copies * classes.weights, 1)
  )


def test_sampling_takes_rarity_times_weights_from_the_round_s_stream():
  classes = make(priorities={1: 5.0})
  classes.update([0.9, 0.5, 0.1])
  weights = priority.rarity_weights(
      COUNTS, class_weights=classes.weights, strength=1.0
  )
  for round_num in range(20):
    assert classes.sample(
        COUNTS, 2, seed=3, round_num=round_num, strength=1.0
    ) == sampling.sample_mediators(
        3, 2, seed=3, round_num=round_num, weights=weights
    )


def test_a_restored_state_goes_on_as_the_unbroken_one():
  recalls = np.random.default_rng(0).random((9, 3))
  recalls[2, 1] = recalls[0, 0] = NAN
  unbroken, broken = make(), make()
  for recall in recalls[:4]:
    broken.update(recall)
  saved = {name: np.array(array) for name, array in broken.state.items()}
  resumed = make()
  resumed.state = saved
  for recall in recalls:
    unbroken.update(recall)
  for recall in recalls[4:]:
    resumed.update(recall)
  np.testing.assert_array_equal(resumed.weights, unbroken.weights)
  resumed.state['recall'][:] = 0
  np.testing.assert_array_equal(resumed.weights, unbroken.weights)


@pytest.mark.parametrize(
    'call, error, message',
    [
        (lambda: make(decay=1), ValueError, r'decay must be in \[0, 1\)'),
        (lambda: make(floor=0), ValueError, r'floor must be in \[1e-06, 1000'),
        (lambda: make(floor=5e-324), ValueError, 'floor must be in'),
        (lambda: make(power=1e4), ValueError, r'power must be in \[0, 50\]'),
        (
            lambda: make(priorities={1: 1.7e308}), ValueError,
            r'priorities\[1\] must be in \[1e-06, 1e\+06\], got 1.7e\+308',
        ),
        (lambda: make(power='1'), TypeError, 'power must be a number'),
        (lambda: make(priorities={3: 2.0}), ValueError, 'must be at most 2'),
        (lambda: make(priorities={1: 0}), ValueError, r'priorities\[1\] must'),
        (lambda: make(priorities=[1, 2]), TypeError, 'priorities must map'),
        (lambda: make().update([0.1, 0.2]), ValueError, 'each of 3 classes'),
        (lambda: make().update([0, 1, 90]), ValueError, r'recall\[2\] is 90'),
        (lambda: make().update(['a'] * 3), TypeError, 'recall must hold'),
        (
            lambda: make().copies(plan_lib.augmentation_plan([1, 2], 0.5)),
            ValueError,
            'must be of 3 classes, got one of 2',
        ),
        (lambda: make().copies([1, 2, 3]), TypeError, '`plan` must be'),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, message):
  with pytest.raises(error, match=message):
    call()
