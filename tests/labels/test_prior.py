"""The prior in a client's dataset, against the formula in NumPy."""

import collections

import label_prior_oracle as oracle
import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.labels import prior as prior_lib

_LABELS = [0, 2, 2, 0, 2, 0, 0]  # No 1.
_COUNTS = np.array([4, 0, 3])
_GLOBAL = np.array([10, 30, 60])


def _with_prior(dataset, global_counts=_GLOBAL, share=0.3, copies=None):
  """The dataset with the prior, which both ways to add it must agree on."""
  prior = prior_lib.LabelPrior(global_counts, share, copies)
  result = prior.add(dataset, dataset)
  when_read = prior.add_when_read(dataset, dataset)
  assert when_read.element_spec == result.element_spec
  for one, other in zip(
      result.as_numpy_iterator(), when_read.as_numpy_iterator(), strict=True
  ):
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)
  return result


def _priors(dataset):
  """Every row of the prior in a dataset."""
  rows = []
  for element in dataset.as_numpy_iterator():
    features = element['x'] if isinstance(element, dict) else element[0]
    rows.extend(np.reshape(features[1], [-1, oracle.NUM_CLASSES]))
  return np.array(rows)


def _mappings(dataset):
  return dataset.map(lambda x, y: collections.OrderedDict(x=x, y=y))


@pytest.mark.parametrize('share', [0, 0.3, 1])
def test_prior_is_that_of_the_formula(share):
  client = oracle.make_client(_LABELS, 0).batch(3)
  rows = _priors(_with_prior(client, share=share))
  assert rows.dtype == np.float32 and rows.shape == (7, 3)
  expected = oracle.log_prior(_COUNTS, _GLOBAL, share)
  np.testing.assert_allclose(rows, [expected] * 7, rtol=1e-6)


def test_shares_of_the_prior_add_up_to_one():
  for share in (0, 0.3, 1):
    client = oracle.make_client(_LABELS, 0).batch(3)
    rows = np.float64(_priors(_with_prior(client, share=share)))
    np.testing.assert_allclose(np.exp(rows).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    'form',
    [
        lambda client: client,
        lambda client: client.batch(2, drop_remainder=True),
        lambda client: _mappings(client),
        lambda client: _mappings(client).batch(3),
        lambda client: client.batch(3).map(lambda x, y: (x, y[:, tf.newaxis])),
        lambda client: client.map(lambda x, y: (x, tf.cast(y, tf.uint8))),
        lambda client: client.map(lambda x, y: ({'b': x, 'a': (y, x)}, y)),
    ],
    ids=[
        'examples',
        'batches of one size',
        'mappings',
        'batches of mappings',
        'B x 1',
        'uint8',
        'several inputs',
    ],
)
def test_every_form_of_elements_keeps_its_parts(form):
  labels = _LABELS[:6]
  client = form(oracle.make_client(labels, 0))
  with_prior = _with_prior(client)
  expected = oracle.log_prior([3, 0, 3], _GLOBAL)
  np.testing.assert_allclose(_priors(with_prior), [expected] * 6, rtol=1e-6)
  is_mapping = isinstance(client.element_spec, dict)
  for plain, changed in zip(
      client.as_numpy_iterator(), with_prior.as_numpy_iterator(), strict=True
  ):
    for part in ('x', 'y') if is_mapping else (0, 1):
      kept = changed[part] if part in ('y', 1) else changed[part][0]
      tf.nest.map_structure(np.testing.assert_array_equal, plain[part], kept)


def test_examples_of_several_sizes_and_many_batches_of_them():
  labels = np.arange(1000) % 3 % 2
  client = tf.data.Dataset.from_tensor_slices(labels).map(
      lambda label: (tf.ones([1 + label]), label)
  )
  expected = oracle.log_prior(oracle.counts_of(labels), _GLOBAL)
  rows = _priors(_with_prior(client))
  np.testing.assert_allclose(rows, [expected] * 1000, rtol=1e-6)
  batches = client.map(lambda x, y: (x[:1], y)).batch(7)
  rows = _priors(_with_prior(batches))
  np.testing.assert_allclose(rows, [expected] * 1000, rtol=1e-6)


