"""Augmentation of tables, token sequences and structures, by any label."""

import collections

import augmentation_support as support
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import datasets
from astraea_tff.augmentation import elements
from astraea_tff.augmentation.all_clients import augment_clients
from astraea_tff.augmentation.one_client import augment
from astraea_tff.augmentation.plan import augmentation_plan
from astraea_tff.augmentation.transforms.affine import AffineTransform
from astraea_tff.augmentation.transforms.tabular import TabularTransform
from astraea_tff.augmentation.transforms.text import TextTransform

PLAN = augmentation_plan([30, 10], 1)  # 2 copies of class 1.
LABELS = np.random.default_rng(3).permutation(np.repeat([0, 1], [30, 10]))
SIZE = len(LABELS)
RANDOM = np.random.default_rng(5)
ROWS = RANDOM.normal(size=(SIZE, 3)).astype(np.float32)
TOKENS = RANDOM.integers(10, 90, (SIZE, 12)).astype(np.int32)
TEXT = TextTransform(1, mask=0.3)


def spec(shape, dtype=tf.float32):
  return tf.TensorSpec(shape, dtype)


def elements_of(dataset):
  return list(dataset.as_numpy_iterator())


def assert_same(first, second):
  first, second = elements_of(first), elements_of(second)
  assert len(first) == len(second)
  for one, other in zip(first, second):
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize(
    'features, expected',
    [
        (spec([28, 28, 1], tf.uint8), AffineTransform()),
        (spec([5, 9, 3], tf.float16), AffineTransform()),
        (spec([4]), TabularTransform()),
        (spec([]), TabularTransform()),
        ({'a': spec([]), 'b': spec([3], tf.float64)}, TabularTransform()),
        (
            {'a': spec([2]), 'b': spec([], tf.int32), 'c': spec([], tf.string)},
            TabularTransform(),
        ),
    ],
)
def test_the_features_choose_the_transform(features, expected):
  assert elements.default_transform(features) == expected


@pytest.mark.parametrize(
    'features, error, message',
    [
        (spec([12], tf.int32), TypeError, 'give `transform=TextTransform'),
        (spec([12], tf.uint8), TypeError, 'give `transform=TextTransform'),
        ({'a': spec([], tf.int64)}, TypeError, 'token ids as well as categ'),
        (spec([28, 28]), ValueError, 'images without channels an axis'),
        (spec([9, 28, 28, 1]), ValueError, 'images .* and rows of a table'),
        ({'a': spec([8, 8, 1]), 'b': spec([3])}, ValueError, 'give `transform`'),
    ],
)
def test_what_is_ambiguous_needs_a_transform(features, error, message):
  with pytest.raises(error, match=message):
    elements.default_transform(features)
  dataset = tf.data.Dataset.from_tensors((
      tf.nest.map_structure(lambda s: tf.zeros(s.shape, s.dtype), features), 0
  ))
  with pytest.raises(error, match=message):
    augment(dataset, PLAN, seed=1)
  with pytest.raises(error, match=message):
    augment_clients([dataset], PLAN, seed=1)
  # With a transform that knows what they are all of them will do.
  def unchanged(features, seed):
    del seed
    return features

  assert len(elements_of(augment(dataset, PLAN, seed=1, transform=unchanged))) == 1


@pytest.mark.parametrize('structure', ['vector', 'mapping'])
def test_copies_of_rows_lie_between_rows_of_their_class(structure):
  if structure == 'vector':
    features = ROWS
  else:
    features = {'b': ROWS[:, :1], 'z': ROWS[:, 1:], 'code': np.arange(SIZE)}
  dataset = tf.data.Dataset.from_tensor_slices((features, LABELS))
  plan = augmentation_plan([30, 10], 1)
  augmented = augment(
      dataset, plan, seed=4, transform=TabularTransform(jitter=0)
  )
  assert augmented.element_spec == dataset.element_spec
  found = elements_of(augmented)
  assert len(found) == 50
  before = {tuple(row) for row in ROWS.tolist()}
  copies = 0
  for features, label in found:
    if structure == 'mapping':
      row = np.concatenate([features['b'], features['z']])
    else:
      row = features
    if tuple(row.tolist()) in before:
      continue
    copies += 1
    assert label == 1
    own = ROWS[LABELS == 1]
    if structure == 'mapping':
      assert LABELS[features['code']] == 1
      starts = ROWS[features['code']][np.newaxis]
    else:
      starts = own
    assert any(
        is_between(row, start, end) for start in starts for end in own
    )
  assert copies == 10


