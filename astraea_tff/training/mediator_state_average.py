"""What becomes of the state of the mediators' optimizer in a round.

Each mediator starts with the server's state, and the server's is changed by the
average of what they changed in it, with the weights of their models. The
hyperparameters are no part of that.

Every computation between the mediators and the server costs TFF's worker some
time of its own, once for every mediator (`docs/performance.md`). The plain
mean, which most processes have, is therefore one sum.
"""

import collections
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import aggregation
from astraea_tff.training import mediator_optimizer as mediator_optimizer_lib
from astraea_tff.training import precision


class StateAverage(NamedTuple):
  """How the changes of a state S are averaged, with a state A of its own.

  Attributes:
    initialize: A `tff.Computation`, `( -> A@SERVER)`.
    change: From the state before a chain, that after it and the mediator's
      weight, float32 [], to what the mediator sends, in TensorFlow.
    next: From A and S at SERVER, what the mediators send and their weights at
      CLIENTS, to A and S after the round.
  """

  initialize: tff.Computation
  change: Callable[[Any, Any, tf.Tensor], Any]
  next: Callable[
      [tff.Value, tff.Value, tff.Value, tff.Value], tuple[tff.Value, tff.Value]
  ]


@tff.federated_computation
def _nothing():
  return tff.federated_value((), tff.SERVER)


def none() -> StateAverage:
  """Returns what leaves the server's state as it is."""
  return StateAverage(
      _nothing,
      lambda before, after, weight: (),
      lambda average, state, changes, weights: (average, state),
  )


def plain(
    optimizer: mediator_optimizer_lib.MediatorOptimizer,
    state_type: tff.types.Type,
) -> StateAverage:
  """Returns the weighted mean.

  Args:
    optimizer: The mediators' optimizer.
    state_type: The type of its state.
  """

  def weighted_change(before, after, weight):
    changes = _change(optimizer, before, after)
    if not changes:
      return ()
    weighted = tf.nest.map_structure(
        lambda x: (
            precision.widen(x) * tf.cast(weight, precision.widen(x).dtype)
        ),
        changes,
    )
    return collections.OrderedDict(weighted=weighted, weight=weight)

  sum_type = tff.tensorflow.computation(
      lambda state: weighted_change(state, state, tf.constant(1.0)), state_type
  ).type_signature.result
  if not sum_type:
    return none()

  @tff.tensorflow.computation(state_type, sum_type)
  def add(state, sums):
    means = tf.nest.map_structure(
        lambda x: x / tf.cast(sums['weight'], x.dtype), sums['weighted']
    )
    return _add_change(optimizer, state, means)

  def next_fn(average, state, changes, weights):
    del weights
    return average, tff.federated_map(add, (state, tff.federated_sum(changes)))

  return StateAverage(_nothing, weighted_change, next_fn)


def of_kind(
    factory: tff.aggregators.WeightedAggregationFactory,
    optimizer: mediator_optimizer_lib.MediatorOptimizer,
    state_type: tff.types.Type,
) -> StateAverage:
  """Returns the average by an aggregator of a kind.

  Args:
    factory: The kind. The numbers of steps are averaged as they are: an
      aggregator that clips them would let an optimizer correct the bias of its
      moments wrongly.
    optimizer: The mediators' optimizer.
    state_type: The type of its state.

  Raises:
    ValueError: If the aggregator hides what it aggregates.
  """

  def change(before, after, weight):
    del weight
    return _change(optimizer, before, after)

  change_type = tff.tensorflow.computation(
      lambda state: _change(optimizer, state, state), state_type
  ).type_signature.result
  factories = dict(floats=factory, counts=tff.aggregators.MeanFactory())
  averages = {
      name: aggregation.create(factories[name], change_type[name])
      for name in tff.structure.name_list(change_type)
  }
  if 'floats' in averages:
    _check_can_average_states(averages['floats'], factory)
  if not averages:
    return none()

  @tff.federated_computation
  def initialize():
    return tff.federated_zip(
        collections.OrderedDict(
            (name, average.initialize()) for name, average in averages.items()
        )
    )

  @tff.tensorflow.computation(
      state_type,
      collections.OrderedDict(
          (name, average.next.type_signature.result.result.member)
          for name, average in averages.items()
      ),
  )
  def add(state, means):
    return _add_change(optimizer, state, means)

  def next_fn(average, state, changes, weights):
    outputs = {
        name: process.next(average[name], changes[name], weights)
        for name, process in averages.items()
    }
    means, states = (
        tff.federated_zip(
            collections.OrderedDict(
                (name, getattr(output, part))
                for name, output in outputs.items()
            )
        )
        for part in ('result', 'state')
    )
    return states, tff.federated_map(add, (state, means))

  return StateAverage(initialize, change, next_fn)


