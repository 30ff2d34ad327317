import collections
import os

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.labels import counts as counts_lib
from astraea_tff.labels import divergence
from astraea_tff.labels import reading

_LABELS = {'a': [2, 0, 2], 'b': [1], 'c': [0, 0, 3, 2, 1]}
_COUNTS = [[1, 0, 2, 0], [0, 1, 0, 0], [2, 1, 1, 1]]


def _pairs(labels, dtype=np.int64):
  images = np.zeros((len(labels), 28, 28), np.float32)
  return tf.data.Dataset.from_tensor_slices((images, np.array(labels, dtype)))


def _mappings(labels, key):
  return _pairs(labels).map(
      lambda x, y: collections.OrderedDict([('pixels', x), (key, y)])
  )


def _datasets(make, *arguments):
  return [make(labels, *arguments) for labels in _LABELS.values()]


def _count(dataset, num_classes=4, **kwargs):
  return counts_lib.label_counts([dataset], num_classes, **kwargs)


def _client_data():
  return tff.simulation.datasets.TestClientData({
      client: collections.OrderedDict(
          label=np.array(labels, np.int32),
          pixels=np.zeros((len(labels), 28, 28), np.float32),
      )
      for client, labels in _LABELS.items()
  })


# Counting labels.


def test_client_data_is_counted_in_the_order_of_its_client_ids():
  clients = _client_data()
  counts = counts_lib.label_counts(clients, 4)
  assert clients.client_ids == ['a', 'b', 'c']
  np.testing.assert_array_equal(counts, _COUNTS)
  assert counts.dtype == np.int64


@pytest.mark.parametrize(
    'datasets',
    [
        _datasets(_pairs),
        _datasets(_pairs, np.uint8),
        _datasets(_mappings, 'y'),
        _datasets(_mappings, 'label'),
        [d.batch(2) for d in _datasets(_pairs)],
        [d.batch(2) for d in _datasets(_mappings, 'label')],
        [d.map(lambda x, y: (x, y[tf.newaxis])) for d in _datasets(_pairs)],
        [
            d.map(lambda x, y: (x, y[tf.newaxis])).batch(2)
            for d in _datasets(_pairs)
        ],
        tuple(_datasets(_pairs)),
    ],
    ids=[
        'pairs',
        'uint8',
        'y',
        'label',
        'batches of pairs',
        'batches of mappings',
        'labels of shape [1]',
        'labels of shape [B, 1]',
        'tuple of datasets',
    ],
)
def test_every_form_of_dataset_is_counted(datasets):
  np.testing.assert_array_equal(
      counts_lib.label_counts(datasets, 4), _COUNTS
  )


def test_batches_of_a_fixed_size_are_not_taken_for_one_hot_labels():
  dataset = _pairs([3, 0, 3, 3, 1]).batch(4, drop_remainder=True)
  assert dataset.element_spec[1].shape == [4]
  np.testing.assert_array_equal(_count(dataset), [[1, 0, 0, 3]])


def test_labels_of_unknown_shape_are_counted():
  dataset = tf.data.Dataset.from_generator(
      lambda: iter([(0.0, 1), (0.0, [2, 2]), (0.0, [[3]])]),
      output_types=(tf.float32, tf.int32),
  )
  np.testing.assert_array_equal(_count(dataset), [[0, 1, 2, 1]])


def test_named_tuples_are_pairs_too():
  example = collections.namedtuple('Example', ['image', 'digit'])
  dataset = _pairs([3, 1, 1]).map(example)
  np.testing.assert_array_equal(_count(dataset), [[0, 2, 0, 1]])


def test_label_fn_gets_the_whole_element():
  dataset = _pairs([2, 0, 2]).map(lambda x, y: (x, tf.one_hot(y, 4), 1.0))
  counts = _count(dataset, label_fn=lambda element: tf.argmax(element[1]))
  np.testing.assert_array_equal(counts, [[1, 0, 2, 0]])

  mappings = _pairs([2, 0, 2]).map(lambda x, y: {'x': x, 'digit': y})
  counts = _count(mappings, label_fn=lambda element: element['digit'])
  np.testing.assert_array_equal(counts, [[1, 0, 2, 0]])


def test_label_fn_goes_before_the_usual_keys():
  counts = _count(
      _mappings([2, 0, 2], 'label'), label_fn=lambda e: e['label'] // 2
  )
  np.testing.assert_array_equal(counts, [[1, 2, 0, 0]])


