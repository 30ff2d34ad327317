"""CINIC-10's builder, on small archives in the official layout."""

import hashlib
import io
import pathlib
import pickle
import sys
import tarfile
import tempfile
from unittest import mock

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from astraea_tff.data.cinic10 import cinic10_dataset_builder
from astraea_tff import datasets
from astraea_tff.datasets.sources import tfds_images

_CLASSES = ('airplane', 'automobile', 'bird', 'cat', 'deer',
            'dog', 'frog', 'horse', 'ship', 'truck')
_FOLDERS = ('train', 'valid', 'test')
_PER_CLASS = {'train': 4, 'valid': 3, 'test': 2}


def _draw_image(folder, label, index):
  seed = [_FOLDERS.index(folder), label, index]
  return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)


def _png(pixels):
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, 'png')
  return file.getvalue()


def _add(archive, path, content):
  member = tarfile.TarInfo(path)
  member.size = len(content)
  archive.addfile(member, io.BytesIO(content))


def _write_archive(path, prefix=''):
  """Writes what the authors distribute: folder/class/image.png, compressed."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with tarfile.open(path, 'w:gz') as archive:
    _add(archive, f'{prefix}README.md', b'CINIC-10')
    for folder in _FOLDERS:
      for label, name in enumerate(_CLASSES):
        for index in range(_PER_CLASS[folder]):
          origin = 'cifar10-train-' if index % 2 else 'n02121808_'
          pixels = _draw_image(folder, label, index)
          _add(archive, f'{prefix}{folder}/{name}/{origin}{index}.png',
               _png(pixels))
  return hashlib.md5(path.read_bytes()).hexdigest()


_EXAMPLES = tempfile.TemporaryDirectory()
_ARCHIVE = pathlib.Path(_EXAMPLES.name) / 'download.tar.gz'


# TFDS's tests of features pickle with dill. Those of builders import it with
# them and never call it, so that its stand-in is never called either.
with mock.patch.dict(sys.modules):
  sys.modules.setdefault('dill', pickle)
  from tensorflow_datasets.testing import dataset_builder_testing


class Cinic10Test(dataset_builder_testing.DatasetBuilderTestCase):
  """TFDS's own checks of a builder."""

  DATASET_CLASS = cinic10_dataset_builder.Builder
  SPLITS = {'train': 40, 'validation': 30, 'test': 20}
  EXAMPLE_DIR = _EXAMPLES.name
  DL_DOWNLOAD_RESULT = _ARCHIVE.name
  # TFDS would compare a SHA-256, and only the archive's MD5 is known.
  SKIP_CHECKSUMS = True

  @classmethod
  def setUpClass(cls):
    cls._official = mock.patch.object(
        cls.DATASET_CLASS, 'ARCHIVE_MD5', _write_archive(_ARCHIVE))
    cls._official.start()
    super().setUpClass()

  @classmethod
  def tearDownClass(cls):
    super().tearDownClass()
    cls._official.stop()
    _EXAMPLES.cleanup()


@pytest.fixture
def manual(tmp_path, monkeypatch):
  """An archive where the user has put it, on a machine without a network."""
  monkeypatch.setattr(tfds_images, '_has_network', lambda: False)
  path = tmp_path / 'downloads' / 'manual' / 'CINIC-10.tar.gz'
  monkeypatch.setattr(cinic10_dataset_builder.Builder, 'ARCHIVE_MD5',
                      _write_archive(path))
  return path


def test_images_and_labels_are_those_of_the_archive(tmp_path, manual):
  data = datasets.load('cinic10', num_clients=2, seed=0, data_dir=tmp_path)
  assert data.class_names == _CLASSES
  for folder, images, labels in (
      ('train', data.features, data.labels),
      ('test', data.test_features, data.test_labels)):
    expected = {
        _draw_image(folder, label, index).tobytes(): label
        for label in range(10) for index in range(_PER_CLASS[folder])}
    found = {image.tobytes(): label for image, label in zip(images, labels)}
    assert found == expected
    assert len(images) == len(expected)
  validation = tfds.load('cinic10', split='validation', data_dir=tmp_path)
  assert len(validation) == 30


def test_the_archive_is_not_needed_again(tmp_path, manual):
  datasets.load('cinic10', num_clients=2, seed=0, data_dir=tmp_path)
  manual.unlink()
  data = datasets.load('cinic10', num_clients=2, seed=0, data_dir=tmp_path)
  assert len(data.features) == 40


