"""Clients from LEAF's JSON."""

import json

import numpy as np
import pytest

import astraea_tff
from astraea_tff import datasets

NAN = float('nan')
ANNA = {'x': [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]], 'y': [1, 0]}
BEN = {'x': [[8.0, 9.0, 10.0, 11.0]], 'y': [1]}


def write(path, users, /, **changes):
  content = {
      'users': list(users),
      'num_samples': [len(data['y']) for data in users.values()],
      'user_data': users,
      **changes,
  }
  path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
  return path


def read(clients, name):
  return list(clients.create_tf_dataset_for_client(name).as_numpy_iterator())


def test_users_become_clients(tmp_path):
  path = write(tmp_path / 'all.json', {'ben': BEN, 'anna': ANNA})
  clients = datasets.from_leaf(path)
  assert clients.client_ids == ['ben', 'anna']
  (first, label), (second, _) = read(clients, 'anna')
  np.testing.assert_array_equal(first, ANNA['x'][0])
  np.testing.assert_array_equal(second, ANNA['x'][1])
  assert first.dtype == np.float32 and label == 1 and label.dtype == np.int64
  np.testing.assert_array_equal(
      astraea_tff.label_counts(clients, 2), [[0, 1], [1, 1]]
  )


def test_a_folder_holds_several_files(tmp_path):
  write(tmp_path / 'b.json', {'anna': ANNA}, hierarchies=['x'])
  write(tmp_path / 'a.json', {'ben': BEN, 'empty': {'x': [], 'y': []}})
  (tmp_path / 'readme.txt').write_text('no JSON')
  clients = datasets.from_leaf(str(tmp_path), shape=(2, 2, 1))
  assert clients.client_ids == ['ben', 'empty', 'anna']
  assert read(clients, 'empty') == []
  np.testing.assert_array_equal(
      read(clients, 'ben')[0][0], [[[8], [9]], [[10], [11]]]
  )


def test_texts_are_encoded(tmp_path):
  users = {'a': {'x': ['abc', 'de'], 'y': ['d', 'f']}}
  clients = datasets.from_leaf(
      write(tmp_path / 'text.json', users),
      encode=lambda text: [ord(c) - 96 for c in text.ljust(4, '`')],
      encode_label=lambda text: ord(text) - 96,
  )
  (first, label), (second, _) = read(clients, 'a')
  np.testing.assert_array_equal(first, [1, 2, 3, 0])
  np.testing.assert_array_equal(second, [4, 5, 0, 0])
  assert first.dtype == np.int32 and label == 4


def test_files_that_are_not_leafs_are_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='must be a JSON file of LEAF'):
    datasets.from_leaf(tmp_path)
  with pytest.raises(FileNotFoundError, match='none.json'):
    datasets.from_leaf(tmp_path / 'none.json')
  path = tmp_path / 'bad.json'
  path.write_text('{')
  with pytest.raises(ValueError, match='bad.json is not JSON'):
    datasets.from_leaf(path)
  path.write_text('[]')
  with pytest.raises(ValueError, match='bad.json must have LEAF'):
    datasets.from_leaf(path)


