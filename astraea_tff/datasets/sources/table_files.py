"""Tables as Arrow's: of pandas, of Arrow, of a CSV or a Parquet file."""

from collections.abc import Mapping, Sequence
import json
import os
import pathlib
from typing import Any, Optional

import pyarrow
from pyarrow import compute
from pyarrow import csv
from pyarrow import parquet

from astraea_tff import arguments

# Arrow reads the numbers of a CSV file as one of these types.
_NUMBERS = (pyarrow.int64(), pyarrow.float64())
# The last suffix of a file's name says how Arrow unpacks it.
_COMPRESSIONS = {
    '.gz': 'gzip',
    '.gzip': 'gzip',
    '.bz2': 'bz2',
    '.lz4': 'lz4',
    '.zst': 'zstd',
    '.snappy': None,  # Of Parquet alone, which unpacks itself.
}


def read(
    table: Any, texts: Mapping[str, bool], client: Optional[str] = None
) -> tuple[pyarrow.Table, str]:
  """Reads a table, wherever it is.

  Args:
    table: As for `astraea_tff.datasets.from_table`.
    texts: The columns of a CSV file that hold what is written, whatever it
      looks like; and whether what looks like a number is a text there too.
    client: The column of the clients, which hold what is written as well.

  Returns:
    The table, and what messages call it.

  Raises:
    TypeError: `table` is something else, or has columns of several kinds.
    ValueError: The file is neither CSV nor Parquet, or damaged, or a text is no
      Unicode.
    OSError: The file cannot be read.
  """
  if isinstance(table, pyarrow.Table):
    return table, 'the table'
  # Not with isinstance, for which pandas would have to be imported.
  if any(
      base.__name__ == 'DataFrame'
      and base.__module__.split('.')[0] == 'pandas'
      for base in type(table).__mro__
  ):
    try:
      return (
          pyarrow.Table.from_pandas(table, preserve_index=False),
          'the DataFrame',
      )
    except UnicodeEncodeError as error:
      raise ValueError(
          f'`table` must hold texts in Unicode, got {error.object!r:.200},'
          ' which may come from the name of a file that is no UTF-8; name it'
          ' otherwise.'
      ) from error
    except (TypeError, OverflowError, pyarrow.ArrowException) as error:
      reason = ': '.join(map(str, error.args[::-1]))
      raise TypeError(
          '`table` must have columns of numbers, texts or truth values, each of'
          f' one kind: {arguments.shorten(reason)}; convert it with astype(),'
          ' ids that are no int64 with astype(str).'
      ) from error
  if not isinstance(table, (str, os.PathLike)):
    raise TypeError(
        '`table` must be a pandas.DataFrame, a pyarrow.Table or the path of a '
        f'CSV or Parquet file, got a {type(table).__module__}.'
        f'{type(table).__qualname__}.'
    )
  path = pathlib.Path(arguments.expand_path(table, '`table`'))
  kind, compression = _kind_of_file(path)
  if path.is_dir():
    raise IsADirectoryError(
        f'`table` names a folder: {path}; read its files with'
        ' pyarrow.parquet.read_table or pandas, and give what that returns.'
    )
  if not path.is_file():
    raise FileNotFoundError(f'`table` names a file that is not there: {path}.')
  try:
    if kind == '.parquet':
      # By default Arrow takes a folder on the way, such as run=3, for a column.
      return parquet.read_table(path, partitioning=None), str(path)
    if kind == '.csv':
      return _read_csv(path, compression, texts, client), str(path)
  # Names of columns that are no UTF-8 are an error of another kind.
  except (pyarrow.ArrowInvalid, UnicodeError) as error:
    raise ValueError(f'{path} cannot be read as a table: {error}') from error
  except OSError as error:
    raise OSError(f'{path} cannot be read: {error}') from error
  raise ValueError(
      '`table` must be a .csv or a .parquet file, got '
      f'{path}; read others with pandas and give the DataFrame.'
  )


def index_columns(table: pyarrow.Table) -> Sequence[str]:
  """Returns the columns of a table that are the index of a pandas.DataFrame."""
  written = (table.schema.metadata or {}).get(b'pandas')
  if written is None:
    return ()
  # An index that counts the rows is no column, and described otherwise.
  return [
      name
      for name in json.loads(written).get('index_columns', ())
      if isinstance(name, str)
  ]


def _kind_of_file(path: pathlib.Path) -> tuple[str, Optional[str]]:
  """Returns a file's suffix before that of a compression, and how to unpack."""
  kind, last = ['', '', *map(str.lower, path.suffixes)][-2:]
  return kind if last in _COMPRESSIONS else last, _COMPRESSIONS.get(last)


def _read_csv(
    path: pathlib.Path,
    compression: Optional[str],
    texts: Mapping[str, bool],
    client: Optional[str],
) -> pyarrow.Table:
  """Returns the table of a CSV file; see `read`."""
  parsed = csv.ParseOptions(newlines_in_values=True)
  with pyarrow.input_stream(str(path), compression) as file:
    table = csv.read_csv(file, parse_options=parsed)
  for field in table.schema:
    # Arrow reads as binary what is no text.
    if pyarrow.types.is_binary(field.type):
      raise ValueError(
          f'Column {field.name!r} of {path} must hold texts in UTF-8, and does'
          ' not; write the file in UTF-8, or give the DataFrame of'
          ' pandas.read_csv with its `encoding`.'
      )
  # Empty texts are read once more, to see whether they have quotes.
  is_text = {
      field.name: True
      for field, column in zip(table.schema, table.columns)
      if pyarrow.types.is_string(field.type)
      and compute.any(compute.equal(column, '')).as_py()
  }
  names = [
      name
      for name in {**is_text, **texts, client: True}
      if table.column_names.count(name) == 1
  ]
  if not names:
    return table
  as_texts = csv.ConvertOptions(
      include_columns=names,
      column_types=dict.fromkeys(names, pyarrow.string()),
      # Nothing is missing but a cell without even quotes.
      null_values=[''],
      strings_can_be_null=True,
      quoted_strings_can_be_null=False,
  )
  with pyarrow.input_stream(str(path), compression) as file:
    written = csv.read_csv(file, None, parsed, as_texts)
  for name in names:
    column = table.column(name)
    is_number = column.type in _NUMBERS
    if is_number and name == client:
      # Numbers that are written as Python writes them keep their order.
      values = [str(value) for value in column.to_pylist()]
      is_kept = written.column(name).to_pylist() == values
    else:
      is_kept = is_number and not texts[name]
    if not is_kept:
      place = table.column_names.index(name)
      table = table.set_column(place, name, written.column(name))
  return table
