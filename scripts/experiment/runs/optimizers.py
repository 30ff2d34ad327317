"""The optimizers of clients and server, and what they weigh."""

from typing import Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from experiment.runs import settings as settings_lib


def build_client_optimizer(
    settings: settings_lib.Settings,
) -> tff.learning.optimizers.Optimizer:
  """Returns the optimizer with which the clients train."""
  return _build_optimizer(
      settings.client_optimizer, settings.client_learning_rate
  )


def build_server_optimizer(
    settings: settings_lib.Settings,
) -> tff.learning.optimizers.Optimizer:
  """Returns the optimizer with which the server applies the average."""
  return _build_optimizer(
      settings.server_optimizer,
      settings.server_learning_rate,
      beta_2=settings.server_beta_2,
      epsilon=settings.server_epsilon,
  )


def build_mediator_optimizer(
    settings: settings_lib.Settings,
) -> Optional[tff.learning.optimizers.Optimizer]:
  """Returns the optimizer of the mediators between visits, or None."""
  if settings.mediator_optimizer == 'none':
    return None
  return _build_optimizer(
      settings.mediator_optimizer,
      settings.mediator_learning_rate,
      beta_1=settings.mediator_beta_1,
      # A shorter memory than Adam's default: a round has few visits.
      beta_2=0.99,
      epsilon=settings.mediator_epsilon,
  )


def _build_optimizer(name: str, learning_rate: float, **adam_options: float):
  if name == 'sgd':
    return tff.learning.optimizers.build_sgdm(learning_rate)
  return tff.learning.optimizers.build_adam(learning_rate, **adam_options)


def sent_state_bytes(
    settings: settings_lib.Settings, trainable_weights
) -> dict[str, int]:
  """Returns the bytes of the optimizers' states that go along with a model.

  They have the names under which `astraea_tff.astraea_round_bytes` takes them:
  that of the clients' optimizer where it is handed along a chain, and that of
  the mediators' where it is kept; 0 where not.
  """
  carried, kept = 0, 0
  if settings.carry_optimizer_state:
    carried = state_bytes(build_client_optimizer(settings), trainable_weights)
  mediator_optimizer = build_mediator_optimizer(settings)
  if mediator_optimizer is not None and settings.keep_mediator_state:
    kept = state_bytes(mediator_optimizer, trainable_weights)
  return dict(carry_optimizer_state_bytes=carried, mediator_state_bytes=kept)


def state_bytes(
    optimizer: tff.learning.optimizers.Optimizer, trainable_weights
) -> int:
  """Returns the size of the optimizer's state for these weights."""
  specs = tuple(
      tf.TensorSpec(weight.shape, weight.dtype) for weight in trainable_weights
  )
  state = tf.nest.flatten(optimizer.initialize(specs))
  return sum(np.asarray(tensor).nbytes for tensor in state)