def test_a_client_without_examples_has_a_row_of_zeros():
  datasets = [_pairs([1]), _pairs([1]).take(0)]
  np.testing.assert_array_equal(
      counts_lib.label_counts(datasets, 3), [[0, 1, 0], [0, 0, 0]]
  )


def test_clients_longer_than_one_read_are_counted_whole():
  labels = np.random.default_rng(0).integers(0, 10, 20_001)
  dataset = tf.data.Dataset.from_tensor_slices((labels, labels))
  np.testing.assert_array_equal(
      _count(dataset, 10), [np.bincount(labels, minlength=10)]
  )


def test_reading_runs_ahead_by_about_one_read_at_most(monkeypatch):
  monkeypatch.setattr(reading, '_LABELS_PER_READ', 64)
  read = 0

  def examples():
    nonlocal read
    yield 0.0, 4
    while True:
      read += 1
      yield 0.0, 0

  dataset = tf.data.Dataset.from_generator(
      examples,
      output_signature=(
          tf.TensorSpec([], tf.float32),
          tf.TensorSpec([], tf.int64),
      ),
  )
  with pytest.raises(ValueError, match=r'clients\[0\] has label 4'):
    _count(dataset)
  assert read < 2 * 64


def test_images_are_let_go_as_they_are_read():
  page = os.sysconf('SC_PAGE_SIZE')
  resident = []

  def examples():
    for _ in range(300):
      with open('/proc/self/statm') as statm:
        resident.append(int(statm.read().split()[1]) * page)
      yield np.ones(250_000, np.float32), 1

  dataset = tf.data.Dataset.from_generator(
      examples,
      output_signature=(
          tf.TensorSpec([250_000], tf.float32),
          tf.TensorSpec([], tf.int64),
      ),
  )
  np.testing.assert_array_equal(_count(dataset, 2), [[0, 300]])
  # All images together are 300 MB.
  assert max(resident) - resident[0] < 100e6


@pytest.mark.parametrize('label', [-1, 4, 200])
def test_a_label_outside_the_classes_is_refused_with_its_client(label):
  with pytest.raises(
      ValueError, match=rf'clients\[1\] has label {label}, .*\[0, 4\)'
  ):
    counts_lib.label_counts([_pairs([0]), _pairs([1, label])], 4)
  with pytest.raises(ValueError, match="client 'c' has label 3"):
    counts_lib.label_counts(_client_data(), 3)


def test_a_huge_unsigned_label_is_refused_as_it_is():
  dataset = _pairs([2**64 - 1], np.uint64)
  with pytest.raises(ValueError, match='label 18446744073709551615'):
    _count(dataset)


@pytest.mark.parametrize(
    'label, dtype', [(1.0, 'float32'), ('1', 'string'), (True, 'bool')]
)
def test_labels_that_are_no_integers_are_refused(label, dtype):
  dataset = _pairs([0]).map(lambda x, y: (x, tf.constant(label)))
  with pytest.raises(TypeError, match=rf'clients\[0\] .* dtype {dtype}'):
    _count(dataset)


def test_one_hot_labels_are_refused():
  one_hot = _pairs([1, 0, 1]).map(
      lambda x, y: (x, tf.one_hot(y, 4, dtype=y.dtype))
  )
  for dataset in (
      one_hot,
      one_hot.batch(2),
      one_hot.map(lambda x, y: {'x': (x,), 'y': y}),
      one_hot.map(lambda x, y: (1.0, y)),
  ):
    with pytest.raises(ValueError, match=r'clients\[0\] .*one-hot'):
      _count(dataset)


def test_one_hot_labels_of_unknown_shape_are_refused_when_read():
  dataset = tf.data.Dataset.from_generator(
      lambda: iter([(0.0, [[0, 1], [1, 0]])]),
      output_types=(tf.float32, tf.int32),
  )
  with pytest.raises(ValueError, match='one-hot'):
    _count(dataset)


