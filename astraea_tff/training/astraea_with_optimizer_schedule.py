"""Astraea with a client learning rate that changes from round to round.

The counterpart of
`tff.learning.algorithms.build_weighted_fed_avg_with_optimizer_schedule`: the
rate is constant within a round, over all visits of all chains.
"""

from collections.abc import Callable
from typing import Any, Union

import tensorflow_federated as tff

from astraea_tff.training import process
from astraea_tff.training import round_hparams


def build_weighted_astraea_with_optimizer_schedule(
    model_fn: Union[
        Callable[[], tff.learning.models.VariableModel],
        tff.learning.models.FunctionalModel,
    ],
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
      `tff.learning.models.VariableModel`, or a
      `tff.learning.models.FunctionalModel`.
    client_learning_rate_fn: Takes the round's number, from 0 on, and returns
      the learning rate; in TensorFlow, since the number is a tensor.
    client_optimizer_fn: Takes a learning rate and returns the clients'
      optimizer. What else depends on the rate must be among the optimizer's
      hyperparameters.
    **arguments: The other arguments of `astraea_tff.build_weighted_astraea`.

  Returns:
    A `tff.learning.templates.LearningProcess`.

  Raises:
    TypeError: If an argument is not of the documented type.
    ValueError: If the optimizer has no learning rate among its hyperparameters,
      or an argument is out of its range.
  """
  return process.compose_astraea(
      model_fn,
      client_optimizer_fn(1.0),
      hparams=round_hparams.scheduled(
          client_learning_rate_fn, client_optimizer_fn
      ),
      **arguments,
  )
