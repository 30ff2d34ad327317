"""Tests of uniform draws, against TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff import randomness


@pytest.mark.parametrize('dtype', [tf.float32, tf.float64])
@pytest.mark.parametrize('shape', [[], [7], [40, 3], [0, 5]])
def test_draws_are_tensorflows(shape, dtype):
  draws = randomness.uniform(shape, (3, 2**40), dtype)
  expected = tf.random.stateless_uniform(shape, (3, 2**40), dtype=dtype)
  assert draws.dtype == dtype
  np.testing.assert_array_equal(draws, expected)


def test_another_seed_gives_other_draws():
  draws = randomness.uniform([100], (1, 2), tf.float32).numpy()
  others = randomness.uniform([100], (1, 3), tf.float32).numpy()
  assert not np.isin(draws, others).any()
