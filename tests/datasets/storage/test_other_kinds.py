"""Tables and texts on disk, and their copies."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.augmentation import all_clients
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.augmentation.transforms import tabular
from astraea_tff.augmentation.transforms import text
from astraea_tff import datasets
from astraea_tff.datasets import kinds

_LABELS = np.random.default_rng(0).choice(3, 60, p=[0.6, 0.3, 0.1])
_LABELS = _LABELS.astype(np.int32)


def _make(kind, **changes):
  rng = np.random.default_rng(1)
  features = {
      'table': rng.normal(size=(60, 4)).astype(np.float32),
      'text': rng.integers(0, 7, (60, 5)).astype(np.int32),
  }[kind]
  names = {'table': tuple('abcd'), 'text': ('', '<unknown>', *'abcde')}[kind]
  arguments = dict(
      class_names=('x', 'y', 'z'), features=features, labels=_LABELS,
      test_features=features[:9], test_labels=_LABELS[:9], name=kind,
      feature_names=names,
      partition=datasets.partition(
          _LABELS, 4, 3, seed=0, local_distribution='dirichlet'
      ),
  )
  return datasets.FederatedDataset(**(arguments | changes))


@pytest.mark.parametrize('kind', ['table', 'text'])
def test_what_is_stored_comes_back(kind, tmp_path):
  data = _make(kind)
  for _ in range(2):  # Written, then opened.
    stored = datasets.store(data, tmp_path)
    assert stored.kind == data.kind == kind
    assert stored.feature_spec == data.feature_spec
    assert stored.feature_names == data.feature_names
    np.testing.assert_array_equal(
        stored.test_features, data.test_features, strict=True
    )
    client_data = stored.clients.client_data
    for client, indices in enumerate(data.partition.client_indices):
      features, labels = stored.clients.load(client)
      np.testing.assert_array_equal(
          features, data.features[indices], strict=True
      )
      np.testing.assert_array_equal(labels, data.labels[indices], strict=True)
      dataset = client_data.create_tf_dataset_for_client(str(client))
      assert dataset.element_spec == (
          data.feature_spec, tf.TensorSpec([], tf.int32)
      )
      read = np.array([row for row, _ in dataset.as_numpy_iterator()])
      np.testing.assert_array_equal(read, features)


@pytest.mark.parametrize(
    'kind, transform',
    [
        ('table', tabular.TabularTransform()),
        ('text', text.TextTransform(mask_token=1)),
    ],
)
def test_copies_on_disk_are_those_in_memory(kind, transform, tmp_path):
  data = _make(kind)
  stored = datasets.store(data, tmp_path)
  plan = plan_lib.augmentation_plan(stored.label_counts, 0.67)
  augmented = datasets.prepare_augmented(stored, plan, seed=5)
  given = datasets.prepare_augmented(stored, plan, seed=5, transform=transform)
  assert given.folder == augmented.folder
  others = (
      datasets.prepare_augmented(stored, plan, seed=6),
      datasets.prepare_augmented(
          stored, dataclasses.replace(plan, kept=[0.5, 1.0, 1.0]), seed=5
      ),
  )
  assert len({clients.folder for clients in (augmented, *others)}) == 3
  expected = all_clients.augment_clients(
      data.client_datasets(), plan, seed=5, transform=transform
  )
  for client, dataset in enumerate(expected):
    features, labels = augmented.load(client)
    rows, row_labels = map(np.array, zip(*dataset.as_numpy_iterator()))
    np.testing.assert_array_equal(features, rows, strict=True)
    np.testing.assert_array_equal(labels, row_labels)
  assert augmented.label_counts.sum() > stored.label_counts.sum()


@dataclasses.dataclass(frozen=True)
class _IsLast:
  last: int

  def __call__(self, element):
    return tf.cast(element[1] == self.last, tf.int32)


def test_label_fn_says_which_class_of_the_plan_an_example_counts_for(tmp_path):
  stored = datasets.store(_make('table'), tmp_path)
  plan = plan_lib.AugmentationPlan(1.0, [1.0, 2.0], [40, 20], (1,), ())
  augmented = {
      last: datasets.prepare_augmented(
          stored, plan, seed=5, label_fn=_IsLast(last)
      )
      for last in (1, 2)
  }
  for last, clients in augmented.items():
    np.testing.assert_array_equal(
        clients.label_counts,
        stored.label_counts * np.where(np.arange(3) == last, 2, 1),
    )
  with pytest.raises(TypeError, match='`label_fn` must be an instance of a data'):
    datasets.prepare_augmented(
        stored, plan, seed=5, label_fn=lambda element: element[1] % 2
    )


def test_the_dtype_and_the_names_tell_data_sets_apart(tmp_path):
  bits = np.arange(240, dtype=np.int32).reshape(60, 4) % 5
  same_bytes = (
      _make('table', features=bits.view(np.float32),
            test_features=bits[:9].view(np.float32)),
      _make('text', features=bits, test_features=bits[:9], name='table'),
      _make('text', features=bits, test_features=bits[:9], name='table',
            feature_names=tuple('01234')),
  )
  folders = {datasets.store(data, tmp_path).clients.folder
             for data in same_bytes}
  assert len(folders) == 3


@pytest.mark.parametrize(
    'kind, changes, message',
    [
        ('table', dict(feature_names=('a',)), 'must name the 4 columns'),
        ('text', dict(feature_names=None), 'must be the vocabulary'),
        ('text', dict(feature_names=('', '?', 'a')), r'ids in \[0, 3\)'),
        ('table', dict(test_features=np.zeros((9, 4), np.int32)), 'one dtype'),
        ('table', dict(features=np.zeros((60, 4))), 'float32 rows'),
        ('table', dict(features=np.array([['a']] * 60)), 'float32 rows'),
    ],
)
def test_what_does_not_fit_is_refused(kind, changes, message):
  with pytest.raises(ValueError, match=message):
    _make(kind, **changes)


def test_images_have_no_names():
  images = np.zeros((60, 2, 2, 1), np.uint8)
  assert _make(
      'table', features=images, test_features=images[:9], feature_names=None
  ).kind == kinds.IMAGE
  with pytest.raises(ValueError, match='must be None for images'):
    _make('table', features=images, test_features=images[:9])
