"""Every path may begin with ~, and one that leads nowhere is named."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff import datasets

_PARTITION = datasets.Partition((np.arange(2),), np.array([[1, 1]]), {})
_PREPARE = functools.partial(datasets.prepare, 'digits', num_clients=1, seed=0)


@pytest.mark.parametrize('use', [
    lambda path: datasets.from_leaf(path),
    lambda path: datasets.from_table(f'{path}.csv', client='c', label='y'),
    lambda path: datasets.open_clients(path),
    lambda path: datasets.store_clients(
        path, [tf.data.Dataset.from_tensors((0, 0))], 2
    ),
    lambda path: _PARTITION.save(path),
    lambda path: datasets.Partition.load(path),
    lambda path: _PREPARE(cache_dir=path),
    lambda path: _PREPARE(data_dir=path),
    lambda path: datasets.load('mnist', num_clients=1, seed=0, data_dir=path),
])
def test_a_home_that_is_not_there_is_named(use, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(ValueError, match="got '~nobody-here/x.*no home"):
    use('~nobody-here/x')
  with pytest.raises(ValueError, match='without NUL'):
    use('a\0b')
  assert not list(tmp_path.iterdir())


def test_a_partition_is_kept_at_home(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  _PARTITION.save('~/p.npz')
  assert (tmp_path / 'p.npz').is_file()
  assert datasets.Partition.load('~/p.npz').hash == _PARTITION.hash