@pytest.mark.parametrize(
    'users, changes, message',
    [
        ({'a': ANNA}, dict(user_data=None), 'but lacks user_data'),
        ({'a': ANNA}, dict(num_samples=[]), 'each of its 1 users, got 0'),
        ({'a': ANNA}, dict(num_samples=[3]), "'a' of .*the 3 examples .*got 2"),
        ({'a': ANNA}, dict(user_data={}), "no user_data of its user 'a'"),
        ({'a': {'y': [1]}}, {}, "'a' of .* must have the lists 'x' and 'y'"),
        ({'a': {'x': [[1]], 'y': [1, 2]}}, {}, 'got 1 and 2'),
        ({'a': {'x': ['text'], 'y': [1]}}, {}, "'a' .*got 'text' .*`encode`"),
        ({'a': {'x': [[1]], 'y': ['b']}}, {}, "y that are .*`encode_label`"),
        ({'a': {'x': [[1], [1, 2]], 'y': [0, 1]}}, {}, 'x that are numbers of'),
        ({'a': BEN, 'b': {'x': [[1.0]], 'y': [1]}}, {}, "'b' .*users before"),
        ({'a': {'x': [], 'y': []}}, {}, 'holds no examples'),
        ({'a': {'x': {'0': 1}, 'y': [1]}}, {}, "must have the lists 'x' and"),
        ({'a': {'x': 3, 'y': [1]}}, {}, "must have the lists 'x' and 'y'"),
        ({'a': ANNA}, dict(users=3), "a list as 'users', got 3"),
        ({'a': ANNA}, dict(user_data=['a']), r"a dict as 'user_data', got \["),
        ({'a': ANNA}, dict(users=[['a']]), r"no user_data of its user \['a'\]"),
        (
            {'a': ANNA, 'b': ANNA}, dict(users=['a'], num_samples=[2]),
            "user_data of 'b', whom users does not name",
        ),
        ({'a': {'x': [[NAN]], 'y': [1]}}, {}, 'x of .*finite numbers, got nan'),
        ({'a': {'x': [[2**63]], 'y': [1]}}, {}, 'x of .*int64, got 9223372036'),
        ({'a': {'x': [[1e39]], 'y': [1]}}, {}, 'x of .*float32, got 1e[+]39'),
        ({'a': {'x': [[1]], 'y': [2**63]}}, {}, 'y of .*int64, got 9223372036'),
    ],
)
def test_the_message_names_file_and_user(tmp_path, users, changes, message):
  path = write(tmp_path / 'leaf.json', users, **changes)
  with pytest.raises(ValueError, match=message) as raised:
    datasets.from_leaf(path)
  assert 'leaf.json' in str(raised.value)


def test_refuses_a_shape_that_does_not_fit(tmp_path):
  path = write(tmp_path / 'leaf.json', {'a': ANNA})
  with pytest.raises(ValueError, match=r"'a' .*cannot be brought to .*\(3,\)"):
    datasets.from_leaf(path, shape=[3])


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(shape=784), '`shape` must be a sequence of ints, got 784'),
        (dict(shape='2'), "`shape` must be a sequence of ints, got '2'"),
        (dict(shape=(2.0,)), '`shape` must be an int, got 2.0'),
        (dict(encode=5), '`encode` must be a function, got 5'),
        (dict(encode_label='y'), "`encode_label` must be a function, got 'y'"),
    ],
)
def test_refuses_an_argument_by_its_name(tmp_path, arguments, message):
  path = write(tmp_path / 'leaf.json', {'a': ANNA})
  with pytest.raises(TypeError, match=message):
    datasets.from_leaf(path, **arguments)


def test_refuses_integers_that_other_users_floats_make_one(tmp_path):
  users = {
      name: {'x': [[x]], 'y': [0]}
      for name, x in (('a', 2**24), ('b', 2**24 + 1), ('c', 0.5))
  }
  path = write(tmp_path / 'leaf.json', users)
  with pytest.raises(ValueError, match='x of .*got 16777216 and 16777217'):
    datasets.from_leaf(path)


def test_refuses_a_user_of_two_files(tmp_path):
  write(tmp_path / 'one.json', {'a': ANNA})
  write(tmp_path / 'two.json', {'a': BEN})
  with pytest.raises(ValueError, match="'a' of .*two.json is in .*one.json"):
    datasets.from_leaf(tmp_path)


def test_integers_beyond_int32_stay_what_they_are(tmp_path):
  users = {'a': {'x': [[2**40], [-1]], 'y': [0, 1]}}
  clients = datasets.from_leaf(write(tmp_path / 'large.json', users))
  assert [int(x[0]) for x, _ in read(clients, 'a')] == [2**40, -1]