def test_ragged_and_structured_labels_are_refused():
  ragged = tf.ragged.constant([[1], [2, 3]], dtype=tf.int64)
  dataset = tf.data.Dataset.from_tensor_slices((np.zeros(2), ragged))
  with pytest.raises(TypeError, match=r'clients\[0\] .*one dense tensor'):
    _count(dataset.batch(2))
  with pytest.raises(ValueError, match=r'clients\[0\] has labels of shape'):
    _count(dataset)
  with pytest.raises(TypeError, match=r'clients\[0\] .*one dense tensor'):
    _count(_pairs([1]), label_fn=lambda element: element)
  with pytest.raises(TypeError, match=r'clients\[0\] .*label_fn returned none'):
    _count(_pairs([1]), label_fn=lambda element: None)


@pytest.mark.parametrize(
    'dataset',
    [
        tf.data.Dataset.range(3),
        _pairs([0]).map(lambda x, y: (x, y, 1.0)),
        _pairs([0]).map(lambda x, y: {'pixels': x, 'digit': y}),
        _pairs([0]).map(lambda x, y: {'y': y, 'label': y}),
    ],
    ids=['scalars', 'triples', 'other key', 'both keys'],
)
def test_an_element_without_a_clear_label_asks_for_label_fn(dataset):
  with pytest.raises(TypeError, match=r'clients\[0\] .*label_fn'):
    _count(dataset)


def test_a_dataset_that_never_ends_is_refused():
  with pytest.raises(ValueError, match=r'clients\[0\] .*never ends'):
    _count(_pairs([0]).repeat())


@pytest.mark.parametrize('clients', [3, _pairs([0])], ids=['int', 'dataset'])
def test_clients_that_are_no_sequence_of_datasets_are_refused(clients):
  with pytest.raises(TypeError, match='clients must be a ClientData or'):
    counts_lib.label_counts(clients, 4)


def test_a_client_that_is_no_dataset_is_refused():
  with pytest.raises(TypeError, match=r'clients\[1\] .* of type list'):
    counts_lib.label_counts([_pairs([0]), [0, 1]], 4)


def test_no_clients_are_refused():
  with pytest.raises(ValueError, match='at least one client'):
    counts_lib.label_counts([], 4)


@pytest.mark.parametrize(
    'num_classes, error',
    [(1, ValueError), (-3, ValueError), (2.0, TypeError), (True, TypeError)],
)
def test_a_wrong_number_of_classes_is_refused(num_classes, error):
  with pytest.raises(error, match='num_classes must be'):
    counts_lib.label_counts([_pairs([0])], num_classes)


# KL divergence.


def test_kl_divergence_equals_scipy():
  generator = np.random.default_rng(0)
  for num_classes in (2, 3, 10, 47, 1000):
    counts = generator.integers(0, 50, (20, num_classes))
    counts[:, 0] += 1
    target = generator.random(num_classes) + 0.01
    uniform = np.ones(num_classes)
    np.testing.assert_allclose(
        divergence.kl_divergence(counts),
        scipy.stats.entropy(counts, uniform[np.newaxis], axis=1),
        rtol=1e-10,
        atol=1e-13,
    )
    np.testing.assert_allclose(
        divergence.kl_divergence(counts, target),
        scipy.stats.entropy(counts, target[np.newaxis], axis=1),
        rtol=1e-10,
        atol=1e-13,
    )


def test_kl_divergence_by_hand():
  assert divergence.kl_divergence([1, 3]) == pytest.approx(
      0.25 * np.log(0.5) + 0.75 * np.log(1.5)
  )
  assert divergence.kl_divergence([1, 1], [1, 3]) == pytest.approx(
      0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
  )
  assert divergence.kl_divergence([0, 5, 0, 0]) == pytest.approx(
      np.log(4)
  )


def test_kl_divergence_puts_the_counts_first():
  counts, target = [1, 1, 8], [1, 4, 4]
  forward = scipy.stats.entropy(counts, target)
  assert abs(forward - scipy.stats.entropy(target, counts)) > 0.01
  assert divergence.kl_divergence(counts, target) == pytest.approx(
      forward
  )


def test_kl_divergence_is_zero_at_the_target_and_positive_elsewhere():
  assert divergence.kl_divergence([7, 7, 7]) == 0
  assert divergence.kl_divergence([2, 6], [1, 3]) == 0
  target = np.random.default_rng(0).random(30)
  assert 0 <= divergence.kl_divergence(target, target) < 1e-14
  assert divergence.kl_divergence([2, 7], [1, 3]) > 1e-4


