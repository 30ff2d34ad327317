import numpy as np
import pandas as pd
import pytest

from experiment.runs import tables
from experiment.studies import table as study_table

_SETTINGS = ('plain', 'a, b')
_COLUMNS = ('size', 'third', 'none')


def measured_keys(path, seeds, fail_at=None):
  """Fills a table; returns the rows and what was measured for them."""
  started, measured = [], []

  def start_seed(seed):
    started.append(seed)

    def measure(setting):
      if (setting, seed) == fail_at:
        raise RuntimeError('power failure')
      measured.append((setting, seed))
      return {'size': len(setting), 'third': seed / 3, 'none': np.nan}

    return measure

  try:
    rows = study_table.fill_table(
        path, _SETTINGS, seeds, start_seed, _COLUMNS
    )
  except RuntimeError:
    rows = None
  return rows, started, measured


def test_every_setting_is_measured_for_every_seed(tmp_path):
  path = tmp_path / 'table.csv'
  rows, started, measured = measured_keys(path, [0, 4])
  assert started == [0, 4]
  assert sorted(measured) == sorted((s, n) for s in _SETTINGS for n in (0, 4))
  np.testing.assert_equal(
      rows.to_dict('records'),
      [
          {'setting': name, 'seed': n, 'size': len(name), 'third': n / 3}
          | {'none': np.nan}
          for name in _SETTINGS
          for n in (0, 4)
      ],
  )
  np.testing.assert_equal(
      study_table.read_table(path, _SETTINGS, _COLUMNS)
      .sort_values('setting', kind='stable')[2:]
      .to_dict('records'),
      rows[:2].to_dict('records'),
  )


def test_an_interrupted_study_measures_only_what_is_missing(tmp_path):
  path = tmp_path / 'table.csv'
  rows, _, before = measured_keys(path, [0, 1, 2], fail_at=('plain', 1))
  assert rows is None and before == [('plain', 0), ('a, b', 0)]
  rows, started, after = measured_keys(path, [0, 1, 2])
  assert started == [1, 2]
  assert after == [(s, n) for n in (1, 2) for s in _SETTINGS]
  unbroken, _, _ = measured_keys(tmp_path / 'other.csv', [0, 1, 2])
  pd.testing.assert_frame_equal(rows, unbroken)
  assert path.read_text() == (tmp_path / 'other.csv').read_text()
  _, started, again = measured_keys(path, [0, 1, 2])
  assert started == again == []


@pytest.mark.parametrize(
    'text',
    [
        'round,seed\n1,2\n',
        'setting,seed,size\nplain,x,1\n',
        'setting,seed,size\nplain,0,big\n',
        'setting,seed,size\nplain,0\n',
        'setting,seed,dimension\nplain,0,1\n',
        'setting,seed,size\nfancy,0,1\n',
        'setting,seed,size\nplain,0,1\nplain,0,2\n',
    ],
)
def test_a_damaged_table_is_refused(tmp_path, text):
  path = tmp_path / 'table.csv'
  path.write_text(text)
  with pytest.raises(ValueError, match='table.csv is damaged'):
    study_table.read_table(path, _SETTINGS, ['size'])


def test_markdown_holds_means_and_sample_deviations():
  rows = [
      {'setting': 'x', 'seed': 0, 'share': 0.1, 'none': np.nan},
      {'setting': 'x', 'seed': 1, 'share': 0.2, 'none': np.nan},
      {'setting': 'y', 'seed': 0, 'share': 0.5, 'none': 1.0},
  ]
  table = tables.markdown_of_seeds(
      pd.DataFrame(rows), ['y', 'x'], {'share': ('share (%)', 100, 1), 'none': ('none', 1, 0)}
  )
  assert table.splitlines() == [
      '| setting | share (%) | none |',
      '| --- | --- | --- |',
      '| y | 50.0 | 1 |',
      '| x | 15.0 ± 7.1 |  |',
  ]
