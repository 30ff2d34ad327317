"""Augmentation of one client, counted as training meets it."""

import collections

import augmentation_support as support
import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.augmentation.all_clients import augment_clients
from astraea_tff.augmentation.one_client import augment
from astraea_tff.augmentation import one_client
from astraea_tff.augmentation.plan import augmentation_plan
from astraea_tff.augmentation.plan import AugmentationPlan


@pytest.mark.parametrize(
    'rule, alpha',
    [*(('total', alpha) for alpha in support.ALPHAS), ('extra', 0.67), ('extra', 2)],
)
def test_labels_a_training_loop_meets_follow_the_plan(rule, alpha):
  plan = augmentation_plan(support.COUNTS, alpha, rule=rule)
  actual = support.counts_of(augment(support.as_dataset(support.all_labels()), plan, seed=1))
  assert (actual >= support.COUNTS * np.floor(plan.copies)).all()
  assert (actual <= support.COUNTS * np.ceil(plan.copies)).all()
  fractions = plan.copies - np.floor(plan.copies)
  deviation = np.sqrt(support.COUNTS * fractions * (1 - fractions))
  assert (np.abs(actual - plan.expected_counts) <= 4 * deviation + 1e-6).all()


@pytest.mark.parametrize('alpha', [0.33, 0.67])
def test_fractional_copies_are_unbiased_over_seeds(alpha):
  plan = augmentation_plan(support.COUNTS, alpha)
  client = support.as_dataset(support.all_labels(), shape=(1, 1, 1))
  clients = augment_clients([client] * 40, plan, seed=5, transform=support.unchanged)
  actual = np.array([
      np.bincount([label for _, label in support.read(dataset)]) for dataset in clients
  ])
  fractions = plan.copies - np.floor(plan.copies)
  error = np.sqrt(support.COUNTS * fractions * (1 - fractions) / len(clients))
  assert (
      np.abs(actual.mean(axis=0) - plan.expected_counts) <= 3 * error + 1e-9
  ).all()
  # Nor are the draws of one seed the same again and again.
  assert len({tuple(counts) for counts in actual}) > 10


def test_a_transform_may_have_conditions_on_tensors():
  def invert_bright(images, seed):
    del seed
    if tf.reduce_mean(tf.cast(images, tf.float32)) > 100.0:
      return 255 - images
    else:
      return images

  plan = AugmentationPlan(
      0.67, np.array([2.0, 1.0]), np.array([1, 0]), (0,), ()
  )
  dataset = tf.data.Dataset.from_tensors((np.full([1, 1, 1], 200, np.uint8), 0))
  pipeline = augment(dataset, plan, seed=1, transform=invert_bright)
  (stored,) = augment_clients([dataset], plan, seed=1, transform=invert_bright)
  for augmented in (pipeline, stored):
    assert [int(image) for image, _ in augmented] == [200, 55]


def test_every_sample_gets_its_whole_number_of_copies_or_one_more():
  plan = augmentation_plan(support.COUNTS, 0.67)  # 3.68 and 1.45 copies.
  labels = support.all_labels()
  dataset = augment(support.as_dataset(labels), plan, seed=2, transform=support.unchanged)
  seen = collections.Counter(support.read(dataset))
  copies = collections.defaultdict(set)
  for (_, label), number in seen.items():
    copies[label].add(number)
  assert copies == {0: {1}, 1: {1}, 2: {1}, 3: {3, 4}, 4: {1, 2}}