def test_kl_divergence_runs_over_the_last_axis():
  counts = np.random.default_rng(0).integers(0, 9, (2, 3, 4))
  divergences = divergence.kl_divergence(counts)
  assert divergences.shape == (2, 3)
  assert divergences.dtype == np.float64
  for index in np.ndindex(2, 3):
    assert divergences[index] == divergence.kl_divergence(counts[index])


def test_kl_divergence_takes_shares_and_single_precision_alike():
  shares = np.array([0.125, 0.25, 0.625], np.float32)
  exact = divergence.kl_divergence([1, 2, 5])
  assert divergence.kl_divergence(shares) == pytest.approx(
      exact, abs=1e-15
  )


def test_an_empty_histogram_has_the_largest_divergence_there_is():
  assert divergence.kl_divergence(np.zeros(5)) == np.log(5)
  target = [0.5, 0.25, 0.125, 0.125]
  divergences = divergence.kl_divergence(
      [[0, 0, 0, 0], [0, 0, 0, 9], [9, 0, 0, 0]], target
  )
  np.testing.assert_allclose(divergences, np.log([8, 8, 2]))


def test_a_zero_target_for_a_class_without_counts_contributes_nothing():
  divergences = divergence.kl_divergence(
      [[1, 0, 1], [0, 0, 0]], [0.25, 0, 0.75]
  )
  np.testing.assert_allclose(
      divergences, [scipy.stats.entropy([1, 1], [1, 3]), np.log(4)]
  )


def test_kl_divergence_stays_finite_at_the_ends_of_the_number_range():
  tiny, huge = np.nextafter(0, 1), np.finfo(np.float64).max
  assert divergence.kl_divergence([huge, huge, 0]) == pytest.approx(
      np.log(1.5)
  )
  assert divergence.kl_divergence([tiny, tiny, 0]) == pytest.approx(
      np.log(1.5)
  )
  assert divergence.kl_divergence([tiny, huge]) == pytest.approx(
      np.log(2)
  )
  assert divergence.kl_divergence([1, 0], [tiny, huge]) == (
      pytest.approx(np.log(huge) - np.log(tiny))
  )
  assert divergence.kl_divergence([2**62, 2**62]) == 0


def test_a_target_of_zero_for_a_class_with_counts_is_refused():
  with pytest.raises(ValueError, match='target is zero for class 2'):
    divergence.kl_divergence([[1, 1, 0], [0, 0, 1]], [1, 1, 0])


@pytest.mark.parametrize(
    'target, error, message',
    [
        ([1, 1], ValueError, r'shape \[3\], .*got shape \[2\]'),
        ([[1, 1, 1]], ValueError, r'got shape \[1, 3\]'),
        (1.0, ValueError, r'got shape \[\]'),
        ([1, -1, 1], ValueError, r'target\[1\] is -1'),
        ([1, 1, np.nan], ValueError, r'target\[2\] is nan'),
        ([np.inf, 1, 1], ValueError, r'target\[0\] is inf'),
        ([0, 0, 0], ValueError, 'all zeros'),
        (['a', 'b', 'c'], TypeError, 'target must hold integers or floats'),
        ([True, True, True], TypeError, 'dtype bool'),
        ([[1], [1, 2]], ValueError, 'target must be rows of one length'),
    ],
)
def test_a_wrong_target_is_refused(target, error, message):
  with pytest.raises(error, match=message):
    divergence.kl_divergence([1, 2, 3], target)


@pytest.mark.parametrize(
    'counts, error, message',
    [
        (3, ValueError, r'got shape \[\]'),
        ([], ValueError, r'got shape \[0\]'),
        ([[1], [2]], ValueError, r'got shape \[2, 1\]'),
        ([1, -2.5], ValueError, r'counts\[1\] is -2.5'),
        ([[1, 2], [np.nan, 0]], ValueError, r'counts\[1, 0\] is nan'),
        ([np.inf, 0], ValueError, r'counts\[0\] is inf'),
        ([1j, 0], TypeError, 'dtype complex128'),
        ([True, False], TypeError, 'dtype bool'),
        (['1', '2'], TypeError, 'counts must hold integers or floats'),
        ([[1, 2], [3]], ValueError, 'counts must be rows of one length'),
    ],
)
def test_wrong_histograms_are_refused(counts, error, message):
  with pytest.raises(error, match=message):
    divergence.kl_divergence(counts)


# Surprisals.


