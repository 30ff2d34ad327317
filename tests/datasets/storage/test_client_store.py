import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.datasets.storage import client_files
from astraea_tff.datasets.storage import client_store

_SHAPE = (4, 5, 3)
_SIZES = (3, 0, 7, 1, 2, 2, 2, 2, 2, 2, 2)


def _make_clients():
  rng = np.random.default_rng(3)
  return [
      (
          rng.integers(0, 256, (size, *_SHAPE), np.uint8),
          rng.integers(0, 6, size).astype(np.int32),
      )
      for size in _SIZES
  ]


def _write(folder, clients):
  client_store.write_store(
      folder,
      iter(clients),
      num_clients=len(clients),
      num_classes=6,
      feature_spec=tf.TensorSpec(_SHAPE, tf.uint8),
      description='writing',
  )


@pytest.fixture(name='clients', scope='module')
def fixture_clients():
  return _make_clients()


@pytest.fixture(name='store')
def fixture_store(tmp_path, clients):
  _write(tmp_path, clients)
  return client_store.open_store(tmp_path)


def test_a_store_gives_back_what_was_written(store, clients):
  assert len(store) == len(clients)
  assert store.feature_spec == tf.TensorSpec(_SHAPE, tf.uint8)
  for client, (images, labels) in enumerate(clients):
    read_images, read_labels = store.load(client)
    np.testing.assert_array_equal(read_images, images, strict=True)
    np.testing.assert_array_equal(read_labels, labels, strict=True)


def test_label_counts_are_those_of_the_examples(store, clients):
  expected = [np.bincount(labels, minlength=6) for _, labels in clients]
  np.testing.assert_array_equal(store.label_counts, expected)
  assert not store.label_counts.flags.writeable


def test_client_data_is_in_the_clients_order(store, clients):
  client_data = store.client_data
  # '02' before '10', as the ids of more than ten clients are padded.
  assert client_data.client_ids == [f'{k:02d}' for k in range(11)]
  assert client_data.element_type_structure == (
      tf.TensorSpec(_SHAPE, tf.uint8),
      tf.TensorSpec([], tf.int32),
  )
  for client_id, (images, labels) in zip(client_data.client_ids, clients):
    examples = list(
        client_data.create_tf_dataset_for_client(
            client_id
        ).as_numpy_iterator()
    )
    assert [label for _, label in examples] == labels.tolist()
    for (image, _), expected in zip(examples, images):
      np.testing.assert_array_equal(image, expected)


def test_tffs_file_per_user_client_data_opens_the_same_folder(store, clients):
  client_data = (
      tff.simulation.datasets.FilePerUserClientData.create_from_dir(
          str(store.folder / 'clients'),
          lambda path: client_files.read_examples(path, store.feature_spec),
      )
  )
  assert client_data.client_ids == store.client_data.client_ids
  images, labels = zip(
      *client_data.create_tf_dataset_for_client('02').as_numpy_iterator()
  )
  np.testing.assert_array_equal(images, clients[2][0])
  np.testing.assert_array_equal(labels, clients[2][1])


def _truncate(path):
  path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    'damage, message',
    [
        (lambda f: _truncate(f / 'clients' / '02'), '02 should have .* bytes'),
        (lambda f: (f / 'clients' / '10').unlink(), '10 cannot be read'),
        (lambda f: _truncate(f / 'clients.npz'), 'a damaged one'),
        (lambda f: (f / 'clients.npz').unlink(), 'is no store of clients'),
    ],
)
def test_a_damaged_store_is_refused(store, damage, message):
  damage(store.folder)
  with pytest.raises(client_store.DamagedStoreError, match=message):
    client_store.open_store(store.folder)


def test_a_client_too_large_for_its_file_is_refused():
  class Huge:
    nbytes = 2**31

  with pytest.raises(ValueError, match='less than 2 GB .* 2,147,483,648'):
    client_files.serialize_examples(Huge(), np.zeros(1, np.int32))
