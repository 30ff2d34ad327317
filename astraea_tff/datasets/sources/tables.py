"""Clients from a table, one column of which names the client.

Tables are read by Arrow, and a pandas DataFrame is turned into an Arrow table,
so that pandas is needed by those only who have one.
"""

import collections
from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any, Optional

import numpy as np
import pyarrow

from astraea_tff import arguments
from astraea_tff.datasets.sources import in_memory_clients
from astraea_tff.datasets.sources import narrowing
from astraea_tff.datasets.sources import table_files

# A pandas.DataFrame, a pyarrow.Table, or the path of a file.
Table = Any


@dataclasses.dataclass(frozen=True)
class TableColumns:
  """How the columns of a table become features and labels.

  Attributes:
    label: The column of the labels.
    numbers: The columns that are numbers.
    categories: The columns that are categories, each with its values. A
      category's number is its index among them.
    class_names: The classes, if labels are named by them: a label is an index.
      None: labels are the numbers of the column.
  """

  label: str
  numbers: tuple[str, ...]
  categories: Mapping[str, tuple[Any, ...]]
  class_names: Optional[tuple[Any, ...]]

  def encode(self, table: Table) -> tuple[Any, np.ndarray]:
    """Returns the examples of a table, such as one for testing.

    Args:
      table: As for `from_table`; need not have the clients' column.

    Returns:
      Features `[n, ...]` and labels `[n]`, as in the clients' datasets.

    Raises:
      ValueError: A column is missing, or has missing or unknown values.
    """
    texts = [n for n, known in self.categories.items() if _are_texts(known)]
    table, source = table_files.read(
        table,
        dict.fromkeys(texts, True) | _label_text(self.label, self.class_names),
    )
    parts = collections.OrderedDict()
    if self.numbers:
      parts['numbers'] = np.stack(
          [
              narrowing.to_float32(
                  _column(table, name, source), f'Column {name!r} of {source}'
              )
              for name in self.numbers
          ],
          axis=1,
      )
    if self.categories:
      parts['categories'] = np.stack(
          [
              _indices(_column(table, name, source), known, name, source)
              for name, known in self.categories.items()
          ],
          axis=1,
      )
    features = parts if len(parts) > 1 else next(iter(parts.values()))
    labels = _column(table, self.label, source)
    if self.class_names is not None:
      return features, _indices(labels, self.class_names, self.label, source)
    name = f'Column {self.label!r} of {source}'
    if labels.dtype.kind in 'iu':
      return features, narrowing.to_integers(labels, name, np.int64)
    return features, narrowing.to_float32(labels, name)


class TableClients(in_memory_clients.InMemoryClients):
  """The clients of a table.

  Attributes:
    columns: How the columns became features and labels.
  """

  columns: TableColumns

  @property
  def class_names(self) -> Optional[tuple[Any, ...]]:
    """The classes' names, or None if labels are numbers."""
    return self.columns.class_names


def from_table(
    table: Table,
    *,
    client: str,
    label: str,
    features: Optional[Sequence[str]] = None,
    categories: Sequence[str] = (),
    class_names: Optional[Sequence[Any]] = None,
) -> TableClients:
  """Makes clients of a table with a row for each example.

  Args:
    table: A `pandas.DataFrame`, a `pyarrow.Table`, or the path of a file, CSV
      (`.csv`, also compressed) or Parquet (`.parquet`).
    client: The column that names the client.
    label: The column of the label. Integers and floats stay what they are (say
      with `label_fn` which class a float counts for); anything else, such as
      texts, names a class.
    features: The columns to learn from; by default all others but the index of
      a `pandas.DataFrame`, which a Parquet file may have.
    categories: The features that are categories though they are numbers. Texts,
      truth values and pandas' categories are that anyway.
    class_names: The classes, of which a label names one; by default those that
      there are, sorted, for labels that are no numbers.

  In a CSV file clients, and labels for which `class_names` has texts, are what
  is written there: '007' and 'true', not 7 and True.

  Returns:
    A `ClientData` of `(features, label)`. Features are float32 `[D]` or, if
    there are categories, a mapping of `numbers` float32 `[D]` and `categories`
    int32 `[C]`, or the latter alone. Labels are int32 `[]` for classes that
    have names, else int64 or float32 `[]`. `client_ids` are sorted by the
    values of the column.

  Raises:
    TypeError: `table` or a sequence of names is something else, or a column is
      of a kind that is neither numbers nor categories.
    ValueError: A column is not there or named twice, or has missing values, or
      integers that are one float32, or the file is neither CSV nor Parquet. The
      message names the column.
    OSError: The file cannot be read.
  """
  categories = arguments.check_list(categories, '`categories`')
  if class_names is not None:
    class_names = arguments.check_list(class_names, '`class_names`')
  table, source = table_files.read(
      table, _label_text(label, class_names), client
  )
  if not table.num_rows:
    raise ValueError(f'`table` must hold examples, but {source} has no rows.')
  if features is None:
    features = _default_features(table, source, (client, label))
  features = in_memory_clients.check_features(features, client, label)
  names = [client, label, *features]
  strange = [name for name in categories if name not in features]
  if strange:
    raise ValueError(
        f'`categories` must be among the features, got {strange!r:.300}.'
    )
  columns = {name: _column(table, name, source) for name in names}
  columns[client] = _column(table, client, source, is_client=True)
  is_number = {
      name: columns[name].dtype.kind in 'iuf'
      # Pandas' categories, though they be numbers.
      and not pyarrow.types.is_dictionary(table.schema.field(name).type)
      for name in names
  }
  if class_names is None and not is_number[label]:
    class_names = _values(columns[label], label, source)
  if class_names is not None and len(set(class_names)) < len(class_names):
    twice = next(name for name in class_names if class_names.count(name) > 1)
    raise ValueError(
        f'`class_names` must differ, got {twice!r} more than once.'
    )
  numbers = [n for n in features if is_number[n] and n not in categories]
  coding = TableColumns(
      label=label,
      numbers=tuple(numbers),
      categories={
          name: _values(columns[name], name, source)
          for name in features
          if name not in numbers
      },
      class_names=None if class_names is None else tuple(class_names),
  )
  clients = in_memory_clients.group_by_client(
      columns[client], coding.encode(table), TableClients
  )
  clients.columns = coding
  return clients


