"""What becomes of a visit, without a chain around it."""

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.training import visit as visit_lib

INF = np.inf
NAN = np.nan


def handed(num_examples, **parts):
  values = dict(
      trainable=(tf.constant([0.5, 1.0]),),
      non_trainable=(),
      optimizer_state=(),
      metrics=(),
      mediator_state=(),
  )
  return visit_lib.Handed(tf.constant(num_examples, tf.int64), **values | parts)


def end(before, after, hand_over=lambda visit, after: after, loss=0.1):
  visit = visit_lib.Visit(
      before,
      tf.constant(2**32 + 1, tf.int64),
      visit_lib.add_loss(tf.constant(True), tf.constant(loss)),
      tf.constant([True, False, False]),
  )
  kept, undone = visit_lib.end(visit, after, hand_over)
  # The first is of an earlier visit; the second is the one that ends.
  assert undone.numpy()[[0, 2]].tolist() == [True, False]
  assert int(kept.num_examples) == (3 if undone[1] else 7)
  return bool(undone[1])


WHERE = ['non_trainable', 'optimizer_state', 'mediator_state']


@pytest.mark.parametrize('where', WHERE)
@pytest.mark.parametrize(
    'old, new, is_undone',
    [
        ([0.0, 1.0], [2.0, 3.0], False),
        # A mask, beside a number that changes.
        ([-INF, 1.0], [-INF, 3.0], False),
        ([INF, 1.0], [INF, 3.0], False),
        ([NAN, 1.0], [NAN, 3.0], False),
        # What was not finite may become so.
        ([INF, 1.0], [2.0, 3.0], False),
        ([0.0, 1.0], [0.0, INF], True),
        ([0.0, 1.0], [0.0, NAN], True),
        # Elsewhere than before.
        ([-INF, 1.0], [-INF, -INF], True),
        ([-INF, 1.0], [1.0, -INF], True),
        # Otherwise than before.
        ([-INF, 1.0], [INF, 1.0], True),
        ([-INF, 1.0], [NAN, 1.0], True),
    ],
)
def test_a_visit_is_undone_for_what_became_non_finite(
    where, old, new, is_undone
):
  before = handed(3, **{where: (tf.constant(old), tf.constant(1))})
  after = handed(7, **{where: (tf.constant(new), tf.constant(2))})
  assert end(before, after) is is_undone


@pytest.mark.parametrize('bad', [NAN, INF, -INF])
def test_a_visit_is_undone_for_a_weight_or_a_loss(bad):
  weights = (tf.constant([bad, 1.0]),)
  assert end(handed(3), handed(7, trainable=weights))
  assert end(handed(3), handed(7), loss=bad)
  assert not end(handed(3), handed(7))


def test_a_loss_that_was_not_finite_is_not_forgotten():
  has_finite_losses = tf.constant(True)
  for loss, expected in ((0.1, True), (NAN, False), (0.1, False)):
    has_finite_losses = visit_lib.add_loss(has_finite_losses, tf.constant(loss))
    assert bool(has_finite_losses) is expected


@pytest.mark.parametrize('bad', [NAN, INF, -INF])
@pytest.mark.parametrize('where', ['trainable', 'mediator_state'])
def test_a_visit_is_undone_for_what_the_mediator_makes_of_it(bad, where):
  state = dict(mediator_state=(tf.constant([0.0, 0.0]),))

  def hand_over(visit, after):
    del visit
    return after._replace(**{where: (tf.constant([bad, 0.0]),)})

  assert end(handed(3, **state), handed(7, **state), hand_over)


@pytest.mark.parametrize('dtype', [tf.float32, tf.float16])
def test_numbers_whose_sum_is_too_large_are_finite(dtype):
  large = tf.fill([3], tf.constant(0.9, dtype) * dtype.max)
  assert not np.isfinite(tf.reduce_sum(large))
  start = handed(3, trainable=(tf.zeros([3], dtype),))
  assert not end(start, handed(7, trainable=(large,)))
  with_nan = tf.concat([large[:2], tf.constant([NAN], dtype)], axis=0)
  assert end(start, handed(7, trainable=(with_nan,)))
