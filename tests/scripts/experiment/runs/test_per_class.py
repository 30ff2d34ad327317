"""per_class.csv: its rows, and what a resumed run makes of them."""

import numpy as np
import pytest

from experiment.runs import per_class


def measures(value):
  return {
      'precision': np.array([value, 0.0]),
      'recall': np.array([0.5, value]),
      'f1': np.array([1.0, 1 / 3]),
  }


def test_rows_hold_each_class_of_each_round(tmp_path):
  path = tmp_path / 'per_class.csv'
  table = per_class.PerClassTable(path, ['cat', 'dog, large'])
  table.write(0, measures(0.25))
  table.write(5, measures(0.75))
  assert path.read_text().splitlines() == [
      'round,class,precision,recall,f1',
      '0,cat,0.25,0.5,1.0',
      '0,"dog, large",0.0,0.25,0.3333333333333333',
      '5,cat,0.75,0.5,1.0',
      '5,"dog, large",0.0,0.75,0.3333333333333333',
  ]


def test_a_resumed_run_replaces_the_rounds_it_trains_again(tmp_path):
  paths = [tmp_path / name for name in ('resumed.csv', 'unbroken.csv')]
  for path in paths:
    table = per_class.PerClassTable(path, ['cat', 'dog'])
    table.write(0, measures(0.1))
    table.write(5, measures(0.2))
  table.write(10, measures(0.4))
  first = per_class.PerClassTable(paths[0], ['cat', 'dog'])
  first.write(10, measures(0.9))
  # The checkpoint was that of round 4.
  resumed = per_class.PerClassTable(paths[0], ['cat', 'dog'])
  resumed.write(5, measures(0.2))
  resumed.write(10, measures(0.4))
  assert paths[0].read_text() == paths[1].read_text()


@pytest.mark.parametrize(
    'text', ['', 'round,class\n', 'round,class,precision,recall,f1\n1,a,0.5\n']
)
def test_a_damaged_table_is_an_error_that_says_what_to_do(tmp_path, text):
  path = tmp_path / 'per_class.csv'
  path.write_text(text)
  for read in (lambda: per_class.PerClassTable(path, ['a', 'b']),
               lambda: per_class.read_last(path)):
    with pytest.raises(
        ValueError, match='per_class.csv is damaged .*Remove it'
    ):
      read()
