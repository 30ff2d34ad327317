"""Tests of interpolation and jitter of tables, against NumPy and by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.augmentation.transforms.tabular import TabularTransform

SEED = (11, 7)
SMOTE = TabularTransform(jitter=0)
NOISE = TabularTransform(neighbors=0)


def table(num_rows, num_columns=4, dtype=np.float32):
  random = np.random.default_rng(num_rows)
  scales = 10.0 ** np.arange(num_columns)
  return (random.normal(5, 1, (num_rows, num_columns)) * scales).astype(dtype)


def nearest_of_class(values, classes, row, count):
  """By brute force: the nearest other rows of the class, standardised."""
  standard = (values - values.mean(axis=0)) / values.std(axis=0)
  distances = np.linalg.norm(standard - standard[row], axis=1)
  distances[(classes != classes[row]) | (np.arange(len(values)) == row)] = np.inf
  order = np.argsort(distances, kind='stable')[:count]
  return order[np.isfinite(distances[order])]


@pytest.mark.parametrize('neighbors', [1, 3, 100])
def test_a_copy_lies_between_its_row_and_a_near_one_of_its_class(neighbors):
  values, classes = table(40).astype(np.float64), np.arange(40) % 3
  rows = np.repeat(np.arange(40), 30)
  copies = TabularTransform(jitter=0, neighbors=neighbors).copy_rows(
      tf.constant(values), tf.constant(classes), tf.constant(rows), SEED
  ).numpy()
  drawn, weights = set(), []
  for row, copy in zip(rows, copies):
    found = []
    for other in nearest_of_class(values, classes, row, neighbors):
      step = values[other] - values[row]
      weight = (copy - values[row]) @ step / (step @ step)
      if np.allclose(values[row] + weight * step, copy, rtol=0, atol=1e-8):
        found.append((other, weight))
    assert len(found) == 1
    drawn.add((row, found[0][0]))
    weights.append(found[0][1])
  # Every neighbour is drawn by some copy, and weights fill [0, 1).
  assert len(drawn) > 0.85 * 40 * min(neighbors, 12)
  assert 0 <= min(weights) < 0.02 and 0.98 < max(weights) < 1
  assert abs(np.mean(weights) - 0.5) < 0.03


def test_a_row_that_is_alone_in_its_class_stays():
  values, classes = table(5), np.array([0, 1, 0, 2, 2])
  copies = SMOTE(values, SEED, classes).numpy()
  np.testing.assert_array_equal(copies[1], values[1])
  assert (copies[[0, 2, 3, 4]] != values[[0, 2, 3, 4]]).all()


def test_without_classes_there_is_only_noise():
  np.testing.assert_array_equal(SMOTE(table(9), SEED), table(9))
  np.testing.assert_array_equal(
      TabularTransform()(table(9), SEED), NOISE(table(9), SEED)
  )


def test_noise_is_measured_in_the_deviation_of_its_column():
  values = table(4000, 5)
  noise = TabularTransform(jitter=0.3, neighbors=0)(values, SEED) - values
  standard = noise.numpy() / values.std(axis=0) / 0.3
  np.testing.assert_allclose(standard.mean(axis=0), 0, atol=0.05)
  np.testing.assert_allclose(standard.std(axis=0), 1, atol=0.05)
  correlations = np.corrcoef(standard.T) - np.eye(5)
  assert np.abs(correlations).max() < 0.06
  # The noise is normal: this share lies within one deviation.
  assert abs((np.abs(standard) < 1).mean() - 0.683) < 0.02


def test_a_constant_column_stays_constant():
  values = table(20)
  values[:, 2] = 7.25
  copies = TabularTransform()(values, SEED, np.zeros(20, int)).numpy()
  np.testing.assert_array_equal(copies[:, 2], 7.25)
  assert np.isfinite(copies).all()


def test_categorical_columns_stay_and_do_not_count_as_distance():
  values, classes = table(30), np.zeros(30, int)
  values[:, 1] = np.arange(30) % 3
  transform = TabularTransform(jitter=0.2, categorical_columns=[1])
  copies = transform(values, SEED, classes).numpy()
  np.testing.assert_array_equal(copies[:, 1], values[:, 1])
  assert (copies[:, [0, 2, 3]] != values[:, [0, 2, 3]]).all()
  other = values.copy()
  other[:, 1] = 0
  again = transform(other, SEED, classes).numpy()
  np.testing.assert_array_equal(again[:, [0, 2, 3]], copies[:, [0, 2, 3]])


def test_a_structure_keeps_its_integers_and_is_one_table():
  values, classes = table(12, 6), np.arange(12) % 2
  values[:, 5] /= 10_000  # A float16 ends at 65,504.
  features = {
      'age': values[:, 0],
      'code': np.arange(12, dtype=np.int64),
      'name': np.array([b'n%d' % row for row in range(12)]),
      'window': values[:, 1:5].reshape(12, 2, 2),
      'z': values[:, 5:].astype(np.float16),
  }
  copies = TabularTransform()(features, SEED, classes)
  whole = TabularTransform()(
      np.concatenate([values[:, :5], features['z'].astype(np.float32)], axis=1),
      SEED, classes,
  ).numpy()
  for key in features:
    assert copies[key].shape == features[key].shape
    assert copies[key].dtype == features[key].dtype or key == 'name'
  np.testing.assert_array_equal(copies['code'], features['code'])
  np.testing.assert_array_equal(copies['name'], features['name'])
  np.testing.assert_array_equal(copies['age'], whole[:, 0])
  np.testing.assert_array_equal(copies['window'], whole[:, 1:5].reshape(12, 2, 2))
  np.testing.assert_array_equal(copies['z'], whole[:, 5:].astype(np.float16))


@pytest.mark.parametrize('missing', [np.nan, np.inf])
def test_missing_values_stay_missing_and_spoil_nothing_else(missing):
  values, classes = table(30), np.zeros(30, int)
  values[::3, 1] = missing
  values[4] = missing
  copies = TabularTransform(neighbors=29)(values, SEED, classes).numpy()
  np.testing.assert_array_equal(np.isfinite(copies), np.isfinite(values))
  is_known = np.isfinite(values[:, 1])
  known = values[is_known, 1]
  noise = NOISE(values, SEED).numpy()[is_known, 1] - known
  noise /= 0.1 * known.std()
  assert 0.5 < noise.std() < 1.5


def test_draws_depend_on_seed_and_row_and_not_on_the_batch():
  values, transform = table(20), TabularTransform()
  classes, rows = tf.zeros([20], tf.int32), tf.range(20)
  whole = transform.copy_rows(tf.constant(values), classes, rows, SEED).numpy()
  np.testing.assert_array_equal(transform(values, SEED, classes), whole)
  np.testing.assert_array_equal(
      transform.copy_rows(tf.constant(values), classes, rows[:7], SEED),
      whole[:7],
  )
  other = transform(values, (11, 8), classes).numpy()
  assert (other != whole).all()


def test_each_copy_of_a_row_has_its_own_draws():
  copies = TabularTransform().copy_rows(
      tf.constant(table(6)), tf.zeros([6], tf.int64), tf.fill([50], 2), SEED
  )
  assert len({copy.tobytes() for copy in copies.numpy()}) == 50


def test_the_static_shape_is_kept_in_a_graph():
  @tf.function(autograph=False)
  def traced(values, classes):
    copies = TabularTransform()({'x': values}, SEED, classes)['x']
    assert copies.shape.as_list() == [None, 2, 3]
    return copies

  concrete = traced.get_concrete_function(
      tf.TensorSpec([None, 2, 3], tf.float64), tf.TensorSpec([None], tf.uint8)
  )
  for size in (0, 1, 2, 9):
    values = table(size, 6, np.float64).reshape(size, 2, 3)
    classes = (np.arange(size) % 2).astype(np.uint8)
    expected = TabularTransform()(values, SEED, classes)
    np.testing.assert_array_equal(
        concrete(tf.constant(values), tf.constant(classes)), expected
    )
    assert expected.shape == [size, 2, 3]


@pytest.mark.parametrize('jitter', [-0.1, 10.1, math.nan])
def test_refuses_a_jitter_out_of_bounds(jitter):
  with pytest.raises(ValueError, match=r'`jitter` must be in \[0, 10\]'):
    TabularTransform(jitter=jitter)


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        (dict(jitter='0.1'), TypeError, '`jitter` must be a number'),
        (dict(neighbors=-1), ValueError, '`neighbors` must be at least 0'),
        (dict(neighbors=2.0), TypeError, '`neighbors` must be an int'),
        (dict(categorical_columns=3), TypeError, 'must be a sequence of ints'),
        (dict(categorical_columns=[-1]), ValueError, 'must be at least 0'),
        (dict(categorical_columns=['a']), TypeError, 'must be an int'),
    ],
)
def test_refuses_arguments(arguments, error, message):
  with pytest.raises(error, match=message):
    TabularTransform(**arguments)


@pytest.mark.parametrize(
    'features, error, message',
    [
        (np.zeros([3, 2], np.int32), TypeError, "float dtype, got .'int32'"),
        (np.float32(1), ValueError, r'must have shape \[B, ...\]'),
        ({'a': table(3), 'b': table(3)}, ValueError, 'a single float vector'),
        (table(3, 2), ValueError, r'must lie in \[0, 2\), got \(2,\)'),
    ],
)
def test_refuses_features(features, error, message):
  with pytest.raises(error, match=message):
    TabularTransform(categorical_columns=(2,))(features, SEED)


@pytest.mark.parametrize('seed', [7, (1, 2, 3), (0.5, 1.5)])
def test_refuses_a_seed_that_is_not_two_integers(seed):
  with pytest.raises(ValueError, match='`seed` must be two int32 or int64'):
    TabularTransform()(table(3), seed)


@pytest.mark.parametrize('column, dtype, options', [
    (np.linspace(60_000, 65_504, 9), np.float16, dict(jitter=1.0)),
    (np.linspace(-65_504, 65_504, 9), np.float16, dict(jitter=1.0)),
    (np.array([1e20, 2e20, 3e20]), np.float32, {}),
    (np.array([1e38, 2e38, 3e38]), np.float32, dict(jitter=1.0)),
])
def test_finite_rows_have_finite_copies(column, dtype, options):
  values = column.astype(dtype)[:, np.newaxis]
  rows = np.repeat(np.arange(len(values)), 50)
  copies = TabularTransform(**options).copy_rows(
      tf.constant(values), tf.zeros(len(values), tf.int32),
      tf.constant(rows), SEED,
  ).numpy()
  assert copies.dtype == dtype and np.isfinite(copies).all()
  assert len(np.unique(copies)) > 20


def test_what_is_infinite_stays_so():
  values = np.float16([[1, 2], [np.inf, 3], [-np.inf, np.nan]])
  copies = TabularTransform().copy_rows(
      tf.constant(values), tf.zeros(3, tf.int32), tf.range(3), SEED
  ).numpy()
  assert copies[1, 0] == np.inf and copies[2, 0] == -np.inf
  assert np.isnan(copies[2, 1]) and np.isfinite(copies[:2, 1]).all()
