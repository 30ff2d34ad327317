import itertools
import time

import numpy as np
import pytest

from astraea_tff import datasets

_LABELS = np.random.default_rng(7).integers(0, 10, 6000)


def _assert_sound(partition, labels, num_classes):
  """No index twice, and the counts are those of the labels."""
  indices = np.concatenate(partition.client_indices)
  assert len(set(indices.tolist())) == len(indices)
  for row, client in zip(partition.counts, partition.client_indices):
    np.testing.assert_array_equal(
        np.bincount(labels[client], minlength=num_classes), row)


@pytest.mark.parametrize('size, local, global_', itertools.product(
    datasets.SIZE_DISTRIBUTIONS, datasets.LOCAL_DISTRIBUTIONS,
    datasets.GLOBAL_DISTRIBUTIONS))
def test_every_combination_is_disjoint_and_exact(size, local, global_):
  partition = datasets.partition(
      _LABELS, 37, 10, seed=1, size_distribution=size, local_distribution=local,
      global_distribution=global_, num_examples=1000, min_size=3)
  assert len(partition.client_indices) == 37
  assert partition.counts.shape == (37, 10)
  assert partition.counts.sum() == 1000
  assert partition.counts.sum(axis=1).min() >= 3
  _assert_sound(partition, _LABELS, 10)


def test_given_sizes_and_counts_are_hit():
  partition = datasets.partition(
      _LABELS, 3, 10, seed=0, size_distribution=[5, 10, 35],
      global_distribution=[5] * 10)
  assert partition.counts.sum(axis=1).tolist() == [5, 10, 35]
  assert partition.counts.sum(axis=0).tolist() == [5] * 10
  _assert_sound(partition, _LABELS, 10)


def test_given_sizes_decide_how_many_examples_are_used():
  partition = datasets.partition(
      _LABELS, 2, 10, seed=0, size_distribution=[30, 70],
      global_distribution='balanced')
  assert partition.counts.sum(axis=1).tolist() == [30, 70]
  assert partition.counts.sum(axis=0).tolist() == [10] * 10


def test_without_a_number_the_whole_natural_pool_is_dealt_out():
  partition = datasets.partition(_LABELS, 7, 10, seed=0)
  indices = np.sort(np.concatenate(partition.client_indices))
  np.testing.assert_array_equal(indices, np.arange(6000))


def test_the_seed_decides():
  first, same, other = (
      datasets.partition(_LABELS, 5, 10, seed=seed).hash for seed in (0, 0, 1))
  assert first == same != other


def test_sizes_do_not_depend_on_the_local_distribution():
  sizes = [
      datasets.partition(
          _LABELS, 20, 10, seed=3, size_distribution='instagram',
          local_distribution=local).counts.sum(axis=1).tolist()
      for local in ('iid', 'n_classes')]
  assert sizes[0] == sizes[1]


def test_a_client_has_its_classes_in_no_order():
  partition = datasets.partition(_LABELS, 2, 10, seed=0)
  labels = _LABELS[partition.client_indices[0]]
  assert len(set(labels[:50])) > 5


def test_the_examples_of_a_class_are_drawn_from_all_over_the_pool():
  labels = np.repeat([0, 1], 1000)
  partition = datasets.partition(labels, 1, 2, seed=0, num_examples=200)
  chosen = partition.client_indices[0]
  assert chosen[labels[chosen] == 0].mean() == pytest.approx(500, abs=100)


def test_table_one_of_the_paper():
  labels = np.repeat(np.arange(47), 2800)
  for local, size in (('proportional', 'even'), ('random', 'even'),
                      ('random', 'instagram')):
    partition = datasets.partition(
        labels, 500, 47, seed=0, num_examples=117_500, size_distribution=size,
        local_distribution=local, global_distribution='balanced')
    assert partition.counts.sum(axis=0).tolist() == [2500] * 47
    assert partition.counts.sum(axis=1).mean() == 235


def test_hundreds_of_thousands_of_labels_take_a_moment():
  labels = np.random.default_rng(0).integers(0, 47, 700_000)
  start = time.process_time()
  datasets.partition(labels, 500, 47, seed=0, local_distribution='dirichlet')
  assert time.process_time() - start < 4


def test_parameters_tell_how_it_was_made():
  partition = datasets.partition(
      _LABELS, 2, 10, seed=np.int64(4), size_distribution=np.array([3, 7]),
      beta=np.float32(0.5))
  assert partition.parameters == {
      'num_clients': 2, 'num_classes': 10, 'seed': 4,
      'size_distribution': [3, 7], 'local_distribution': 'iid',
      'global_distribution': 'natural', 'num_examples': 10, 'min_size': 1,
      'power_law_exponent': 2.5, 'beta': 0.5, 'classes_per_client': 2,
      'imbalance_factor': 10.0}


@pytest.mark.parametrize('changes, error, message', [
    (dict(labels=[0.0, 1.0]), TypeError, 'labels must be integers'),
    (dict(labels=[True, False]), TypeError, 'labels must be integers'),
    (dict(labels=[[0, 1]]), ValueError, r'got shape \[1, 2\]'),
    (dict(labels=np.array([], int)), ValueError, 'at least one example'),
    (dict(labels=[0, 1, 2]), ValueError, r'\[0, 2\), but labels\[2\] is 2'),
    (dict(labels=[0, -1]), ValueError, r'labels\[1\] is -1'),
    (dict(num_clients=0), ValueError, 'num_clients must be at least 1'),
    (dict(num_clients=1.0), TypeError, 'num_clients must be an int'),
    (dict(num_clients=True), TypeError, 'num_clients must be an int'),
    (dict(num_classes=1), ValueError, 'num_classes must be at least 2'),
    (dict(seed=-1), ValueError, 'seed must be at least 0'),
    (dict(seed=None), TypeError, 'seed must be an int'),
    (dict(min_size=0), ValueError, 'min_size must be at least 1'),
    (dict(num_clients=5), ValueError, '4 examples do not suffice'),
    (dict(num_clients=10**20), ValueError, '4 examples do not suffice'),
    (dict(num_examples=10**22), ValueError, 'The largest num_examples that fit'),
    (dict(num_examples=5), ValueError, r'\(1 missing\)'),
    (dict(size_distribution=[1, 1]), ValueError, r'shape \[1\]'),
    (dict(size_distribution=['a']), TypeError, 'size_distribution must be'),
    (dict(size_distribution=[3], num_examples=2), ValueError, 'must agree'),
    (dict(local_distribution='x'), ValueError, "local_distribution 'x'"),
    (dict(global_distribution='x'), ValueError, "global_distribution 'x'"),
    (dict(size_distribution='x'), ValueError, "size_distribution 'x'"),
])
def test_bad_arguments_are_refused(changes, error, message):
  arguments = dict(labels=[0, 1, 0, 1], num_clients=1, num_classes=2, seed=0)
  with pytest.raises(error, match=message):
    datasets.partition(**(arguments | changes))
