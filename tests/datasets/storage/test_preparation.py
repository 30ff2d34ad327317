import errno
import hashlib
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.augmentation import all_clients
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff import datasets
from astraea_tff.datasets.sources import loading
from astraea_tff.datasets.storage import client_files
from astraea_tff.labels import counts as counts_lib

_REQUEST = dict(
    num_clients=6,
    seed=3,
    num_examples=150,
    global_distribution='long_tail',
    local_distribution='dirichlet',
)


def _prepare(cache_dir, **changes):
  return datasets.prepare(
      'digits', cache_dir=cache_dir, **(_REQUEST | changes)
  )


def _files(folder):
  return sorted(str(path.relative_to(folder)) for path in folder.rglob('*'))


@pytest.fixture(name='count_loads')
def fixture_count_loads(monkeypatch):
  loads, load = [], loading.load

  def counting_load(*args, **kwargs):
    loads.append(args)
    return load(*args, **kwargs)

  monkeypatch.setattr(loading, 'load', counting_load)
  return loads


def test_a_prepared_data_set_is_the_loaded_one(tmp_path):
  prepared = _prepare(tmp_path)
  loaded = datasets.load('digits', **_REQUEST)
  assert prepared.name == 'digits'
  assert prepared.class_names == loaded.class_names
  assert prepared.num_pool_examples == len(loaded.labels)
  assert prepared.partition_hash == loaded.partition.hash
  assert prepared.feature_spec == tf.TensorSpec([28, 28, 1], tf.uint8)
  np.testing.assert_array_equal(prepared.label_counts, loaded.label_counts)
  np.testing.assert_array_equal(prepared.test_features, loaded.test_features)
  np.testing.assert_array_equal(prepared.test_labels, loaded.test_labels)
  for client, indices in enumerate(loaded.partition.client_indices):
    images, labels = prepared.clients.load(client)
    np.testing.assert_array_equal(images, loaded.features[indices])
    np.testing.assert_array_equal(labels, loaded.labels[indices])


def test_the_second_time_it_is_opened_without_the_pool(tmp_path, count_loads):
  first, second = _prepare(tmp_path), _prepare(tmp_path)
  assert len(count_loads) == 1
  assert first.content_hash == second.content_hash
  assert first.clients.folder == second.clients.folder


def test_requests_with_one_partition_share_one_folder(tmp_path):
  named = _prepare(tmp_path, global_distribution='natural')
  counts = named.label_counts.sum(axis=0)
  # Another request, which is answered by the same division of the pool.
  default = _prepare(
      tmp_path, global_distribution='natural', size_distribution='even'
  )
  assert named.clients.folder == default.clients.folder
  assert default.label_counts.sum(axis=0).tolist() == counts.tolist()
  assert len(list((tmp_path / 'digits').glob('*.request'))) == 2


def test_another_seed_or_division_is_another_data_set(tmp_path):
  hashes = {
      _prepare(tmp_path, **changes).content_hash
      for changes in ({}, {'seed': 4}, {'num_clients': 5}, {'beta': 3.0})
  }
  assert len(hashes) == 4


