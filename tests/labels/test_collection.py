"""Federated label counts against `label_counts`, through TFF's worker."""

import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import augmentation_plan
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.labels import client_reports
from astraea_tff.labels import collection
from astraea_tff.labels import counts as counts_lib
from astraea_tff.labels import privacy

pytestmark = pytest.mark.usefixtures('execution_context')

_LABELS = ([2, 0, 2], [1], [0, 0, 3, 2, 1], [])
_COUNTS = np.array([[1, 0, 2, 0], [0, 1, 0, 0], [2, 1, 1, 1], [0, 0, 0, 0]])
_SIZE = 5


def pairs(labels, dtype=np.int32):
  images = np.zeros((len(labels), 2), np.float32)
  return tf.data.Dataset.from_tensor_slices((images, np.array(labels, dtype)))


def mappings(labels):
  return pairs(labels).map(
      lambda x, y: collections.OrderedDict([('image', x), ('label', y)])
  )


def clients(make=lambda labels: pairs(labels).batch(2)):
  return [make(labels) for labels in _LABELS]


def global_counts(datasets, num_classes=4, size=_SIZE, **arguments):
  computation = collection.build_global_label_counts(
      datasets[0].element_spec,
      num_classes,
      max_examples_per_client=size,
      **arguments,
  )
  return computation(datasets)


# Over all clients.


@pytest.fixture(scope='module')
def of_pairs():
  return collection.build_global_label_counts(
      clients()[0].element_spec, 4, max_examples_per_client=_SIZE
  )


def test_its_type_is_as_documented(of_pairs):
  tff.test.assert_types_identical(
      of_pairs.type_signature,
      tff.FunctionType(
          tff.FederatedType(
              tff.SequenceType(
                  tff.types.tensorflow_to_type(clients()[0].element_spec)
              ),
              tff.CLIENTS,
          ),
          tff.FederatedType(tff.TensorType(np.int64, [4]), tff.SERVER),
      ),
  )


def test_global_counts_are_aggregated_securely_only(of_pairs):
  tff.test.assert_not_contains_unsecure_aggregation(of_pairs)
  tff.test.assert_contains_secure_aggregation(of_pairs)


@pytest.mark.parametrize(
    'make',
    [
        lambda labels: pairs(labels).batch(2),
        pairs,
        lambda labels: pairs(labels, np.uint8),
        lambda labels: mappings(labels).batch(3),
        mappings,
        lambda labels: pairs(labels).map(lambda x, y: (x, y[None])).batch(2),
    ],
    ids=['batches', 'pairs', 'uint8', 'batched mappings', 'mappings', 'B x 1'],
)
def test_global_counts_are_the_sum_of_the_clients_counts(make):
  counts = global_counts(clients(make))
  assert counts.dtype == np.int64
  np.testing.assert_array_equal(counts, _COUNTS.sum(axis=0))


def test_label_fn_finds_the_label_in_other_elements():
  datasets = [pairs(labels).map(lambda x, y: (x, x, y)) for labels in _LABELS]
  counts = global_counts(datasets, label_fn=lambda element: 3 - element[2])
  np.testing.assert_array_equal(counts, _COUNTS.sum(axis=0)[::-1])


def test_the_plan_takes_global_counts_as_it_takes_each_clients(of_pairs):
  counts = of_pairs(clients())
  plan = augmentation_plan(counts, 0.67)
  expected = augmentation_plan(_COUNTS, 0.67)
  assert plan.to_json() == expected.to_json()
  assert plan.augmented_classes == (1, 3)


@pytest.mark.parametrize('label', [-1, 4, 2**31 - 1])
def test_a_client_with_a_label_outside_fails_the_call(of_pairs, label):
  datasets = [*clients(), pairs([0, label]).batch(2)]
  with pytest.raises(Exception, match=r'Labels must lie in \[0, 4\)'):
    of_pairs(datasets)


def test_a_client_with_too_many_examples_fails_the_call():
  with pytest.raises(Exception, match='more examples than max_examples'):
    global_counts(clients(), size=_SIZE - 1)


