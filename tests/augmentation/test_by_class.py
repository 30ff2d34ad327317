"""A transform for each class."""

import augmentation_support as support
import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.augmentation import one_client
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.datasets.storage import transform_key

PLAN = plan_lib.AugmentationPlan(
    alpha=1, copies=[1, 3, 2, 2, 1], counts=[1] * 5, augmented_classes=(1, 2, 3),
    capped_classes=(),
)


def _filled(value):
  return lambda images, seed: tf.ones_like(images) * value


def _augmented(labels, transform):
  dataset = support.as_dataset(labels, dtype=np.float32)
  return one_client.augment(dataset, PLAN, seed=1, transform=transform)


def test_each_class_has_its_transform_and_the_others_the_default():
  labels = np.array([0, 1, 2, 3, 1, 2, 3])
  dataset = _augmented(labels, {1: _filled(7.0), 3: _filled(9.0)})
  originals, _ = support.examples(labels, dtype=np.float32)
  images, after = next(dataset.batch(100).as_numpy_iterator())
  np.testing.assert_array_equal(images[:7], originals)
  copies, of_copies = images[7:], after[7:]
  assert np.bincount(of_copies, minlength=5).tolist() == [0, 4, 2, 2, 0]
  assert (copies[of_copies == 1] == 7).all()
  assert (copies[of_copies == 3] == 9).all()
  # By the default, an affine one, each with draws of its own.
  for original, copy in zip(originals[labels == 2], copies[of_copies == 2]):
    assert copy.any() and (copy != original).any()


def test_a_transform_of_another_number_of_rows_is_named():
  """The rows of the other classes would be taken for these."""
  twice = lambda features, seed: tf.concat([features, features], 0)
  once = lambda features, seed: features
  dataset = _augmented(np.array([0, 1, 2, 3, 1, 2, 3]), {1: twice, 2: once})
  with pytest.raises(
      tf.errors.InvalidArgumentError,
      match=r'`transform`.1. must return as many features as it was given,. .4. '
      r'.got. .8.',
  ):
    list(dataset)


def test_a_workers_graph_gives_what_a_program_does():
  labels = np.array([0, 1, 2, 3, 1, 2, 3])
  transforms = {1: _filled(7.0), 3: _filled(9.0)}

  def augmented():
    return one_client.augment(
        support.as_dataset(labels, dtype=np.float32),
        PLAN,
        seed=1,
        transform=transforms,
    ).batch(100)

  expected = next(iter(augmented()))
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    iterator = tf.compat.v1.data.make_one_shot_iterator(augmented())
    found = session.run(iterator.get_next())
  for ours, theirs in zip(found, expected, strict=True):
    np.testing.assert_array_equal(ours, theirs)


def test_a_mapping_can_be_kept_on_disk():
  key = transform_key.describe_transform
  one = {1: one_client.DEFAULT_TRANSFORM}
  assert key(one) == key(dict(one)) != key({2: one_client.DEFAULT_TRANSFORM})
  with pytest.raises(TypeError):
    key({1: support.negative})


@pytest.mark.parametrize(
    'transform, error, message',
    [
        ({}, ValueError, 'must have a class'),
        ({5: support.negative}, ValueError, 'must be at most 4, got 5'),
        ({'a': support.negative}, TypeError, 'a class of `transform` must be'),
        ({1: 3}, TypeError, r'`transform`\[1\] must be a function'),
    ],
)
def test_bad_mappings_are_refused(transform, error, message):
  with pytest.raises(error, match=message):
    one_client.augment(
        support.as_dataset(np.array([0])), PLAN, seed=0, transform=transform
    )


def test_classes_that_all_have_a_transform_need_no_default():
  """Whole numbers have none: they could be tokens or categories."""
  dataset = tf.data.Dataset.from_tensor_slices(
      (np.array([[1, 2], [3, 4], [5, 6]], np.int32), np.array([0, 1, 1]))
  )
  plan = plan_lib.AugmentationPlan(
      alpha=1, copies=[3, 2], counts=[1, 2], augmented_classes=(0,),
      capped_classes=(),
  )
  transform = {label: _filled(label + 7) for label in (0, 1)}
  augmented = one_client.augment(dataset, plan, seed=1, transform=transform)
  features, labels = next(augmented.batch(10).as_numpy_iterator())
  assert labels[3:].tolist() == [0, 0, 1, 1]
  assert features[3:].tolist() == [[7, 7], [7, 7], [8, 8], [8, 8]]
