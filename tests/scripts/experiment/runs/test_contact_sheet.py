"""Contact sheets: whose copy stands beside a sample, and where."""

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.augmentation import plan as plan_lib
from astraea_tff import datasets
from experiment.runs import contact_sheet

NUM_EXAMPLES = 150


def make_data(num_classes=3, shape=(4, 5, 1), labels=None, rng=None):
  """Image i is of gray i, or random; the last of each class is nobody's."""
  if labels is None:
    labels = np.arange(NUM_EXAMPLES) % num_classes
  labels = np.asarray(labels, np.int32)
  images = np.zeros((len(labels), *shape), np.uint8)
  images += np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
  if rng is not None:
    images = rng.integers(256, size=images.shape, dtype=np.uint8)
  owned = np.arange(len(labels) - num_classes)
  client_indices = tuple(np.array_split(owned, 4))
  counts = [
      np.bincount(labels[indices], minlength=num_classes)
      for indices in client_indices
  ]
  return datasets.store(datasets.FederatedDataset(
      class_names=tuple(str(label) for label in range(num_classes)),
      features=images,
      labels=labels,
      test_features=images[:1],
      test_labels=labels[:1],
      name='gray',
      partition=datasets.Partition(client_indices, np.array(counts)),
  ))


def make_plan(data, copies):
  return plan_lib.AugmentationPlan(
      alpha=1.0,
      copies=copies,
      counts=data.label_counts.sum(axis=0),
      augmented_classes=(),
      capped_classes=(),
  )


def brighten(images, seed):
  """Marks a copy, and keeps whose it is."""
  del seed
  return images + tf.constant(100, tf.uint8)


def gray(image):
  return int(image.flat[0])


def test_copies_stand_beside_their_own_samples():
  # More than a batch, so that copies come out between other samples.
  data = make_data()
  plan = make_plan(data, [1, 2.5, 4])
  samples = contact_sheet.draw_samples(
      data, plan, 40, seed=0, transform=brighten
  )
  assert [len(pairs) for pairs in samples] == [40, 40, 40]
  assert all(copy is None for _, copy in samples[0])
  for pairs in samples[1:]:
    for sample, copy in pairs:
      np.testing.assert_array_equal(copy, (sample + 100) % 256)


def test_a_fraction_of_a_copy_is_one_for_that_fraction_of_samples():
  data = make_data()
  plan = make_plan(data, [1, 1.5, 1])
  (_, pairs, _) = contact_sheet.draw_samples(
      data, plan, 49, seed=0, transform=brighten
  )
  with_copy = [(s, c) for s, c in pairs if c is not None]
  # Binomial(49, 0.5), within three standard deviations.
  assert 14 <= len(with_copy) <= 35
  for sample, copy in with_copy:
    assert gray(copy) == (gray(sample) + 100) % 256


def test_samples_are_of_their_class_distinct_and_of_clients():
  data = make_data()
  plan = make_plan(data, [1, 1, 1])
  samples = contact_sheet.draw_samples(data, plan, 10, seed=0)
  for label, pairs in enumerate(samples):
    drawn = [gray(sample) for sample, _ in pairs]
    assert len(set(drawn)) == 10
    assert all(index % 3 == label for index in drawn)
    assert max(drawn) < NUM_EXAMPLES - 3


def test_the_copies_are_affine_by_default():
  data = make_data(shape=(8, 8, 3), rng=np.random.default_rng(0))
  samples = contact_sheet.draw_samples(
      data, make_plan(data, [2, 2, 2]), 5, seed=0
  )
  for pairs in samples:
    for sample, copy in pairs:
      assert copy.shape == (8, 8, 3) and copy.dtype == np.uint8
      assert not np.array_equal(sample, copy)


def test_the_same_seed_draws_the_same_and_another_does_not():
  data = make_data()
  plan = make_plan(data, [2, 2, 2])

  def draw(seed):
    samples = contact_sheet.draw_samples(data, plan, 10, seed=seed)
    return contact_sheet.compose(samples, 10)

  np.testing.assert_array_equal(draw(1), draw(1))
  assert not np.array_equal(draw(1), draw(2))


def test_classes_with_fewer_samples_or_none_have_shorter_rows():
  labels = [0] * 9 + [1] * 2 + [0] * 3
  data = make_data(labels=labels)
  samples = contact_sheet.draw_samples(
      data, make_plan(data, [1, 3, 1]), 4, seed=0
  )
  assert [len(pairs) for pairs in samples] == [4, 2, 0]
  assert sorted(gray(sample) for sample, _ in samples[1]) == [9, 10]


@pytest.mark.parametrize('num_channels', [1, 3])
def test_places_in_the_picture(num_channels):
  rng = np.random.default_rng(0)
  images = rng.integers(1, 200, size=(5, 4, 6, num_channels), dtype=np.uint8)
  a, copy_of_a, b, c, copy_of_c = images
  samples = [[(a, copy_of_a), (b, None)], [(c, copy_of_c)]]
  picture = contact_sheet.compose(samples, 2)
  expected = np.full((12, 40, 3), 255, np.uint8)
  expected[0:4, 0:6] = a
  expected[0:4, 8:14] = b
  expected[0:4, 24:30] = copy_of_a
  expected[0:4, 32:38] = 225
  expected[6:10, 0:6] = c
  expected[6:10, 24:30] = copy_of_c
  np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize(
    'samples_per_class, seed, error, match',
    [
        (0, 0, ValueError, 'samples_per_class'),
        (2.5, 0, TypeError, 'samples_per_class'),
        (True, 0, TypeError, 'samples_per_class'),
        (2, -1, ValueError, 'seed'),
        (2, 0.5, TypeError, 'seed'),
    ],
)
def test_bad_numbers_are_refused(samples_per_class, seed, error, match):
  data = make_data()
  plan = make_plan(data, [1, 1, 1])
  with pytest.raises(error, match=match):
    contact_sheet.draw_samples(data, plan, samples_per_class, seed=seed)


def test_a_plan_for_other_classes_is_refused():
  plan = make_plan(make_data(num_classes=2), [1, 1])
  with pytest.raises(ValueError, match='plan must be for the 3 classes'):
    contact_sheet.draw_samples(make_data(), plan, 2, seed=0)
