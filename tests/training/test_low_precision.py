"""Norms and steps on weights of low precision, against NumPy's in float64."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import aggregation
from astraea_tff.training import clipping
from astraea_tff.training import flat_optimizer
from astraea_tff.training import mediator_optimizer
from astraea_tff.training import visit as visit_lib

# The relative spacing of each dtype's numbers.
PRECISIONS = {
    tf.float16: 2.0**-10,
    tf.bfloat16: 2.0**-7,
    tf.float32: 1e-5,
    tf.float64: 1e-12,
}


def visit_of(before, num_batches=1, mediator_state=()):
  handed = visit_lib.Handed(
      tf.constant(0, tf.int64), before, (), (), (), mediator_state
  )
  return visit_lib.Visit(
      handed,
      tf.constant(num_batches - 1, tf.int64),
      tf.constant(True),
      tf.constant([False]),
  )


def clip(before, after, norm):
  visit = visit_of(before)
  handed = visit.before._replace(trainable=after)
  return clipping.clip_update(norm)(visit, handed).trainable


def norm_of(weights):
  vectors = [np.asarray(tf.cast(w, tf.float64)).ravel() for w in weights]
  return np.linalg.norm(np.concatenate(vectors))


@pytest.mark.parametrize('dtype', PRECISIONS, ids=lambda d: d.name)
@pytest.mark.parametrize('size', [100, 70_000, 300_000])
def test_clipping_many_numbers(dtype, size):
  """Their squares sum to more than a float16 holds."""
  before = (tf.zeros([size], dtype), tf.zeros([], dtype))
  after = (tf.fill([size], tf.constant(0.125, dtype)), tf.ones([], dtype))
  clipped = clip(before, after, 1.0)
  assert [w.dtype for w in clipped] == [dtype] * 2
  expected = np.float64(1.0) / norm_of(after)
  rtol = PRECISIONS[dtype]
  for weight, factor in zip(clipped, (0.125, 1.0)):
    np.testing.assert_allclose(
        tf.cast(weight, tf.float64), expected * factor, rtol=rtol
    )


def test_clipping_an_update_that_float16_does_not_hold():
  before = (tf.constant([60_000.0, 0.0], tf.float16),)
  after = (tf.constant([-60_000.0, 0.0], tf.float16),)
  (clipped,) = clip(before, after, 30_000.0)
  np.testing.assert_allclose(clipped, [30_000.0, 0.0], rtol=1e-3)


def test_clipping_an_update_whose_squares_float32_does_not_hold():
  (clipped,) = clip((tf.zeros([2]),), (tf.constant([3e25, 4e25]),), 5.0)
  np.testing.assert_allclose(clipped, [3.0, 4.0], rtol=1e-6)


def test_clipping_an_update_that_float32_does_not_hold():
  (clipped,) = clip(
      (tf.zeros([2], tf.float64),),
      (tf.constant([3e100, 4e100], tf.float64),),
      5.0,
  )
  np.testing.assert_allclose(clipped, [3.0, 4.0], rtol=1e-12)


def test_an_update_a_little_too_long_is_clipped():
  (clipped,) = clip((tf.zeros([2]),), (tf.constant([1.005, 0.0]),), 1.0)
  np.testing.assert_allclose(clipped, [1.0, 0.0], rtol=1e-6)


def test_a_short_update_stays_to_the_bit():
  before = (tf.constant([0.1, 0.2], tf.float16),)
  after = (tf.constant([0.11, 0.2003], tf.float16),)
  np.testing.assert_array_equal(clip(before, after, 1.0)[0], after[0])


@pytest.mark.parametrize('dtype', PRECISIONS, ids=lambda d: d.name)
@pytest.mark.parametrize('num_batches', [257, 70_000])
@pytest.mark.parametrize('num_weights', [1, 2])
def test_mediator_steps_after_many_batches(dtype, num_batches, num_weights):
  """By the client's mean step times a power of their number."""
  before = (tf.zeros([2], dtype),) * num_weights
  after = (tf.constant([64.0, -32.0], dtype),) * num_weights
  if num_weights > 1:
    before, after = flat_optimizer.join(before), flat_optimizer.join(after)
  optimizer = mediator_optimizer.MediatorOptimizer(
      tff.learning.optimizers.build_sgdm(1.0),
      [tf.TensorSpec([2], dtype)] * num_weights,
      step_power=0.5,
  )
  assert optimizer.takes_vector == (num_weights > 1)
  state = optimizer.initialize()
  visit = visit_of(before, num_batches, state)
  handed = optimizer.build_hand_over()(
      visit, visit.before._replace(trainable=after)
  ).trainable
  (weight,) = tf.nest.flatten(handed)
  assert weight.dtype == dtype
  np.testing.assert_allclose(
      tf.cast(weight, tf.float64),
      np.array([64.0, -32.0] * num_weights) / num_batches**0.5,
      rtol=max(4 * PRECISIONS[dtype], 1e-6),
  )


@pytest.mark.parametrize('dtype', [np.float16, tf.bfloat16.as_numpy_dtype])
@pytest.mark.parametrize(
    'factory',
    [tff.aggregators.MeanFactory(), tff.learning.robust_aggregator()],
    ids=['mean', 'robust'],
)
def test_an_average_of_more_examples_than_float16_holds(
    dtype, factory, execution_context
):
  value_type = tff.to_type([(dtype, [2]), (np.float32, [])])
  process = aggregation.create(factory, value_type)
  values = [
      (np.array([0.5, -0.25], dtype), np.float32(0.5)),
      (np.array([0.0, 0.125], dtype), np.float32(-0.5)),
      (np.zeros(2, dtype), np.float32(0)),
  ]
  output = process.next(
      process.initialize(), values, [np.float32(120_000), np.float32(40_000), np.float32(0)]
  )
  first, second = output.result
  assert first.dtype == dtype and second.dtype == np.float32
  np.testing.assert_allclose(first.astype(float), [0.375, -0.15625], rtol=1e-2)
  np.testing.assert_allclose(second, 0.25, rtol=1e-6)