def test_imbalanced_cinic10_is_standard_normal_on_100_clients(
    tmp_path, manual, monkeypatch):
  monkeypatch.setitem(_PER_CLASS, 'train', 50)
  monkeypatch.setattr(cinic10_dataset_builder.Builder, 'ARCHIVE_MD5',
                      _write_archive(manual))
  data = datasets.load('cinic10_imbalanced', seed=0, data_dir=tmp_path)
  totals, sizes = data.label_counts.sum(axis=0), data.label_counts.sum(axis=1)
  density = np.exp(-np.linspace(-2, 2, 10) ** 2 / 2)
  np.testing.assert_allclose(
      totals, totals.sum() * density / density.sum(), atol=1)
  assert totals.max() == 50
  assert len(sizes) == 100 and sizes.max() - sizes.min() <= 1


def test_an_archive_with_a_folder_on_top_is_read_too(
    tmp_path, manual, monkeypatch):
  monkeypatch.setattr(cinic10_dataset_builder.Builder, 'ARCHIVE_MD5',
                      _write_archive(manual, prefix='./CINIC-10/'))
  data = datasets.load('cinic10', num_clients=2, seed=0, data_dir=tmp_path)
  assert np.bincount(data.labels).tolist() == [4] * 10


def test_a_grey_image_becomes_one_of_three_channels(
    tmp_path, manual, monkeypatch):
  with tarfile.open(manual, 'w:gz') as archive:
    for folder in _FOLDERS:
      _add(archive, f'{folder}/dog/n0_0.png',
           _png(_draw_image(folder, 5, 0)[..., 0]))
  monkeypatch.setattr(cinic10_dataset_builder.Builder, 'ARCHIVE_MD5',
                      hashlib.md5(manual.read_bytes()).hexdigest())
  data = datasets.load('cinic10', num_clients=1, seed=0, data_dir=tmp_path)
  grey = _draw_image('train', 5, 0)[..., :1]
  np.testing.assert_array_equal(data.features[0], np.repeat(grey, 3, axis=2))


@pytest.mark.parametrize('keep', [0, 0.5, 0.99])
def test_a_truncated_archive_of_the_user_is_refused_and_kept(
    tmp_path, manual, keep):
  content = manual.read_bytes()
  manual.write_bytes(content[:int(keep * len(content))])
  with pytest.raises(RuntimeError) as caught:
    datasets.load('cinic10', num_clients=2, seed=0, data_dir=tmp_path)
  message = str(caught.value)
  assert f'{manual} is damaged or not the official archive' in message
  assert 'replace it' in message and '\n' not in message
  manual.write_bytes(content)
  data = datasets.load('cinic10', num_clients=2, seed=0, data_dir=tmp_path)
  assert len(data.features) == 40


def test_a_damaged_download_is_deleted_and_the_next_run_recovers(
    tmp_path, manual, monkeypatch):
  official = manual.read_bytes()
  manual.unlink()
  monkeypatch.setattr(tfds_images, '_has_network', lambda: True)
  downloaded = tmp_path / 'downloads' / 'some_name.tar.gz'
  downloaded.write_bytes(official[:-100])
  monkeypatch.setattr(
      tfds.download.DownloadManager, 'download', lambda self, url: downloaded)
  with pytest.raises(RuntimeError, match='was damaged .* run the same again'):
    datasets.load('cinic10', num_clients=2, seed=0, data_dir=tmp_path)
  assert not downloaded.exists()
  downloaded.write_bytes(official)
  data = datasets.load('cinic10', num_clients=2, seed=0, data_dir=tmp_path)
  assert len(data.features) == 40


def test_a_missing_download_says_where_the_archive_goes(tmp_path, monkeypatch):
  monkeypatch.setattr(tfds_images, '_has_network', lambda: False)
  with pytest.raises(RuntimeError) as caught:
    datasets.load('cinic10_imbalanced', seed=0, data_dir=tmp_path)
  message = str(caught.value)
  assert 'there is no network' in message and '\n' not in message
  assert f'{tmp_path}/downloads/manual: CINIC-10.tar.gz' in message
  assert 'https://doi.org/10.7488/ds/2448' in message
