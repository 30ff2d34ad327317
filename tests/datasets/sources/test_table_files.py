"""Tables as other programs write them: nothing of a file becomes another one."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet
import pytest

from astraea_tff import datasets

_FRAME = pd.DataFrame(
    dict(user=['a', 'b', 'a'], x=[1.0, 2.0, 3.0], y=[0, 1, 1])
)


def load(table, **arguments):
  return datasets.from_table(
      table, **{'client': 'user', 'label': 'y', **arguments}
  )


def features(clients, name):
  dataset = clients.create_tf_dataset_for_client(name)
  return [features.tolist() for features, _ in dataset.as_numpy_iterator()]


@pytest.mark.parametrize('kind', ['parquet', 'arrow'])
def test_the_index_of_a_data_frame_is_no_feature(tmp_path, kind):
  """A frame that was filtered has one that is a column."""
  named = _FRAME.set_index(pd.Index([7, 8, 9], name='id'))
  for frame in (_FRAME[_FRAME.x > 1], named):
    table = pyarrow.Table.from_pandas(frame)
    assert len(table.column_names) == 4
    if kind == 'parquet':
      frame.to_parquet(tmp_path / 'table.parquet')
      table = tmp_path / 'table.parquet'
    clients = load(table)
    assert clients.columns.numbers == ('x',)
    assert features(clients, 'b') == [[2]]
  # It may be named for what it is.
  assert load(table, features=['id', 'x']).columns.numbers == ('id', 'x')
  assert load(table, client='id').client_ids == ['7', '8', '9']


def test_the_index_in_a_csv_file_must_be_named_or_left_out(tmp_path):
  _FRAME.to_csv(tmp_path / 'table.csv')
  with pytest.raises(ValueError, match='a column without a name.*index=False'):
    load(tmp_path / 'table.csv')
  assert features(load(tmp_path / 'table.csv', features=['x']), 'b') == [[2]]


@pytest.mark.parametrize(
    'name', ['t.CSV.GZ', 't.parquet.csv', 't.csv.parquet', 't.parquet.gzip']
)
def test_the_end_of_its_name_says_how_a_file_is_read(tmp_path, name):
  if '.csv' in name.lower() and not name.endswith('parquet'):
    compression = 'gzip' if name.endswith('GZ') else None
    _FRAME.to_csv(tmp_path / name, index=False, compression=compression)
  else:
    _FRAME.to_parquet(tmp_path / name)
  assert features(load(tmp_path / name), 'a') == [[1], [3]]
  (tmp_path / 'table.csv.txt').write_text('user,x,y\na,1,0\n')
  with pytest.raises(ValueError, match='must be a .csv or a .parquet file'):
    load(tmp_path / 'table.csv.txt')


def test_a_folder_on_the_way_is_no_feature(tmp_path):
  folder = tmp_path / 'run=3'
  folder.mkdir()
  parquet.write_table(
      pyarrow.Table.from_pandas(_FRAME, preserve_index=False),
      folder / 'part.parquet',
  )
  assert load(folder / 'part.parquet').columns.numbers == ('x',)
  with pytest.raises(IsADirectoryError, match='`table` names a folder: .*run=3'):
    load(folder)


def test_decimals_name_the_client_that_they_are():
  """Two of these are one float64."""
  large = [decimal.Decimal(9007199254740992 + n) for n in (1, 0, 1)]
  clients = load(_FRAME.assign(user=large))
  assert clients.client_ids == ['9007199254740992', '9007199254740993']
  assert features(clients, '9007199254740993') == [[1], [3]]
  huge = [decimal.Decimal(10**30 + n) for n in (1, 0, 1)]
  assert load(_FRAME.assign(user=huge)).client_ids == [
      str(10**30), str(10**30 + 1)
  ]
  tenths = [decimal.Decimal(f'{n}.5') for n in (1, 0, 1)]
  assert load(_FRAME.assign(user=tenths)).client_ids == ['0.5', '1.5']
  cents = [decimal.Decimal(text) for text in ('10.00', '2.00', '1.00')]
  assert load(_FRAME.assign(user=cents)).client_ids == ['1.00', '2.00', '10.00']
  # Labels that a float32 would take for one; and features are numbers.
  labels = [decimal.Decimal(16777216 + n) for n in (1, 0, 1)]
  clients = load(_FRAME.assign(y=labels, x=tenths))
  dataset = clients.create_tf_dataset_for_client('a').as_numpy_iterator()
  assert [int(label) for _, label in dataset] == [16777217, 16777217]
  assert features(clients, 'a') == [[1.5], [1.5]]


def test_pandas_categories_that_are_numbers_are_categories():
  frame = _FRAME.assign(zip=pd.Categorical([80331, 10115, 80331]))
  clients = load(frame)
  assert clients.columns.numbers == ('x',)
  assert clients.columns.categories == {'zip': (10115, 80331)}
  encoded, _ = clients.columns.encode(frame)
  categories = encoded['categories']
  np.testing.assert_array_equal(categories, [[1], [0], [1]])
  clients = load(_FRAME.assign(y=pd.Categorical([20, 10, 10])))
  assert clients.class_names == (10, 20)


def test_an_empty_text_is_missing_and_na_is_a_text(tmp_path):
  path = tmp_path / 'table.csv'
  path.write_text('user,k,x,y\na,NA,1,0\nb,"",2,1\nb,u,3,1\n')
  clients = load(path)
  assert clients.columns.categories == {'k': ('', 'NA', 'u')}
  clients.columns.encode(path)
  path.write_text('user,k,x,y\na,u,1,0\nb,,2,1\n')
  with pytest.raises(ValueError, match="'k' of .* missing, the first in row 1"):
    load(path)


def test_a_long_csv_file_may_have_lines_within_quotes(tmp_path):
  path = tmp_path / 'TABLE.CSV'
  rows = [f'a{n % 3},"hello\nworld",{n},{n % 2}\n' for n in range(100_000)]
  path.write_text('user,text,x,y\n' + ''.join(rows))
  clients = load(path, features=['x'])
  # One by one, TensorFlow hands out a hundred thousand in twenty seconds.
  batches = [
      clients.create_tf_dataset_for_client(f'a{n}').batch(100_000)
      for n in range(3)
  ]
  read = [batch for data in batches for batch, _ in data.as_numpy_iterator()]
  assert sum(map(len, read)) == 100_000


@pytest.mark.parametrize(
    'changes, error, message',
    [
        (
            dict(x=pd.period_range('2020-01', periods=3, freq='M')),
            TypeError, "'x' of the DataFrame must hold numbers.*turn it into",
        ),
        (
            dict(x=pd.interval_range(0, 3)),
            TypeError, "'x' of the DataFrame must hold numbers.*turn it into",
        ),
        (
            dict(x=[datetime.time(n) for n in range(3)]),
            TypeError, "'x' of the DataFrame must hold numbers, .*got time64",
        ),
        (dict(user=[2**70, 1, 2]), TypeError, r'ids that are no int64 with ast'),
    ],
)
def test_refuses_what_would_become_another_number(changes, error, message):
  with pytest.raises(error, match=message):
    load(_FRAME.assign(**changes))


def test_tables_without_rows_or_numbers_are_refused_by_name(tmp_path):
  with pytest.raises(ValueError, match='the DataFrame has no rows'):
    load(_FRAME[:0])
  coding = load(_FRAME).columns
  with pytest.raises(ValueError, match="'x' of the DataFrame must hold numbers"):
    coding.encode(_FRAME.assign(x=['1', '?', '3']))
  (tmp_path / 'head.csv').write_text('user,x,y\n')
  features, labels = coding.encode(tmp_path / 'head.csv')
  assert features.shape == (0, 1) and labels.shape == (0,)
