"""Tests of `experiment.runs.optimizers`."""

import pytest
import tensorflow as tf

from experiment.runs import optimizers
from experiment.runs import settings as settings_lib

_SPECS = (tf.TensorSpec([2], tf.float32),)


def test_the_mediators_adam_has_the_settings():
  optimizer = optimizers.build_mediator_optimizer(
      settings_lib.Settings(
          mediator_optimizer='adam',
          mediator_learning_rate=3e-3,
          mediator_beta_1=0.25,
          mediator_epsilon=1e-4,
      )
  )
  assert dict(optimizer.get_hparams(optimizer.initialize(_SPECS))) == dict(
      learning_rate=3e-3, beta_1=0.25, beta_2=0.99, epsilon=1e-4
  )


def test_without_momentum_a_step_has_the_sign_of_its_own_gradient():
  optimizer = optimizers.build_mediator_optimizer(
      settings_lib.Settings(
          mediator_optimizer='adam',
          mediator_learning_rate=0.1,
          mediator_beta_1=0.0,
          mediator_epsilon=1e-9,
      )
  )
  weights, state = (tf.zeros([2]),), optimizer.initialize(_SPECS)
  state, (first,) = optimizer.next(state, weights, (tf.constant([1.0, -2.0]),))
  assert first.numpy() == pytest.approx([-0.1, 0.1])
  # The second moments are (0.99 + 1) / 1.99 of 1 and of 4.
  _, (second,) = optimizer.next(state, (first,), (tf.constant([-1.0, 2.0]),))
  assert second.numpy() == pytest.approx([0.0, 0.0], abs=1e-7)


def test_there_is_no_optimizer_where_none_is_asked_for():
  assert optimizers.build_mediator_optimizer(settings_lib.Settings()) is None
