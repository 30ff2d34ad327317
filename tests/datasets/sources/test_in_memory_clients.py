"""Clients of arrays, as a ClientData and in TFF's worker."""

import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import datasets
from astraea_tff.client_datasets import names as client_names
from astraea_tff.datasets.sources import in_memory_clients

ROWS = np.arange(12, dtype=np.float32).reshape(6, 2)
EXAMPLES = (
    collections.OrderedDict(z=ROWS, a=np.array(['u', 'v', 'w', 'x', 'y', 'z'])),
    np.array([0, 1, 1, 0, 1, 0]),
)


def clients():
  return datasets.InMemoryClients(list(EXPECTED), [2, 0, 4, 0], EXAMPLES)


def read(dataset):
  return [
      (element['z'].tolist(), element['a'].decode(), int(label))
      for element, label in dataset.as_numpy_iterator()
  ]


EXPECTED = {
    'b': [([0, 1], 'u', 0), ([2, 3], 'v', 1)],
    'none': [],
    'a': [
        ([4, 5], 'w', 1), ([6, 7], 'x', 0), ([8, 9], 'y', 1), ([10, 11], 'z', 0)
    ],
    # Python's name for that of a file that is no UTF-8.
    '\udcff': [],
}


def test_a_client_has_its_slice():
  data = clients()
  assert isinstance(data, tff.simulation.datasets.ClientData)
  assert data.client_ids == list(EXPECTED)
  for name, expected in EXPECTED.items():
    dataset = data.create_tf_dataset_for_client(name)
    assert read(dataset) == expected
    assert dataset.element_spec == data.element_type_structure
  np.testing.assert_array_equal(
      astraea_tff.label_counts(data, 2), [[1, 1], [0, 0], [2, 2], [0, 0]]
  )


def test_a_graph_finds_a_client_by_its_id():
  data = clients()

  @tf.function
  def variant(client_id):
    return tf.data.experimental.to_variant(
        data.serializable_dataset_fn(client_id)
    )

  for name, expected in EXPECTED.items():
    dataset = tf.data.experimental.from_variant(
        variant(tf.constant(client_names.id_in_bytes(name))),
        data.element_type_structure,
    )
    assert read(dataset) == expected
    assert read(data.serializable_dataset_fn(name)) == expected
  with pytest.raises(tf.errors.InvalidArgumentError, match='must_be_known'):
    variant(tf.constant('nobody'))


def test_it_can_be_preprocessed_and_augmented():
  data = datasets.InMemoryClients(['\udcff', 'b'], [2, 4], (ROWS, EXAMPLES[1]))
  plan = astraea_tff.AugmentationPlan(1.0, [1.0, 3.0], [3, 3], (1,), ())
  augmented = astraea_tff.augment_clients(data, plan, seed=1)
  np.testing.assert_array_equal(
      astraea_tff.label_counts(augmented, 2), [[1, 3], [2, 6]]
  )
  halves = data.preprocess(
      lambda dataset: dataset.map(lambda row, label: (row / 2, label))
  )
  (first, _), *_ = halves.create_tf_dataset_for_client('b').as_numpy_iterator()
  np.testing.assert_array_equal(first, [2, 2.5])


@pytest.mark.usefixtures('execution_context')
def test_a_worker_reads_clients_by_id():
  data = datasets.InMemoryClients(
      ['n\0', 'n', '\udcff', '\ud800'], [2, 1, 2, 1], (ROWS, EXAMPLES[1])
  )
  by_id = astraea_tff.ClientsById(data, batch_size=4, seed=1)
  total = tff.tensorflow.computation(
      lambda client: by_id.read(client).reduce(
          np.float32(0), lambda total, batch: total + tf.reduce_sum(batch[0])
      ),
      tff.types.to_type(collections.OrderedDict(
          client_id=np.str_, is_present=np.bool_, shuffle_seed=np.int64,
          preprocess_seed=tff.TensorType(np.int64, [2]),
      )),
  )
  totals = [total(client) for client in by_id.for_round(1)]
  assert totals == [part.sum() for part in np.split(ROWS, [2, 3, 5])]


def test_examples_are_grouped_in_their_order():
  data = in_memory_clients.group_by_client(
      np.array([10, 2, 10, 2, 2, 10]), ROWS[:, 0]
  )
  assert data.client_ids == ['2', '10']
  assert list(data.create_tf_dataset_for_client('2').as_numpy_iterator()) == [
      2, 6, 8
  ]
  assert list(data.create_tf_dataset_for_client('10').as_numpy_iterator()) == [
      0, 4, 10
  ]


def test_names_of_bytes_are_texts():
  names = np.array([b'b', 'é'.encode(), b'\xff', b'b'], object)
  data = in_memory_clients.group_by_client(names, np.arange(4))
  assert data.client_ids == ['b', 'é', '\udcff']


@pytest.mark.parametrize(
    'names, sizes, message',
    [
        ([], [], 'at least one client'),
        (['a', 'b', 'a'], [2, 2, 2], "must differ, got 'a' twice"),
        (
            ['\udcc3\udca9', 'a', 'é'], [2, 2, 2],
            r"must differ in UTF-8.* but '\\udcc3\\udca9' and 'é' are the same",
        ),
        (['a', 'b'], [2, 3], r'how the \[6\] `examples`.*got \(2, 3\)'),
        (['a', 'b'], [6], 'belong to 2 clients'),
        (['a', 'b'], [7, -1], '`sizes` must be at least 0, got -1'),
        (['a', 'b'], [3.5, 3.7], '`sizes` must be an int, got 3.5'),
        (['a', 'b'], np.array([3.0, 3.0]), '`sizes` must be an int, got'),
        (['a', 'b'], ['3', '3'], "`sizes` must be an int, got '3'"),
        (['a', 'b'], None, '`sizes` must be a sequence of ints, got None'),
        (['a', 'b'], [2**62, 2**62 + 2**63], r'how the \[6\] `examples`'),
    ],
)
def test_refuses_arguments(names, sizes, message):
  with pytest.raises((TypeError, ValueError), match=message):
    datasets.InMemoryClients(names, sizes, (ROWS, EXAMPLES[1]))


def test_a_mask_is_not_dropped_without_a_word():
  masked = np.ma.masked_array(ROWS, ROWS > 3)
  with pytest.raises(TypeError, match='arrays without a mask'):
    datasets.InMemoryClients(['a'], [len(ROWS)], (masked, EXAMPLES[1]))


def test_refuses_an_unknown_client():
  with pytest.raises(ValueError, match="'c' is not one of the 4 clients"):
    clients().create_tf_dataset_for_client('c')