def test_surprisals_are_minus_the_log_of_the_normalised_target():
  counts = np.array([[1, 2, 0]])
  np.testing.assert_allclose(
      divergence.target_surprisals([1, 3, 0], counts),
      [np.log(4), np.log(4 / 3), 0],
  )
  np.testing.assert_array_equal(
      divergence.target_surprisals(None, counts), [np.log(3)] * 3
  )


# Checks.


@pytest.mark.parametrize(
    'dtype', [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64]
)
def test_counts_of_every_integer_type_pass_as_a_copy(dtype):
  counts = np.array([[1, 100], [0, 3]], dtype)
  checked = counts_lib.check_counts(counts)
  assert checked.dtype == np.int64
  np.testing.assert_array_equal(checked, [[1, 100], [0, 3]])
  counts[:] = 0
  np.testing.assert_array_equal(checked, [[1, 100], [0, 3]])


def test_counts_pass_up_to_a_total_that_an_int64_holds():
  largest = 2**63 - 1
  checked = counts_lib.check_counts([[largest - 1, 0], [0, 1]])
  assert checked.sum() == largest
  for counts in (
      [[largest, 0], [0, 1]],
      np.array([[2**63, 0]], np.uint64),
      [[2**62, 2**62], [2**62, 2**62]],
      np.full((4, 2), 2**64 - 1, np.uint64),
  ):
    with pytest.raises(ValueError, match='adds up to'):
      counts_lib.check_counts(counts)


@pytest.mark.parametrize(
    'counts, error, message',
    [
        ([1, 2], ValueError, r'rows must .*got shape \[2\]'),
        ([[[1, 2]]], ValueError, r'got shape \[1, 1, 2\]'),
        (np.zeros((0, 3), int), ValueError, r'got shape \[0, 3\]'),
        ([[1], [2]], ValueError, r'got shape \[2, 1\]'),
        ([[1, 2], [3, -4]], ValueError, r'rows\[1, 1\] is -4'),
        ([[1, np.nan]], ValueError, r'rows\[0, 1\] is nan'),
        ([[np.inf, 1]], ValueError, r'rows\[0, 0\] is inf'),
        ([[1, 2.5]], ValueError, r'whole, but rows\[0, 1\] is 2.5'),
        ([[1, 2.0]], TypeError, r'cast them: \.astype\(np\.int64\)'),
        ([[True, False]], TypeError, 'dtype bool'),
        ([['1', '2']], TypeError, 'rows must hold'),
        ([[None, 1]], TypeError, 'dtype object'),
        ([[2**70, 1]], TypeError, 'at most 64 bits'),
        ([[1, 2], [3]], ValueError, 'rows must be rows of one length'),
    ],
)
def test_wrong_counts_are_refused_by_name(counts, error, message):
  with pytest.raises(error, match=message):
    counts_lib.check_counts(counts, 'rows')


def test_integers_are_checked_by_name():
  assert arguments.check_integer(np.int32(3), 'size', 1) == 3
  assert type(arguments.check_integer(np.int32(3), 'size', 1)) is int
  with pytest.raises(ValueError, match='size must be at least 1, got 0'):
    arguments.check_integer(0, 'size', 1)
  for value in (True, np.True_, 3.0, '3', None):
    with pytest.raises(TypeError, match='size must be an int'):
      arguments.check_integer(value, 'size', 0)


def test_a_client_that_does_not_say_that_it_never_ends_is_named(monkeypatch):
  monkeypatch.setattr(client_endings, 'MOST_EXAMPLES_OF_UNKNOWN_NUMBER', 20_000)
  endless = _pairs([0, 1]).repeat().take_while(lambda x, y: y >= 0)
  with pytest.raises(ValueError, match=r'clients\[1\] was read for .* may never'):
    counts_lib.label_counts([_pairs([0]), endless], 4)
  ending = _pairs([0, 1]).filter(lambda x, y: y >= 1)
  np.testing.assert_array_equal(
      counts_lib.label_counts([_pairs([0]), ending], 2), [[1, 0], [0, 1]])


