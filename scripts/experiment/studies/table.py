"""The table of a study: a row for each setting and seed, as a CSV file.

A study that is interrupted goes on after the last row it wrote.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
import pathlib
from typing import Any, Optional

import numpy as np
import pandas as pd
import tqdm

from experiment.runs import tables

_KEY = ['setting', 'seed']
_MEND = 'Remove it to measure anew.'


def fill_table(
    path: pathlib.Path,
    settings: Sequence[str],
    seeds: Sequence[int],
    start_seed: Callable[[int], Callable[[str], Mapping[str, float]]],
    columns: Iterable[str],
) -> pd.DataFrame:
  """Measures every setting for every seed, those that `path` has left out.

  Args:
    path: The CSV file of the table, with a row for each setting and seed;
      written anew, atomically, after every measurement.
    settings: The names of the settings, in the table's order.
    seeds: The seeds.
    start_seed: Prepares a seed, once, and returns the function that measures a
      setting: from its name to the columns of its row.
    columns: These columns.

  Returns:
    The table, with the seeds of a setting together.

  Raises:
    ValueError: If `path` holds something else than such a table.
  """
  rows = {
      (row['setting'], row['seed']): row
      for row in read_table(path, settings, columns).to_dict('records')
  }
  wanted = [(setting, seed) for seed in seeds for setting in settings]
  missing = [key for key in wanted if key not in rows]
  started: dict[int, Optional[Callable[..., Any]]] = {}
  for setting, seed in tqdm.tqdm(missing, desc=path.stem, unit='run'):
    if seed not in started:
      # One seed's data and processes at a time.
      started = {seed: start_seed(seed)}
    measured = {k: float(v) for k, v in started[seed](setting).items()}
    rows[setting, seed] = {'setting': setting, 'seed': seed, **measured}
    done = [rows[key] for key in wanted if key in rows]
    tables.write_csv(path, pd.DataFrame(done), missing='nan')
  return pd.DataFrame(
      [rows[setting, seed] for setting in settings for seed in seeds]
  )


def read_table(
    path: pathlib.Path, settings: Sequence[str], columns: Iterable[str]
) -> pd.DataFrame:
  """Reads the table that `fill_table` wrote; empty if there is no file yet.

  Args:
    path: The CSV file.
    settings: The settings that it may have.
    columns: The columns that it must have, beside the setting and the seed.

  Raises:
    ValueError: If the file is not such a table.
  """
  if not path.exists():
    return pd.DataFrame(columns=_KEY)
  table = tables.read_csv(
      path,
      _MEND,
      text=['setting'],
      integers=['seed'],
      needed=['setting', *columns],
      key=_KEY,
  )
  others = table.loc[~table['setting'].isin(settings), 'setting']
  if not others.empty:
    raise ValueError(
        f'{path} is damaged ({others.iloc[0]!r} is no setting of this study).'
        f' {_MEND}'
    )
  return table


def values_of(table: pd.DataFrame, setting: str, column: str) -> np.ndarray:
  """Returns a column of a setting's rows, float64, one value a seed."""
  return table.loc[table['setting'] == setting, column].to_numpy()
