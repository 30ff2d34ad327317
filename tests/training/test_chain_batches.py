"""The order in which a mediator's batches come."""

import pytest
import tensorflow as tf

from astraea_tff.training import chain_batches
from astraea_tff.training import chain_options

CLIENTS = [
    tf.data.Dataset.from_tensor_slices([10 * place, 10 * place + 1])
    for place in range(3)
]


def batches(orders, local_epochs=1, mediator_epochs=None):
  """Returns what a round of these orders trains on, [(place, batch, value)]."""
  options = chain_options.ChainOptions(
      max_clients=3,
      mediator_epochs=mediator_epochs or len(orders),
      local_epochs=local_epochs,
      client_order='reshuffled',
  )
  orders = tf.data.Dataset.from_tensor_slices(tf.constant(orders, tf.int32))
  chain = chain_batches.join_clients(CLIENTS, orders, options)
  stride = chain_batches.PLACE_STRIDE
  return [
      (int(index) // stride, int(index) % stride, int(value))
      for index, value in chain
  ]


def test_batches_come_in_the_order_of_each_pass():
  assert batches([[2, 0, 1], [1, 2, 0]]) == [
      (place, batch, 10 * place + batch)
      for place in (2, 0, 1, 1, 2, 0)
      for batch in (0, 1)
  ]


def test_local_epochs_are_of_one_visit():
  assert batches([[1, 0, 2]], local_epochs=2) == [
      (place, batch, 10 * place + batch % 2)
      for place in (1, 0, 2)
      for batch in range(4)
  ]


@pytest.mark.parametrize(
    'wrong', [[0, 1, 3], [0, 1, 1], [-1, 0, 1], [1, 2, 3], [2, 2, 2]]
)
def test_an_order_that_is_no_permutation_is_refused(wrong):
  """Also in a later pass."""
  with pytest.raises(tf.errors.InvalidArgumentError) as error:
    batches([[2, 0, 1], wrong])
  line = next(l for l in str(error.value).splitlines() if 'order' in l)
  assert 'The order of a mediator must hold each place from 0 to 2 once' in line
  assert f'[{" ".join(map(str, wrong))}]' in line


@pytest.mark.parametrize('num_orders', [1, 3, 4])
def test_another_number_of_orders_than_passes_is_refused(num_orders):
  with pytest.raises(tf.errors.InvalidArgumentError) as error:
    batches([[0, 1, 2]] * num_orders, mediator_epochs=2)
  assert '`mediator_epochs` of 2, but the data' in str(error.value)
  assert f'orders for] [{num_orders}] [passes;' in str(error.value)


@pytest.mark.parametrize('make', [
    lambda parts: tf.data.Dataset.sample_from_datasets(
        [part.repeat() for part in parts], [0.5, 0.5], seed=1
    ),
    lambda parts: tf.data.Dataset.choose_from_datasets(
        parts, tf.data.Dataset.range(2).repeat()
    ),
])
def test_clients_that_sample_from_several_datasets(make):
  """TensorFlow forgets the shapes of these where two are joined."""
  parts = [
      tf.data.Dataset.from_tensor_slices((tf.fill([9, 4], float(k)), [k] * 9))
      for k in range(2)
  ]
  clients = [make(parts).take(8).batch(4) for _ in range(2)]
  options = chain_options.ChainOptions(max_clients=2, mediator_epochs=2)
  chain = chain_batches.join_clients(clients, None, options)
  assert chain.element_spec[1][0].shape.as_list() == [None, 4]
  with tf.device('CPU'):
    shapes = [x.shape.as_list() for _, (x, _) in chain]
  assert shapes == 8 * [[4, 4]]
