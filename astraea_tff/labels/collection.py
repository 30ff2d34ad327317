"""Label counts collected from clients by federated computations.

The two steps of Astraea need different things of the label distributions:

  * The augmentation plan (Algorithm 2) needs the counts over all clients.
    `build_global_label_counts` adds them up by secure aggregation, and the
    server sees the total alone.
  * Rescheduling (Algorithm 3) needs every client's counts.
    `build_client_label_counts` brings them to the server: as they are, or as
    `astraea_tff.labels.client_reports` blurs them at the client.

`docs/privacy.md` says what the server learns in each case. For clients in one
process, whose data the caller may read, `label_counts` is simpler and faster.

A secure sum takes a runtime that has one. `set_local_execution_context` runs a
plain sum in its place, which gives the same total and protects nothing, as
nothing can among clients in one process. TFF's own local contexts refuse it.
"""

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.labels import client_reports
from astraea_tff.labels import reading

# Leaves room in an int64 total for 2**31 clients.
_LARGEST_BITWIDTH = 32


def build_global_label_counts(
    element_spec: Any,
    num_classes: int,
    *,
    max_examples_per_client: int,
    label_fn: Optional[Callable[[Any], Any]] = None,
) -> tff.Computation:
  """Builds the computation of the label counts over all clients, by secure sum.

  Its type signature is `({B*}@CLIENTS -> int64[N]@SERVER)`, B being
  `element_spec`. `augmentation_plan` takes the result as it is.

  A label outside [0, N), one-hot labels that only show when they are read, a
  client with more than `max_examples_per_client` examples, and one that may
  never end fail the call; the error says which.

  Args:
    element_spec: The `element_spec` of the clients' `tf.data.Dataset`s, single
      examples or batches; see `label_counts` for the elements.
    num_classes: N, at least 2.
    max_examples_per_client: The most examples a client has, at least 1 and
      less than 2**32; secure aggregation must know how many bits a number
      has. A client that lies can add to each entry of the total what fits into
      these bits, 127 for 100 examples.
    label_fn: See `label_counts`.

  Returns:
    The computation. It contains no aggregation but a secure sum.

  Raises:
    TypeError: An argument is of the wrong type, or a label cannot be found.
    ValueError: A number is out of range, or labels are visibly one-hot.
  """
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  max_examples_per_client = arguments.check_integer(
      max_examples_per_client,
      'max_examples_per_client',
      1,
      2**_LARGEST_BITWIDTH - 1,
  )
  bitwidth = max_examples_per_client.bit_length()
  dataset_type = _dataset_type(element_spec)

  @tff.tensorflow.computation(dataset_type)
  def count(dataset):
    counts = _count(dataset, num_classes, label_fn)
    fits = tf.debugging.assert_less_equal(
        tf.reduce_sum(counts),
        tf.constant(max_examples_per_client, tf.int64),
        'A client has more examples than max_examples_per_client.',
    )
    with tf.control_dependencies([fits]):
      return tf.identity(counts)

  @tff.federated_computation(tff.FederatedType(dataset_type, tff.CLIENTS))
  def global_label_counts(clients):
    return tff.federated_secure_sum_bitwidth(
        tff.federated_map(count, clients), bitwidth
    )

  return global_label_counts


