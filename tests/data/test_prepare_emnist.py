"""EMNIST from downloaded files: tiny ones in the official form."""

import gzip
import hashlib
import struct
import zipfile

import numpy as np
import pytest
from tensorflow_datasets.image_classification import mnist as tfds_mnist

from astraea_tff import datasets
from astraea_tff.data import prepare_emnist
from astraea_tff.datasets.sources import tfds_images

_SIZES = {'train': 47 * 3, 'test': 47 * 2}
_CLASSES = 47


def _images(part):
  rng = np.random.default_rng(len(part))
  return rng.integers(0, 256, [_SIZES[part], 28, 28], np.uint8)


@pytest.fixture(name='archives')
def fixture_archives(tmp_path, monkeypatch):
  """The four files of a small bymerge, and their sums."""
  for config in tfds_mnist.EMNIST.BUILDER_CONFIGS:
    monkeypatch.setattr(config, 'train_examples', _SIZES['train'])
    monkeypatch.setattr(config, 'test_examples', _SIZES['test'])
  folder = tmp_path / 'downloaded'
  folder.mkdir()
  for part, size in _SIZES.items():
    labels = (np.arange(size) % _CLASSES).astype(np.uint8)
    for kind, content in (
        ('images-idx3', struct.pack('>4i', 2051, size, 28, 28)
         + _images(part).tobytes()),
        ('labels-idx1', struct.pack('>2i', 2049, size) + labels.tobytes()),
    ):
      name = f'emnist-bymerge-{part}-{kind}-ubyte.gz'
      (folder / name).write_bytes(gzip.compress(content))
  return folder


def _sums(folder):
  return {
      path.name: hashlib.sha256(path.read_bytes()).hexdigest()
      for path in folder.iterdir()
  }


def _by_bytes(images):
  return sorted(image.tobytes() for image in images)


def test_what_is_prepared_is_what_tfds_and_table_i_read(archives, tmp_path):
  folder = prepare_emnist.prepare(
      archives, tmp_path / 'data', sums=_sums(archives)
  )
  assert folder == tmp_path / 'data/emnist/bymerge/3.1.0'
  data = datasets.load(
      'emnist_bal1', num_clients=3, num_examples=94, test_per_class=2, seed=0,
      data_dir=tmp_path / 'data',
  )
  # Upright, as NIST stores them transposed.
  assert _by_bytes(data.features[..., 0]) == _by_bytes(
      _images('train').swapaxes(1, 2)
  )
  assert np.bincount(data.labels).tolist() == [3] * _CLASSES
  assert np.bincount(data.test_labels).tolist() == [2] * _CLASSES
  # Nothing of the way there is left behind.
  assert [path.name for path in (tmp_path / 'data').iterdir()] == ['emnist']


def test_the_zip_file_will_do(archives, tmp_path):
  path = tmp_path / 'gzip.zip'
  with zipfile.ZipFile(path, 'w') as file:
    for member in archives.iterdir():
      file.write(member, f'gzip/{member.name}')
  folder = prepare_emnist.prepare(path, tmp_path / 'data', sums=_sums(archives))
  assert (folder / 'dataset_info.json').is_file()


def test_another_checksum_is_one_line_that_names_the_file(
    archives, tmp_path, capsys
):
  with pytest.raises(SystemExit) as end:
    prepare_emnist.main([f'--archives={archives}', f'--data_dir={tmp_path}/d'])
  message = end.value.code
  assert message.startswith(
      'prepare_emnist: emnist-bymerge-train-images-idx3-ubyte.gz is not the'
      ' official file'
  )
  assert '\n' not in message and not capsys.readouterr().out
  assert not list((tmp_path / 'd').iterdir())


def test_a_file_that_is_missing_is_one_line_that_says_where_it_is(
    archives, tmp_path
):
  sums = _sums(archives)
  name = 'emnist-bymerge-test-labels-idx1-ubyte.gz'
  (archives / name).unlink()
  with pytest.raises(ValueError, match=f'must hold {name}.* gzip.zip of http'):
    prepare_emnist.prepare(archives, tmp_path / 'data', sums=sums)
  with zipfile.ZipFile(tmp_path / 'other.zip', 'w') as file:
    file.writestr('a', 'b')
  for path in (tmp_path / 'other.zip', *list(archives.iterdir())[:1]):
    with pytest.raises(ValueError, match=f'{path.name} must be the gzip.zip'):
      prepare_emnist.prepare(path, tmp_path / 'data', sums=sums)
  with pytest.raises(OSError):
    prepare_emnist.prepare(tmp_path / 'none', tmp_path / 'data', sums=sums)


def test_who_cannot_download_emnist_is_told_of_the_script(
    tmp_path, monkeypatch
):
  monkeypatch.setattr(tfds_images, '_has_network', lambda: False)
  with pytest.raises(RuntimeError, match='astraea_tff.data.prepare_emnist'):
    datasets.load('emnist_bal1', seed=0, data_dir=tmp_path)


def test_an_unknown_set_is_refused(tmp_path):
  with pytest.raises(ValueError, match='config must be one of balanced'):
    prepare_emnist.prepare(tmp_path, tmp_path, config='bymerged')


def test_the_official_sums_are_those_of_all_sets():
  sums = prepare_emnist.official_sums()
  assert len(sums) == 4 * len(prepare_emnist.CONFIGS) == 24
  assert all(len(bytes.fromhex(digest)) == 32 for digest in sums.values())
  name = 'emnist-bymerge-train-images-idx3-ubyte.gz'
  assert sums[name].startswith('39bf8c68')