def test_a_client_that_cannot_be_read_is_named_in_one_line(tmp_path):
  for label in ('cat', 'dog'):
    (tmp_path / '猫 1' / label).mkdir(parents=True)
    image = tf.io.encode_png(tf.zeros([4, 4, 3], tf.uint8)).numpy()
    (tmp_path / '猫 1' / label / 'a.png').write_bytes(image)
  damaged = tmp_path / '猫 1' / 'cat' / 'b.jpg'
  damaged.write_text('not found')
  client = tf.keras.utils.image_dataset_from_directory(
      tmp_path / '猫 1', batch_size=None, image_size=(4, 4)
  )
  with pytest.raises(tf.errors.OpError) as raised:
    counts_lib.label_counts([_pairs([0]), client], 4)
  message = str(raised.value)
  assert message.startswith(f'clients[1] cannot be read: {damaged}: ')
  assert '\n' not in message and len(message) < 500


def test_an_error_of_a_python_function_names_the_client():
  def read(label):
    raise RuntimeError(f'no label {label}')

  client = _pairs([3]).map(
      lambda x, y: (x, tf.ensure_shape(tf.numpy_function(read, [y], y.dtype), []))
  )
  with pytest.raises(tf.errors.OpError) as raised:
    counts_lib.label_counts([_pairs([0]), client], 4)
  assert str(raised.value) == (
      'clients[1] cannot be read: RuntimeError: no label 3')


def test_long_elements_are_cut_in_messages():
  wide = _pairs([0]).map(lambda x, y: {f'feature_{n}': x for n in range(300)})
  with pytest.raises(TypeError, match=r'clients\[0\] .*label_fn') as raised:
    _count(wide)
  assert len(str(raised.value)) < 600


def test_a_batch_of_no_examples_is_a_batch():
  nothing = tf.data.Dataset.from_tensors(
      (np.zeros((0, 28, 28), np.float32), np.zeros(0, np.int64))
  )
  np.testing.assert_array_equal(_count(nothing), [[0, 0, 0, 0]])


def test_a_label_fn_of_two_arguments_is_told_what_it_gets():
  with pytest.raises(TypeError, match=r'clients\[0\] .* takes one argument, the'):
    _count(_pairs([2, 0]), label_fn=lambda x, y: y)


def test_a_label_fn_that_is_no_function_is_refused_in_one_line():
  with pytest.raises(TypeError) as raised:
    _count(_pairs([2, 0]), label_fn=3)
  assert str(raised.value) == 'label_fn must be a function, got 3 of type int.'


@pytest.mark.parametrize('dtype', [np.int8, np.int64, np.uint8, np.uint64])
def test_labels_come_back_in_their_dtype(dtype):
  for num_classes, length in ((3, None), (None, None), (3, 4)):
    labels = np.array([0, 2, 1, 2], dtype)
    checked = counts_lib.check_labels(labels, num_classes, length=length)
    np.testing.assert_array_equal(checked, labels)
    assert checked.dtype == dtype


@pytest.mark.parametrize(
    'labels, options, error, message',
    [
        ([0.0], {}, TypeError, 'y must be integers, got dtype float64'),
        ([True], {}, TypeError, 'y must be integers, got dtype bool'),
        ([[0, 1]], {}, ValueError, r'at least one example, got shape \[1, 2\]\.'),
        (1, {}, ValueError, r'at least one example, got shape \[\]\.'),
        (np.zeros(0, int), {}, ValueError, r'got shape \[0\]\.'),
        ([0], dict(length=2), ValueError, r'got shape \[1\] for 2 examples\.'),
        (np.zeros(0, int), dict(length=0), ValueError, 'at least one example'),
        ([0, 3], {}, ValueError, r'y must lie in \[0, 3\), but y\[1\] is 3\.'),
        ([-1], {}, ValueError, r'y must lie in \[0, 3\), but y\[0\] is -1\.'),
        (
            [-1], dict(num_classes=None), ValueError,
            r'y must lie in \[0, inf\), but y\[0\] is -1\.',
        ),
    ],
)
def test_other_labels_are_refused(labels, options, error, message):
  with pytest.raises(error, match=message):
    counts_lib.check_labels(labels, **(dict(num_classes=3, name='y') | options))


@pytest.mark.parametrize('largest', [0.0, 3.0, 1e308, 5e-324])
def test_scaled_numbers_have_the_same_shares(largest):
  values = np.array([largest, -largest, largest / 4])
  scaled = counts_lib.scaled(values)
  assert np.abs(scaled).max() <= 1
  np.testing.assert_array_equal(scaled * largest, values * scaled[0])
