"""`describe` on clients of any structure, against counts made by hand."""

import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff.metrics import description

# Degrees; a reading counts for cold, mild or hot.
EDGES = np.array([0.0, 20.0], np.float32)
READINGS = ([-3.0, -1.0, 5.0], [25.0], [1.0, 2.0, 3.0, 30.0])
COUNTS = np.array([[2, 1, 0], [0, 0, 1], [0, 3, 1]])
NAMES = ('cold', 'mild\n weather', 'hot')


def clients():
  return [
      tf.data.Dataset.from_tensor_slices(dict(
          window=np.zeros([len(degrees), 4], np.float32),
          degrees=np.array(degrees, np.float32),
      ))
      for degrees in READINGS
  ]


def label_fn(element):
  return tf.searchsorted(EDGES, element['degrees'][tf.newaxis])[0]


def divergence(counts, target):
  """By its definition."""
  p, q = counts / counts.sum(), target / target.sum()
  return sum(x * np.log(x / y) for x, y in zip(p, q) if x)


def cells(text, title):
  (line,) = [l for l in text.splitlines() if re.match(f'{title} +[0-9]', l)]
  return line[len(title):].split()


def test_values_are_described_by_the_class_they_count_for():
  described = astraea_tff.describe(
      clients(), 3, label_fn=label_fn, class_names=NAMES, alpha=1.0,
      max_clients=[3, 2],
  )
  np.testing.assert_array_equal(described.label_counts, COUNTS)
  np.testing.assert_array_equal(described.imbalance.client_sizes, [3, 1, 4])
  # The mean is 8 / 3, of 2, 4 and 2.
  np.testing.assert_allclose(described.plan.copies, [4 / 3, 1, 4 / 3])
  uniform = np.ones(3)
  np.testing.assert_allclose(
      described.divergences['clients'],
      [divergence(row, uniform) for row in COUNTS],
  )
  augmented = np.array([[3, 1, 0], [0, 0, 1], [0, 3, 1]])
  np.testing.assert_allclose(
      described.divergences['augmented clients'],
      [divergence(row, uniform) for row in augmented],
  )
  # All clients in one mediator, however they are grouped.
  pooled = divergence(augmented.sum(axis=0), uniform)
  for kind in ('greedy', 'random'):
    np.testing.assert_allclose(
        described.divergences[f'{kind} mediators of 3'], pooled
    )
  assert list(described.divergences)[2::2] == [
      'greedy mediators of 3', 'greedy mediators of 2'
  ]
  assert len(described.divergences['random mediators of 2']) == 20


def test_the_summary_has_the_classes_by_name():
  text = str(
      astraea_tff.describe(
          clients(), 3, label_fn=label_fn, class_names=NAMES, alpha=1.0
      )
  )
  assert text.startswith(
      'Imbalance, KL divergence from uniform\n3 clients, 3 classes, 8 examples'
  )
  assert cells(text, 'cold') == ['2', '1.333', '2.7']
  assert cells(text, 'mild weather') == ['4', '1.000', '4.0']
  assert 'augmented classes: cold, hot\nheld back by the cap: none\n' in text
  assert 'expected extra storage: 1.3 examples, 16.7 %\n' in text
  assert cells(text, 'greedy mediators of 5')[0] == '1'


def test_the_pooled_target_is_that_of_all_clients():
  described = astraea_tff.describe(
      clients(), 3, label_fn=label_fn, alpha=0.0, target='pooled'
  )
  pooled = COUNTS.sum(axis=0)
  expected = [divergence(row, pooled) for row in COUNTS]
  np.testing.assert_allclose(described.divergences['clients'], expected)
  np.testing.assert_allclose(described.imbalance.client_kl_divergence, expected)
  assert described.imbalance.kl_divergence == 0
  assert described.class_names == ('0', '1', '2')
  assert 'augmented classes: none' in str(described)
  assert 'KL divergence from the pooled distribution' in str(described)