def build_client_label_counts(
    element_spec: Any,
    num_classes: int,
    *,
    report_fn: Optional[client_reports.ReportFn] = None,
    label_fn: Optional[Callable[[Any], Any]] = None,
) -> tff.Computation:
  """Builds the computation of each client's label counts, at the server.

  Its type signature is
  `(<{int64}@CLIENTS, {B*}@CLIENTS> -> int64[K, N]@SERVER)`. The first argument
  numbers the clients, each of 0 to K - 1 once, in any order: row k of the
  result comes from the client with number k, however the runtime aggregates.
  Other numbers fail the call, as labels outside [0, N) do.

  Args:
    element_spec: See `build_global_label_counts`.
    num_classes: N, at least 2.
    report_fn: What a client does to its counts before they leave it:
      `client_reports.coarsened(granularity)`, for one, or
      `client_reports.locally_private(epsilon)`. None sends them as they are.
    label_fn: See `label_counts`.

  Returns:
    The computation.

  Raises:
    TypeError: An argument is of the wrong type, or a label cannot be found.
    ValueError: A number is out of range, or labels are visibly one-hot.
  """
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  dataset_type = _dataset_type(element_spec)
  rows_type = tff.TensorType(np.int64, [None, 1 + num_classes])

  @tff.tensorflow.computation(np.int64, dataset_type)
  def report(index, dataset):
    counts = _count(dataset, num_classes, label_fn)
    if report_fn is not None:
      counts = tf.ensure_shape(report_fn(counts, index), [num_classes])
    return tf.concat([[index], counts], axis=0)

  @tff.tensorflow.computation
  def no_rows():
    # Rows are to come, so the type must not fix their number at zero.
    return tf.raw_ops.PlaceholderWithDefault(
        input=tf.zeros([0, 1 + num_classes], tf.int64),
        shape=[None, 1 + num_classes],
    )

  @tff.tensorflow.computation(rows_type, report.type_signature.result)
  def add_row(rows, row):
    return tf.concat([rows, [row]], axis=0)

  @tff.tensorflow.computation(rows_type, rows_type)
  def merge(rows, others):
    return tf.concat([rows, others], axis=0)

  @tff.tensorflow.computation(rows_type)
  def in_order(rows):
    rows = tf.gather(rows, tf.argsort(rows[:, 0]))
    numbered = tf.debugging.assert_equal(
        rows[:, 0],
        tf.range(tf.shape(rows, tf.int64)[0]),
        'The clients must be numbered 0 to K - 1, each number once.',
    )
    with tf.control_dependencies([numbered]):
      return rows[:, 1:]

  @tff.federated_computation(
      tff.FederatedType(np.int64, tff.CLIENTS),
      tff.FederatedType(dataset_type, tff.CLIENTS),
  )
  def client_label_counts(indices, clients):
    rows = tff.federated_map(report, (indices, clients))
    return tff.federated_aggregate(rows, no_rows(), add_row, merge, in_order)

  return client_label_counts


def _dataset_type(element_spec: Any) -> tff.SequenceType:
  return tff.SequenceType(tff.types.tensorflow_to_type(element_spec))


def _count(
    dataset: tf.data.Dataset,
    num_classes: int,
    label_fn: Optional[Callable[[Any], Any]],
) -> tf.Tensor:
  """Counts a client's labels where its dataset is, int64 [N]."""

  # A dataset of unknown number may never end.
  cardinality = dataset.cardinality()
  most_examples = tf.where(
      tf.equal(cardinality, tf.data.UNKNOWN_CARDINALITY),
      tf.constant(client_endings.MOST_EXAMPLES_OF_UNKNOWN_NUMBER, tf.int64),
      tf.where(
          tf.equal(cardinality, tf.data.INFINITE_CARDINALITY),
          tf.constant(0, tf.int64),
          tf.int64.max,
      ),
  )

  def add(counts, labels):
    checks = [
        tf.debugging.assert_less_equal(
            tf.reduce_sum(counts) + tf.size(labels, tf.int64),
            most_examples,
            client_endings.MAY_NEVER_END,
        ),
        tf.debugging.assert_equal(
            tf.reduce_prod(tf.shape(labels)[1:]),
            1,
            'Labels look one-hot; one integer for each example is needed.',
        ),
        tf.debugging.assert_non_negative(
            labels, f'Labels must lie in [0, {num_classes}).'
        ),
        tf.debugging.assert_less(
            labels,
            tf.constant(num_classes, tf.int64),
            f'Labels must lie in [0, {num_classes}).',
        ),
    ]
    with tf.control_dependencies(checks):
      labels = tf.reshape(labels, [-1])
      return counts + tf.math.unsorted_segment_sum(
          tf.ones_like(labels), labels, num_classes
      )

  labels = reading.label_dataset('a client', dataset, label_fn)
  # A huge unsigned label becomes a negative one, and is refused as such.
  return labels.map(lambda batch: tf.cast(batch, tf.int64)).reduce(
      tf.zeros([num_classes], tf.int64), add
  )