@pytest.mark.parametrize(
    'shape, dtype',
    [
        ((28, 28, 1), np.uint8),
        ((28, 28, 1), np.float32),
        ((32, 32, 3), np.uint8),
        ((32, 32, 3), np.float32),
        ((5, 9, 2), np.float16),
    ],
)
def test_originals_are_there_unchanged_and_copies_are_transformed(shape, dtype):
  plan = augmentation_plan(support.COUNTS, 1)
  dataset = support.as_dataset(support.all_labels(), shape=shape, dtype=dtype)
  before, after = support.read(dataset), support.read(augment(dataset, plan, seed=2))
  extra = collections.Counter(after)
  extra.subtract(before)
  assert min(extra.values()) == 0
  assert set(before) <= set(after)
  added = list(extra.elements())
  # 7 and 1.75 copies: 60 of class 3, around 30 of class 4, no two alike.
  assert collections.Counter(label for _, label in added)[3] == 60
  assert len(added) > 60
  assert len(set(after)) == len(after)


def test_copies_are_what_the_transform_makes_of_their_sample():
  plan = augmentation_plan([2, 6], 1)
  images, labels = support.examples([1, 0, 1, 0], dtype=np.float32)
  dataset = tf.data.Dataset.from_tensor_slices((images + 1, labels))
  augmented = augment(dataset, plan, seed=0, transform=support.negative)
  minority = [image for image, label in support.read(dataset) if label == 0]
  added = collections.Counter(support.read(augmented))
  added.subtract(support.read(dataset))
  assert sorted(added.elements()) == sorted(
      ((-np.frombuffer(image, np.float32)).tobytes(), 0) for image in minority
  )


def test_alpha_0_leaves_the_dataset_equal_order_included():
  dataset = support.as_dataset(support.all_labels())
  plan = augmentation_plan(support.COUNTS, 0)
  assert support.read(augment(dataset, plan, seed=1)) == support.read(dataset)


STRUCTURES = {
    'tuple': lambda x, y: (x, y),
    'named tuple': support.Point,
    'x and y': lambda x, y: {'x': x, 'y': y},
    'label and image': lambda x, y: {'label': y, 'image': x},
    'ordered x and y': lambda x, y: collections.OrderedDict(x=x, y=y),
    'ordered y and x': lambda x, y: collections.OrderedDict(y=y, x=x),
    'ordered label and image': (
        lambda x, y: collections.OrderedDict(label=y, image=x)
    ),
}


@pytest.mark.parametrize(
    'structure, dtype, label_dtype, fresh_every_epoch',
    [
        *((name, np.uint8, np.int64, False) for name in STRUCTURES),
        ('tuple', np.float32, np.int32, False),
        ('tuple', np.float64, np.uint8, False),
        ('ordered y and x', np.float16, np.int32, True),
    ],
)
def test_structure_dtypes_and_shapes_are_kept(
    structure, dtype, label_dtype, fresh_every_epoch
):
  images, labels = support.examples([0, 0, 0, 1], dtype=dtype, label_dtype=label_dtype)
  dataset = tf.data.Dataset.from_tensor_slices(
      STRUCTURES[structure](images, labels)
  )
  plan = augmentation_plan([3, 1], 1)
  augmented = augment(
      dataset, plan, seed=1, fresh_every_epoch=fresh_every_epoch
  )
  (client,) = augment_clients(
      [dataset], plan, seed=1, fresh_every_epoch=fresh_every_epoch
  )
  for result in (augmented, client):
    assert result.element_spec == dataset.element_spec
    assert type(result.element_spec) is type(dataset.element_spec)
    if isinstance(dataset.element_spec, collections.OrderedDict):
      assert list(result.element_spec) == list(dataset.element_spec)
    elements = list(result.as_numpy_iterator())
    assert len(elements) == 5
    for before, after in zip(dataset.as_numpy_iterator(), elements):
      tf.nest.map_structure(np.testing.assert_array_equal, before, after)


def test_draws_are_those_of_every_process_and_machine():
  plan = augmentation_plan([12, 42], 0.5)  # 1.5 copies of class 0.
  dataset = support.as_dataset([0] * 12, shape=(2, 2, 1))
  copies = collections.Counter(
      support.read(augment(dataset, plan, seed=(7, 3), transform=support.unchanged))
  )
  numbers = [copies[sample] for sample in support.read(dataset)]
  assert numbers == [2, 1, 1, 1, 1, 2, 1, 1, 1, 1, 2, 2]