def test_labels_that_are_classes_need_no_label_fn():
  data = tff.simulation.datasets.TestClientData({
      'a': dict(x=np.zeros([3, 2]), y=np.array([0, 0, 1])),
      'b': dict(x=np.zeros([1, 2]), y=np.array([2])),
  })
  np.testing.assert_array_equal(
      astraea_tff.describe(data, 3).label_counts, [[2, 1, 0], [0, 0, 1]]
  )


def test_a_label_that_is_no_class_asks_for_label_fn():
  with pytest.raises(TypeError, match='label_fn'):
    astraea_tff.describe(clients(), 3)


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        (dict(num_classes=1), ValueError, 'num_classes must be at least 2'),
        (dict(alpha=3), ValueError, '`alpha` must be in'),
        (dict(max_clients=5), TypeError, 'max_clients must be a sequence'),
        (dict(max_clients=[]), ValueError, 'max_clients must be one or'),
        (dict(max_clients=[2, 2]), ValueError, 'different values'),
        (dict(max_clients=[0]), ValueError, 'max_clients must be at least 1'),
        (dict(target='mean'), ValueError, "uniform, pooled, got 'mean'"),
        (dict(class_names='ab'), ValueError, 'class_names must be 3'),
    ],
)
def test_what_is_refused_before_clients_are_read(arguments, error, message):
  with pytest.raises(error, match=message):
    astraea_tff.describe(None, **dict(dict(num_classes=3), **arguments))


def test_divergences_are_summed_up_in_columns():
  text = description.describe_divergences(
      {'clients': np.array([0, 0.5, 0.25, 1.25]), 'x': np.array([2.0])},
      'pooled',
  )
  head, columns, clients, x, _ = text.splitlines()
  assert head == 'KL divergence from the pooled distribution, nats'
  assert columns.split() == ['number', 'min', 'mean', 'median', 'max']
  assert clients.split() == [
      'clients', '4', '0.0000', '0.5000', '0.3750', '1.2500'
  ]
  assert x.split() == ['x', '1', '2.0000', '2.0000', '2.0000', '2.0000']
  assert len(columns) == len(clients) == len(x)


BEFORE = np.array([[6, 0, 0], [0, 3, 0], [2, 0, 1], [0, 0, 0]])
AFTER = np.array([[6, 0, 0], [0, 4, 0], [2, 0, 4], [0, 0, 0]])


def test_divergences_of_clients_from_uniform():
  measured = description.measure_divergences(BEFORE, AFTER, [4], 'uniform')
  two_to_one = np.log(3) + 2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3)
  log_3 = np.log(3)
  np.testing.assert_allclose(
      measured['clients'], [log_3, log_3, two_to_one, log_3]
  )
  np.testing.assert_allclose(
      measured['augmented clients'], [log_3, log_3, two_to_one, log_3]
  )
  # All clients in one mediator, however they are grouped.
  shares = AFTER.sum(axis=0) / AFTER.sum()
  pooled = np.log(3) + (shares * np.log(shares)).sum()
  np.testing.assert_allclose(measured['greedy mediators of 4'], [pooled])
  np.testing.assert_allclose(measured['random mediators of 4'], [pooled] * 10)


def test_pooled_target_is_that_of_the_same_counts():
  measured = description.measure_divergences(BEFORE, AFTER, [4, 2], 'pooled')
  assert list(measured) == [
      'clients',
      'augmented clients',
      'greedy mediators of 4',
      'random mediators of 4',
      'greedy mediators of 2',
      'random mediators of 2',
  ]
  np.testing.assert_allclose(measured['clients'][:2], np.log([12 / 8, 12 / 3]))
  np.testing.assert_allclose(
      measured['augmented clients'][:2], np.log([16 / 8, 16 / 4])
  )
  np.testing.assert_allclose(measured['greedy mediators of 4'], [0], atol=1e-12)
  assert len(measured['greedy mediators of 2']) == 2
  assert len(measured['random mediators of 2']) == 20
