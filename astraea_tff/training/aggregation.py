"""Aggregation of mediators' updates, in which some count as nothing.

A mediator has nothing to say if its clients dropped out or all were undone. Its
weight is zero then, and its update is zeros. A weighted mean passes over it. An
unweighted mean takes the zeros for an update, and a server with momentum takes
a round of zeros for a round. What is built here passes over it in any mean, and
tells the server if nobody is left.
"""

from collections.abc import Sequence
import math

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import precision


def create(
    factory: tff.aggregators.WeightedAggregationFactory,
    value_type: tff.types.Type,
) -> tff.templates.AggregationProcess:
  """Creates an aggregator that passes over values of weight zero.

  Its state and its measurements are those of the factory's process. A
  `tff.aggregators.UnweightedMeanFactory`, wherever it stands in the factory,
  divides by the number of values that count. If no value counts, the state
  stays and the result is NaN: `build_apply_optimizer_finalizer` rejects it, as
  it does in FedAvg, and keeps the model and its own state.

  Values of less than float32 are aggregated in float32.

  How many values count is summed securely where the factory sums securely. A
  differentially private factory gets no such sum, which its noise would not
  cover: all values count there.

  Args:
    factory: The factory; it may ignore the weights.
    value_type: The type of a value, floating-point tensors. A value of weight
      zero must be zeros.
  """
  weight_type = tff.TensorType(np.float32)
  dtypes = [part.dtype for part in tff.structure.flatten(value_type)]
  widen, wide_type = None, value_type
  if any(np.dtype(dtype).itemsize < 4 for dtype in dtypes):
    # A weighted sum exceeds the largest float16 where the mean does not.
    widen = tff.tensorflow.computation(
        lambda value: tf.nest.map_structure(precision.widen, value), value_type
    )
    wide_type = widen.type_signature.result
  inner = factory.create(wide_type, weight_type)
  if is_private(inner):
    return inner if widen is None else factory.create(value_type, weight_type)
  sum_of_ones = tff.federated_sum
  if is_secure(inner):
    sum_of_ones = lambda value: tff.federated_secure_sum_bitwidth(value, 1)
  settle = _build_settle(inner, dtypes)

  @tff.tensorflow.computation(np.float32)
  def counts(weight):
    return tf.cast(weight > 0, tf.int32)

  @tff.federated_computation(
      inner.initialize.type_signature.result,
      tff.FederatedType(value_type, tff.CLIENTS),
      tff.FederatedType(weight_type, tff.CLIENTS),
  )
  def next_fn(state, value, weight):
    if widen is not None:
      value = tff.federated_map(widen, value)
    output = inner.next(state, value, weight)
    num_counting = sum_of_ones(tff.federated_map(counts, weight))
    num_values = num_counting
    if _is_unweighted_mean(inner):
      num_values = sum_of_ones(tff.federated_value(1, tff.CLIENTS))
    settled_state, result = tff.federated_map(
        settle,
        (state, output.state, output.result, num_counting, num_values),
    )
    return tff.templates.MeasuredProcessOutput(
        settled_state, result, output.measurements
    )

  return tff.templates.AggregationProcess(inner.initialize, next_fn)


def _build_settle(
    inner: tff.templates.AggregationProcess, dtypes: Sequence[np.dtype]
) -> tff.Computation:
  """Returns what makes a round's state and result of those of an aggregator.

  Args:
    inner: The aggregator.
    dtypes: Those of the result's tensors.

  Returns:
    From the states before and after, the result and the numbers of values that
    count and that it was divided by, to the state and the result; where no
    value counts, the state before and NaN.
  """
  output = inner.next.type_signature.result

  @tff.tensorflow.computation(
      inner.state_type.member,
      output.state.member,
      output.result.member,
      np.int32,
      np.int32,
  )
  def settle(before, after, result, num_counting, num_values):
    is_any = num_counting > 0
    state = tf.nest.map_structure(
        lambda old, new: tf.cond(is_any, lambda: new, lambda: old),
        before,
        after,
    )
    factor = tf.where(is_any, num_values / num_counting, math.nan)
    means = [x * tf.cast(factor, x.dtype) for x in tf.nest.flatten(result)]
    return state, tf.nest.pack_sequence_as(
        result, [tf.cast(x, dtype) for x, dtype in zip(means, dtypes)]
    )

  return settle


def is_secure(process: tff.templates.AggregationProcess) -> bool:
  """Returns whether an aggregator sums securely."""
  try:
    tff.test.assert_contains_secure_aggregation(process.next)
  except AssertionError:
    return False
  return True


def is_private(process: tff.templates.AggregationProcess) -> bool:
  """Returns whether an aggregator is differentially private."""
  # The state of `tff.aggregators.DifferentiallyPrivateFactory`, wherever it
  # stands among the aggregators.
  return 'query_state=' in str(process.initialize.type_signature)


def _is_unweighted_mean(process: tff.templates.AggregationProcess) -> bool:
  # TFF's factories hide those inside of them; this measurement tells of it.
  measurements = process.next.type_signature.result.measurements
  return 'mean_count=' in str(measurements)
