"""Names of data sets: what they stand for, and who overrides whom."""

import os
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from astraea_tff import datasets
from astraea_tff.datasets.sources import presets
from astraea_tff.datasets.sources import tfds_images

_PREPARED = pathlib.Path(os.environ.get(
    'TFDS_DATA_DIR',
    pathlib.Path(__file__).parents[4] / 'shared/data/tensorflow_datasets'))


def _draw_feature(feature, index, rng):
  if isinstance(feature, tfds.features.Image):
    return rng.integers(0, 256, feature.shape, np.uint8)
  if isinstance(feature, tfds.features.ClassLabel):
    return index % feature.num_classes
  return f'{index}'


def _split_generators(self, dl_manager):
  """Replaces a builder's own: small splits with the features of the real."""

  def examples(num_examples):
    rng = np.random.default_rng(num_examples)
    for index in range(num_examples):
      yield index, {
          name: _draw_feature(feature, index, rng)
          for name, feature in self.info.features.items()}

  return {'train': examples(60), 'test': examples(20)}


@pytest.mark.parametrize('name, shape, num_classes', [
    ('fashion_mnist', (28, 28, 1), 10), ('cifar100', (32, 32, 3), 100),
    ('svhn_cropped', (32, 32, 3), 10), ('kmnist', (28, 28, 1), 10)])
def test_any_image_classification_set_of_tfds_goes_by_its_name(
    name, shape, num_classes, tmp_path, monkeypatch):
  monkeypatch.setattr(tfds_images, '_has_network', lambda: True)
  monkeypatch.setattr(
      tfds.builder_cls(name), '_split_generators', _split_generators)
  data = datasets.load(
      name, num_clients=7, seed=0, data_dir=tmp_path, num_examples=50,
      local_distribution='random')
  assert data.features.shape == (60, *shape)
  assert data.num_classes == num_classes == len(data.class_names)
  assert data.label_counts.shape == (7, num_classes)
  assert data.label_counts.sum() == 50
  np.testing.assert_array_equal(
      np.sort(data.labels), np.sort(np.arange(60) % num_classes))
  assert len(data.test_features) == 20


@pytest.mark.parametrize('name', [
    'nosuchset', 'my data', '../x', '', 'mnist:9.9.9', 'mnist/zzz',
    'emnist/zzz'])
def test_an_unknown_name_is_refused_in_one_line_with_the_known_ones(
    name, tmp_path):
  with pytest.raises(ValueError) as caught:
    datasets.load(name, num_clients=2, seed=0, data_dir=tmp_path)
  message = str(caught.value)
  assert message.startswith(f'Data set {name!r} is unknown; known are digits')
  assert all(known in message for known in presets.PRESETS)
  assert 'TensorFlow Datasets has no data set' in message
  assert '\n' not in message


def test_a_set_of_tfds_without_images_is_refused(tmp_path):
  with pytest.raises(ValueError, match='uint8 image of one shape'):
    datasets.load('imdb_reviews', num_clients=2, seed=0, data_dir=tmp_path)


def test_a_name_that_is_no_string_is_refused():
  with pytest.raises(TypeError, match='must be a string, got 3'):
    datasets.load(3, num_clients=2, seed=0)


def test_a_name_that_says_no_number_of_clients_needs_one():
  with pytest.raises(ValueError, match="'digits' does not say how many"):
    datasets.load('digits', seed=0)


def test_plain_names_say_nothing_of_clients():
  for name in ('digits', 'mnist', 'cifar10', 'cinic10', 'fashion_mnist'):
    preset = presets.find_preset(name)
    assert preset.num_clients is None
    assert not preset.partition_arguments


def test_what_the_caller_says_comes_before_the_name():
  named = dict(size_distribution='even', global_distribution='standard_normal',
               local_distribution='random')
  name = 'cifar10_imbalanced'
  assert presets.partition_arguments(name, {}) == named
  assert presets.partition_arguments(
      name, dict(beta=None, local_distribution=None)) == named
  given = dict(local_distribution='dirichlet', beta=0.1)
  assert presets.partition_arguments(name, given) == named | given


@pytest.mark.parametrize('axis', ['size_distribution', 'global_distribution'])
def test_given_counts_replace_the_names_number_of_examples(axis):
  arguments = presets.partition_arguments('emnist_bal1', {axis: [1, 2]})
  assert 'num_examples' not in arguments
  arguments = presets.partition_arguments(
      'emnist_bal1', {axis: [1, 2], 'num_examples': 3})
  assert arguments['num_examples'] == 3
  arguments = presets.partition_arguments('emnist_bal1', {axis: 'natural'})
  assert arguments['num_examples'] == 117_500


def test_imbalanced_cifar10_follows_the_standard_normal_on_100_clients():
  if not (_PREPARED / 'cifar10').is_dir():
    pytest.skip(f'{_PREPARED} holds no prepared cifar10')
  data = datasets.load('cifar10_imbalanced', seed=0, data_dir=_PREPARED)
  assert data.name == 'cifar10_imbalanced'
  totals, sizes = data.label_counts.sum(axis=0), data.label_counts.sum(axis=1)
  density = np.exp(-np.linspace(-2, 2, 10) ** 2 / 2)
  np.testing.assert_allclose(
      totals, totals.sum() * density / density.sum(), atol=1)
  assert totals.max() == 5000
  assert len(sizes) == 100 and sizes.max() - sizes.min() <= 1
  # Mixes differ far more than chance alone would have it.
  spread = (data.label_counts / sizes[:, np.newaxis]).std(axis=0)
  assert (spread > 0.02).all()
  assert len(data.test_labels) == 10_000
