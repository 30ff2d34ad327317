"""What the server keeps of the clients' optimizer from round to round.

An optimizer's own state never leaves a mediator's chain. The server has its
hyperparameters (a learning rate, a momentum, ...): as numbers that a user can
read and set, or as the number of the round, from which a schedule tells them.
"""

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments

_LEARNING_RATE = tff.learning.optimizers.LEARNING_RATE_KEY


class RoundHparams(NamedTuple):
  """The hyperparameters of the clients' optimizer, round by round.

  All functions are TensorFlow.

  Attributes:
    initial_state: What the server keeps before the first round.
    of_round: Takes what the server keeps; returns the round's hyperparameters,
      or an empty structure for those that the optimizer was built with.
    after_round: Takes what the server keeps; returns what it keeps after the
      round.
    measure: Takes what the server keeps; returns measurements of the round.
    get: Takes what the server keeps; returns the hyperparameters that a user
      can read.
    set: Takes what the server keeps and such hyperparameters; returns what it
      keeps then.
  """

  initial_state: Any
  of_round: Callable[[Any], Any]
  after_round: Callable[[Any], Any]
  measure: Callable[[Any], collections.OrderedDict[str, tf.Tensor]]
  get: Callable[[Any], Any]
  set: Callable[[Any, Any], Any]


def kept(optimizer: tff.learning.optimizers.Optimizer) -> RoundHparams:
  """Returns hyperparameters that stay until a user sets others."""
  return RoundHparams(
      initial_state=_hparams_of(optimizer),
      of_round=lambda hparams: hparams,
      after_round=lambda hparams: hparams,
      measure=lambda _: collections.OrderedDict(),
      get=lambda hparams: hparams,
      set=lambda _, hparams: hparams,
  )


def built_in() -> RoundHparams:
  """Returns the hyperparameters that the optimizer was built with."""
  return RoundHparams(
      initial_state=(),
      of_round=lambda _: (),
      after_round=lambda _: (),
      measure=lambda _: collections.OrderedDict(),
      get=lambda _: collections.OrderedDict(),
      set=lambda state, _: state,
  )


def scheduled(
    learning_rate_fn: Callable[[int], float],
    optimizer_fn: Callable[[float], tff.learning.optimizers.Optimizer],
) -> RoundHparams:
  """Returns hyperparameters that follow a schedule of the learning rate.

  The server keeps the number of rounds so far, int32 [], and measures
  `client_learning_rate`, float32 [].

  Args:
    learning_rate_fn: Takes the round's number, from 0 on; returns the learning
      rate.
    optimizer_fn: Takes a learning rate; returns the clients' optimizer.

  Raises:
    TypeError: If `optimizer_fn` does not return an optimizer.
    ValueError: If the optimizer has no learning rate among its hyperparameters.
  """
  optimizer = optimizer_fn(1.0)
  arguments.check_type(
      optimizer,
      '`client_optimizer_fn(1.0)`',
      tff.learning.optimizers.Optimizer,
  )
  hparams = _hparams_of(optimizer)
  if _LEARNING_RATE not in hparams:
    raise ValueError(
        '`client_optimizer_fn` must return an optimizer with'
        f' {_LEARNING_RATE!r} among its hyperparameters, got one with'
        f' {list(hparams)}.'
    )

  def learning_rate(round_num):
    return tf.cast(learning_rate_fn(round_num), tf.float32)

  return built_in()._replace(
      initial_state=0,
      of_round=lambda num: _hparams_of(optimizer_fn(learning_rate(num))),
      after_round=lambda num: num + 1,
      measure=lambda num: collections.OrderedDict(
          client_learning_rate=learning_rate(num)
      ),
  )


def _hparams_of(optimizer: tff.learning.optimizers.Optimizer) -> Any:
  state = optimizer.initialize(tf.TensorSpec([], tf.float32))
  return optimizer.get_hparams(state)
