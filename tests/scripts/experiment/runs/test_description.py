"""Descriptions: what they name, count and measure, on counts made by hand."""

import dataclasses
import re

import numpy as np
import pytest

from astraea_tff.augmentation import plan as plan_lib
from astraea_tff import datasets
from experiment.runs import description
from experiment.runs import population as population_lib

BEFORE = np.array([[6, 0, 0], [0, 3, 0], [2, 0, 1], [0, 0, 0]])
AFTER = np.array([[6, 0, 0], [0, 4, 0], [2, 0, 4], [0, 0, 0]])


def make_plan(copies, capped_classes=()):
  return plan_lib.AugmentationPlan(
      alpha=0.5,
      copies=copies,
      counts=BEFORE.sum(axis=0),
      augmented_classes=(1, 2),
      capped_classes=capped_classes,
  )


@pytest.fixture
def population(tmp_path):
  labels = np.repeat(np.arange(3), BEFORE.sum(axis=0)).astype(np.int32)
  labels = np.append(labels, [0, 0]).astype(np.int32)
  images = np.zeros((len(labels), 4, 5, 3), np.uint8)
  data = datasets.FederatedDataset(
      class_names=('cat', 'dog', 'ox'),
      features=images,
      labels=labels,
      test_features=images[:2],
      test_labels=labels[:2],
      name='animals',
      partition=datasets.Partition(
          (np.arange(6), np.arange(8, 11), np.array([6, 7, 11]), np.arange(0)),
          BEFORE,
      ),
  )
  plan = make_plan([1, 1.25, 3.5], capped_classes=[2])
  return population_lib.Population(
      7, datasets.store(data, tmp_path), plan, clients=None, counts=AFTER,
          model='emnist_cnn',
  )


def cells(text, title):
  (line,) = [l for l in text.splitlines() if re.match(f'{title} +[0-9]', l)]
  return line[len(title):].split()


def test_data_are_named_with_their_shape_and_sizes(population):
  text = description.describe_data(population)
  assert text.startswith(
      'animals: uint8 images 4x5x3, 12 training examples in use of 14, 2 test'
  )
  assert f'partition of seed 7: {population.data.partition_hash}\n' in text
  assert '4 clients, 3 classes, 12 examples' in text
  assert 'empty clients 1' in text


def test_plan_and_what_became_of_it(population):
  text = description.describe_augmentation(population)
  assert 'alpha = 0.5\n' in text
  assert cells(text, 'cat') == ['8', '1.000', '8.0', '8']
  assert cells(text, 'dog') == ['3', '1.250', '3.8', '4']
  assert cells(text, 'ox') == ['1', '3.500', '3.5', '4']
  assert 'augmented classes: dog, ox\n' in text
  assert 'held back by the cap: ox\n' in text
  # 0.75 and 2.5 examples beside 12, 60 pixels and an int32 label each.
  assert 'expected extra storage: 3.2 examples, 27.1 %, 0.00 MB\n' in text
  assert text.endswith('actual extra storage: 4 examples')


def test_plan_without_copies_augments_no_class(population):
  population = dataclasses.replace(population, plan=make_plan([1, 1, 1]))
  text = description.describe_augmentation(population)
  assert 'augmented classes: none\n' in text
  assert 'held back by the cap: none\n' in text
