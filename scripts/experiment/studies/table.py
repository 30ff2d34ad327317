"""The table of a study: a row for each setting and seed, as a CSV file.

A study that is interrupted goes on after the last row it wrote.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
import csv
import io
import pathlib
from typing import Any, Optional

import numpy as np
import tqdm

from experiment.runs import folder as folder_lib


def fill_table(
    path: pathlib.Path,
    settings: Sequence[str],
    seeds: Sequence[int],
    start_seed: Callable[[int], Callable[[str], Mapping[str, float]]],
) -> list[dict[str, Any]]:
  """Measures every setting for every seed, those that `path` has left out.

  Args:
    path: The CSV file of the table, with a row for each setting and seed;
      written anew, atomically, after every measurement.
    settings: The names of the settings, in the table's order.
    seeds: The seeds.
    start_seed: Prepares a seed, once, and returns the function that measures a
      setting: from its name to the columns of its row.

  Returns:
    The rows, all of them, in order.

  Raises:
    ValueError: If `path` holds something else than such a table.
  """
  rows = {(row['setting'], row['seed']): row for row in read_table(path)}
  wanted = [(setting, seed) for seed in seeds for setting in settings]
  missing = [key for key in wanted if key not in rows]
  started: dict[int, Optional[Callable[..., Any]]] = {}
  for setting, seed in tqdm.tqdm(missing, desc=path.stem, unit='run'):
    if seed not in started:
      # One seed's data and processes at a time.
      started = {seed: start_seed(seed)}
    # As floats, the rows are those that would be read from the file.
    measured = {k: float(v) for k, v in started[seed](setting).items()}
    rows[setting, seed] = {'setting': setting, 'seed': seed, **measured}
    _write_table(path, [rows[key] for key in wanted if key in rows])
  return [rows[setting, seed] for setting in settings for seed in seeds]


def read_table(path: pathlib.Path) -> list[dict[str, Any]]:
  """Reads the rows that `fill_table` wrote; none if there is no file yet.

  Raises:
    ValueError: If the file is not such a table.
  """
  if not path.exists():
    return []
  with path.open(newline='') as file:
    try:
      rows = list(csv.DictReader(file, strict=True))
      return [
          {
              'setting': row.pop('setting'),
              'seed': int(row.pop('seed')),
              **{name: float(cell) for name, cell in row.items()},
          }
          for row in rows
      ]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
      raise ValueError(
          f'{path} is damaged ({error!r}); remove it to measure anew.'
      ) from error


def _write_table(
    path: pathlib.Path, rows: Sequence[Mapping[str, Any]]
) -> None:
  text = io.StringIO()
  writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
  writer.writeheader()
  writer.writerows(rows)
  folder_lib.write_atomically(path, text.getvalue())


def values_of(
    rows: Sequence[Mapping[str, Any]], setting: str, column: str
) -> np.ndarray:
  """A column of a setting's rows, `float64`, one value a seed."""
  return np.array([row[column] for row in rows if row['setting'] == setting])


def mean_and_spread(values: np.ndarray, digits: int) -> str:
  """Mean and sample standard deviation over seeds as text; none of NaNs."""
  if np.isnan(values).any():
    return ''
  mean = f'{values.mean():.{digits}f}'
  if len(values) == 1:
    return mean
  return f'{mean} ± {values.std(ddof=1):.{digits}f}'


def markdown_table(
    rows: Sequence[Mapping[str, Any]],
    settings: Sequence[str],
    columns: Mapping[str, tuple[str, float, int]],
) -> str:
  """Returns a Markdown table of mean and spread over seeds.

  Args:
    rows: What `fill_table` returned.
    settings: The table's lines.
    columns: From a column's name in `rows` to its heading, what to multiply
      its values by, and the digits after the point.

  Returns:
    The table, without a newline at its end.
  """
  heads = ['setting', *(heading for heading, _, _ in columns.values())]
  lines = [
      [
          setting,
          *(
              mean_and_spread(factor * values_of(rows, setting, name), digits)
              for name, (_, factor, digits) in columns.items()
          ),
      ]
      for setting in settings
  ]
  return markdown_lines(heads, lines)


def markdown_lines(
    heads: Sequence[str], lines: Iterable[Sequence[str]]
) -> str:
  """Returns a Markdown table of text, without a newline at its end."""
  rows = [heads, ['---'] * len(heads), *lines]
  return '\n'.join(f'| {" | ".join(cells)} |' for cells in rows)
