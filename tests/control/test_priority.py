"""Priorities from label counts against the formula and by enumeration."""

import numpy as np
import pytest

from astraea_tff.control import priority

COUNTS = np.array([[90, 10, 0], [30, 0, 2], [60, 18, 0], [0, 0, 0]])


def by_hand(counts, class_weights, strength):
  present = [c for c in range(counts.shape[1]) if counts[:, c].sum()]
  mean = np.mean([counts[:, c].sum() for c in present])
  weights = []
  for row in counts:
    score = sum(
        class_weights[c] * row[c] / row.sum() * mean / counts[:, c].sum()
        for c in present
        if row.sum()
    )
    weights.append(score**strength if row.sum() else 0.0)
  return weights


@pytest.mark.parametrize('strength', [0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize('class_weights', [None, [1.0, 2.0, 0.5]])
def test_weights_follow_the_formula(strength, class_weights):
  np.testing.assert_allclose(
      priority.rarity_weights(
          COUNTS, class_weights=class_weights, strength=strength
      ),
      by_hand(COUNTS, class_weights or [1, 1, 1], strength),
      rtol=1e-12,
  )


def test_whoever_holds_a_rare_class_comes_first():
  weights = priority.rarity_weights(COUNTS)
  assert weights.argmax() == 1
  assert weights[3] == 0


def test_a_flat_distribution_gives_everybody_the_same():
  flat = [[4, 0, 0], [0, 3, 1], [0, 1, 3]]
  np.testing.assert_allclose(priority.rarity_weights(flat), 1)


@pytest.mark.parametrize('factor', [1e308, 2.0**900, 2.0**-900])
def test_counts_of_any_size_weigh_as_their_shares(factor):
  shares = np.array([[1, 0.5, 0.25], [0.25, 0, 1]])
  weights = priority.rarity_weights(shares)
  assert weights[0] > weights[1] > 0
  np.testing.assert_allclose(
      priority.rarity_weights(shares * factor), weights, rtol=1e-12
  )


def test_sizes_cancel_and_an_absent_class_counts_for_nothing():
  weights = priority.rarity_weights([[1, 3], [3, 1]])
  np.testing.assert_allclose(
      weights, priority.rarity_weights([[1, 3, 0], [3, 1, 0]])
  )
  shares = priority.rarity_weights([[0.25, 0.75], [0.75, 0.25]])
  np.testing.assert_allclose(weights, shares)


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        (dict(label_shares=[1, 2]), ValueError, 'label_shares must have rank'),
        (dict(label_shares=[[1, -1]]), ValueError, 'label_shares must be zero'),
        (dict(label_shares=[[0, 0]]), ValueError, 'label_shares must hold a'),
        (dict(label_shares=[['a']]), TypeError, 'label_shares must hold int'),
        (dict(class_weights=[1, 2]), ValueError, 'each of 3 classes, got 2'),
        (dict(class_weights=[1, 2, np.nan]), ValueError, 'class_weights must'),
        (dict(strength=-1), ValueError, 'strength must be finite and at'),
        (dict(strength='2'), TypeError, 'strength must be a number'),
        (dict(strength=1e5), ValueError, 'strength must be smaller.* of 10000'),
        (
            dict(class_weights=[1e-200] * 3), ValueError,
            'or label_shares and class_weights less far apart: .* of 2 is bey',
        ),
        (dict(label_shares=[[9, 1e-320, 1]]), ValueError, 'label_shares and'),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error, message):
  with pytest.raises(error, match=message):
    priority.rarity_weights(**(dict(label_shares=COUNTS) | arguments))