def test_every_reading_gives_the_same_whatever_the_global_seed():
  plan, dataset = augmentation_plan(support.COUNTS, 0.67), support.as_dataset(support.all_labels())
  augmented = augment(dataset, plan, seed=(3, 1))
  first = support.read(augmented)
  assert support.read(augmented) == first
  assert support.read(augmented.repeat(2)) == first * 2
  tf.random.set_seed(99)
  assert support.read(augment(dataset, plan, seed=[3, 1])) == first
  assert support.read(support.sent(augmented)) == first


def test_other_seeds_give_other_draws():
  plan, dataset = augmentation_plan(support.COUNTS, 0.67), support.as_dataset(support.all_labels())
  seeds = (0, 1, -1, (0, 0), (0, 1), (1, 0), 2**70, np.int64(5))
  readings = [support.read(augment(dataset, plan, seed=seed)) for seed in seeds]
  for i, reading in enumerate(readings):
    assert reading not in readings[:i]


def test_an_int_and_a_sequence_of_it_are_the_same_seed():
  plan, dataset = augmentation_plan(support.COUNTS, 0.67), support.as_dataset(support.all_labels())
  assert support.read(augment(dataset, plan, seed=4)) == support.read(
      augment(dataset, plan, seed=np.array([4]))
  )


def test_batches_within_a_dataset_draw_differently():
  # 512 equal samples are two of the internal batches.
  images, labels = np.full((512, 8, 8, 1), 9, np.uint8), np.zeros(512, int)
  images[:, 2:5, 3:6] = 200
  dataset = tf.data.Dataset.from_tensor_slices((images, labels))
  plan = augmentation_plan([100, 300], 1)
  added = [image for image, _ in support.read(augment(dataset, plan, seed=1))]
  added = [image for image in added if image != images[0].tobytes()]
  assert len(added) == 512
  assert len(set(added[:256]) & set(added[256:])) < 32


def test_fresh_epochs_differ_and_their_sequence_is_reproducible():
  plan, dataset = augmentation_plan(support.COUNTS, 0.67), support.as_dataset(support.all_labels())

  def build(seed=1):
    return augment(dataset, plan, seed=seed, fresh_every_epoch=True)

  augmented = build()
  epochs = [support.read(augmented) for _ in range(3)]
  assert len({tuple(epoch) for epoch in epochs}) == 3
  assert len({tuple(label for _, label in epoch) for epoch in epochs}) == 3
  again = build()
  assert [support.read(again) for _ in range(3)] == epochs
  assert support.read(build(seed=2)) != epochs[0]
  for epoch in epochs:
    assert set(support.read(dataset)) <= set(epoch)


def test_fresh_epochs_do_not_depend_on_the_global_seed():
  plan, dataset = augmentation_plan(support.COUNTS, 0.67), support.as_dataset(support.all_labels())
  readings = []
  for global_seed in (0, 1):
    tf.random.set_seed(global_seed)
    augmented = augment(dataset, plan, seed=1, fresh_every_epoch=True)
    readings.append(support.read(augmented.repeat(2)))
    # Nor do they touch it.
    drawn = tf.random.uniform([]).numpy()
    tf.random.set_seed(global_seed)
    assert tf.random.uniform([]).numpy() == drawn
  assert readings[0] == readings[1]


def test_fresh_epochs_differ_under_repeat_too():
  plan, dataset = augmentation_plan(support.COUNTS, 0.67), support.as_dataset(support.all_labels())

  def build():
    return augment(dataset, plan, seed=1, fresh_every_epoch=True)

  augmented = build()
  epochs = [support.read(augmented) for _ in range(3)]
  assert support.read(build().repeat(3)) == sum(epochs, [])
  assert support.read(support.sent(build().repeat(3))) == sum(epochs, [])