def is_between(row, start, end):
  step = end - start
  weight = (row - start) @ step / max(step @ step, 1e-12)
  return 0 <= weight <= 1 and np.allclose(start + weight * step, row, atol=1e-5)


def test_the_default_for_rows_is_a_tabular_transform():
  dataset = tf.data.Dataset.from_tensor_slices((ROWS, LABELS))
  assert_same(
      augment(dataset, PLAN, seed=1),
      augment(dataset, PLAN, seed=1, transform=TabularTransform()),
  )


def test_texts_are_transformed_and_keep_their_labels():
  dataset = tf.data.Dataset.from_tensor_slices({'x': TOKENS, 'y': LABELS})
  augmented = augment(dataset, PLAN, seed=2, transform=TEXT)
  assert augmented.element_spec == dataset.element_spec
  texts = {tuple(row): label for row, label in zip(TOKENS.tolist(), LABELS)}
  copies = 0
  for element in elements_of(augmented):
    words = tuple(element['x'].tolist())
    if words in texts:
      assert element['y'] == texts[words]
      continue
    copies += 1
    assert element['y'] == 1
    kept = set(words) - {0, 1}
    assert any(
        label == 1 and kept <= set(text) for text, label in texts.items()
    )
  assert 8 <= copies <= 10


# For each: the label of examples of classes 0 and 1, and the class again.
BY_LABEL_FN = {
    'next words': (
        lambda classes: np.stack([classes + 7, classes * 0 + 3], axis=1),
        lambda element: element[1][0] - 7,
    ),
    'tags': (
        lambda classes: np.eye(3, dtype=np.float32)[2 * classes],
        lambda element: tf.argmax(element[1]) // 2,
    ),
    'a value': (
        lambda classes: np.where(classes, 3.5, -1.0),
        lambda element: tf.searchsorted([1.5], [tf.cast(element[1], tf.float32)])[0],
    ),
    'a condition': (
        lambda classes: np.where(classes, 3.5, -1.0),
        lambda element: of_sign(element[1]),
    ),
    'a structure': (
        lambda classes: {'class': classes, 'weight': classes / 4},
        lambda element: element[1]['class'],
    ),
}


def of_sign(value):
  if value > 0:
    return tf.constant(1)
  else:
    return tf.constant(0)


@pytest.mark.parametrize('kind', sorted(BY_LABEL_FN))
def test_label_fn_says_which_class_an_example_counts_for(kind):
  make_labels, label_fn = BY_LABEL_FN[kind]
  dataset = tf.data.Dataset.from_tensor_slices((ROWS, make_labels(LABELS)))
  plain = tf.data.Dataset.from_tensor_slices((ROWS, LABELS))
  counts = astraea_tff.label_counts([dataset], 2, label_fn=label_fn)
  np.testing.assert_array_equal(counts, [[30, 10]])
  plan = augmentation_plan(counts, 1)
  arguments = dict(seed=(3, 0), label_fn=label_fn)
  augmented = augment(dataset, plan, **arguments)
  assert augmented.element_spec == dataset.element_spec
  expected = augment(plain, plan, seed=(3, 0)).map(lambda row, label: row)
  assert_same(augmented.map(lambda row, label: row), expected)
  np.testing.assert_array_equal(
      astraea_tff.label_counts([augmented], 2, label_fn=label_fn), [[30, 20]]
  )
  (stored,) = augment_clients(
      [dataset], plan, seed=3, label_fn=label_fn
  )
  assert_same(stored, augmented)
  assert_same(support.sent(augmented), augmented)


def test_label_fn_goes_with_fresh_augmentation():
  dataset = tf.data.Dataset.from_tensor_slices((ROWS, LABELS / 2))
  clients = augment_clients(
      [dataset], PLAN, seed=3, fresh_every_epoch=True,
      label_fn=lambda element: tf.cast(element[1] > 0, tf.int32),
  )
  first, second = (elements_of(clients.for_round(n)[0]) for n in (0, 1))
  assert len(first) == len(second) == 50
  assert not np.array_equal(
      np.stack([row for row, _ in first]), np.stack([row for row, _ in second])
  )


