"""Every mediator's update, shown to the server.

TFF's aggregators give the server the mean alone, and what one mediator was
worth cannot be told from that. The report is a table with a row for each
mediator of the round: its number, its weight and its update. It takes away what
a secure or a differentially private aggregator promises, so it is refused
beside one.
"""

import collections
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import aggregation


def collect(result: tff.Value, number: tff.Value) -> tff.Value:
  """Returns the rows of all mediators, in no certain order.

  Args:
    result: The mediators' `ClientResult`s, at CLIENTS.
    number: Their numbers at CLIENTS, `int32*` of one element.

  Returns:
    `<mediator=int32[R],weight=float32[R],update=float32[R,P]>@SERVER`. An
    update is `initial - trained`, as the aggregator gets it, its tensors
    flattened one after another in the order of the trainable weights. With a
    float64 among these it is float64.
  """

  @tff.tensorflow.computation(
      result.type_signature.member, number.type_signature.member
  )
  def to_row(result, number):
    return collections.OrderedDict(
        mediator=number.reduce(np.int32(-1), lambda _, last: last),
        weight=result.update_weight,
        update=_to_vector(result.update),
    )

  rows = tff.federated_map(to_row, (result, number))
  row_type = rows.type_signature.member
  table_type = tff.types.to_type(
      collections.OrderedDict(
          (name, tff.TensorType(part.dtype, [None, *part.shape]))
          for name, part in tff.structure.iter_elements(row_type)
      )
  )

  @tff.tensorflow.computation
  def zero():
    return collections.OrderedDict(
        (name, tf.zeros([0, *part.shape], part.dtype))
        for name, part in tff.structure.iter_elements(row_type)
    )

  @tff.tensorflow.computation(table_type, row_type)
  def accumulate(table, row):
    return tf.nest.map_structure(
        lambda above, below: tf.concat([above, below[tf.newaxis]], axis=0),
        table,
        row,
    )

  @tff.tensorflow.computation(table_type, table_type)
  def merge(table, other):
    return tf.nest.map_structure(
        lambda above, below: tf.concat([above, below], axis=0), table, other
    )

  @tff.tensorflow.computation(table_type)
  def report(table):
    return table

  return tff.federated_aggregate(rows, zero(), accumulate, merge, report)


def _to_vector(update: Any) -> tf.Tensor:
  """Returns all numbers of an update in one vector."""
  parts = tf.nest.flatten(update)
  # The vector has the most precise dtype among the weights.
  dtype = max([tf.float32, *(x.dtype for x in parts)], key=lambda d: d.size)
  return tf.concat(
      [tf.cast(tf.reshape(part, [-1]), dtype) for part in parts], axis=0
  )


def check_allowed(
    aggregator: tff.templates.AggregationProcess,
    client_work: tff.learning.templates.ClientWorkProcess,
) -> None:
  """Raises a ValueError if a report would take away what is promised.

  Args:
    aggregator: What aggregates the updates.
    client_work: What aggregates the metrics.
  """
  for name, process in (
      ('model_aggregator', aggregator),
      ('metrics_aggregator', client_work),
  ):
    if aggregation.is_secure(process):
      raise ValueError(
          '`report_mediators` shows the server what a secure'
          f' `{name}` hides from it; give one of them up.'
      )
  if aggregation.is_private(aggregator):
    raise ValueError(
        '`report_mediators` shows the server every update without the noise of'
        ' a differentially private `model_aggregator`; give one of them up.'
    )
