"""What a prepared data set's content depends on is in its key."""

import dataclasses
import functools
import os

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from astraea_tff import datasets
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.datasets.partitioning import partitions
from astraea_tff.datasets.sources import tfds_images
from astraea_tff.datasets.storage import preparation_requests
from astraea_tff.datasets.storage import transform_key

_SCALE = 1.0
_PIXELS = {'value': 3}


class ChangingImages(tfds.core.GeneratorBasedBuilder):
  """Images of one value each, which the tests change."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    return self.dataset_info_from_configs(
        features=tfds.features.FeaturesDict({
            'image': tfds.features.Image(shape=(3, 3, 1)),
            'label': tfds.features.ClassLabel(names=['even', 'odd']),
        }))

  def _split_generators(self, dl_manager):
    return {'train': self._examples(), 'test': self._examples()}

  def _examples(self):
    for index in range(8):
      image = np.full([3, 3, 1], _PIXELS['value'], np.uint8)
      yield index, {'image': image, 'label': index % 2}

  def _generate_examples(self):
    raise NotImplementedError


@pytest.fixture(name='prepare')
def fixture_prepare(tmp_path, monkeypatch):
  monkeypatch.setattr(tfds_images, '_has_network', lambda: True)

  def prepare(value, data_dir='data'):
    monkeypatch.setitem(_PIXELS, 'value', value)
    prepared = datasets.prepare(
        'changing_images', num_clients=2, seed=0,
        data_dir=tmp_path / data_dir, cache_dir=tmp_path / 'cache',
    )
    return int(prepared.clients.load(0)[0].max()), prepared

  return prepare


def test_a_data_set_that_is_built_anew_or_elsewhere_is_read_anew(
    prepare, tmp_path, monkeypatch
):
  assert prepare(3)[0] == 3
  assert prepare(4)[0] == 3  # TFDS has the old files still.
  folder = tmp_path / 'data' / 'changing_images' / '1.0.0'
  folder.rename(tmp_path / 'old')
  assert prepare(5)[0] == 5
  assert prepare(6, 'other')[0] == 6
  monkeypatch.setattr(ChangingImages, 'VERSION', tfds.core.Version('1.0.1'))
  assert prepare(7)[0] == 7
  assert prepare(8)[0] == 7


def test_data_that_are_older_than_their_archive_are_refused(
    prepare, tmp_path, monkeypatch
):
  monkeypatch.setattr(
      ChangingImages, 'MANUAL_DOWNLOAD_INSTRUCTIONS', 'pixels 猫.zip, as it is'
  )
  manual = tmp_path / 'data' / 'downloads' / 'manual'
  manual.mkdir(parents=True)
  archive = manual / 'pixels 猫.zip'
  archive.write_text('3')
  assert prepare(3)[0] == 3
  (manual / 'of another set.zip').write_text('new')
  assert prepare(4)[0] == 3
  archive.write_text('4')
  folder = tmp_path / 'data' / 'changing_images' / '1.0.0'
  with pytest.raises(RuntimeError) as raised:
    prepare(4)
  message = str(raised.value)
  assert str(folder) in message and 'before pixels 猫.zip came' in message
  assert len(message.splitlines()) == 1
  with pytest.raises(RuntimeError, match='was prepared before'):
    tfds_images.load_tfds_images('changing_images', tmp_path / 'data')
  folder.rename(tmp_path / 'old')
  assert prepare(4)[0] == 4


def test_what_was_prepared_last_serves_when_the_images_are_gone(
    prepare, tmp_path, monkeypatch
):
  first = prepare(3)[1]
  (tmp_path / 'data').rename(tmp_path / 'old')
  monkeypatch.setattr(tfds_images, '_has_network', lambda: False)
  assert prepare(4)[1].content_hash == first.content_hash
  with pytest.raises(RuntimeError, match='there is no network'):
    prepare(4, 'elsewhere, which is a new request')


def _dataset(name='set', class_names=('a', 'b'), shape=(1, 2, 2, 1)):
  images = np.arange(4, dtype=np.uint8).reshape(shape)
  labels = np.zeros(len(images), np.int32)
  return datasets.FederatedDataset(
      class_names, images, labels, images, labels, name,
      partitions.Partition.from_labels([range(len(images))], labels, 2),
  )


@pytest.mark.parametrize('name', [
    '猫と犬', 'ä/b', '../up', '..', '.', '', 'a' * 300, 'x\x00y', 'a\nb', ' ',
    '\ud800', 'C:\\d', '%s{}', '-', 'NUL', 'None', 'emnist/bymerge:3.1.0',
])
def test_names_of_any_text_come_back_and_stay_in_the_cache(tmp_path, name):
  cache = tmp_path / 'cache'
  data = _dataset(name, (name, 'other'))
  for _ in range(2):
    stored = datasets.store(data, cache)
    assert stored.name == name and stored.class_names == (name, 'other')
    np.testing.assert_array_equal(stored.clients.load(0)[0], data.features)
  assert list(tmp_path.iterdir()) == [cache]
  assert stored.clients.folder.parent.parent == cache
  example = next(iter(
      stored.clients.client_data.create_tf_dataset_for_client('0')
  ))
  np.testing.assert_array_equal(example[0], data.features[0])


def test_a_cache_at_a_path_that_is_no_text(tmp_path):
  cache = tmp_path / os.fsdecode(b'\xff [*] ~')
  stored = datasets.store(_dataset(), cache)
  assert stored.clients.load(0)[0].max() == 3
  clients = stored.clients.client_data
  assert len(list(clients.create_tf_dataset_for_client('0'))) == 1


def test_names_and_shapes_tell_data_sets_apart(tmp_path):
  changes = (
      {}, {'class_names': ('a', 'c')}, {'shape': (1, 4, 1, 1)},
      {'shape': (1, 1, 4, 1)}, {'name': 'set:'}, {'name': 'set/'},
  )
  for change in changes:
    data = _dataset(**change)
    stored = datasets.store(data, tmp_path)
    assert (stored.name, stored.class_names) == (data.name, data.class_names)
    assert stored.feature_spec == data.feature_spec


def test_every_part_of_a_data_set_tells_it_apart(tmp_path):
  data = _dataset(shape=(4, 1, 1, 1))
  labels = np.array([0, 0, 1, 0], np.int32)
  divided = partitions.Partition.from_labels([[0, 1], [2, 3]], data.labels, 2)
  relabelled = partitions.Partition.from_labels([range(4)], labels, 2)
  changes = (
      {},
      {'features': data.features + 1},
      {'labels': labels, 'partition': relabelled},
      {'test_features': data.features + 1},
      {'test_labels': labels},
      {'partition': divided},
  )
  folders = [
      datasets.store(dataclasses.replace(data, **change), tmp_path)
      .clients.folder
      for change in changes
  ]
  assert len(set(folders)) == len(changes)


def test_every_part_of_a_request_tells_it_apart():
  request = dict(
      file_format='1', name='emnist_bal1', num_clients=10, seed=0,
      data_dir='/a', partition_arguments={}, fraction=0.5, test_per_class=5,
  )
  changes = (
      {}, {'file_format': '2'}, {'name': 'emnist_bal2'}, {'num_clients': 11},
      {'seed': 1}, {'data_dir': '/b'}, {'partition_arguments': {'beta': 3.0}},
      {'fraction': 0.4}, {'test_per_class': 6},
  )
  digests = [
      preparation_requests.digest_request(**(request | change))
      for change in changes
  ]
  assert len(set(digests)) == len(changes)
  files = [
      preparation_requests.request_file(digests[0], source)
      for source in ('1.0.0', '1.0.1', None)
  ]
  assert len(set(files)) == 3


@dataclasses.dataclass(frozen=True)
class Brighten:
  """Adds to the images."""

  amount: object = 1

  def __call__(self, images, seed):
    return images + tf.cast(self.amount * _SCALE, images.dtype)


@dataclasses.dataclass(frozen=True)
class Darken(Brighten):

  def __call__(self, images, seed):
    return images - tf.cast(self.amount * _SCALE, images.dtype)


@dataclasses.dataclass(frozen=True)
class Labels:
  """Says that all examples count for one class."""

  label: int

  def __call__(self, element):
    return tf.constant(self.label)


def test_transforms_are_told_apart_by_content(monkeypatch):
  large = np.zeros(5000)
  other = large.copy()
  other[2500] = 1e-12
  transforms = [
      Brighten(), Brighten(2), Brighten(1.0), Brighten('1'), Darken(),
      Brighten(large), Brighten(other), Brighten(Brighten()),
  ]
  texts = [transform_key.describe_transform(t) for t in transforms]
  assert len(set(texts)) == len(texts)
  again = [
      transform_key.describe_transform(t)
      for t in (Brighten(), Brighten(large.copy()), Brighten(Brighten()))
  ]
  assert again == [texts[0], texts[5], texts[7]]
  monkeypatch.setitem(globals(), '_SCALE', 2.0)
  assert transform_key.describe_transform(Brighten()) != texts[0]


def test_augmented_clients_are_kept_by_all_that_they_depend_on(tmp_path):
  data = _dataset(shape=(4, 1, 1, 1))
  other_data = dataclasses.replace(data, features=data.features + 1)
  plan = plan_lib.AugmentationPlan(1.0, [2.0, 1.0], [4, 0], (0,), ())
  thinned = plan_lib.AugmentationPlan(
      1.0, [1.0, 1.0], [4, 0], (), (), kept=[0.5, 1.0]
  )
  whole = plan_lib.AugmentationPlan(1.0, [1.0, 1.0], [4, 0], (), ())
  one = dict(data=data, plan=plan, seed=5, transform=Brighten())
  changes = (
      {}, {'data': other_data}, {'plan': thinned}, {'plan': whole},
      {'seed': 6}, {'transform': Brighten(2)}, {'transform': Darken()},
      {'label_fn': Labels(0)}, {'label_fn': Labels(1)},
  )
  folders = []
  for change in changes:
    arguments = one | change
    arguments['data'] = datasets.store(arguments['data'], tmp_path)
    folders.append(datasets.prepare_augmented(**arguments).folder)
  assert len(set(folders)) == len(changes)


class _Plain:

  def __call__(self, images, seed):
    return images


@pytest.mark.parametrize('transform', [
    lambda images, seed: images, _Plain(), Brighten,
    functools.partial(Brighten(), seed=3), Brighten(lambda: 3),
    Brighten(_Plain()), Brighten(np.array([_Plain()])),
])
def test_a_transform_that_cannot_be_known_again_is_refused(
    tmp_path, transform
):
  data = datasets.prepare(
      'digits', num_clients=2, seed=0, num_examples=30, cache_dir=tmp_path
  )
  plan = plan_lib.augmentation_plan(data.label_counts, 0.67)
  with pytest.raises(TypeError, match='to be kept on disk'):
    datasets.prepare_augmented(data, plan, seed=0, transform=transform)
