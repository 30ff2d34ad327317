"""What looks like a number in a CSV file may be the name of a client or class."""

import numpy as np
import pandas as pd
import pytest

from astraea_tff import datasets


def _read(path, lines, **arguments):
  path.write_text('who,x,y\n' + '\n'.join(lines) + '\n', encoding='utf-8')
  return datasets.from_table(path, client='who', label='y', **arguments)


@pytest.mark.parametrize('names', [
    ['007', '08'], ['1e5', '2'], ['true', 'false'], ['NA', 'nan'],
    ['2020-01-01', '2020-01-02'], ['null', 'None', '1'], ['1', '01', '1.0'],
    ['猫', 'قطة', '\u202eabc', 'ไทย', '🙂'], [' ', '-', '..', '%s'],
])
def test_a_clients_name_is_what_is_written(tmp_path, names):
  clients = _read(tmp_path / 'a.csv', [f'{name},1,a' for name in names])
  assert clients.client_ids == sorted(names)
  for name in names:
    assert len(list(clients.create_tf_dataset_for_client(name))) == 1


def test_numbers_that_are_written_as_numbers_keep_their_order(tmp_path):
  clients = _read(tmp_path / 'a.csv', [f'{k},1,a' for k in (10, 9, 2)])
  assert clients.client_ids == ['2', '9', '10']


def test_quotes_tell_an_empty_name_from_a_missing_one(tmp_path):
  path = tmp_path / 'a.csv'
  assert _read(path, ['"",1,a', 'b,1,a']).client_ids == ['', 'b']
  with pytest.raises(ValueError, match="'who' .* first in row 1"):
    _read(path, ['b,1,a', ',1,a'])
  with pytest.raises(ValueError, match="'y' .* first in row 0"):
    _read(path, ['b,1,', 'c,1,a'])


def test_a_class_is_what_is_written(tmp_path):
  path = tmp_path / 'a.csv'
  for names in (['008', '007'], ['true', 'false'], ['NA', 'nan']):
    lines = [f'b,{k},{name}' for k, name in enumerate(names)]
    clients = _read(path, lines, class_names=names)
    assert clients.class_names == tuple(names)
    np.testing.assert_array_equal(clients.columns.encode(path)[1], [0, 1])
    assert [int(y) for _, y in clients.create_tf_dataset_for_client('b')] == [
        0, 1
    ]
  clients = _read(path, ['b,1,true', 'c,1,false'])
  assert clients.class_names == ('false', 'true')
  assert _read(path, ['b,1,7', 'c,1,008']).class_names is None


def test_a_text_that_is_no_unicode_is_refused():
  table = pd.DataFrame({'who': ['a', '\udcff'], 'x': [1, 2], 'y': [0, 1]})
  with pytest.raises(ValueError, match=r"in Unicode, got '.udcff'"):
    datasets.from_table(table, client='who', label='y')


def test_a_column_that_is_there_twice_is_refused(tmp_path):
  path = tmp_path / 'a.csv'
  path.write_text('who,who,x,y\na,b,1,0\n')
  with pytest.raises(ValueError, match="Column 'who' must be once in"):
    datasets.from_table(path, client='who', label='y', features=['x'])


@pytest.mark.parametrize('names', [['0', '1'], ['10', '9'], ['1.5', '2']])
def test_a_class_may_be_named_by_a_number_as_python_writes_it(tmp_path, names):
  path = tmp_path / 'a.csv'
  clients = _read(
      path, [f'b,{k},{name}' for k, name in enumerate(names)], class_names=names
  )
  assert clients.class_names == tuple(names)
  np.testing.assert_array_equal(clients.columns.encode(path)[1], [0, 1])


def test_a_file_for_testing_has_the_texts_of_the_training(tmp_path):
  """Though alone it would be read as numbers or truth values."""
  path = tmp_path / 'a.csv'
  path.write_text(
      'who,code,flag,y\nb,007,true,007\nb,abc,unsure,abc\nc,12,false,12\n'
  )
  clients = datasets.from_table(path, client='who', label='y')
  columns = clients.columns
  assert columns.categories == {
      'code': ('007', '12', 'abc'), 'flag': ('false', 'true', 'unsure')
  }
  test = tmp_path / 'test.csv'
  test.write_text('code,flag,y\n12,true,12\n007,false,007\n')
  features, labels = columns.encode(test)
  np.testing.assert_array_equal(features, [[1, 1], [0, 0]])
  np.testing.assert_array_equal(labels, [1, 0])


def test_a_file_for_testing_has_the_truth_values_of_the_training(tmp_path):
  path = tmp_path / 'a.csv'
  table = pd.DataFrame({'who': ['a', 'b'], 'x': [1, 2], 'y': [True, False]})
  table.to_csv(path, index=False)
  clients = datasets.from_table(table, client='who', label='y')
  assert clients.class_names == (False, True)
  np.testing.assert_array_equal(clients.columns.encode(path)[1], [1, 0])
  given = datasets.from_table(
      path, client='who', label='y', class_names=[True, False]
  )
  np.testing.assert_array_equal(given.columns.encode(path)[1], [0, 1])


def test_categories_that_are_no_texts_stay_what_they_are(tmp_path):
  path = tmp_path / 'a.csv'
  path.write_text('who,code,flag,y\nb,7,true,0\nb,12,false,1\n')
  columns = datasets.from_table(
      path, client='who', label='y', categories=['code']
  ).columns
  assert columns.categories == {'code': (7, 12), 'flag': (False, True)}
  np.testing.assert_array_equal(columns.encode(path)[0], [[0, 1], [1, 0]])
