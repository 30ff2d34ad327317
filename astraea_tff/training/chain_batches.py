"""The batches of a mediator's chain: its clients' datasets as one.

The visits of a round follow one another in one pipeline, and each batch carries
a number that tells the client and the batch in the visit.
"""

from collections.abc import Sequence
from typing import Optional

import tensorflow as tf

from astraea_tff.training import chain_options

# The batches of the client at place p of a mediator count from p times this at
# every visit, so that one number tells the client and the batch in the visit.
PLACE_STRIDE = 2**32


def join_clients(
    datasets: Sequence[tf.data.Dataset],
    order: Optional[tf.data.Dataset],
    options: chain_options.ChainOptions,
) -> tf.data.Dataset:
  """Returns a round's batches `(index, batch)` in training order.

  It repeats all for the E_m mediator epochs (Algorithm 1, line 9), joins the
  clients (line 10), and repeats each client for E local epochs (line 11).

  Args:
    datasets: The clients' batches.
    order: E_m times int32 [gamma]; the places of the clients in the order in
      which each pass visits them. None for that of `datasets` in every pass.
    options: How often all of it is repeated.

  Raises:
    tf.errors.InvalidArgumentError: In the round, if an order is no permutation,
      or there are not E_m orders.
  """
  visits = [
      _repeat(dataset, options.local_epochs).enumerate(place * PLACE_STRIDE)
      for place, dataset in enumerate(datasets)
  ]
  if order is not None:
    if options.mediator_epochs is not None:
      _check_number(order, options.mediator_epochs)
    return order.map(_check_order).unbatch().flat_map(
        lambda place: tf.switch_case(
            place, [lambda visit=visit: visit for visit in visits]
        )
    ).with_options(_quick_start())
  joined = visits[0]
  for visit in visits[1:]:
    joined = joined.concatenate(visit)
  # TensorFlow forgets the batches' shapes where a dataset that chooses from
  # others is joined to another one; `flat_map` states them.
  chain = tf.data.Dataset.from_tensors(0).flat_map(lambda _: joined)
  chain = _repeat(chain, options.mediator_epochs)
  return chain.with_options(_quick_start())


def _check_order(order: tf.Tensor) -> tf.Tensor:
  """Returns a pass's order, int32 [gamma]; fails if it is no permutation.

  An index out of range would visit the last client without a word.
  """
  num_clients = order.shape[0]
  places = tf.range(num_clients, dtype=order.dtype)
  check = tf.debugging.Assert(
      tf.reduce_all(tf.equal(tf.sort(order), places)),
      [
          'The order of a mediator must hold each place from 0 to'
          f' {num_clients - 1} once, got',
          order,
      ],
      summarize=num_clients,
  )
  with tf.control_dependencies([check]):
    return tf.identity(order)


def count_passes(
    order: Optional[tf.data.Dataset], options: chain_options.ChainOptions
) -> tf.Tensor:
  """Returns int64 []: E_m E, how often a round trains on each example.

  Args:
    order: As for `join_clients`.
    options: How often each is trained on; without `mediator_epochs` there are
      as many passes as `order` has elements.
  """
  if options.mediator_epochs is not None:
    return tf.constant(
        options.mediator_epochs * options.local_epochs, tf.int64
    )
  return _count(order) * options.local_epochs


def _count(order: tf.data.Dataset) -> tf.Tensor:
  """Returns int64 []: how many passes there are orders for."""
  return order.with_options(_quick_start()).reduce(
      tf.constant(0, tf.int64), lambda count, _: count + 1
  )


def _check_number(order: tf.data.Dataset, mediator_epochs: int) -> None:
  """Fails in a round whose data are made for another number of passes.

  They must not train less or more.
  """
  num_orders = _count(order)
  tf.raw_ops.Assert(
      condition=tf.equal(num_orders, mediator_epochs),
      data=[
          'The process was built with `mediator_epochs` of '
          f'{mediator_epochs}, but the data of a mediator hold orders for',
          num_orders,
          'passes; make the rounds with the same number.',
      ],
  )


def _repeat(dataset: tf.data.Dataset, num_epochs: int) -> tf.data.Dataset:
  """Returns the dataset `num_epochs` times.

  `repeat(1)` would open shuffled data anew, and so give another order.
  """
  return dataset if num_epochs == 1 else dataset.repeat(num_epochs)


def _quick_start() -> tf.data.Options:
  """Returns options with which a pipeline starts sooner.

  A mediator's pipeline is short and read once, so tuning it to the machine and
  rewriting its graph cost more than they can give. It has threads of its own,
  which come and go with it; as mediators run side by side, one is enough.
  """
  options = tf.data.Options()
  options.autotune.enabled = False
  options.threading.private_threadpool_size = 1
  options.experimental_optimization.apply_default_optimizations = False
  return options
