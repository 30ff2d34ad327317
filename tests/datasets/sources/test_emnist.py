"""EMNIST and Table I: sizes at full scale, and images through TFDS itself."""

import functools
import gzip
import struct

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.image_classification import mnist as tfds_mnist

from astraea_tff import datasets
from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets.sources import emnist
from astraea_tff.datasets.sources import presets
from astraea_tff.datasets.sources import tfds_images

_TOTALS = {
    'emnist_bal1': 117_500, 'emnist_bal2': 117_500, 'emnist_ins': 117_500,
    'emnist_ltrf1': 117_500, 'emnist_ltrf2': 230_752}

# Of the order of NIST's: many digits, unequal letters, small f the rarest. They
# are no table of the real class sizes.
_PLAUSIBLE_THOUSANDS = dict(
    zip('0123456789', [34] * 10),
    A=6.4, B=3.9, C=12.9, D=4.6, E=5.0, F=9.1, G=2.6, H=3.2, I=14.5, J=5.0,
    K=4.8, L=20.0, M=11.6, N=8.2, O=27.5, P=10.8, Q=2.6, R=5.1, S=23.5, T=9.7,
    U=14.6, V=8.0, W=8.1, X=5.5, Y=7.2, Z=5.4, a=10.1, b=5.2, d=10.0, e=24.6,
    f=2.55, g=3.6, h=8.7, n=11.3, q=2.9, r=13.9, t=18.0)


def _class_sizes(total):
  weights = np.array([_PLAUSIBLE_THOUSANDS[c] for c in emnist.CLASS_NAMES])
  sizes = np.floor(weights / weights.sum() * total).astype(int)
  sizes[0] += total - sizes.sum()
  return sizes


@pytest.fixture(scope='module')
def full_size():
  """Labels of the official sizes, with images of a single pixel."""
  rng = np.random.default_rng(5)

  def draw(total):
    labels = rng.permutation(np.repeat(np.arange(47), _class_sizes(total)))
    return np.zeros([total, 1, 1, 1], np.uint8), labels.astype(np.int32)

  return federated_dataset.LabelledExamples(
      emnist.CLASS_NAMES, *draw(697_932), *draw(116_323))


@pytest.fixture
def load(full_size, monkeypatch):
  def load_tfds_images(name, data_dir=None):
    assert name == 'emnist/bymerge'
    return full_size

  monkeypatch.setattr(tfds_images, 'load_tfds_images', load_tfds_images)
  return functools.partial(datasets.load, seed=0)


@pytest.mark.parametrize('name', emnist.TABLE_I)
def test_table_one_is_exact_at_full_size(load, full_size, name):
  data = load(name)
  counts = data.label_counts
  assert counts.shape == (500, 47)
  assert counts.sum() == _TOTALS[name]
  assert counts.sum(axis=1).min() >= 1
  assert np.bincount(data.test_labels).tolist() == [400] * 47
  assert len(data.test_labels) == len(data.test_features) == 18_800
  chosen = np.concatenate(data.partition.client_indices)
  assert len(np.unique(chosen)) == len(chosen) == _TOTALS[name]
  owners = np.repeat(np.arange(500), counts.sum(axis=1))
  found = np.zeros_like(counts)
  np.add.at(found, (owners, full_size.labels[chosen]), 1)
  np.testing.assert_array_equal(found, counts)


def test_bal1_gives_each_client_five_of_each_class(load):
  assert (load('emnist_bal1').label_counts == 5).all()


def test_bal2_is_even_and_globally_balanced_but_locally_mixed(load):
  counts = load('emnist_bal2').label_counts
  assert set(counts.sum(axis=1)) == {235}
  assert set(counts.sum(axis=0)) == {2500}
  # Uniform over all mixes of 47 classes: deviation as large as the mean.
  assert counts.std() == pytest.approx(5, rel=0.15)