@pytest.mark.parametrize('fresh_every_epoch', [False, True])
def test_no_examples_give_no_examples(fresh_every_epoch):
  empty = support.as_dataset([0, 1]).take(0)
  augmented = augment(
      empty,
      augmentation_plan(support.COUNTS, 1),
      seed=1,
      fresh_every_epoch=fresh_every_epoch,
  )
  assert support.read(augmented) == []
  assert augmented.element_spec == empty.element_spec


@pytest.mark.parametrize('label', [-1, 5])
def test_a_label_outside_the_plan_is_refused(label):
  plan, dataset = augmentation_plan(support.COUNTS, 1), support.as_dataset([0, label])
  message = r'not in \[0, 5\)(.|\n)*labels_must_be_classes_of_the_plan'
  with pytest.raises(tf.errors.InvalidArgumentError, match=message):
    support.read(augment(dataset, plan, seed=1))
  with pytest.raises(tf.errors.InvalidArgumentError, match=message):
    augment_clients([dataset], plan, seed=1)


def zeros(image_shape, label_shape=(), dtype=tf.uint8, label_dtype=tf.int64):
  return tf.data.Dataset.from_tensors(
      (tf.zeros(image_shape, dtype), tf.zeros(label_shape, label_dtype))
  )


BAD_ELEMENTS = {
    'batches': (zeros([8, 6, 6, 1], [8]), ValueError, r'`unbatch\(\)`'),
    'batches without channels': (zeros([8, 6, 6], [8]), ValueError, 'unbatch'),
    'no channels': (zeros([6, 6]), ValueError, 'images without channels'),
    'one-hot labels': (zeros([6, 6, 1], [5]), ValueError, r'a label \(5,\)'),
    'three parts': (
        zeros([6, 6, 1]).map(lambda x, y: (x, y, y)),
        ValueError,
        r'must be \(features, label\) or a mapping',
    ),
    'images alone': (
        zeros([6, 6, 1]).map(lambda x, y: x),
        ValueError,
        r'must be \(features, label\) or a mapping',
    ),
    'other keys': (
        zeros([6, 6, 1]).map(lambda x, y: {'pixels': x, 'label': y}),
        ValueError,
        "keys 'x' and 'y', or 'image' and 'label'.*pixels",
    ),
    'nested': (
        zeros([6, 6, 1]).map(lambda x, y: {'x': (x, x), 'y': y}),
        ValueError,
        'are images .* or give `transform`',
    ),
    'ragged': (
        zeros([6, 6, 1]).map(
            lambda x, y: (tf.RaggedTensor.from_row_lengths(x, [2, 4]), y)
        ),
        ValueError,
        'must be .features, label. or a mapping',
    ),
    'unknown size': (
        tf.data.Dataset.from_generator(
            lambda: iter(()),
            output_signature=(
                tf.TensorSpec([None, 6, 1], tf.uint8),
                tf.TensorSpec([], tf.int64),
            ),
        ),
        ValueError,
        'must have a known size',
    ),
    'integer images': (
        zeros([6, 6, 1], dtype=tf.int32),
        TypeError,
        'Images must be uint8 or of a float dtype, got int32',
    ),
    'float labels': (
        zeros([6, 6, 1], label_dtype=tf.float32),
        TypeError,
        'Labels must be integers, got float32',
    ),
}


@pytest.mark.parametrize('name', sorted(BAD_ELEMENTS))
def test_refuses_other_elements(name):
  dataset, error, message = BAD_ELEMENTS[name]
  plan = augmentation_plan(support.COUNTS, 1)
  with pytest.raises(error, match=message):
    augment(dataset, plan, seed=1)
  with pytest.raises(error, match=message):
    augment_clients([support.as_dataset([0]), dataset], plan, seed=1)


