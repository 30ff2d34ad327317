import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets
import tensorflow as tf

from astraea_tff import datasets
from astraea_tff.datasets.sources import digits


def _contents(images):
  return {image.tobytes() for image in images}


def test_pool_and_test_set_hold_every_digit_once():
  data = digits.load_digits()
  # All 1,797 digits differ, so content tells whether one is in both sets.
  pool, test = _contents(data.features), _contents(data.test_features)
  assert (len(pool), len(test)) == (len(data.features), 300)
  assert len(pool) + len(test) == len(pool | test) == 1797
  np.testing.assert_array_equal(np.bincount(data.test_labels), 30)
  assert data.features.shape == (1497, 28, 28, 1)
  assert data.features.dtype == np.uint8 and data.labels.dtype == np.int32
  assert data.class_names == tuple('0123456789')


def test_labels_belong_to_their_images():
  data = digits.load_digits()
  raw = sklearn_datasets.load_digits()
  resized = tf.image.resize(raw.images[..., np.newaxis], (28, 28)).numpy()
  expected = np.rint(resized * 255 / 16)
  labels = dict(zip((x.tobytes() for x in raw.images), raw.target))
  assert len(labels) == 1797
  ours = np.concatenate([data.features, data.test_features]).astype(int)
  our_labels = np.concatenate([data.labels, data.test_labels])
  # Nearest in the sum of differences: the same digit, but for rounding.
  for index in range(0, 1797, 50):
    differences = np.abs(expected - ours[index]).sum(axis=(1, 2, 3))
    nearest = differences.argmin()
    assert differences[nearest] <= 28 * 28
    assert raw.target[nearest] == our_labels[index]


def test_grey_levels_use_the_whole_range():
  images = digits.load_digits().features
  assert (images.min(), images.max()) == (0, 255)


def test_resizing_equals_tensorflows():
  images = np.random.default_rng(9).random((3, 8, 8))
  expected = tf.image.resize(images[..., np.newaxis], (28, 28))[..., 0]
  np.testing.assert_allclose(
      digits.resize_bilinear(images, 28), expected, atol=1e-6)


def test_load_divides_the_digits_without_sharing():
  data = datasets.load(
      'digits', num_clients=20, seed=0, global_distribution='long_tail',
      imbalance_factor=20, local_distribution='dirichlet')
  contents = [
      _contents(images for images, _ in client.as_numpy_iterator())
      for client in data.client_datasets()]
  assert sum(map(len, contents)) == len(set.union(*contents)) == 503
  assert not set.union(*contents) & _contents(data.test_features)
  class_sizes = data.label_counts.sum(axis=0)
  assert class_sizes.tolist() == [148, 106, 76, 55, 39, 28, 20, 14, 10, 7]


def test_load_gives_the_same_for_the_same_seed_and_one_test_set():
  first, same, other = (
      datasets.load('digits', num_clients=5, seed=seed) for seed in (0, 0, 1))
  assert first.partition.hash == same.partition.hash != other.partition.hash
  np.testing.assert_array_equal(first.test_features, other.test_features)
  assert first.name == 'digits' and first.num_classes == 10


def test_load_refuses_an_unknown_name_and_lists_the_known():
  with pytest.raises(ValueError, match="'digit' is unknown; .*digits, mnist"):
    datasets.load('digit', num_clients=5, seed=0)


def test_load_refuses_unknown_and_bad_partition_arguments():
  with pytest.raises(TypeError, match='gamma'):
    datasets.load('digits', num_clients=5, seed=0, gamma=3)
  with pytest.raises(ValueError, match='class 8 needs 150 and has 144'):
    datasets.load('digits', num_clients=5, seed=0, num_examples=1500,
                  global_distribution='balanced')
