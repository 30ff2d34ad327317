"""Tables: CSV files that are read and written as a whole, and Markdown.

A cell keeps what it holds: floats are written with as many digits as they need,
and a text is a text, whatever it looks like.
"""

from collections.abc import Iterable, Mapping, Sequence
import csv
import pathlib
import sys

import numpy as np
import pandas as pd

from experiment.runs import folder as folder_lib

# From a column's name to its heading, what to multiply its values by, and the
# digits after the point.
Columns = Mapping[str, tuple[str, float, int]]
# What mends a damaged table of `experiment.paper`.
RUN_AGAIN = 'Remove it, and run scripts/reproduce.py again.'


def read_csv(
    path: pathlib.Path,
    mend: str,
    *,
    text: Sequence[str] = (),
    integers: Sequence[str] = (),
    needed: Sequence[str] = (),
    key: Sequence[str] = (),
) -> pd.DataFrame:
  """Reads a table with a head.

  Args:
    path: The CSV file.
    mend: What to do if the file is damaged, a sentence.
    text: The columns that hold text. Every other one holds float64; an empty
      cell is NaN.
    integers: The columns that hold integers. They must be there.
    needed: The other columns that must be there.
    key: The columns in which no two lines are the same.

  Returns:
    The table.

  Raises:
    ValueError: The file is not such a table.
  """
  try:
    # pandas fills a line that was cut off, and takes the name NA for no name.
    with path.open(
        newline='', encoding='utf-8', errors='surrogatepass'
    ) as file:
      heads, *lines = [*csv.reader(file, strict=True)] or [[]]
    _check_heads(heads, [*integers, *needed])
    if any(len(line) != len(heads) for line in lines):
      raise ValueError('a line has not a cell for each column')
    table = pd.DataFrame(lines, columns=heads, dtype=object)
    numbers = table.columns.difference([*text, *integers], sort=False)
    # Python's own conversion is exact; that of pandas is not.
    table[numbers] = table[numbers].replace('', 'nan').astype(float)
    table = table.astype({name: int for name in integers})
    if key and table.duplicated(key).any():
      raise ValueError(f'two lines have the same {", ".join(key)}')
    return table
  except (ValueError, OverflowError, csv.Error) as error:
    raise ValueError(
        f'{path} is damaged ({" ".join(str(error).split())}). {mend}'
    ) from error


def _check_heads(heads: Sequence[str], needed: Sequence[str]) -> None:
  """Raises a ValueError unless the needed columns are there, and all once."""
  missing = [name for name in needed if name not in heads]
  if missing:
    raise ValueError(f'it has no column {", ".join(missing)}')
  if len(set(heads)) < len(heads):
    raise ValueError('two columns have the same name')


def write_csv(
    path: pathlib.Path, table: pd.DataFrame, missing: str = '', **options
) -> None:
  """Writes a table with a head, atomically; NaN is `missing`.

  Raises:
    ValueError: A text has a NUL, before Python 3.11.
    OSError: The file cannot be written.
  """
  # A carriage return ends a line of CSV, and pandas does not quote it unasked.
  texts = [str(text) for text in table.select_dtypes(object).to_numpy().flat]
  has_break = any('\r' in text for text in texts)
  if sys.version_info < (3, 11) and any('\0' in text for text in texts):
    raise ValueError(
        f'{path} has a name with a NUL, which Python writes to a CSV file from'
        ' 3.11 on; take that, or rename it.'
    )
  folder_lib.write_atomically(
      path,
      table.to_csv(
          index=False,
          lineterminator='\n',
          na_rep=missing,
          quoting=csv.QUOTE_NONNUMERIC if has_break else csv.QUOTE_MINIMAL,
          **options,
      ),
  )


def mean_and_spread(values: Sequence[float], digits: int) -> str:
  """Returns mean and sample standard deviation as text; none of NaNs."""
  values = np.asarray(values, float)
  if np.isnan(values).any():
    return ''
  mean = f'{values.mean():.{digits}f}'
  if len(values) == 1:
    return mean
  return f'{mean} ± {values.std(ddof=1):.{digits}f}'


def markdown(
    heads: Sequence[str], lines: Iterable[Sequence[str]], align: bool = False
) -> str:
  """Returns a Markdown table of text, without a newline at its end.

  Args:
    heads: The head of each column.
    lines: The cells of each line.
    align: Whether cells are filled with spaces to the width of their column.
  """
  rows = [[_cell(cell) for cell in line] for line in (heads, *lines)]
  widths = [max(map(len, column)) if align else 0 for column in zip(*rows)]
  text = [
      f'| {" | ".join(c.ljust(w) for c, w in zip(row, widths))} |'
      for row in rows
  ]
  rules = ('-' * (width + 2) if align else ' --- ' for width in widths)
  return '\n'.join([text[0], f'|{"|".join(rules)}|', *text[1:]])


def _cell(text: str) -> str:
  """Keeps a text within its cell, whatever it holds."""
  return ' '.join(text.replace('|', r'\|').splitlines())


def markdown_of_seeds(
    table: pd.DataFrame, settings: Sequence[str], columns: Columns
) -> str:
  """Returns a Markdown table of mean and spread over seeds.

  Args:
    table: A row for each setting and seed, with a column `setting`.
    settings: The lines.
    columns: The columns.
  """
  by_setting = table.groupby('setting')
  return markdown(
      ['setting', *(heading for heading, _, _ in columns.values())],
      [
          [
              setting,
              *(
                  mean_and_spread(
                      factor * by_setting.get_group(setting)[name], digits
                  )
                  for name, (_, factor, digits) in columns.items()
              ),
          ]
          for setting in settings
      ],
  )
