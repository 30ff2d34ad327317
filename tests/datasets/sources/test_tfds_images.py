import os
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from astraea_tff import datasets
from astraea_tff.datasets.sources import tfds_images

_PREPARED = pathlib.Path(os.environ.get(
    'TFDS_DATA_DIR',
    pathlib.Path(__file__).parents[4] / 'shared/data/tensorflow_datasets'))

_COLOURS = np.random.default_rng(10).integers(0, 256, (8, 3, 3, 1), np.uint8)


class TinyImages(tfds.core.GeneratorBasedBuilder):
  """Eight images, six of them for training."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    return self.dataset_info_from_configs(
        features=tfds.features.FeaturesDict({
            'image': tfds.features.Image(shape=(3, 3, 1)),
            'label': tfds.features.ClassLabel(names=['even', 'odd']),
        }))

  def _split_generators(self, dl_manager):
    return {'train': self._examples(0, 6), 'test': self._examples(6, 8)}

  def _examples(self, start, end):
    for index in range(start, end):
      yield index, {'image': _COLOURS[index], 'label': index % 2}

  def _generate_examples(self):
    raise NotImplementedError


class TinyUnfit(tfds.core.GeneratorBasedBuilder):
  """Images of many shapes."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    return self.dataset_info_from_configs(
        features=tfds.features.FeaturesDict({
            'image': tfds.features.Image(shape=(None, None, 3)),
            'label': tfds.features.ClassLabel(num_classes=2),
        }))

  def _split_generators(self, dl_manager):
    raise NotImplementedError

  def _generate_examples(self):
    raise NotImplementedError


class TinyUntested(TinyImages):
  """No test split."""

  VERSION = tfds.core.Version('1.0.0')

  def _split_generators(self, dl_manager):
    return {'train': self._examples(0, 6)}


@pytest.fixture
def network(monkeypatch):
  monkeypatch.setattr(tfds_images, '_has_network', lambda: True)


def _content(images, labels):
  return {image.tobytes(): label for image, label in zip(images, labels)}


def test_a_data_set_is_prepared_once_and_read_again(tmp_path, network,
                                                    monkeypatch):
  first = tfds_images.load_tfds_images('tiny_images', tmp_path)
  expected = _content(_COLOURS, np.arange(8) % 2)
  pool = _content(first.features, first.labels)
  test = _content(first.test_features, first.test_labels)
  assert (len(pool), len(test)) == (6, 2)
  assert pool | test == expected
  assert first.features.dtype == np.uint8 and first.labels.dtype == np.int32
  assert first.class_names == ('even', 'odd')
  monkeypatch.setattr(tfds_images, '_has_network', lambda: False)
  again = tfds_images.load_tfds_images('tiny_images', str(tmp_path))
  np.testing.assert_array_equal(first.features, again.features)
  np.testing.assert_array_equal(first.labels, again.labels)


def test_a_missing_download_without_a_network_says_what_to_do(
    tmp_path, monkeypatch):
  monkeypatch.setattr(tfds_images, '_has_network', lambda: False)
  with pytest.raises(RuntimeError) as caught:
    datasets.load('mnist', num_clients=2, seed=0, data_dir=tmp_path)
  message = str(caught.value)
  assert 'mnist' in message and str(tmp_path) in message
  assert 'there is no network' in message and '--data_dir' in message
  assert '\n' not in message
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('error', [
    OSError(28, 'No space left on device'), ConnectionError('a\nb'),
    tfds.download.DownloadError('404')])
def test_a_download_that_fails_says_why_in_one_line_and_can_be_repeated(
    tmp_path, network, monkeypatch, error):
  def fail(self):
    raise error

  with monkeypatch.context() as patch:
    patch.setattr(TinyImages, 'download_and_prepare', fail)
    with pytest.raises(RuntimeError, match=type(error).__name__) as caught:
      tfds_images.load_tfds_images('tiny_images', tmp_path)
    assert '\n' not in str(caught.value)
  assert len(tfds_images.load_tfds_images('tiny_images', tmp_path).features) == 6


@pytest.mark.parametrize('keep', [0, 30, 0.5, 0.9])
def test_a_truncated_file_is_refused_and_names_its_folder(
    tmp_path, network, keep):
  tfds_images.load_tfds_images('tiny_images', tmp_path)
  (file,) = tmp_path.glob('**/*train.tfrecord*')
  content = file.read_bytes()
  length = keep if isinstance(keep, int) else int(keep * len(content))
  file.write_bytes(content[:length])
  with pytest.raises(RuntimeError, match='cannot be read .*Delete') as caught:
    tfds_images.load_tfds_images('tiny_images', tmp_path)
  assert str(file.parent) in str(caught.value)


def test_a_file_that_lost_whole_examples_is_refused(tmp_path, network):
  tfds_images.load_tfds_images('tiny_images', tmp_path)
  (train,) = tmp_path.glob('**/*train.tfrecord*')
  (test,) = tmp_path.glob('**/*test.tfrecord*')
  train.write_bytes(test.read_bytes())
  with pytest.raises(RuntimeError, match='6 elements but contained only 2'):
    tfds_images.load_tfds_images('tiny_images', tmp_path)


def test_an_unknown_data_set_is_refused_in_one_line(tmp_path):
  with pytest.raises(ValueError, match="no data set 'nosuchset'") as caught:
    tfds_images.load_tfds_images('nosuchset', tmp_path)
  assert '\n' not in str(caught.value)


def test_images_of_many_shapes_are_refused(tmp_path):
  with pytest.raises(ValueError, match='uint8 image of one shape'):
    tfds_images.load_tfds_images('tiny_unfit', tmp_path)


def test_a_data_set_without_a_test_split_is_refused(tmp_path, network):
  with pytest.raises(ValueError, match='splits train and test, but has train'):
    tfds_images.load_tfds_images('tiny_untested', tmp_path)


@pytest.mark.parametrize('name, shape, pool_size', [
    ('mnist', (28, 28, 1), 60_000), ('cifar10', (32, 32, 3), 50_000)])
def test_the_real_data_are_divided_without_a_shared_image(
    name, shape, pool_size):
  if not (_PREPARED / name).is_dir():
    pytest.skip(f'{_PREPARED} holds no prepared {name}')
  data = datasets.load(
      name, num_clients=100, seed=0, data_dir=_PREPARED,
      global_distribution='standard_normal', local_distribution='dirichlet')
  assert data.features.shape == (pool_size, *shape)
  assert data.test_features.shape == (10_000, *shape)
  sizes = data.label_counts.sum(axis=0)
  available = np.bincount(data.labels)
  # Full use of the class that is scarcest for its share; the bell is symmetric.
  assert (available - sizes).min() == 0
  assert np.abs(sizes - sizes[::-1]).max() <= 1
  assert sizes[4] / sizes[0] == pytest.approx(7.2, abs=0.1)
  chosen = np.concatenate(data.partition.client_indices)
  contents = {data.features[index].tobytes() for index in chosen}
  assert len(contents) == len(chosen) == sizes.sum()
