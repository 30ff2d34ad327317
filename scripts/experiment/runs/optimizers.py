"""The optimizers of clients and server, and what they weigh."""

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
      settings.server_optimizer, settings.server_learning_rate
  )


def _build_optimizer(name: str, learning_rate: float):
  build_fn = {
      'adam': tff.learning.optimizers.build_adam,
      'sgd': tff.learning.optimizers.build_sgdm,
  }[name]
  return build_fn(learning_rate)


def initial_weights(
    process: tff.learning.templates.LearningProcess,
) -> tff.learning.models.ModelWeights:
  """Returns the weights with which a process starts."""
  return process.get_model_weights(process.initialize())


def state_bytes(
    optimizer: tff.learning.optimizers.Optimizer, trainable_weights
) -> int:
  """Returns the size of the optimizer's state for these weights."""
  specs = tuple(
      tf.TensorSpec(weight.shape, weight.dtype) for weight in trainable_weights
  )
  state = tf.nest.flatten(optimizer.initialize(specs))
  return sum(np.asarray(tensor).nbytes for tensor in state)
