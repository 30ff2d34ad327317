import numpy as np
import pytest
import tensorflow as tf

from astraea_tff import datasets
from astraea_tff.labels import counts as counts_lib

_RNG = np.random.default_rng(8)
_IMAGES = _RNG.integers(0, 256, (60, 4, 5, 3), np.uint8)
_LABELS = _RNG.integers(0, 3, 60).astype(np.int32)


def _dataset(**changes):
  arguments = dict(
      class_names=('a', 'b', 'c'), features=_IMAGES, labels=_LABELS,
      test_features=_IMAGES[:2], test_labels=_LABELS[:2], name='random',
      partition=datasets.partition(_LABELS, 4, 3, seed=0, num_examples=40))
  return datasets.FederatedDataset(**(arguments | changes))


def test_clients_have_their_own_rows_in_the_partitions_order():
  data = _dataset()
  clients = data.client_datasets()
  assert len(clients) == 4
  for dataset, indices in zip(clients, data.partition.client_indices):
    images, labels = zip(*dataset.as_numpy_iterator())
    np.testing.assert_array_equal(images, _IMAGES[indices])
    np.testing.assert_array_equal(labels, _LABELS[indices])
    assert dataset.element_spec == (
        tf.TensorSpec([4, 5, 3], tf.uint8), tf.TensorSpec([], tf.int32))


def test_label_counts_are_those_of_the_clients():
  data = _dataset()
  assert data.num_classes == 3
  np.testing.assert_array_equal(
      data.label_counts,
      counts_lib.label_counts(data.client_datasets(), 3))


@pytest.mark.parametrize(
    'name', ['features', 'labels', 'test_features', 'test_labels']
)
def test_lists_are_refused_by_name(name):
  value = getattr(_dataset(), name).tolist()
  with pytest.raises(TypeError, match=f'{name} must be a NumPy array, got a l'):
    _dataset(**{name: value})
  masked = np.ma.masked_array(getattr(_dataset(), name))
  with pytest.raises(TypeError, match=f'{name} must be a NumPy .*MaskedArray'):
    _dataset(**{name: masked})


@pytest.mark.parametrize('changes, message', [
    (dict(class_names=('a',)), 'at least 2 classes'),
    (dict(class_names=('a', 'b')), r'labels must lie in \[0, 2\), .* is 2'),
    (dict(features=_IMAGES / 255), 'features must be uint8 images'),
    (dict(features=_IMAGES[..., 0]), 'features must be uint8'),
    (dict(labels=_LABELS.astype(np.int64)), 'labels must be int32'),
    (dict(labels=_LABELS[:-1]), r'labels must be int32 \[60\]'),
    (dict(labels=_LABELS - 1), r'labels must lie in \[0, 3\), .* is -1'),
    (dict(test_labels=np.array([0, 3], np.int32)), 'test_labels must lie'),
    (dict(test_features=_IMAGES[:2, :3]), 'must have one shape'),
    (dict(partition=datasets.partition([0, 1], 1, 2, seed=0)),
     'partition has 2 classes'),
    (dict(partition=datasets.Partition(([60],), np.array([[1, 0, 0]]))),
     'index 60, but there are only 60 examples'),
    (dict(partition=datasets.Partition(
        ([0],), np.array([np.arange(3) == (_LABELS[0] + 1) % 3], int))),
     'made for other labels'),
])
def test_what_does_not_fit_together_is_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    _dataset(**changes)


def _client(num_examples=10):
  return tf.data.Dataset.from_tensor_slices(
      (_IMAGES[:num_examples], np.arange(num_examples, dtype=np.int32)))


def test_batches_are_scaled_and_keep_the_order():
  batches = list(datasets.batch_client(_client(), 4).as_numpy_iterator())
  assert [len(labels) for _, labels in batches] == [4, 4, 2]
  np.testing.assert_allclose(
      np.concatenate([images for images, _ in batches]), _IMAGES[:10] / 255,
      rtol=1e-6)
  assert np.concatenate([labels for _, labels in batches]).tolist() == list(
      range(10))
  assert datasets.batch_client(_client(), 4).element_spec == (
      tf.TensorSpec([None, 4, 5, 3], tf.float32),
      tf.TensorSpec([None], tf.int32))


def _order(dataset):
  return [int(label) for _, labels in dataset for label in labels]


def test_shuffling_follows_the_seed_and_covers_the_whole_client():
  first, same, other = (
      _order(datasets.batch_client(_client(60), 7, shuffle_seed=seed))
      for seed in (1, 1, 2))
  assert first == same != other
  assert sorted(first) == list(range(60)) != first
  assert max(np.abs(np.array(first) - np.arange(60))) > 30


def test_every_pass_has_an_order_of_its_own():
  dataset = datasets.batch_client(_client(60), 7, shuffle_seed=1)
  assert _order(dataset) != _order(dataset)


def test_a_client_of_unknown_or_no_size_is_shuffled_too():
  unknown = _client(30).filter(lambda image, label: label >= 0)
  order = _order(datasets.batch_client(unknown, 7, shuffle_seed=1))
  assert sorted(order) == list(range(30)) != order
  assert not _order(datasets.batch_client(_client(0), 7, shuffle_seed=1))


@pytest.mark.parametrize('arguments, error, message', [
    (dict(dataset=None), TypeError, 'dataset must be a .*Dataset.*, got None'),
    (dict(dataset=_client().batch(2)), TypeError, 'unbatched'),
    (dict(dataset=_client().map(lambda x, y: x)), TypeError, 'elements'),
    (dict(dataset=_client().map(lambda x, y: {'x': x, 'y': y})), TypeError,
     'elements'),
    (dict(dataset=_client().map(lambda x, y: (x / 255, y))), TypeError,
     'uint8'),
    (dict(batch_size=0), ValueError, 'batch_size must be at least 1'),
    (dict(batch_size=2.0), TypeError, 'batch_size must be an int'),
    (dict(shuffle_seed=-1), ValueError, 'shuffle_seed must be at least 0'),
])
def test_bad_arguments_are_refused(arguments, error, message):
  with pytest.raises(error, match=message):
    datasets.batch_client(**(dict(dataset=_client(), batch_size=2) | arguments))
