"""Scikit-learn's tables: whose statistics scale them, and what is tested on."""

import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets

from astraea_tff import datasets
from astraea_tff.datasets.sources import bundled_tables

_RAW = {
    'breast_cancer': sklearn_datasets.load_breast_cancer(),
    'wine': sklearn_datasets.load_wine(),
}


@pytest.fixture(scope='module', params=_RAW)
def name(request):
  return request.param


@pytest.fixture(scope='module')
def data(name):
  return bundled_tables.load_table(name)


def test_pool_and_test_set_hold_every_row_once(name, data):
  raw = _RAW[name]
  per_class = {'breast_cancer': 50, 'wine': 16}[name]
  np.testing.assert_array_equal(np.bincount(data.test_labels), per_class)
  assert len(data.labels) + len(data.test_labels) == len(raw.target)
  assert data.class_names == tuple(raw.target_names)
  assert data.feature_names == tuple(raw.feature_names)
  assert data.kind == 'table' and data.features.dtype == np.float32
  # Rows in the order of their standard scores have that of the raw ones.
  ours = np.concatenate([data.features, data.test_features])
  labels = np.concatenate([data.labels, data.test_labels])
  order, raw_order = np.lexsort(ours.T), np.lexsort(raw.data.T)
  np.testing.assert_array_equal(labels[order], raw.target[raw_order])


def test_the_pool_alone_says_how_columns_are_scaled(name, data):
  np.testing.assert_allclose(data.features.mean(axis=0), 0, atol=1e-5)
  np.testing.assert_allclose(data.features.std(axis=0), 1, rtol=1e-5)
  # The same straight line takes raw rows to those of the test set.
  ours = np.concatenate([data.features, data.test_features])
  raw = _RAW[name].data
  for column in range(raw.shape[1]):
    slope, offset = np.polyfit(
        np.sort(raw[:, column]), np.sort(ours[:, column]), 1
    )
    np.testing.assert_allclose(
        np.sort(raw[:, column]) * slope + offset,
        np.sort(ours[:, column]),
        atol=1e-3,
    )
  assert np.abs(data.test_features.mean(axis=0)).max() > 0.01


def test_a_table_is_divided_by_its_name(name):
  first, again = (
      datasets.load(
          name, num_clients=20, seed=3, local_distribution='dirichlet'
      )
      for _ in range(2)
  )
  assert first.partition.hash == again.partition.hash
  assert len(first.label_counts) == 20
  assert first.label_counts.sum() == len(first.labels)
  client = first.client_datasets()[0]
  batch, _ = next(iter(datasets.batch_client(client, 4)))
  rows = first.features[first.partition.client_indices[0]]
  np.testing.assert_array_equal(batch, rows[:4])
