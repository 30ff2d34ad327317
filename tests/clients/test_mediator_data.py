"""Tests of what the data of a round's mediators are refused for."""

import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.client_datasets import errors as client_errors
from astraea_tff.clients import batches
from astraea_tff.clients import mediator_data as mediator_data_lib


def client(shape=(4, 4, 1), dtype=np.float32, num_examples=5):
  images = np.zeros([num_examples, *shape], dtype)
  labels = np.zeros(num_examples, np.int32)
  return tf.data.Dataset.from_tensor_slices((images, labels)).batch(2)


ODD = {
    'channels': (client((4, 4, 3)), r'float32 \[None, 4, 4, 3\]'),
    'dtype': (client(dtype=np.uint8), 'uint8'),
    'structure': (client().map(lambda x, y: {'x': x, 'y': y}), "{'x': float32"),
    'made of nothing': (
        tf.data.Dataset.from_tensor_slices(([], [])).batch(2),
        r'\(float32 \[None\], float32 \[None\]\)',
    ),
}


@pytest.mark.parametrize('name', ODD)
@pytest.mark.parametrize('place', [0, 2])
def test_an_odd_client_is_named(name, place):
  odd, found = ODD[name]
  clients = [client() for _ in range(4)]
  clients[place] = odd
  with pytest.raises(ValueError, match=found) as raised:
    mediator_data_lib.mediator_data([[0, 1], [2, 3]], clients, 2)
  message = str(raised.value)
  assert message.startswith(f'clients[{place}] has elements')
  assert '3 of 4 clients' in message and '\n' not in message
  # A round without it trains.
  others = [k for k in range(4) if k != place]
  data = mediator_data_lib.mediator_data([others], clients, 4)
  assert data[0][3].element_spec == client().element_spec


def test_sizes_that_are_open_fit_and_empty_clients_do():
  whole = client(num_examples=4)
  fixed = whole.unbatch().batch(2, drop_remainder=True)
  data = mediator_data_lib.mediator_data(
      [[0, 1, 2]], [whole, fixed, client(num_examples=0)], 3
  )
  assert len(data[0]) == 3


@pytest.mark.parametrize('first', ['open', 'given'])
def test_an_odd_size_is_named_beside_one_that_is_open(first):
  is_open = tf.data.Dataset.from_generator(
      lambda: (), output_signature=tf.TensorSpec([None, None, None, 1])
  ).element_spec
  specs = [('open', (is_open,)), ('odd', (tf.TensorSpec([None, 9, 9, 1]),))]
  given = [(f'given{k}', (tf.TensorSpec([None, 8, 8, 1]),)) for k in range(3)]
  specs = specs + given if first == 'open' else given + specs
  with pytest.raises(ValueError, match=r'^odd has elements .*9, 9, 1.* given'):
    client_errors.check_alike(specs)
  client_errors.check_alike([specs[0], specs[-1]] if first == 'open' else given)


def test_a_client_that_never_ends_is_named():
  client_data = tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
      ['a', '猫'], lambda client_id: client().repeat()
  )
  clients = batches.clients_for_round(client_data, 1)
  with pytest.raises(ValueError, match="client '猫' has a dataset that never"):
    mediator_data_lib.mediator_data([[1, 0]], clients, 2)
  endless = [client(), client().unbatch().repeat()]
  of_round = batches.BatchedClients(endless, 2, seed=0).for_round(1)
  with pytest.raises(ValueError, match=r'clients\[1\] has a dataset that nev'):
    mediator_data_lib.mediator_data([[0, 1]], of_round, 2)


@pytest.mark.parametrize('mediators, message', [
    ([[0], [1, -1]], r'a client of mediators\[1\] must be at least 0, got -1'),
    ([[3]], r'a client of mediators\[0\] must be at most 2, got 3'),
    ([[0, 1], [1]], r'client 1 of mediators\[1\] is in the round twice'),
    ([[0, 1, 2]], r'mediators\[0\] must have at most max_clients=2 clients'),
])
def test_other_clients_than_there_are_are_refused(mediators, message):
  with pytest.raises(ValueError, match=message):
    mediator_data_lib.mediator_data(mediators, [client()] * 3, 2)


@pytest.mark.parametrize('numbers, error, message', [
    ([1.7, 2], TypeError, 'numbers must be an int, got 1.7'),
    (np.array([np.nan, 1]), TypeError, r'numbers must be an int, got .*nan'),
    ([2**40, 2], ValueError, 'numbers must be at most 2147483647, got 1099'),
    ([3, 3], ValueError, r'a different one for each of 2 .* got \(3, 3\)'),
    ([1, 2, 3], ValueError, 'a different one for each of 2 mediators'),
    ([1], ValueError, 'a different one for each of 2 mediators'),
    (3, TypeError, 'numbers must be a sequence of ints, got 3'),
])
def test_numbers_that_do_not_tell_mediators_apart_are_refused(
    numbers, error, message
):
  with pytest.raises(error, match=message):
    mediator_data_lib.mediator_data(
        [[0], [1]], [client()] * 2, 2, numbers=numbers
    )


