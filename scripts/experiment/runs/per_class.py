"""per_class.csv: precision, recall and F1 of each class, by round."""

from collections.abc import Mapping, Sequence
import csv
import io
import pathlib

import numpy as np

from experiment.runs import folder as folder_lib

PER_CLASS_FILE = 'per_class.csv'
MEASURES = ('precision', 'recall', 'f1')
_COLUMNS = ('round', 'class', *MEASURES)


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
    self._class_names = class_names
    self._rows = _read_rows(path) if path.exists() else []

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
    rows = [row for row in self._rows if row[0] < round_num]
    columns = (measures[name] for name in MEASURES)
    for name, *values in zip(self._class_names, *columns):
      rows.append((round_num, str(name), *map(float, values)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerows([_COLUMNS, *rows])
    folder_lib.write_atomically(self._path, text.getvalue())
    self._rows = rows


def _read_rows(path: pathlib.Path) -> list[tuple]:
  with path.open(newline='') as file:
    try:
      header, *rows = csv.reader(file, strict=True)
      if tuple(header) != _COLUMNS:
        raise ValueError(f'its columns are {",".join(header)}')
      return [
          (int(round_num), name, *map(float, (precision, recall, f1)))
          for round_num, name, precision, recall, f1 in rows
      ]
    except (ValueError, csv.Error) as error:
      raise ValueError(
          f'{path} is damaged ({error}). Remove it, and the same command writes'
          ' it for the rounds that are left.'
      ) from error
