"""per_class.csv: precision, recall and F1 of each class, by round."""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Optional

import numpy as np
import pandas as pd

from experiment.runs import tables

PER_CLASS_FILE = 'per_class.csv'
MEASURES = ('precision', 'recall', 'f1')
_COLUMNS = ['round', 'class', *MEASURES]
_MEND = (
    'Remove it, and the same command writes it for the rounds that are left.'
)


class PerClassTable:
  """The table of a run: `round,class,precision,recall,f1`.

  Every evaluated round has a row for each class, all of them or none.
  """

  def __init__(self, path: pathlib.Path, class_names: Sequence[str]):
    """Opens the table, which may hold rounds of an interrupted run.

    Args:
      path: The CSV file.
      class_names: The N names.

    Raises:
      ValueError: If the file is not such a table.
    """
    self._path = path
    self._class_names = [str(name) for name in class_names]
    self._rounds: dict[int, pd.DataFrame] = {}
    if path.exists():
      table = tables.read_csv(
          path, _MEND, text=['class'], integers=['round']
      )
      if list(table.columns) != _COLUMNS:
        raise ValueError(
            f'{path} is damaged (its columns are {",".join(table.columns)}).'
            f' {_MEND}'
        )
      self._rounds = dict(list(table.groupby('round')))

  def write(
      self, round_num: int, measures: Mapping[str, np.ndarray]
  ) -> None:
    """Writes a round in the place of it and of any later one.

    Args:
      round_num: The round.
      measures: float64 [N] for each of `MEASURES`.

    Raises:
      OSError: The file cannot be written; it is left as it was.
    """
    columns = {name: np.asarray(measures[name], float) for name in MEASURES}
    rounds = {r: part for r, part in self._rounds.items() if r < round_num}
    rounds[round_num] = pd.DataFrame(
        {'round': round_num, 'class': self._class_names, **columns}
    )
    tables.write_csv(self._path, pd.concat(rounds.values()))
    self._rounds = rounds


def read_last(
    path: pathlib.Path,
) -> Optional[tuple[tuple[str, ...], np.ndarray]]:
  """Reads what the last evaluated round gave each class.

  Args:
    path: The CSV file.

  Returns:
    The N names, and their recalls, float64 [N]; None if there is no such file,
    or no round in it.

  Raises:
    ValueError: The file is damaged.
  """
  if not path.exists():
    return None
  table = tables.read_csv(
      path, _MEND, text=['class'], integers=['round'], needed=_COLUMNS
  )
  if table.empty:
    return None
  last = table[table['round'] == table['round'].max()]
  return tuple(last['class']), last['recall'].to_numpy(float)
