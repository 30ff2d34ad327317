"""Clients from pandas, CSV and Parquet."""

import numpy as np
import pandas as pd
import pyarrow
import pytest
import tensorflow as tf

import astraea_tff
from astraea_tff import datasets

FRAME = pd.DataFrame({
    'ward': ['s', 'n', 's', 'n', 's', 'w'],
    'age': [61, 34, 50, 47, 29, 80],
    'dose': [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
    'drug': ['b', 'a', 'b', 'c', 'a', 'b'],
    'smokes': [True, False, False, True, True, False],
    'outcome': ['well', 'ill', 'well', 'well', 'ill', 'ill'],
})


def from_frame(frame=FRAME, **arguments):
  return datasets.from_table(
      frame, **{'client': 'ward', 'label': 'outcome', **arguments}
  )


def read(clients, name):
  return list(clients.create_tf_dataset_for_client(name).as_numpy_iterator())


def test_columns_become_numbers_categories_and_classes():
  clients = from_frame()
  assert clients.client_ids == ['n', 's', 'w']
  assert clients.class_names == ('ill', 'well')
  assert clients.columns.numbers == ('age', 'dose')
  assert clients.columns.categories == {
      'drug': ('a', 'b', 'c'), 'smokes': (False, True)
  }
  first, second, third = read(clients, 's')
  for element, numbers, categories, label in (
      (first, [61, 0.5], [1, 1], 1),
      (second, [50, 2.5], [1, 0], 1),
      (third, [29, 4.5], [0, 1], 0),
  ):
    np.testing.assert_array_equal(element[0]['numbers'], numbers)
    np.testing.assert_array_equal(element[0]['categories'], categories)
    assert element[1] == label
  assert first[0]['numbers'].dtype == np.float32
  assert first[0]['categories'].dtype == first[1].dtype == np.int32
  np.testing.assert_array_equal(
      astraea_tff.label_counts(clients, 2), [[1, 1], [1, 2], [1, 0]]
  )


@pytest.mark.parametrize('kind', ['arrow', 'csv', 'csv.gz', 'parquet'])
def test_other_forms_of_the_table_give_the_same(kind, tmp_path):
  table = path = tmp_path / f'table.{kind}'
  if kind == 'arrow':
    table = pyarrow.Table.from_pandas(FRAME)
  elif kind == 'parquet':
    FRAME.to_parquet(path)
  else:
    FRAME.to_csv(path, index=False)
  clients, expected = from_frame(table), from_frame()
  assert clients.client_ids == expected.client_ids
  assert clients.columns == expected.columns
  for name in expected.client_ids:
    np.testing.assert_equal(read(clients, name), read(expected, name))


def test_numbers_alone_are_a_vector_and_numbers_may_be_categories():
  clients = from_frame(features=['dose', 'age'])
  np.testing.assert_array_equal(read(clients, 'n')[1][0], [3.5, 47])
  clients = from_frame(features=['age', 'dose'], categories=['age'])
  assert clients.columns.categories == {'age': (29, 34, 47, 50, 61, 80)}
  np.testing.assert_array_equal(read(clients, 'w')[0][0]['categories'], [5])
  alone = from_frame(features=['drug'])
  np.testing.assert_array_equal(read(alone, 'w')[0][0], [1])


def test_labels_may_be_numbers_or_names_that_are_given():
  by_age = from_frame(label='age', features=['dose'])
  assert by_age.class_names is None
  assert [label for _, label in read(by_age, 's')] == [61, 50, 29]
  by_dose = from_frame(label='dose', features=['age'])
  assert [label for _, label in read(by_dose, 'n')] == [1.5, 3.5]
  np.testing.assert_array_equal(
      astraea_tff.label_counts(
          by_dose, 2, label_fn=lambda row: tf.cast(row[1] > 2.0, tf.int32)
      ),
      [[1, 1], [1, 2], [0, 1]],
  )
  named = from_frame(class_names=['well', 'dead', 'ill'])
  assert [label for _, label in read(named, 's')] == [0, 0, 2]


def test_pandas_categories_and_numbers_for_clients():
  frame = FRAME.assign(
      drug=FRAME['drug'].astype('category'), ward=[10, 9, 10, 9, 10, 11]
  )
  clients = from_frame(frame)
  assert clients.client_ids == ['9', '10', '11']
  assert clients.columns.categories['drug'] == ('a', 'b', 'c')


def test_a_table_for_testing_is_encoded_in_the_same_way():
  clients = from_frame()
  test = FRAME.drop(columns='ward').iloc[[3, 0]]
  features, labels = clients.columns.encode(test)
  np.testing.assert_array_equal(features['numbers'], [[47, 3.5], [61, 0.5]])
  np.testing.assert_array_equal(features['categories'], [[2, 1], [1, 1]])
  np.testing.assert_array_equal(labels, [1, 1])
  with pytest.raises(ValueError, match="'drug' of the DataFrame has 'd' in row 1"):
    clients.columns.encode(test.assign(drug=['a', 'd']))


def test_rows_are_augmented_and_categories_are_untouched():
  clients = from_frame()
  plan = astraea_tff.AugmentationPlan(1.0, [4.0, 4.0], [3, 3], (0, 1), ())
  augmented = astraea_tff.augment_clients(clients, plan, seed=1)
  rows = read(augmented, 's')
  assert len(rows) == 12
  before = {
      (*element['categories'], label): element['numbers']
      for element, label in read(clients, 's')
  }
  assert {(*e['categories'], label) for e, label in rows} == set(before)
  assert len({tuple(element['numbers']) for element, _ in rows}) == 12


def missing(column, row, value=None):
  frame = FRAME.copy()
  frame[column] = frame[column].astype(object)
  frame.loc[row, column] = value
  return frame


@pytest.mark.parametrize(
    'frame, arguments, error, message',
    [
        (FRAME, dict(client='site'), ValueError, "Column 'site' is not in the D"),
        (FRAME, dict(label='y'), ValueError, "Column 'y' is not in"),
        (FRAME, dict(features='age'), TypeError, "`features` .* got 'age'"),
        (FRAME, dict(categories=3), TypeError, '`categories` .* got 3'),
        (
            FRAME, dict(class_names=[[1], [0]]), TypeError,
            r'`class_names` must be a sequence of names, got \[\[1\], \[0\]\]',
        ),
        (FRAME, dict(features=['age', 'age']), ValueError, "'age' must be one"),
        (FRAME, dict(features=['ward']), ValueError, "'ward' must be one"),
        (FRAME, dict(features=[]), ValueError, '`features` must name a column'),
        (FRAME, dict(categories=['ward']), ValueError, r"got \['ward'\]"),
        (FRAME, dict(class_names=['ill']), ValueError, "'outcome' .* 'well' in"),
        (missing('age', 2), {}, ValueError, "'age' .* 1 are missing, .*row 2"),
        (missing('dose', 4, np.nan), {}, ValueError, "'dose' .*first in row 4"),
        (missing('ward', 0), {}, ValueError, "'ward' .* in every row"),
        (missing('outcome', 1), {}, ValueError, "'outcome' .* in every row"),
        (
            FRAME.assign(day=pd.Timestamp('2020-01-01')),
            {},
            TypeError,
            "'day' of the DataFrame must hold numbers, texts",
        ),
        (
            FRAME.assign(tags=[[1], [2], [], [3], [4], [5]]),
            {},
            TypeError,
            "'tags' of the DataFrame must hold one value",
        ),
        (FRAME.assign(dose=1e39), {}, ValueError, "'dose' .*float32, got 1e"),
        (FRAME.assign(dose=-np.inf), {}, ValueError, "'dose' .*finite .*got -inf"),
        (
            FRAME.assign(outcome=np.full(6, 2**63, np.uint64)),
            {},
            ValueError,
            "'outcome' .*within int64, got 9223372036854775808",
        ),
        ([1, 2], {}, TypeError, '`table` must be a pandas.DataFrame'),
        (
            # As Polars has one.
            type('DataFrame', (), {'columns': []})(), {}, TypeError,
            f'must be a pandas.DataFrame, .* got a {__name__}.DataFrame',
        ),
        (
            FRAME,
            dict(class_names=['ill', 'well', 'ill']),
            ValueError,
            "`class_names` must differ, got 'ill' more than once",
        ),
        (
            FRAME.assign(age=1_700_000_000 + 60 * np.arange(6)), {}, ValueError,
            "'age' .* must hold integers that differ in float32, got 1700000000"
            ' and 1700000060, which are one there; subtract an offset',
        ),
        (
            FRAME.assign(age=np.arange(2**64 - 6, 2**64, dtype=np.uint64)), {},
            ValueError, 'got 18446744073709551610 and 18446744073709551611',
        ),
        (
            FRAME.assign(dose=1j), {}, TypeError,
            'each of one kind: Conversion failed for column dose .*astype',
        ),
        (
            FRAME.assign(ward=['s', 1, 's', 's', 's', 's']), {}, TypeError,
            'each of one kind: Conversion failed for column ward',
        ),
        (
            FRAME.assign(dose=pd.arrays.SparseArray([0.0] * 6)), {}, TypeError,
            'each of one kind: Sparse pandas data .column dose',
        ),
    ],
)
def test_refuses_a_table(frame, arguments, error, message):
  with pytest.raises(error, match=message):
    from_frame(frame, **arguments)


@pytest.mark.parametrize('make', [pd.Index, np.array, iter])
def test_names_come_from_any_iterable(make):
  clients = from_frame(
      features=make(['age', 'dose']),
      categories=make(['age']),
      class_names=make(['well', 'ill']),
  )
  assert clients.columns.numbers == ('dose',)
  assert list(clients.columns.categories) == ['age']
  assert clients.class_names == ('well', 'ill')


def test_large_integers_that_differ_in_float32_are_rounded():
  ages = 1_700_000_000 + 3600 * np.arange(6)
  clients = from_frame(FRAME.assign(age=ages), features=['age'])
  assert [row[0][0] for row in read(clients, 'n')] == [
      1_700_003_584, 1_700_010_752
  ]
  # Rounding does no harm to these, as their floats say.
  clients = from_frame(FRAME.assign(age=1.7e9 + np.arange(6)), features=['age'])
  assert {row[0][0] for row in read(clients, 's')} == {1.7e9}


def test_a_subclass_of_a_data_frame_is_one():
  class Frame(pd.DataFrame):
    pass

  assert from_frame(Frame(FRAME)).columns == from_frame().columns


def test_half_precision_is_read():
  halves = FRAME.assign(dose=FRAME['dose'].astype(np.float16))
  for client in ('n', 's'):
    for element, same in zip(
        read(from_frame(halves), client), read(from_frame(), client)
    ):
      np.testing.assert_array_equal(element[0]['numbers'], same[0]['numbers'])


def test_refuses_a_file(tmp_path):
  (tmp_path / 'latin.csv').write_bytes('w\xe4rd,age\ns,1\n'.encode('latin1'))
  with pytest.raises(ValueError, match='latin.csv cannot be read as a table'):
    from_frame(tmp_path / 'latin.csv')
  for name in ('drug', 'ward', 'outcome'):
    frame = FRAME.replace({name: {FRAME[name][0]: 'caf\xe9'}})
    frame.to_csv(tmp_path / 'latin.csv', index=False, encoding='latin1')
    with pytest.raises(ValueError, match=f"'{name}' of .* texts in UTF-8, and"):
      from_frame(tmp_path / 'latin.csv')
  (tmp_path / 'table.csv.gz').write_bytes(b'no archive')
  with pytest.raises(OSError, match='table.csv.gz cannot be read'):
    from_frame(tmp_path / 'table.csv.gz')
  with pytest.raises(FileNotFoundError, match='nothing.csv'):
    from_frame(tmp_path / 'nothing.csv')
  (tmp_path / 'table.xlsx').write_text('')
  with pytest.raises(ValueError, match='table.xlsx; read others with pandas'):
    from_frame(tmp_path / 'table.xlsx')
  (tmp_path / 'table.parquet').write_text('a,b')
  with pytest.raises(ValueError, match='table.parquet cannot be read'):
    from_frame(str(tmp_path / 'table.parquet'))
  (tmp_path / 'bad.csv').write_text('ward,outcome\na,1\nb\n')
  with pytest.raises(ValueError, match='bad.csv cannot be read'):
    from_frame(tmp_path / 'bad.csv')