def test_ins_has_uneven_sizes_and_balanced_classes(load):
  counts = load('emnist_ins').label_counts
  sizes = np.sort(counts.sum(axis=1))
  assert set(counts.sum(axis=0)) == {2500}
  assert sizes[-50:].sum() > 0.5 * sizes.sum()
  assert sizes[250] < 0.25 * sizes.mean()


def test_ltrf_sets_follow_the_letters_whatever_their_case(load, full_size):
  # Of Jones and Mewhort's table: E, T and Z, both cases, of 65204503 letters.
  letters = {'E': 138443 + 7741842, 'T': 325462 + 5507692, 'Z': 5610 + 66423}
  available = dict(zip(emnist.CLASS_NAMES, np.bincount(full_size.labels)))
  for name in ('emnist_ltrf1', 'emnist_ltrf2'):
    totals = load(name).label_counts.sum(axis=0)
    by_class = dict(zip(emnist.CLASS_NAMES, totals))
    total = _TOTALS[name]
    np.testing.assert_allclose(totals[:10], total / 47, atol=1)
    for letter, count in letters.items():
      found = by_class[letter] + by_class.get(letter.lower(), 0)
      assert found == pytest.approx(total * 37 / 47 * count / 65204503, abs=2)
    assert by_class['e'] / by_class['E'] == pytest.approx(
        available['e'] / available['E'], rel=1e-3)


def test_ltrf_sizes_are_those_of_ins(load):
  ins, ltrf1 = (
      np.sort(load(name).label_counts.sum(axis=1))
      for name in ('emnist_ins', 'emnist_ltrf1'))
  np.testing.assert_array_equal(ins, ltrf1)


def test_a_pool_too_small_is_refused_and_the_total_not_lowered(load):
  with pytest.raises(ValueError) as caught:
    load('emnist_ltrf2', global_distribution='letter_frequency')
  message = str(caught.value)
  assert 'class 36 needs 14664 and has' in message and 'missing)' in message
  assert 'class 40 needs 3613 and has' in message
  assert 'The largest num_examples that fits is' in message


def test_the_caller_comes_before_the_name(load):
  data = load(
      'emnist_bal1', num_clients=10, num_examples=4700,
      local_distribution='iid', global_distribution=None)
  assert data.label_counts.shape == (10, 47)
  assert data.label_counts.sum(axis=0).tolist() == [100] * 47
  assert len(np.unique(data.label_counts)) > 1
  sizes = [100, 200, 644]
  data = load('emnist_bal1', num_clients=3, size_distribution=sizes,
              local_distribution='iid')
  assert data.label_counts.sum(axis=1).tolist() == sizes


def test_the_test_set_is_the_same_for_every_seed_and_of_its_own_split(load):
  first, other = load('emnist_bal1'), load('emnist_bal2', seed=1)
  np.testing.assert_array_equal(first.test_labels, other.test_labels)
  labels = np.tile(np.arange(47), 500)
  chosen = emnist.balanced_test_indices(labels)
  np.testing.assert_array_equal(chosen, emnist.balanced_test_indices(labels))
  assert np.bincount(labels[chosen]).tolist() == [400] * 47
  assert (np.diff(chosen) > 0).all()
  # Drawn from all of the split, not from its beginning.
  assert chosen[-1] > 490 * 47


def test_a_test_split_too_small_names_the_classes_and_what_is_missing():
  labels = np.repeat(np.arange(47), 400)[1:]
  labels = labels[:-3]
  with pytest.raises(ValueError) as caught:
    emnist.balanced_test_indices(labels)
  message = str(caught.value)
  assert 'class 0 (0) has 399 (1 missing)' in message
  assert 'class 46 (t) has 397 (3 missing)' in message
  assert 'class 1 ' not in message and '\n' not in message


