"""The baselines stand still in a round of nobody, as Astraea does."""

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf

from experiment.runs import baselines
from experiment.runs import settings as settings_lib


@pytest.mark.parametrize('algorithm', ['fedavg', 'fedprox', 'mime_lite'])
def test_a_round_in_which_everybody_dropped_out_leaves_the_model(
    algorithm, execution_context
):
  settings = settings_lib.Settings(
      dataset='digits',
      algorithm=algorithm,
      server_optimizer='adam',
      server_learning_rate=0.1,
  )
  process = baselines.build_process(settings, chain_oracle.variable_model_fn)
  somebody, nobody = chain_oracle.make_client(7, 1), chain_oracle.make_client(0, 0)
  state = process.next(process.initialize(), [somebody, somebody]).state
  after = process.next(state, [nobody, nobody]).state
  for before, now in zip(
      tf.nest.flatten(process.get_model_weights(state)),
      tf.nest.flatten(process.get_model_weights(after)),
  ):
    np.testing.assert_array_equal(now, before)
  # Adam's momentum is still there, and what comes next is learned.
  last = process.get_model_weights(process.next(after, [somebody, nobody]).state)
  assert np.isfinite(last.trainable[0]).all()
  assert (last.trainable[0] != process.get_model_weights(state).trainable[0]).any()