def _change(
    optimizer: mediator_optimizer_lib.MediatorOptimizer, before: Any, after: Any
) -> collections.OrderedDict[str, Any]:
  """Returns what a chain changed in the state of its mediator's optimizer.

  It has `floats`, the changes of all floating-point tensors, and `counts`,
  those of all integers (the numbers of steps), as float32 so that they can be
  averaged. A kind that does not occur is left out.
  """
  before, after = map(optimizer.without_hparams, (before, after))
  pairs = list(zip(tf.nest.flatten(before), tf.nest.flatten(after)))
  changes = collections.OrderedDict(
      floats=tuple(b - a for a, b in pairs if a.dtype.is_floating),
      counts=tuple(
          tf.cast(b - a, tf.float32) for a, b in pairs if a.dtype.is_integer
      ),
  )
  return collections.OrderedDict(
      (name, values) for name, values in changes.items() if values
  )


def _add_change(
    optimizer: mediator_optimizer_lib.MediatorOptimizer,
    state: Any,
    mean_change: Any,
) -> Any:
  """Returns the state after a mean of `_change`; counts are rounded.

  A mean that is not finite, as of a round in which nobody is left, changes
  nothing. The hyperparameters stay.
  """
  floats = iter(mean_change.get('floats', ()))
  counts = iter(mean_change.get('counts', ()))

  def add(leaf):
    if leaf.dtype.is_floating:
      mean = next(floats)
    elif leaf.dtype.is_integer:
      mean = next(counts)
    else:
      return leaf
    mean = tf.where(tf.math.is_finite(mean), mean, tf.zeros_like(mean))
    if leaf.dtype.is_integer:
      mean = tf.round(mean)
    return leaf + tf.cast(mean, leaf.dtype)

  changing = optimizer.without_hparams(state)
  added = _without_negative_squares(
      tf.nest.pack_sequence_as(
          changing, [add(leaf) for leaf in tf.nest.flatten(changing)]
      )
  )
  return optimizer.with_hparams_of(state, added)


def _without_negative_squares(state: Any) -> Any:
  """Returns the state without what rounding or an aggregator let go below 0."""
  if not isinstance(state, Mapping):
    return state
  return collections.OrderedDict(
      (
          name,
          tf.nest.map_structure(tf.nn.relu, value)
          if name == mediator_optimizer_lib.SQUARES
          else _without_negative_squares(value),
      )
      for name, value in state.items()
  )


def _check_can_average_states(
    average: tff.templates.AggregationProcess,
    factory: tff.aggregators.WeightedAggregationFactory,
) -> None:
  """Raises a ValueError for a secure or differentially private aggregator."""
  kind = ''
  if aggregation.is_secure(average):
    kind = 'secure'
  elif aggregation.is_private(average):
    kind = 'differentially private'
  if kind:
    raise ValueError(
        '`keep_mediator_state` must be False with a'
        f' `model_aggregator` that is {kind}, got True and {factory!r}: the'
        " state of the mediators' optimizer would reach the server beside what"
        ' that aggregator protects.'
    )
