"""Clients from an object with the methods of a `datasets.Dataset`."""

import types

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import tensorflow as tf

import astraea_tff
from astraea_tff import datasets


class Dataset:
  """What `from_hugging_face` uses of a `datasets.Dataset`."""

  def __init__(self, features=None, **columns):
    self.column_names = list(columns)
    self.features = features or {name: None for name in columns}
    self._columns = columns

  def __getitem__(self, name):
    return self._columns[name]


def dataset(**changes):
  return Dataset(**{
      'user': ['b', 'a', 'b', 'b'],
      'label': [0, 2, 1, 1],
      'values': [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]],
      **changes,
  })


def load(data, **arguments):
  return datasets.from_hugging_face(
      data, **{'client': 'user', 'label': 'label', **arguments}
  )


def read(clients, name):
  return list(clients.create_tf_dataset_for_client(name).as_numpy_iterator())


def test_a_column_of_numbers_is_an_array():
  clients = load(dataset())
  assert clients.client_ids == ['a', 'b'] and clients.class_names is None
  ((features, label),) = read(clients, 'a')
  np.testing.assert_array_equal(features, [3, 4])
  assert features.dtype == np.float32 and label == 2 and label.dtype == np.int64
  np.testing.assert_array_equal(
      astraea_tff.label_counts(clients, 3), [[0, 0, 1], [1, 2, 0]]
  )


def test_texts_of_tensorflow_name_clients():
  clients = load(dataset(user=[tf.constant(n) for n in ('b', 'ä', 'b', 'b')]))
  assert clients.client_ids == ['b', 'ä']


def test_class_names_come_from_the_class_label():
  names = types.SimpleNamespace(names=['x', 'y', 'z'])
  data = dataset(features={'label': names})
  assert load(data, features=['values']).class_names == ('x', 'y', 'z')


def test_names_of_clients_stay_apart():
  names = ['n\0', 'n', '\udcff', 'e\u0301']
  clients = load(dataset(user=names))
  assert sorted(clients.client_ids) == sorted(names)
  for name, label in zip(names, [0, 2, 1, 1]):
    assert [int(y) for _, y in read(clients, name)] == [label]


def test_large_numbers_of_clients_stay_apart_among_floats():
  users = [2**53, 2**53 + 1, 0.5, 2**53 + 1]
  clients = load(dataset(user=users))
  assert clients.client_ids == ['0.5', str(2**53), str(2**53 + 1)]


@pytest.mark.parametrize('make', [pd.Index, np.array, iter])
def test_features_come_from_any_iterable(make):
  clients = load(dataset(length=[4, 3, 2, 1]), features=make(['length']))
  assert [int(features) for features, _ in read(clients, 'b')] == [4, 2, 1]


@pytest.mark.parametrize(
    'missing', [None, float('nan'), np.float32('nan'), pd.NaT, pd.NA]
)
@pytest.mark.parametrize('other', ['a', 0.5])
def test_a_row_that_names_no_client_is_refused(missing, other):
  data = dataset(user=[other, other, missing, missing])
  with pytest.raises(ValueError, match="'user' names no client in row 2"):
    load(data)


def test_several_columns_are_a_mapping():
  clients = load(dataset(length=[4, 3, 2, 1]))
  (features, _), *_ = read(clients, 'b')
  assert set(features) == {'values', 'length'} and features['length'] == 4


def test_images_become_arrays():
  pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
  images = [PIL.Image.fromarray(image) for image in pixels]
  clients = load(dataset(values=images))
  ((image, _),) = read(clients, 'a')
  assert image.dtype == np.uint8
  np.testing.assert_array_equal(image, pixels[1])


def test_texts_are_encoded():
  texts = ['ab', 'c', 'def', '']

  def encode(text):
    return np.array([ord(c) for c in text.ljust(3, '\0')], np.int32)

  ((tokens, _),) = read(load(dataset(values=texts), encode=encode), 'a')
  np.testing.assert_array_equal(tokens, [99, 0, 0])

  def encode_row(row):
    return {'tokens': encode(row['values']), 'size': row['size']}

  clients = load(dataset(values=texts, size=[2, 1, 3, 0]), encode=encode_row)
  ((features, _),) = read(clients, 'a')
  np.testing.assert_array_equal(features['tokens'], [99, 0, 0])
  assert features['size'] == 1