@pytest.mark.parametrize(
    'name', ['clients/2', 'clients.npz', 'dataset.json', 'test_features.npy']
)
def test_a_damaged_data_set_is_made_again(tmp_path, name, count_loads):
  folder = _prepare(tmp_path).clients.folder
  path, before = folder / name, _files(tmp_path)
  whole = path.read_bytes()
  path.write_bytes(whole[: len(whole) // 2])
  again = _prepare(tmp_path)
  assert len(count_loads) == 2
  assert again.clients.folder == folder
  assert _files(tmp_path) == before
  if not name.endswith('.npz'):  # Archives hold the time they were made.
    assert path.read_bytes() == whole


def test_an_interrupted_preparation_leaves_nothing(tmp_path, monkeypatch):
  written = []

  def serialize_two_and_stop(features, labels):
    if len(written) == 2:
      raise KeyboardInterrupt
    written.append(labels)
    return serialize(features, labels)

  serialize = client_files.serialize_examples
  monkeypatch.setattr(
      client_files, 'serialize_examples', serialize_two_and_stop
  )
  with pytest.raises(KeyboardInterrupt):
    _prepare(tmp_path)
  assert _files(tmp_path) == ['digits']
  monkeypatch.undo()
  assert _prepare(tmp_path).label_counts.sum() == 150


def test_a_full_disk_is_one_message_and_the_next_run_recovers(
    tmp_path, monkeypatch
):
  def fail(path, content):
    raise OSError(errno.ENOSPC, 'No space left on device')

  with monkeypatch.context() as patched:
    patched.setattr(pathlib.Path, 'write_bytes', fail)
    with pytest.raises(OSError, match='No space left .* free some space'):
      _prepare(tmp_path)
  assert _files(tmp_path) == ['digits']
  assert _prepare(tmp_path).label_counts.sum() == 150


def test_a_name_that_is_no_string_is_refused(tmp_path):
  with pytest.raises(TypeError, match='must be a string'):
    datasets.prepare(7, seed=0, cache_dir=tmp_path)


def test_the_default_cache_follows_the_environment(tmp_path, monkeypatch):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  folder = datasets.prepare('digits', **_REQUEST).clients.folder
  assert folder.parent == tmp_path / 'astraea_tff' / 'digits'


def test_augmented_clients_on_disk_are_those_in_memory(tmp_path):
  prepared = _prepare(tmp_path)
  plan = plan_lib.augmentation_plan(prepared.label_counts, 0.67)
  store = datasets.prepare_augmented(prepared, plan, seed=5)
  loaded = datasets.load('digits', **_REQUEST)
  expected = all_clients.augment_clients(
      loaded.client_datasets(), plan, seed=5
  )
  for client, dataset in enumerate(expected):
    images, labels = zip(*dataset.as_numpy_iterator())
    stored_images, stored_labels = store.load(client)
    np.testing.assert_array_equal(stored_images, images)
    np.testing.assert_array_equal(stored_labels, labels)
  np.testing.assert_array_equal(
      store.label_counts, counts_lib.label_counts(expected, 10)
  )
  assert store.label_counts.sum() > prepared.label_counts.sum()


def test_augmented_clients_are_kept_by_plan_and_seed(tmp_path, monkeypatch):
  prepared = _prepare(tmp_path)
  plans = [
      plan_lib.augmentation_plan(prepared.label_counts, alpha)
      for alpha in (0.67, 1.0)
  ]
  first = datasets.prepare_augmented(prepared, plans[0], seed=5)
  others = [
      datasets.prepare_augmented(prepared, plan, seed=seed)
      for plan, seed in ((plans[1], 5), (plans[0], 6))
  ]
  assert len({store.folder for store in (first, *others)}) == 3
  monkeypatch.setattr(all_clients, 'augmented_examples', None)
  again = datasets.prepare_augmented(prepared, plans[0], seed=5)
  assert again.folder == first.folder


@pytest.mark.parametrize('name', [
    'clients/2', 'clients.npz', 'dataset.json', 'test_features.npy',
    'test_labels.npy', 'partition.npz',
])
@pytest.mark.parametrize('place', [0.3, 0.9])
def test_damage_that_keeps_the_size_is_noticed(
    tmp_path, name, place, count_loads
):
  first = _prepare(tmp_path)
  path = first.clients.folder / name
  whole = path.read_bytes()
  damaged = bytearray(whole)
  damaged[int(place * len(whole))] ^= 1
  path.write_bytes(damaged)
  again = _prepare(tmp_path)
  assert len(count_loads) == 2
  assert path.read_bytes() != damaged
  loaded = datasets.load('digits', **_REQUEST)
  for client, indices in enumerate(loaded.partition.client_indices):
    np.testing.assert_array_equal(
        again.clients.load(client)[0], loaded.features[indices]
    )


_REAL_DATA = pathlib.Path(__file__).parents[4] / (
    'shared/data/tensorflow_datasets'
)


@pytest.mark.skipif(not _REAL_DATA.is_dir(), reason='needs ../shared')
@pytest.mark.parametrize('name', ['mnist', 'cifar10_imbalanced'])
def test_no_two_clients_have_an_identical_sample_of_the_real_data(
    tmp_path, name
):
  prepared = datasets.prepare(
      name, num_clients=100, seed=0, data_dir=_REAL_DATA, cache_dir=tmp_path
  )
  owners = {}
  for client in range(len(prepared.clients)):
    images, labels = prepared.clients.load(client)
    np.testing.assert_array_equal(
        np.bincount(labels, minlength=10), prepared.label_counts[client]
    )
    for image in images:
      owners.setdefault(hashlib.sha256(image).digest(), set()).add(client)
  assert all(len(clients) == 1 for clients in owners.values())
  assert len(owners) == prepared.label_counts.sum()
