import errno
import hashlib
import pathlib

import numpy as np
import pytest

from astraea_tff.datasets.partitioning import partition as partition_lib
from astraea_tff.datasets.partitioning import partitions


def _tiny():
  return partitions.Partition(
      (np.array([4, 0], np.int32), np.array([2])), np.array([[1, 1], [0, 1]]),
      {'seed': 5})


def test_partition_is_read_only_and_keeps_no_hold_of_its_arguments():
  counts, indices = np.array([[1, 1]]), np.array([0, 1])
  partition = partitions.Partition((indices,), counts)
  indices[0], counts[0, 0] = 9, 9
  assert partition.client_indices[0].tolist() == [0, 1]
  assert partition.counts.tolist() == [[1, 1]]
  assert partition.client_indices[0].dtype == np.int64
  with pytest.raises(ValueError, match='read-only'):
    partition.client_indices[0][0] = 1
  with pytest.raises(ValueError, match='read-only'):
    partition.counts[0, 0] = 1
  with pytest.raises(AttributeError):
    partition.counts = counts


def test_a_partition_of_indices_and_labels_has_their_counts():
  labels = np.array([0, 2, 1, 1, 0], np.uint8)
  partition = partitions.Partition.from_labels([[4, 0], [2], []], labels)
  assert [row.tolist() for row in partition.client_indices] == [[4, 0], [2], []]
  assert partition.counts.tolist() == [[2, 0, 0], [0, 1, 0], [0, 0, 0]]
  drawn = partition_lib.partition(np.arange(600) % 7, 5, 9, seed=1)
  again = partitions.Partition.from_labels(
      drawn.client_indices, np.arange(600) % 7, num_classes=9
  )
  assert again.hash == drawn.hash


@pytest.mark.parametrize('indices, labels, classes, error, message', [
    ([[0], [0]], [0, 1], None, ValueError, '0 occurs more than once'),
    ([[0], [2]], [0, 1], None, ValueError, r'indices\[1\] must lie in \[0, 2\)'),
    ([[-1]], [0, 1], None, ValueError, r'indices\[0\] must lie .* got -1'),
    ([[0.5]], [0, 1], None, TypeError, r'client_indices\[0\]'),
    ([[0]], [0, 5], 3, ValueError, r'labels must lie in \[0, 3\), .* is 5'),
    ([[0]], [0, -1], None, ValueError, r'labels must lie .*\[1\] is -1'),
    ([[0]], [0.0, 1.0], None, TypeError, 'labels must be integers'),
    ([[0]], [], None, TypeError, 'labels must be integers'),
    ([[0]], [0, 1], 2.0, TypeError, 'num_classes'),
])
def test_unsound_indices_and_labels_are_refused(
    indices, labels, classes, error, message
):
  with pytest.raises(error, match=message):
    partitions.Partition.from_labels(indices, labels, classes)


def test_hash_is_the_sha256_of_the_content():
  content = b'astraea_tff partition 1' + b''.join(
      number.to_bytes(8, 'little') for number in
      (2, 2, 1, 1, 0, 1, 4, 0, 2))
  assert _tiny().hash == hashlib.sha256(content).hexdigest()
  assert _tiny().hash == (
      '4a9325a14e72bfd6ceffd80fbf45b82b5d09dba427990b9a898f5f22cca8f3d8')


def test_hash_tells_content_apart_and_no_parameters():
  tiny = _tiny()
  other_order = partitions.Partition(
      (np.array([0, 4]), np.array([2])), tiny.counts)
  other_counts = partitions.Partition(
      tiny.client_indices, np.array([[1, 1], [1, 0]]))
  other_parameters = partitions.Partition(tiny.client_indices, tiny.counts)
  assert len({tiny.hash, other_order.hash, other_counts.hash}) == 3
  assert other_parameters.hash == tiny.hash


def test_a_saved_partition_is_read_back(tmp_path):
  labels = np.arange(6000) % 10
  partition = partition_lib.partition(
      labels, 20, 10, seed=3, size_distribution='instagram')
  path = tmp_path / 'partition.npz'
  path.write_text('something older')
  partition.save(path)
  loaded = partitions.Partition.load(path)
  assert loaded.hash == partition.hash
  assert loaded.parameters == partition.parameters
  np.testing.assert_array_equal(loaded.counts, partition.counts)
  for ours, theirs in zip(loaded.client_indices, partition.client_indices,
                          strict=True):
    np.testing.assert_array_equal(ours, theirs)
  assert list(tmp_path.iterdir()) == [path]