@pytest.mark.parametrize('clients, max_clients, message', [
    ([1], 2, r'clients\[0\] must be a tf.data.Dataset, got 1'),
    ([[]], None, 'max_clients must be an int, got None'),
    ([[]], 1.5, 'max_clients must be an int, got 1.5'),
])
def test_what_holds_no_batches_and_no_number_are_refused(
    clients, max_clients, message
):
  with pytest.raises(TypeError, match=message):
    mediator_data_lib.mediator_data([[0]], clients, max_clients)


def test_what_are_no_mediators_is_refused():
  with pytest.raises(TypeError, match=r'mediators\[0\] must be a sequence .* 0'):
    mediator_data_lib.mediator_data([0, 1], [client()] * 2, 2)


@pytest.mark.parametrize('orders, message', [
    ([[[0, 1, 2], [0, 1, 1]]], r'orders\[0, 1\] must hold .* got \[0, 1, 1\]'),
    ([[[0, 1, 3]]], r'from 0 to 2 once, got \[0, 1, 3\]'),
    ([[[0, 1, -1]]], r'orders\[0, 0\]'),
    ([[[0, 1]]], r'must have shape \[1, mediator epochs, 3\], got \[1, 1, 2\]'),
    ([[0, 1, 2]], r'got \[1, 3\]'),
    ([[[0, 1, 2]]] * 2, r'got \[2, 1, 3\]'),
    ([[[0, 1, 2], [0, 1]]], r'orders\[0\] must be integers .*, got \[\[0, 1, 2'),
    ([[[0.0, 1.0, 2.0]]], r'orders\[0\] must be integers \[mediator epochs, 3\]'),
    ([[[False, True, True]]], r'orders\[0\] must be integers'),
    ([[['0', '1', '2']]], r'orders\[0\] must be integers'),
])
def test_orders_that_are_no_permutations_are_refused(orders, message):
  clients = [client() for _ in range(3)]
  with pytest.raises(ValueError, match=message):
    mediator_data_lib.mediator_data([[0, 1, 2]], clients, 3, orders=orders)


def test_an_order_may_visit_empty_places_anywhere():
  clients = [client() for _ in range(2)]
  orders = [[[2, 0, 1], [1, 0, 2]]]
  (data,) = mediator_data_lib.mediator_data([[0, 1]], clients, 3, orders=orders)
  np.testing.assert_array_equal(data['order'], orders[0])
  assert [order.dtype for order in data['order']] == [np.int32] * 2


def _python(images, labels):
  doubled = tf.numpy_function(lambda x: 2 * x, [images], images.dtype)
  return tf.ensure_shape(doubled, images.shape), labels


CALLING_PYTHON = {
    'numpy_function': client().map(_python),
    'under other steps': client().map(_python).unbatch().shuffle(5).batch(2),
    'in a nested dataset': client().flat_map(
        lambda *batch: tf.data.Dataset.from_tensors(batch).map(_python)
    ),
    'generator': tf.data.Dataset.from_generator(
        lambda: iter(client()), output_signature=client().element_spec
    ),
}


@pytest.mark.parametrize('name', CALLING_PYTHON)
def test_a_client_that_calls_python_is_named_and_told_what_to_do(name):
  clients = [client(), CALLING_PYTHON[name]]
  with pytest.raises(
      ValueError, match=r'clients\[1\] .*calls Python.*from_tensor_slices'
  ):
    mediator_data_lib.mediator_data([[0, 1]], clients, 2)


def test_functions_of_tensorflow_are_taken():
  clients = [client(), client().map(lambda x, y: (x / 255, y))]
  assert len(mediator_data_lib.mediator_data([[0, 1]], clients, 2)) == 1


def structured(num_examples=3):
  features = {'image': np.ones([num_examples, 2]), 'text': ['é'] * num_examples}
  return tf.data.Dataset.from_tensor_slices(
      collections.OrderedDict(x=features, y=np.ones(num_examples, np.int32))
  ).batch(2)


@pytest.mark.parametrize('make', [client, structured])
def test_who_is_missing_is_the_same_empty_dataset_in_every_round(make):
  clients = [make(), make(num_examples=6)]
  rounds = [
      mediator_data_lib.mediator_data([[k]], clients, 2) for k in (0, 1)
  ]
  (first,), (second,) = rounds
  assert first[1] is second[1]
  assert first[1].element_spec == clients[0].element_spec
  assert not list(first[1])
  joined = list(clients[0].concatenate(first[1]))
  assert len(joined) == len(list(clients[0]))
  # Another kind has another.
  other = mediator_data_lib.mediator_data([[0]], [client((2, 2, 1))], 2)
  assert other[0][1] is not first[1]


def test_ragged_elements_have_an_empty_dataset_of_their_kind():
  ragged = tf.data.Dataset.from_tensor_slices(
      (tf.ragged.constant([[1], [2, 3]]), [0, 1])
  ).batch(1)
  ((_, nobody),) = mediator_data_lib.mediator_data([[0]], [ragged], 2)
  assert nobody.element_spec == ragged.element_spec and not list(nobody)