def _stored(label, index):
  """A transposed image, as NIST stores it: upright, its row 2 is `label`."""
  image = np.zeros([28, 28, 1], np.uint8)
  image[:, 2] = label + 1
  image[index % 28, 20 + index // 28] = 255
  return image


def _write_official(folder, config, part, num_examples, num_classes):
  """Writes images and labels as NIST does: IDX files, compressed."""
  labels = np.arange(num_examples, dtype=np.uint8) % num_classes
  images = np.stack([
      _stored(int(label), index // 47) for index, label in enumerate(labels)])
  stem = folder / f'emnist-{config}-{part}'
  with gzip.open(f'{stem}-images-idx3-ubyte.gz', 'wb') as file:
    file.write(struct.pack('>4i', 2051, num_examples, 28, 28))
    file.write(images.tobytes())
  with gzip.open(f'{stem}-labels-idx1-ubyte.gz', 'wb') as file:
    file.write(struct.pack('>2i', 2049, num_examples) + labels.tobytes())


@pytest.fixture
def prepared(tmp_path, monkeypatch):
  """Small files in the official form, for TFDS's builder to prepare."""
  monkeypatch.setattr(tfds_images, '_has_network', lambda: True)
  monkeypatch.setattr(
      tfds.download.DownloadManager, 'download_and_extract',
      lambda self, url: str(tmp_path / 'official'))
  folder = tmp_path / 'official' / 'gzip'
  folder.mkdir(parents=True)
  for config in tfds_mnist.EMNIST.BUILDER_CONFIGS:
    monkeypatch.setattr(config, 'train_examples', 47 * 3)
    monkeypatch.setattr(config, 'test_examples', 47 * 2)
    for part, num_examples in (('train', 47 * 3), ('test', 47 * 2)):
      _write_official(
          folder, config.name, part, num_examples, config.class_number)
  return tmp_path / 'data'


def test_images_come_upright_through_tfds(prepared):
  data = datasets.load(
      'emnist_bal2', num_clients=3, seed=0, num_examples=94, test_per_class=2,
      data_dir=prepared)
  assert data.class_names[9:12] == ('9', 'A', 'B')
  assert data.class_names[35:38] == ('Z', 'a', 'b')
  assert data.features.shape == (141, 28, 28, 1)
  np.testing.assert_array_equal(np.bincount(data.labels), [3] * 47)
  np.testing.assert_array_equal(np.bincount(data.test_labels), [2] * 47)
  for images, labels in (
      (data.features, data.labels), (data.test_features, data.test_labels)):
    np.testing.assert_array_equal(
        images[:, 2, :20, 0], np.repeat(labels[:, np.newaxis] + 1, 20, axis=1))
    assert (images[:, 3:20] == 0).all()
  image, label = next(iter(data.client_datasets()[0]))
  assert (image.numpy()[2, :20] == label.numpy() + 1).all()


@pytest.mark.parametrize('name, names', [
    ('emnist/balanced', emnist.CLASS_NAMES),
    ('emnist/bymerge:3.1.0', emnist.CLASS_NAMES),
    ('emnist/letters', tuple(str(label) for label in range(37)))])
def test_any_emnist_of_tfds_is_upright(prepared, name, names):
  data = datasets.load(name, num_clients=4, seed=0, data_dir=prepared)
  assert data.class_names == names
  np.testing.assert_array_equal(data.features[:, 2, 0, 0], data.labels + 1)
  assert data.label_counts.sum() == 141
  assert len(data.test_labels) == 94


def test_a_test_split_too_small_is_refused_through_tfds(prepared):
  with pytest.raises(ValueError, match=r'class 46 \(t\) has 2 \(398 missing\)'):
    datasets.load('emnist_bal1', seed=0, data_dir=prepared)


def test_table_one_has_500_clients():
  assert {presets.PRESETS[name].num_clients for name in emnist.TABLE_I} == {500}
  assert {
      name: arguments['num_examples']
      for name, arguments in emnist.TABLE_I.items()} == _TOTALS