def test_an_empty_client_is_read_back(tmp_path):
  partition = partitions.Partition(
      (np.array([1]), np.array([], np.int64)), np.array([[1, 0], [0, 0]]))
  partition.save(tmp_path / 'p')
  assert partitions.Partition.load(tmp_path / 'p').hash == partition.hash


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch):
  path = tmp_path / 'partition.npz'
  path.write_text('older')

  def fail(file, **_):
    file.write(b'half')
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(np, 'savez', fail)
  with pytest.raises(OSError, match='No space left'):
    _tiny().save(path)
  assert path.read_text() == 'older'
  assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_no_damaged_one(tmp_path):
  with pytest.raises(FileNotFoundError):
    partitions.Partition.load(tmp_path / 'nowhere.npz')


def test_every_truncation_of_a_file_is_refused(tmp_path):
  _tiny().save(tmp_path / 'whole')
  content = (tmp_path / 'whole').read_bytes()
  damaged = tmp_path / 'damaged'
  for length in range(0, len(content) - 1, 37):
    damaged.write_bytes(content[:length])
    with pytest.raises(ValueError, match='delete it and make the partition'):
      partitions.Partition.load(damaged)


def test_flipped_bytes_never_give_another_partition(tmp_path):
  _tiny().save(tmp_path / 'whole')
  content = (tmp_path / 'whole').read_bytes()
  damaged = tmp_path / 'damaged'
  for position in range(0, len(content), 29):
    changed = bytearray(content)
    changed[position] ^= 0xFF
    damaged.write_bytes(changed)
    try:
      loaded = partitions.Partition.load(damaged)
    except ValueError as error:
      assert str(damaged) in str(error)
    else:
      assert loaded.hash == _tiny().hash


@pytest.mark.parametrize('changes, message', [
    (dict(format='other'), "its format is 'other'"),
    (dict(hash='0' * 64), 'its hash does not match'),
    (dict(indices=np.array([4, 0, 3])), 'its hash does not match'),
    (dict(indices=np.array([4, 0, 0])), 'must not repeat'),
    (dict(indices=np.array([4, 0])), 'counts must have a row'),
    (dict(counts=np.array([1, 2])), 'damaged'),
    (dict(parameters='{'), 'damaged'),
    (dict(indices=None), 'damaged'),
])
def test_a_file_with_other_content_is_refused(tmp_path, changes, message):
  tiny = _tiny()
  content = dict(
      format='astraea_tff partition 1', hash=tiny.hash,
      indices=np.array([4, 0, 2]), counts=tiny.counts, parameters='{}')
  content.update(changes)
  content = {key: value for key, value in content.items() if value is not None}
  with open(tmp_path / 'file', 'wb') as file:
    np.savez(file, **content)
  with pytest.raises(ValueError, match=message):
    partitions.Partition.load(tmp_path / 'file')


def test_a_plain_array_file_is_refused(tmp_path):
  np.save(tmp_path / 'array.npy', np.zeros(3))
  with pytest.raises(ValueError, match='is no partition file'):
    partitions.Partition.load(tmp_path / 'array.npy')


@pytest.mark.parametrize('indices, counts, error, message', [
    (([0, 1],), [[1, 0]], ValueError, 'counts must have a row'),
    (([0], [1]), [[1, 0]], ValueError, 'counts must have a row'),
    (([0, 0],), [[1, 1]], ValueError, '0 occurs more than once'),
    (([0], [0]), [[1, 0], [1, 0]], ValueError, '0 occurs more than once'),
    (([-1],), [[1, 0]], ValueError, 'negative, got -1'),
    (([0.0],), [[1, 0]], TypeError, r'client_indices\[0\]'),
    (([[0]],), [[1, 0]], TypeError, r'client_indices\[0\]'),
    (([0],), [[0.5, 0.5]], (TypeError, ValueError), 'counts'),
    (([0],), [[1]], ValueError, 'counts'),
])
def test_unsound_partitions_are_refused(indices, counts, error, message):
  with pytest.raises(error, match=message):
    partitions.Partition(indices, np.array(counts))


def test_an_error_of_the_system_is_no_damage(tmp_path, monkeypatch):
  path = tmp_path / 'a.npz'
  _tiny().save(path)

  def fail(*arguments, **options):
    raise OSError(errno.EIO, 'Input/output error')

  monkeypatch.setattr(pathlib.Path, 'read_bytes', fail)
  with pytest.raises(OSError, match='Input/output error') as raised:
    partitions.Partition.load(path)
  assert 'damaged' not in str(raised.value)
  monkeypatch.undo()
  assert partitions.Partition.load(path).hash == _tiny().hash


@pytest.mark.parametrize('classes', [None, 2])
def test_a_pool_of_one_class_is_one_of_two(classes):
  partition = partitions.Partition.from_labels(
      [[0], [1, 2]], np.zeros(3, np.uint64), classes
  )
  assert partition.counts.tolist() == [[1, 0], [2, 0]]
  with pytest.raises(ValueError, match='num_classes must be at least 2, got 1'):
    partitions.Partition.from_labels([[0]], [0], 1)