def test_type_of_a_batch_names_the_classes_and_its_size():
  client = oracle.make_client(_LABELS, 0)
  (_, prior), _ = _with_prior(client.batch(3)).element_spec
  assert prior == tf.TensorSpec([None, 3], tf.float32)
  (_, prior), _ = _with_prior(
      client.batch(3, drop_remainder=True)
  ).element_spec
  assert prior == tf.TensorSpec([3, 3], tf.float32)
  (_, prior), _ = _with_prior(client).element_spec
  assert prior == tf.TensorSpec([3], tf.float32)


def test_copies_multiply_a_clients_counts():
  client = oracle.make_client(_LABELS, 0).batch(3)
  copies = np.array([1, 2.5, 1.5])
  rows = _priors(_with_prior(client, copies=copies))
  expected = oracle.log_prior(_COUNTS * copies, _GLOBAL)
  np.testing.assert_allclose(rows, [expected] * 7, rtol=1e-6)


def test_numbers_of_any_size_count_by_their_shares():
  client = oracle.make_client(_LABELS, 0).batch(3)
  largest = 1.7e308
  rows = _priors(_with_prior(
      client,
      [np.multiply(largest, [1, 0.5, 1]), [0, largest, 0]],
      copies=np.multiply(largest, [0.4, 1, 0.6]),
  ))
  expected = oracle.log_prior(_COUNTS * np.array([0.4, 1, 0.6]), [2, 3, 2])
  np.testing.assert_allclose(rows, [expected] * 7, rtol=1e-6)


def test_global_counts_of_each_client_are_added_up_and_negative_ones_are_none():
  client = oracle.make_client(_LABELS, 0).batch(3)
  rows = _priors(_with_prior(client, [[1.5, 2, 0.25], [8.5, -3, 0.25]]))
  np.testing.assert_allclose(
      rows, [oracle.log_prior(_COUNTS, [10, 0, 0.5])] * 7, rtol=1e-6
  )


def test_a_label_that_the_loss_ignores_does_not_count():
  client = oracle.make_client([*_LABELS, -1, -1], 0).batch(4)
  rows = _priors(_with_prior(client))
  np.testing.assert_allclose(
      rows, [oracle.log_prior(_COUNTS, _GLOBAL)] * 9, rtol=1e-6
  )


def test_a_client_without_examples_has_no_batches():
  client = oracle.make_client(_LABELS, 0).take(0).batch(3)
  assert not list(_with_prior(client))


def test_a_label_beyond_the_classes_fails():
  client = oracle.make_client([0, 3, 4], 0).batch(2)
  with pytest.raises(
      tf.errors.InvalidArgumentError,
      match='`global_counts` has 3 classes, so a label must be below 3.* .3.',
  ):
    list(_with_prior(client))


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        (dict(global_counts=[1]), ValueError, '`global_counts` must be'),
        (dict(global_counts=[0, -1]), ValueError, 'none above 0'),
        (dict(global_counts=[1, np.nan]), ValueError, 'must be finite'),
        (dict(global_counts=['a', 'b']), TypeError, '`global_counts` must ho'),
        (dict(global_counts=[[1, 2], [3]]), ValueError, '`global_counts`'),
        (dict(share=1.1), ValueError, r'`prior_share` must be in \[0, 1\]'),
        (dict(share=-0.1), ValueError, r'`prior_share` must be in \[0, 1\]'),
        (dict(share='much'), TypeError, '`prior_share` must'),
        (dict(share=True), TypeError, '`prior_share` must'),
        (dict(copies=[1, 1]), ValueError, '`copies` must be a number above 0'),
        (dict(copies=[1, 0, 1]), ValueError, '`copies` must be a number above'),
    ],
)
def test_bad_numbers_are_refused_by_name(arguments, error, message):
  client = oracle.make_client(_LABELS, 0)
  with pytest.raises(error, match=message):
    _with_prior(client, **arguments)


@pytest.mark.parametrize(
    'form, error, message',
    [
        (lambda x, y: (x, x, y), ValueError, r'must have elements \(x, y\)'),
        (lambda x, y: {'image': x, 'label': y}, ValueError, 'must have elements'),
        (lambda x, y: (x, x), TypeError, 'must have labels that are a tensor of integers'),
        (lambda x, y: (x, tf.one_hot(y, 3, dtype=tf.int32)[None]), ValueError,
         'one integer for each example'),
    ],
)
def test_bad_elements_are_refused(form, error, message):
  client = oracle.make_client(_LABELS, 0).map(form)
  with pytest.raises(error, match=message):
    _with_prior(client)