def test_refuses_arguments_of_another_type():
  plan, dataset = augmentation_plan(support.COUNTS, 1), support.as_dataset([0, 1])
  with pytest.raises(TypeError, match='`dataset` must be a tf.data.Dataset'):
    augment(support.examples([0, 1]), plan, seed=1)
  with pytest.raises(TypeError, match='`plan` must be an AugmentationPlan'):
    augment(dataset, plan.copies, seed=1)
  with pytest.raises(TypeError, match='`fresh_every_epoch` must be .*bool'):
    augment(dataset, plan, seed=0, fresh_every_epoch='False')
  with pytest.raises(TypeError, match='`transform` must be a function'):
    augment(dataset, plan, seed=1, transform='rotate')


@pytest.mark.parametrize(
    'seed', [None, 1.5, True, 'seven', (1, 2.0), (), [True]]
)
def test_refuses_a_seed_that_is_no_int(seed):
  plan, dataset = augmentation_plan(support.COUNTS, 1), support.as_dataset([0, 1])
  with pytest.raises(TypeError, match='`seed` must be an int or a sequence'):
    augment(dataset, plan, seed=seed)
  with pytest.raises(TypeError, match='`seed` must be an int or a sequence'):
    augment_clients([dataset], plan, seed=seed)


@pytest.mark.parametrize(
    'transform',
    [
        lambda images, seed: tf.cast(images, tf.float32),
        lambda images, seed: images[:, 1:],
    ],
)
def test_refuses_a_transform_that_changes_dtype_or_size(transform):
  plan, dataset = augmentation_plan(support.COUNTS, 1), support.as_dataset([0, 1])
  with pytest.raises(ValueError, match='`transform` must return features of the'):
    augment(dataset, plan, seed=1, transform=transform)


@pytest.mark.parametrize(
    'side, most_copies, expected',
    [
        (28, 3, 256),
        (32, 100, 65),  # 80 MB / (4 bytes * 32 * 32 * 3 * 100)
        (224, 4, 33),
        (2048, 100, 1),
    ],
)
def test_as_many_examples_at_once_as_memory_allows(
    side, most_copies, expected
):
  plan = AugmentationPlan(
      alpha=1.0,
      counts=[10, 1],
      copies=[1.0, most_copies],
      augmented_classes=(1,),
      capped_classes=(),
  )
  spec = (
      tf.TensorSpec([side, side, 3], tf.uint8), tf.TensorSpec([], tf.int32)
  )
  assert one_client.batch_size(plan, spec) == expected


def test_copies_and_their_transform_have_seeds_of_their_own():
  plan = augmentation_plan([100, 30, 7], 1)
  draw, key = tf.constant(2**40 + 3, tf.int64), tf.constant(5, tf.int64)
  draw_seed, transform_seed = tf.unstack(
      tf.random.split(tf.stack([draw, key]))
  )

  def write_seed(images, seed):
    # The two halves, each as a float64 and what is lost of it.
    high = tf.cast(seed, tf.float64)
    low = tf.cast(seed - tf.cast(high, tf.int64), tf.float64)
    return tf.zeros_like(images) + tf.reshape(tf.concat([high, low], 0), [4, 1, 1])

  labels = np.repeat([0, 1, 2], [30, 40, 50])
  images = np.zeros([len(labels), 4, 1, 1])
  augmented, augmented_labels = one_client.augment_batch_fn(plan, write_seed)(
      draw, key, (tf.constant(images), tf.constant(labels))
  )
  seeds = augmented[len(labels):].numpy().reshape(-1, 4)
  np.testing.assert_array_equal(
      seeds[:, :2].astype(np.int64) + seeds[:, 2:].astype(np.int64),
      np.broadcast_to(transform_seed, [len(seeds), 2]),
  )
  assert (transform_seed.numpy() != draw_seed.numpy()).all()
  further = plan.copies[labels] - 1
  draws = tf.random.stateless_uniform(
      [len(labels), 1], draw_seed, dtype=tf.float64
  ).numpy()[:, 0]
  times = np.ceil(further - draws).astype(int).clip(0)
  np.testing.assert_array_equal(
      augmented_labels[len(labels):], np.repeat(labels, times)
  )
