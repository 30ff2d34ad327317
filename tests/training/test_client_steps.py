"""A chain's weights as one vector between visits, against the same chain."""

import numpy as np
import tensorflow as tf

from astraea_tff.training import client_steps
from astraea_tff.training import visit as visit_lib


def test_joined_weights_are_those_of_the_clients():
  """Each client adds one to a matrix and halves a number."""
  weights = dict(b=tf.reshape(tf.range(6.0), [2, 3]), a=(tf.constant(8.0),))

  def step(handed, batch):
    matrix, (number,) = handed.trainable['b'], handed.trainable['a']
    trainable = dict(b=matrix + batch, a=(number / 2,))
    return handed._replace(trainable=trainable), number

  steps = client_steps.ClientSteps(
      begin=lambda handed: handed,
      step=step,
      hand_on=lambda handed: handed._replace(
          num_examples=handed.num_examples + 5
      ),
      report=lambda handed: (handed.trainable, handed.metrics),
  )
  first = visit_lib.Handed(
      tf.constant(0, tf.int64), weights, (tf.constant(3.0),), (), 'metrics'
  )
  joined, handed = client_steps.join_weights(steps, first)
  # In the order in which TensorFlow flattens a mapping.
  np.testing.assert_array_equal(handed.trainable, [8, 0, 1, 2, 3, 4, 5])
  for _ in range(2):
    state, loss = joined.step(joined.begin(handed), 1.0)
    handed = joined.hand_on(state)
  np.testing.assert_array_equal(handed.trainable, [2, 2, 3, 4, 5, 6, 7])
  assert loss == 4 and handed.num_examples == 10
  assert handed.non_trainable == (3.0,)
  trainable, metrics = joined.report(handed)
  np.testing.assert_array_equal(trainable['b'], [[2, 3, 4], [5, 6, 7]])
  assert trainable['a'] == (2.0,) and metrics == 'metrics'