@pytest.mark.parametrize(
    'data, arguments, error, message',
    [
        ({'train': 1, 'test': 2}, {}, TypeError, r"one split.*dataset\['test'\]"),
        ({}, {}, TypeError, r'`dataset` must be one split, got all of \[\]\.'),
        ([1, 2], {}, TypeError, 'a datasets.Dataset of Hugging Face, got list'),
        (dataset(), dict(client='c'), ValueError, "Column 'c' is not in the"),
        (dataset(), dict(features=['z']), ValueError, "Column 'z' is not in"),
        (dataset(), dict(features=[]), ValueError, 'must name a column'),
        (dataset(), dict(features=5), TypeError, '`features` must be a seq.*5'),
        (dataset(), dict(encode=5), TypeError, '`encode` must be a function'),
        (
            dataset(), dict(features=['values', 'label']), ValueError,
            "Column 'label' must be one of the client, the label and the feat",
        ),
        (
            dataset(), dict(features=['values', 'values']), ValueError,
            "Column 'values' must be one of",
        ),
        (
            dataset(user=[], label=[], values=[]), {}, ValueError,
            '`dataset` must hold examples, but it has no rows',
        ),
        (
            dataset(values=[1_700_000_000, 1_700_000_060, 0.5, 1]), {},
            ValueError, "'values' must hold integers that differ in float32, "
            'got 1700000000 and 1700000060',
        ),
        (
            dataset(values=['a', 'b', 'c', 'd']), {}, ValueError,
            "'values' must hold numbers .* got 'a' first; say with `encode`",
        ),
        (
            dataset(values=[[1], [2], [3, 4], [5]]), {}, ValueError,
            "'values' must hold numbers of one shape",
        ),
        (
            dataset(label=['a', 'b', 'c', 'd']), {}, ValueError,
            "'label' must hold numbers",
        ),
        (
            dataset(values=[[1.0], [2.0], None, [3.0]]), {}, ValueError,
            "'values' has no value in row 2",
        ),
        (
            dataset(values=[PIL.Image.new('RGB', (2, 2))] * 3
                    + [PIL.Image.new('P', (2, 2))]), {}, ValueError,
            "'values' has an image of indices into a palette in row 3",
        ),
        (
            # Black is 0 in both, and white 255 or 1.
            dataset(values=[PIL.Image.new('L', (2, 2))] * 3
                    + [PIL.Image.new('1', (2, 2))]), {}, ValueError,
            "'values' has values of mode L in row 0 and of mode 1 in row 3",
        ),
        (
            dataset(values=[2**63 + 1, 3, -1, 0]), {}, ValueError,
            "'values' must hold numbers within int64, got 9223372036854775809",
        ),
        (
            dataset(user=[[1, 2], [3, 4], [1, 2], [3, 4]]), {}, ValueError,
            r"'user' must name a client by one value, got \[1, 2\] in row 0",
        ),
        (
            dataset(user=[1, 1, '1', 2]), {}, ValueError,
            "'user' must name all clients by one kind of value, got 1 in row 0"
            " and '1' in row 2",
        ),
        (
            dataset(user=[1, True, 2, 1]), {}, ValueError, 'got 1 in row 0 and True',
        ),
        (
            dataset(label=[1, 2, 2**63 + 1, 0]), {}, ValueError,
            "'label' must hold numbers within int64, got 9223372036854775809",
        ),
        (
            dataset(label=np.array([1, 2, 2**63, 0], np.uint64)), {}, ValueError,
            "'label' must hold numbers within int64, got 9223372036854775808",
        ),
        (
            dataset(values=[[1.0], [0.0], [np.nan], [1.0]]), {}, ValueError,
            "'values' must hold finite numbers, got nan",
        ),
        (
            dataset(values=np.array([[1], [0], [np.inf], [1]], np.float32)), {},
            ValueError, "'values' must hold finite numbers, got inf",
        ),
        (
            dataset(values=[[1.0], [1e39], [0.0], [1.0]]), {}, ValueError,
            "'values' must hold numbers within float32, got 1e[+]39",
        ),
        (
            dataset(),
            dict(encode=lambda row: dict.fromkeys(['a', 'b'][:int(row[0])], 1)),
            ValueError,
            r"same keys for every example, got \['a'\] for row 0 and"
            r" \['a', 'b'\] for row 1",
        ),
        (
            dataset(label=[0, 1]), {}, ValueError,
            r'a client for each example, got 4 clients and parts of \[2, 4\]',
        ),
    ],
)
def test_refuses(data, arguments, error, message):
  with pytest.raises(error, match=message):
    load(data, **arguments)
