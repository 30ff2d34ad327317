"""Clients of any structure on disk: they come back, and a worker reads them."""

import collections
import errno
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import datasets

_SIZES = (3, 0, 5)


def _arrays(size, seed):
  rng = np.random.default_rng(seed)
  features = collections.OrderedDict(
      z=rng.normal(size=(size, 2)).astype(np.float32),
      a=(
          rng.integers(0, 9, (size, 4)).astype(np.int64),
          rng.random(size) < 0.5,
      ),
  )
  # A value, of which the sign says what it counts for.
  return features, rng.normal(size=size)


def _clients():
  return [
      tf.data.Dataset.from_tensor_slices(_arrays(size, seed))
      for seed, size in enumerate(_SIZES)
  ]


def _sign(element):
  return tf.cast(element[1] > 0, tf.int32)


@pytest.fixture(name='stored', scope='module')
def fixture_stored(tmp_path_factory):
  folder = tmp_path_factory.mktemp('any') / 'ä\udcff'
  return datasets.store_clients(folder, _clients(), 2, label_fn=_sign)


def test_what_is_stored_comes_back(stored):
  for opened in (stored, datasets.open_clients(stored.folder)):
    assert len(opened) == 3 and opened.client_data.client_ids == ['0', '1', '2']
    for seed, (name, size) in enumerate(zip('012', _SIZES)):
      dataset = opened.client_data.create_tf_dataset_for_client(name)
      expected = tf.data.Dataset.from_tensor_slices(_arrays(size, seed))
      assert dataset.element_spec == expected.element_spec
      elements = list(dataset.as_numpy_iterator())
      assert len(elements) == size
      for element, same in zip(elements, expected.as_numpy_iterator()):
        for part, other in zip(
            tf.nest.flatten(element), tf.nest.flatten(same), strict=True
        ):
          np.testing.assert_array_equal(part, other, strict=True)


def test_label_fn_says_what_an_example_counts_for(stored):
  expected = [
      [(labels <= 0).sum(), (labels > 0).sum()]
      for labels in (_arrays(size, k)[1] for k, size in enumerate(_SIZES))
  ]
  np.testing.assert_array_equal(stored.label_counts, expected)
  np.testing.assert_array_equal(
      astraea_tff.label_counts(stored.client_data, 2, label_fn=_sign), expected
  )
  assert not stored.label_counts.flags.writeable


def test_augmented_clients_are_stored_as_they_were_augmented(stored, tmp_path):
  plan = astraea_tff.AugmentationPlan(1.0, [1.0, 2.0], [4, 4], (1,), ())
  augmented = astraea_tff.augment_clients(
      stored.client_data, plan, seed=1, label_fn=_sign
  )
  again = datasets.store_clients(
      tmp_path / 'augmented', augmented, 2, label_fn=_sign
  )
  np.testing.assert_array_equal(
      again.label_counts, stored.label_counts * [1, 2]
  )
  for name in augmented.client_ids:
    for element, same in zip(
        again.client_data.create_tf_dataset_for_client(name),
        augmented.create_tf_dataset_for_client(name),
    ):
      tf.nest.map_structure(np.testing.assert_array_equal, element, same)


@pytest.mark.usefixtures('execution_context')
def test_a_worker_reads_them_by_id(stored):
  clients = astraea_tff.ClientsById(stored.client_data, batch_size=2, seed=0)
  total = tff.tensorflow.computation(
      lambda client: clients.read(client).reduce(
          np.float64(0), lambda total, batch: total + tf.reduce_sum(batch[1])
      ),
      clients.client_type,
  )
  for client, (seed, size) in zip(clients.for_round(1), enumerate(_SIZES)):
    assert total(client) == pytest.approx(_arrays(size, seed)[1].sum())


