"""Astraea with a client learning rate that changes from round to round.

The counterpart of
`tff.learning.algorithms.build_weighted_fed_avg_with_optimizer_schedule`: the
rate is constant within a round, over all visits of all chains.
"""

import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import astraea

_LEARNING_RATE = tff.learning.optimizers.LEARNING_RATE_KEY


def build_weighted_astraea_with_optimizer_schedule(
    model_fn: Callable[[], tff.learning.models.VariableModel],
    client_learning_rate_fn: Callable[[int], float],
    client_optimizer_fn: Callable[[float], tff.learning.optimizers.Optimizer],
    **arguments: Any,
) -> tff.learning.templates.LearningProcess:
  """Builds a process that performs Astraea with a scheduled client optimizer.

  State and metrics have the structure of TFF's form for FedAvg: the state's
  `client_work` is the number of rounds so far, int32 [], and the metrics'
  `client_work` has the rate of the round as `client_learning_rate`, float32 [].
  With `max_clients=1` it trains exactly what that form trains.

  Args:
    model_fn: A no-argument function that returns a new
      `tff.learning.models.VariableModel`. A `FunctionalModel` is refused: its
      chain has no hyperparameters that could be changed.
    client_learning_rate_fn: From the round's number, from 0 on, to the learning
      rate; in TensorFlow, since the number is a tensor.
    client_optimizer_fn: From a learning rate to the clients' optimizer. What
      else depends on the rate must be among the optimizer's hyperparameters.
    **arguments: The other arguments of `astraea_tff.build_weighted_astraea`.

  Returns:
    A `tff.learning.templates.LearningProcess`.

  Raises:
    TypeError: If an argument is not of the documented type.
    ValueError: If the optimizer has no learning rate among its hyperparameters,
      or an argument is out of its range.
  """
  if isinstance(model_fn, tff.learning.models.FunctionalModel):
    raise TypeError(
        '`model_fn` must be a function that returns a VariableModel, got a'
        ' FunctionalModel.'
    )
  process = astraea.build_weighted_astraea(
      model_fn, client_optimizer_fn(1.0), **arguments
  )
  inner_type = process.initialize.type_signature.result.member
  if _LEARNING_RATE not in tff.structure.name_list(inner_type.client_work):
    raise ValueError(
        '`client_optimizer_fn` must return an optimizer with'
        f' {_LEARNING_RATE!r} among its hyperparameters, got'
        f' {inner_type.client_work}.'
    )

  @tff.tensorflow.computation(inner_type)
  def before_first_round(state):
    return state._replace(client_work=tf.constant(0, tf.int32))

  outer_type = before_first_round.type_signature.result

  @tff.tensorflow.computation(outer_type)
  def learning_rate_of_round(state):
    rate = client_learning_rate_fn(state.client_work)
    return tf.cast(rate, tf.float32)

  @tff.tensorflow.computation(outer_type, np.float32)
  def with_hparams(state, learning_rate):
    optimizer = client_optimizer_fn(learning_rate)
    optimizer_state = optimizer.initialize(tf.TensorSpec([], tf.float32))
    hparams = optimizer.get_hparams(optimizer_state)
    return state._replace(client_work=hparams)

  @tff.tensorflow.computation(inner_type, outer_type)
  def after_round(trained, before):
    return trained._replace(client_work=before.client_work + 1)

  metrics_type = process.next.type_signature.result.metrics.member

  @tff.tensorflow.computation(metrics_type, np.float32)
  def add_learning_rate(metrics, learning_rate):
    client_work = collections.OrderedDict(
        metrics['client_work'], client_learning_rate=learning_rate
    )
    return collections.OrderedDict(metrics, client_work=client_work)

  @tff.federated_computation
  def initialize():
    return tff.federated_map(before_first_round, process.initialize())

  @tff.federated_computation(
      initialize.type_signature.result, process.next.type_signature.parameter[1]
  )
  def run_round(state, mediators):
    learning_rate = tff.federated_map(learning_rate_of_round, state)
    inner_state = tff.federated_map(with_hparams, (state, learning_rate))
    output = process.next(inner_state, mediators)
    return tff.learning.templates.LearningProcessOutput(
        tff.federated_map(after_round, (output.state, state)),
        tff.federated_map(add_learning_rate, (output.metrics, learning_rate)),
    )

  @tff.tensorflow.computation(outer_type)
  def get_model_weights(state):
    return state.global_model_weights

  @tff.tensorflow.computation(
      outer_type, get_model_weights.type_signature.result
  )
  def set_model_weights(state, model_weights):
    return state._replace(global_model_weights=model_weights)

  return tff.learning.templates.LearningProcess(
      initialize, run_round, get_model_weights, set_model_weights
  )