def test_one_hot_labels_are_refused():
  one_hot = [d.map(lambda x, y: (x, tf.one_hot(y, 4, dtype=tf.int32)))
             for d in clients()]
  with pytest.raises(ValueError, match='a client has labels .*one-hot'):
    global_counts(one_hot)


def test_wrong_arguments_are_refused_by_name():
  build = collection.build_global_label_counts
  spec = clients()[0].element_spec
  with pytest.raises(ValueError, match='num_classes must be at least 2'):
    build(spec, 1, max_examples_per_client=5)
  with pytest.raises(ValueError, match='max_examples_per_client must be at le'):
    build(spec, 4, max_examples_per_client=0)
  with pytest.raises(ValueError, match='max_examples_per_client must be at most'):
    build(spec, 4, max_examples_per_client=2**32)
  with pytest.raises(TypeError, match='label_fn'):
    build((spec[0], spec[1], spec[1]), 4, max_examples_per_client=5)


# Of each client.


def client_counts(report_fn=None, order=(0, 1, 2, 3)):
  computation = collection.build_client_label_counts(
      clients()[0].element_spec, 4, report_fn=report_fn
  )
  datasets = clients()
  return computation(list(order), [datasets[client] for client in order])


def test_rows_are_those_of_label_counts_whatever_the_order():
  computation = collection.build_client_label_counts(
      clients()[0].element_spec, 4
  )
  assert str(computation.type_signature.result) == 'int64[?,4]@SERVER'
  expected = counts_lib.label_counts(clients(), 4)
  datasets = clients()
  for order in [(0, 1, 2, 3), (3, 1, 0, 2)]:
    counts = computation(list(order), [datasets[client] for client in order])
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize('indices', [[0, 1, 1, 2], [1, 2, 3, 4], [0, 1, 2, -1]])
def test_clients_must_be_numbered_each_once(indices):
  computation = collection.build_client_label_counts(
      clients()[0].element_spec, 4
  )
  with pytest.raises(Exception, match='numbered 0 to K - 1, each number once'):
    computation(indices, clients())


def test_coarse_counts_leave_the_client():
  np.testing.assert_array_equal(
      client_counts(client_reports.coarsened(2)),
      privacy.coarsen_counts(_COUNTS, 2),
  )


def test_private_counts_are_blurred_for_each_client_by_its_number():
  report_fn = client_reports.locally_private(1.0, seed=5)
  expected = np.stack([
      report_fn(tf.constant(counts), tf.constant(client, tf.int64))
      for client, counts in enumerate(_COUNTS)
  ])
  assert (expected != _COUNTS).any()
  np.testing.assert_array_equal(client_counts(report_fn), expected)
  np.testing.assert_array_equal(
      client_counts(report_fn, order=(2, 3, 0, 1)), expected
  )


def test_unseeded_noise_differs_between_calls_and_clients():
  computation = collection.build_client_label_counts(
      clients()[0].element_spec,
      4,
      report_fn=client_reports.locally_private(0.01),
  )
  datasets = [clients()[0]] * 3
  draws = [computation([0, 1, 2], datasets) for _ in range(2)]
  assert (draws[0] != draws[1]).any()
  assert (draws[0][0] != draws[0][1]).any()


def test_a_report_of_another_shape_is_refused():
  with pytest.raises(ValueError, match='Shape'):
    client_counts(lambda counts, index: counts[:2])


def test_a_client_that_never_ends_is_named(monkeypatch):
  monkeypatch.setattr(client_endings, 'MOST_EXAMPLES_OF_UNKNOWN_NUMBER', 20)
  datasets = clients()
  computation = collection.build_global_label_counts(
      datasets[0].element_spec, 4, max_examples_per_client=2**30
  )
  endless = datasets[2].repeat()
  whole = datasets[2].filter(lambda x, y: True)
  for odd in (endless, endless.filter(lambda x, y: True)):
    with pytest.raises(RuntimeError) as raised:
      computation([datasets[0], whole, odd, datasets[3]])
    message = str(raised.value)
    assert message.startswith('The dataset at [2] was read for 20 examples')
    assert len(message.splitlines()) == 1
  counts = computation([datasets[0], whole])
  np.testing.assert_array_equal(counts, _COUNTS[[0, 2]].sum(axis=0))