@pytest.mark.parametrize('clients, error, message', [
    (lambda: [c.batch(2) for c in _clients()], ValueError, r'0\].*unbatch'),
    (
        lambda: [tf.data.Dataset.from_tensors((np.zeros([0]), 0))],
        ValueError,
        r'clients\[0\] must have tensors of known sizes above 0',
    ),
    (
        lambda: [tf.data.Dataset.from_tensors((['text'], 0))],
        TypeError,
        r'clients\[0\] must have .* truth values, .*token ids',
    ),
    (
        lambda: [
            tf.data.Dataset.from_tensors((0, 0)),
            tf.data.Dataset.from_tensors(([0], 0)),
        ],
        ValueError,
        r'clients\[1\] has elements',
    ),
])
def test_refuses(clients, error, message, tmp_path):
  with pytest.raises(error, match=message):
    datasets.store_clients(
        tmp_path / 'x', clients(), 2,
        label_fn=lambda element: tf.cast(tf.zeros_like(element[1]), tf.int32),
    )
  assert not (tmp_path / 'x').exists()


def test_what_is_counted_is_what_is_stored(tmp_path):
  # Another label at every pass.
  passes = tf.Variable(0)

  def label(_):
    return passes.assign_add(1) % 2

  clients = [tf.data.Dataset.range(1).map(lambda x: (x, label(x)))]
  stored = datasets.store_clients(tmp_path / 'x', clients, 2)
  np.testing.assert_array_equal(
      stored.label_counts, astraea_tff.label_counts(stored.client_data, 2)
  )


def test_clients_may_come_one_by_one(stored, tmp_path):
  again = datasets.store_clients(
      tmp_path / 'x', iter(_clients()), 2, label_fn=_sign
  )
  np.testing.assert_array_equal(again.label_counts, stored.label_counts)


def test_a_file_that_is_damaged_later_is_named(tmp_path):
  clients = [tf.data.Dataset.from_tensors((0, label)) for label in (0, 1)]
  stored = datasets.store_clients(tmp_path / 'x', clients, 2)
  (stored.folder / '1').write_bytes(b'damage')
  with pytest.raises(tf.errors.InvalidArgumentError, match="^client '1' cannot"):
    astraea_tff.label_counts(stored.client_data, 2)


def test_a_link_that_leads_nowhere_is_in_the_way(tmp_path):
  (tmp_path / 'x').symlink_to(tmp_path / 'nothing')
  with pytest.raises(FileExistsError, match='must be a new one'):
    datasets.store_clients(tmp_path / 'x', [], 2)


def test_what_cannot_be_written_is_said_with_the_folder(tmp_path, monkeypatch):
  (tmp_path / 'file').write_text('no folder')
  with pytest.raises(FileExistsError, match="File exists: '.*/file'"):
    datasets.store_clients(tmp_path / 'file' / 'x', _clients(), 2, label_fn=_sign)

  def write_to_a_full_disk(path, content):
    raise OSError(errno.ENOSPC, 'No space left on device', str(path))

  monkeypatch.setattr(pathlib.Path, 'write_bytes', write_to_a_full_disk)
  with pytest.raises(OSError, match='/x cannot be written: No space left'):
    datasets.store_clients(tmp_path / 'x', _clients(), 2, label_fn=_sign)
  assert [*tmp_path.iterdir()] == [tmp_path / 'file']


def test_a_folder_that_is_there_or_damaged_is_refused(stored, tmp_path):
  with pytest.raises(FileExistsError, match='open_clients'):
    datasets.store_clients(stored.folder, _clients(), 2, label_fn=_sign)
  with pytest.raises(ValueError, match='no store of clients'):
    datasets.open_clients(tmp_path)
  content = (stored.folder / '2').read_bytes()
  (stored.folder / '2').write_bytes(content[:-1] + b'?')
  try:
    with pytest.raises(ValueError, match='does not hold what was written'):
      datasets.open_clients(stored.folder)
  finally:
    (stored.folder / '2').write_bytes(content)


def test_another_programs_clients_are_not_taken_for_ones_own(tmp_path):
  folder = tmp_path / 'clients'
  example = tf.data.Dataset.from_tensors((np.float32([1]), np.int32(0)))

  def clients():
    yield example.map(lambda x, y: (x + 1, y))
    datasets.store_clients(folder, [example], 2)

  with pytest.raises(FileExistsError, match='`folder` must be a new one, but'):
    datasets.store_clients(folder, clients(), 2)
  ((x, _),) = next(datasets.open_clients(folder).client_data.datasets())
  assert x == [1]
  assert [*tmp_path.iterdir()] == [folder]