def test_a_client_data_of_structures_is_augmented_by_id():
  client_data = tff.simulation.datasets.TestClientData({
      name: collections.OrderedDict(
          x=ROWS if name == 'a' else -ROWS, y=LABELS / 2
      )
      for name in 'ab'
  })
  label_fn = lambda element: tf.cast(element['y'] > 0, tf.int64)
  counts = astraea_tff.label_counts(client_data, 2, label_fn=label_fn)
  augmented = augment_clients(
      client_data, augmentation_plan(counts, 1), seed=1, label_fn=label_fn
  )
  assert augmented.client_ids == ['a', 'b']
  assert augmented.element_type_structure == client_data.element_type_structure
  np.testing.assert_array_equal(
      astraea_tff.label_counts(augmented, 2, label_fn=label_fn),
      [[30, 20], [30, 20]],
  )


def test_an_empty_client_keeps_its_structure():
  features = {'name': np.array([b'a', b'b']), 'value': ROWS[:2]}
  full = tf.data.Dataset.from_tensor_slices((features, LABELS[:2]))
  (stored,) = augment_clients([full.take(0)], PLAN, seed=1)
  assert stored.element_spec == full.element_spec
  assert elements_of(stored) == []
  assert elements_of(augment(full.take(0), PLAN, seed=1)) == []


def test_a_users_transform_may_ask_for_classes_and_other_examples():
  class FirstOfClass:
    """Makes copies equal to the first example of their class."""

    def __call__(self, features, seed):
      raise AssertionError('not called')

    def copy_rows(self, features, classes, rows, seed):
      del seed
      same = tf.gather(classes, rows)[:, tf.newaxis] == classes
      return tf.gather(features, tf.argmax(same, axis=1))

  dataset = tf.data.Dataset.from_tensor_slices((ROWS, LABELS))
  found = elements_of(augment(dataset, PLAN, seed=1, transform=FirstOfClass()))
  rows = collections.Counter(row.tobytes() for row, _ in found)
  assert rows[ROWS[LABELS == 1][0].tobytes()] == 11


@pytest.mark.parametrize(
    'labels, label_fn, error, message',
    [
        (LABELS / 2, None, TypeError, 'got float64; cast them, or say with `l'),
        (ROWS, None, ValueError, 'say with `label_fn`'),
        ({'a': LABELS}, None, ValueError, 'must be one integer .*`label_fn`'),
        (LABELS, lambda e: e[0][0], TypeError, 'return an integer, got float32'),
        (LABELS, lambda e: tf.stack([e[1]]), ValueError, r'one class \[\]'),
        (LABELS, 3, TypeError, '`label_fn` must be a function, got 3'),
    ],
)
def test_refuses_labels_that_say_no_class(labels, label_fn, error, message):
  dataset = tf.data.Dataset.from_tensor_slices((ROWS, labels))
  for run in (augment, lambda client, *a, **k: augment_clients([client], *a, **k)):
    with pytest.raises(error, match=message):
      run(dataset, PLAN, seed=1, label_fn=label_fn)


def test_refuses_a_transform_that_changes_the_structure():
  dataset = tf.data.Dataset.from_tensor_slices(({'a': ROWS}, LABELS))
  with pytest.raises(ValueError, match='features of the structure it was given'):
    augment(dataset, PLAN, seed=1, transform=lambda features, seed: features['a'])


@pytest.mark.usefixtures('execution_context')
@pytest.mark.parametrize(
    'features, transform, label_fn',
    [
        (ROWS, None, None),
        ({'b': ROWS, 'code': np.arange(SIZE)}, None, lambda e: e['y'] // 1),
        (TOKENS, TEXT, None),
        (TOKENS, TextTransform(1, pad_token=12, fixed_tokens=(20,)), None),
    ],
)
def test_a_worker_augments_to_the_same_examples(features, transform, label_fn):
  client_data = datasets.InMemoryClients(
      ['a'], [SIZE], {'x': features, 'y': LABELS}
  )
  augmented = augment_clients(
      client_data, PLAN, seed=1, transform=transform, label_fn=label_fn
  )
  compute = tff.tensorflow.computation(
      lambda name: augmented.serializable_dataset_fn(name).batch(100),
      tff.types.to_type(np.str_),
  )
  expected = augmented.create_tf_dataset_for_client('a').batch(100)
  ((expected,), (found,)) = (list(expected), list(compute('a')))
  tf.nest.map_structure(np.testing.assert_array_equal, found, expected)
  assert len(found['y']) == 50