def _shown(table: pyarrow.Table) -> str:
  return arguments.shorten(str(table.column_names))


def _are_texts(names: Sequence[Any]) -> bool:
  return all(isinstance(name, str) for name in names)


def _label_text(
    label: str, class_names: Optional[Sequence[Any]]
) -> dict[str, bool]:
  """Returns what `table_files.read` is told of the label."""
  if class_names is None:
    return {label: False}
  # Truth values and numbers that name classes are read as such.
  return {label: True} if _are_texts(class_names) else {}


def _default_features(
    table: pyarrow.Table, source: str, others: Sequence[str]
) -> list[str]:
  """Returns all columns that are none of the others and no index."""
  left_out = {*others, *table_files.index_columns(table)}
  features = [name for name in table.column_names if name not in left_out]
  if '' in features:
    raise ValueError(
        f'{source} has a column without a name, as pandas writes the index of a'
        ' DataFrame; write it with index=False, or name the `features`.'
    )
  return features


def _column(
    table: pyarrow.Table, name: str, source: str, is_client: bool = False
) -> np.ndarray:
  """Returns a column without missing values, or raises."""
  if name not in table.column_names:
    raise ValueError(
        f'Column {name!r} is not in {source}, which has {_shown(table)}.'
    )
  if table.column_names.count(name) > 1:
    raise ValueError(
        f'Column {name!r} must be once in {source}, got {_shown(table)}.'
    )
  column = table.column(name)
  if isinstance(column, pyarrow.ChunkedArray):
    column = column.combine_chunks()
  if isinstance(column, pyarrow.ChunkedArray):  # Without any chunk.
    column = pyarrow.concat_arrays(column.chunks or [pyarrow.array([])])
  if pyarrow.types.is_dictionary(column.type):
    column = column.dictionary_decode()
  if pyarrow.types.is_nested(column.type):
    raise TypeError(
        f'Column {name!r} of {source} must hold one value in a row, got '
        f'{column.type}.'
    )
  # Arrow would give a period's ordinal, and of a time an object.
  if isinstance(column.type, pyarrow.BaseExtensionType) or (
      pyarrow.types.is_time(column.type)
  ):
    raise _no_numbers(name, source, column.type)
  if pyarrow.types.is_decimal(column.type):
    column = _without_decimals(column, is_client)
  if pyarrow.types.is_float16(column.type):  # Arrow finds no NaN there.
    column = column.cast(pyarrow.float32())
  is_missing = np.asarray(column.is_null(nan_is_null=True))
  if is_missing.any():
    raise ValueError(
        f'Column {name!r} of {source} must have a value in every row, but '
        f'{is_missing.sum()} are missing, the first in row '
        f'{int(is_missing.argmax())}; fill them in, or leave out the rows or '
        'the column.'
    )
  values = column.to_numpy(zero_copy_only=False)
  if values.dtype.kind not in 'iufbOUS':
    raise _no_numbers(name, source, column.type)
  return values


def _no_numbers(name: str, source: str, kind: pyarrow.DataType) -> TypeError:
  return TypeError(
      f'Column {name!r} of {source} must hold numbers, texts or truth values, '
      f'got {kind}; turn it into numbers.'
  )


def _without_decimals(column: pyarrow.Array, is_client: bool) -> pyarrow.Array:
  """Returns decimals as integers if they are such, as databases export ids.

  Others become float64, for which ids could be one; a client's stay decimals.
  """
  if column.type.scale <= 0:
    try:
      return column.cast(pyarrow.int64())
    except pyarrow.ArrowInvalid:
      pass  # Larger ones.
  return column if is_client else column.cast(pyarrow.float64())


def _values(column: np.ndarray, name: str, source: str) -> tuple[Any, ...]:
  """Returns the sorted different values of a column."""
  try:
    return tuple(np.unique(column).tolist())
  except TypeError as error:
    raise TypeError(
        f'Column {name!r} of {source} must hold values of one kind: {error}'
    ) from error


def _indices(
    column: np.ndarray, known: Sequence[Any], name: str, source: str
) -> np.ndarray:
  """Returns the index of each value among the known ones, int32 `[n]`."""
  places = {value: index for index, value in enumerate(known)}
  values = column.tolist()
  for row, value in enumerate(values):
    if value not in places:
      raise ValueError(
          f'Column {name!r} of {source} has {value!r} in row {row}, which is '
          f'none of {list(known)!r:.200}.'
      )
  return np.array([places[value] for value in values], np.int32)
