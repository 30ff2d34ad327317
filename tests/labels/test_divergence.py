"""Tests of the fast divergence against the checked one."""

import numpy as np
import pytest

from astraea_tff.labels import divergence


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('target', [None, [1.0, 2.0, 5.0]])
def test_fast_divergences_are_the_checked_ones(dtype, target):
  counts = np.array([[3, 0, 1], [0, 0, 0], [2, 2, 2], [0, 9, 0]])
  surprisals = divergence.target_surprisals(target, counts)
  np.testing.assert_allclose(
      divergence.divergences(counts.astype(dtype), surprisals.astype(dtype)),
      divergence.kl_divergence(counts, target),
      rtol=1e-5,
      atol=1e-6,
  )


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_an_empty_histogram_is_as_far_as_any_can_be(dtype):
  empty, alone = np.zeros([1, 4], dtype), np.eye(4, dtype=dtype)
  uniform = np.full(4, np.log(4), dtype)
  (far,) = divergence.divergences(empty, uniform)
  np.testing.assert_allclose(far, np.log(4), rtol=1e-6)
  skewed = -np.log(np.array([0.1, 0.2, 0.3, 0.4], dtype))
  (far,) = divergence.divergences(empty, skewed)
  np.testing.assert_allclose(
      far, divergence.divergences(alone, skewed).max(), rtol=1e-6
  )
