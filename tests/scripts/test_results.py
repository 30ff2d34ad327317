"""results.py: an answer to each claim, from CSV files made by hand."""

import re
import shutil

import pandas as pd
import pytest
import script_runner

from experiment.paper import experiment_page
from experiment.paper import frontier
from experiment.paper import measured
from experiment.paper import paper_claims
from experiment.paper import paper_experiments
from experiment.paper import runner


@pytest.fixture(name='write_page', scope='module')
def fixture_write_page():
  with script_runner.loaded('results') as script:

    def run(folder):
      script_runner.run(script, [f'--results_dir={folder}'])

    yield run


def _folder(folder, name):
  (folder / name).mkdir(parents=True, exist_ok=True)
  return folder / name


def _write_table1(folder, values, scale='small'):
  experiment = paper_experiments.EXPERIMENTS['table1'](scale)
  results = runner.make_results({
      (row, seed): dict(
          # BAL1 varies otherwise than the rest.
          best_top_1=value + seed * (1 + 0.1 * index), last_top_1=value, macro_f1=0.5,
          worst_class_recall=0.25, seconds=1200.0,
      )
      for index, (row, value) in enumerate(values.items())
      for seed in experiment.seeds
  })
  experiment_page.write_csv(
      _folder(folder, f'table1_{scale}') / 'results.csv', results
  )


_VALUES = {'BAL1': 80, 'BAL2': 81, 'INS': 79, 'LTRF1': 70, 'LTRF2': 79}


def test_each_claim_has_an_answer(write_page, tmp_path):
  folder = tmp_path / 'numbers'
  _write_table1(folder, _VALUES)
  write_page(folder)
  page = (tmp_path / 'numbers.md').read_text()
  lines = {
      claim.text: next(
          line
          for line in page.splitlines()
          if claim.text in line and line.startswith('| ')
      )
      for claim in paper_claims.PAPER
  }
  answers = [line.split('|')[-2].strip() for line in lines.values()]
  # INS - LTRF2 is -0.2 +- 0.5. BAL2 is above INS by 1.9 +- 0.25, and so not
  # within two points.
  caveat = '(at one rate, not tuned; round chosen by the test accuracy)'
  assert answers[:3] == [
      f'{answer} {caveat}' for answer in ('confirmed', 'open', 'refuted')
  ]
  assert set(answers[3:]) == {'not run'}
  # 9.0, 8.9 and 8.8.
  assert 'INS - LTRF1: +8.90 points [+8.65, +9.15] (3 seeds)' in page
  assert (
      'Of 25 claims of the paper, each counted once and at the largest scale it'
      ' was run at, 1 are confirmed (1 at one rate, not tuned), 1 open, 22 not'
      ' run, 1 refuted: "Imbalance of sizes'
  ) in page
  assert f'81.60 %)." {caveat}; there are 3 answers below' in page
  # What we ask has no table without an answer, and is listed once.
  for claim in paper_claims.OURS:
    (line,) = [
        line
        for line in page.splitlines()
        if claim.text in line and f', of `{claim.experiment}`: ' in line
    ]
    is_of_paper = 'gamma 25' in claim.text
    assert line.startswith('Of rows that' if is_of_paper else 'Not run')
  assert 'Training took 5.0 hours at `small`, as' in page
  assert page.index('## The words') < page.index('## Findings')
  assert '| BAL2 | 82.10 ± 1.10 | 80.13 |' in page
  assert '![table1](numbers/table1_small/results.png)' in page


def test_rows_that_are_missing_are_said_and_other_rows_are_one_line(write_page, tmp_path):
  with pytest.raises(SystemExit, match='^results.py: results_dir=.* has no'):
    write_page(tmp_path)
  _write_table1(tmp_path, {'BAL1': 80})
  write_page(tmp_path)
  page = tmp_path.with_suffix('.md').read_text()
  assert 'Not run: BAL2; INS; LTRF1; LTRF2.' in page
  _write_table1(tmp_path, {'BAL1': 80, 'BAL9': 80})
  with pytest.raises(
      SystemExit, match="'BAL9', .* --experiment=table1 --scale=small again"
  ):
    write_page(tmp_path)


def test_gains_over_a_row_that_was_not_run_are_not_missed(write_page, tmp_path):
  folder = tmp_path / 'numbers'
  experiment = paper_experiments.EXPERIMENTS['fig8']('small')
  row = next(name for name in experiment.rows if name != experiment.baseline)
  results = runner.make_results({
      (row, seed): dict.fromkeys(experiment.columns, 70.0 + seed) | dict(seconds=1.0)
      for seed in experiment.seeds
  })
  (folder / 'fig8_small').mkdir(parents=True)
  path = folder / 'fig8_small' / 'results.csv'
  experiment_page.write_csv(path, results.drop(columns='gain'))
  write_page(folder)
  assert f'| {row} |' in (tmp_path / 'numbers.md').read_text()


@pytest.mark.parametrize('old, new, fault', [
    ('(?s)\n.*', '\n', 'it has no line'),
    ('best_top_1', 'worst_top_1', 'it has no best_top_1'),
    (',macro_f1.*', '', 'it has no macro_f1|a line has not a cell'),
    ('BAL1,0,.*\n', '', r"the row 'BAL1' has the seeds \[1, 2\], not \[0, 1, 2\]"),
    ('BAL1,2,', 'BAL1,7,', r'has the seeds \[0, 1, 7\]'),
])
def test_a_table_that_is_not_whole_is_one_line(
    write_page, tmp_path, old, new, fault
):
  _write_table1(tmp_path, _VALUES)
  path = tmp_path / 'table1_small' / 'results.csv'
  changed = re.sub(old, new, path.read_text(), count=1)
  assert changed != path.read_text()
  path.write_text(changed)
  with pytest.raises(SystemExit, match=f'^results.py: .*damaged .*({fault})'):
    write_page(tmp_path)
  assert not tmp_path.with_suffix('.md').exists()


def test_scales_stand_beside_one_another(write_page, tmp_path):
  folder = tmp_path / 'numbers'
  _write_table1(folder, _VALUES)
  _write_table1(folder, _VALUES | {'LTRF1': 90}, scale='emnist')
  write_page(folder)
  page = (tmp_path / 'numbers.md').read_text()
  answers = {
      line.split(' | ')[0]: line.split(' | ')[-1].split()[0]
      for line in page.splitlines()
      if 'INS to LTRF1' in line and line.startswith('| [')
  }
  assert answers == {
      '| [table1, small](#table1-small)': 'confirmed',
      '| [table1, emnist](#table1-emnist)': 'refuted',
  }
  # The largest scale counts, and comes first.
  assert '0 are confirmed, 1 open, 22 not run, 2 refuted: "' in page
  assert [*answers][0].startswith('| [table1, emnist]')


def test_runs_of_another_experiment_are_counted_and_shown_once(
    write_page, tmp_path
):
  folder = tmp_path / 'numbers'
  _write_table1(folder, _VALUES)
  shutil.copytree(folder / 'table1_small', folder / 'fig1_small')
  write_page(folder)
  page = (tmp_path / 'numbers.md').read_text()
  assert '2 experiments have 15 lines' in page
  assert 'Training took 5.0 hours' in page
  assert page.count('| BAL2 | 82.10 ± 1.10 |') == 1
  assert 'The table is that of [table1, small](#table1-small).' in page


_TOPS = {'control': 70.0, 'recommended': 80.0}


def _write_frontier(folder):
  experiment = paper_experiments.EXPERIMENTS['frontier']('small')
  tuned = {f'mild skew: {method}': top for method, top in _TOPS.items()}
  # A rate of each.
  rows = {row.tuned: name for name, row in experiment.rows.items()}
  of_frontier = _folder(folder, 'frontier_small')
  experiment_page.write_csv(
      of_frontier / 'results.csv',
      runner.make_results({
          (rows[name], seed): dict(
              last_top_1=top + seed, best_top_1=top + seed, chosen_top_1=60.0,
              megabytes=1 / 3, seconds=1.0,
          )
          for name, top in tuned.items()
          for seed in experiment.seeds
      }),
  )
  lines = [
      dict(regime='mild skew', method=method, seed=seed)
      | dict.fromkeys(frontier.AXES, round_num / 24)
      | dict(round=round_num, top_1=top + seed)
      for method, top in _TOPS.items()
      for seed in experiment.seeds
      for round_num in (0, 2, 4, 6, 8)
  ]
  frontier.write_curves(
      of_frontier / frontier.CURVES_FILE, pd.DataFrame(lines)
  )


def test_a_frontier_is_in_the_findings(write_page, tmp_path):
  folder = tmp_path / 'numbers'
  _write_frontier(folder)
  write_page(folder)
  page = (tmp_path / 'numbers.md').read_text()
  assert (
      'First (frontier_small) at equal megabytes sent: recommended in mild skew'
      ' (not told from control), and at equal simulated seconds'
  ) in page
  assert (
      '| synchronization rounds | recommended; +10.0 points (the same on all 5'
  ) in page


@pytest.mark.parametrize('name, old, new, fault', [
    # Cut at the end of a line, in a run and between two.
    ('curves', '.*\n$', '', r'recommended, seed 4, has megabytes=.* at its end'),
    ('curves', '(.*\n){5}$', '', 'recommended, seed 4, has no lines'),
    ('curves', 'mild skew,control,0,2,.*\n', '', 'has a gap between its rounds'),
    ('curves', 'mild skew,control,0,0,.*\n', '', 'has a gap between its rounds'),
    ('curves', 'mild skew,control,.*\n', '', 'control, seed 0, has no lines'),
    ('curves', r'\Z', f'mild skew,control,5{",0" * 7}\n', 'seed 5, has lines, wh'),
    ('curves', ',70\n', ',\n', 'a cost or an accuracy that is none'),
    ('curves', 'megabytes,local', 'gigabytes,local', 'it has no megabytes'),
    ('results', ',80.0,', ',999.0,', 'seed 0, has .*top_1=999.0, not a value'),
    ('results', ',70.0,', ',-0.1,', 'seed 0, has .*top_1=-0.1, not a value'),
    ('results', ',60.0,', ',,', 'seed 0, has chosen_top_1=nan, not a value'),
    ('results', ',60.0,', ',inf,', 'seed 0, has chosen_top_1=inf, not a value'),
    ('results', ',70.0,70.0,', ',70.0,71.0,', 'and 71 in results.csv'),
])
def test_a_frontier_of_other_numbers_is_one_line(
    write_page, tmp_path, name, old, new, fault
):
  _write_frontier(tmp_path)
  path = tmp_path / 'frontier_small' / f'{name}.csv'
  count = 0 if old.startswith('mild skew,control,.') else 1
  changed = re.sub(old, new, path.read_text(), count=count)
  assert changed != path.read_text()
  path.write_text(changed)
  with pytest.raises(
      SystemExit,
      match=f'^results.py: .*damaged .*{fault}.*--experiment=frontier --scale',
  ):
    write_page(tmp_path)
  assert not tmp_path.with_suffix('.md').exists()


def test_a_frontier_without_curves_is_one_line(write_page, tmp_path):
  _write_frontier(tmp_path)
  (tmp_path / 'frontier_small' / frontier.CURVES_FILE).unlink()
  with pytest.raises(SystemExit, match='^results.py: .*curves.csv is missing'):
    write_page(tmp_path)


def test_the_committed_results_are_whole():
  folder = script_runner.SCRIPTS.parent / 'docs' / 'results'
  all_results = measured.read_all(folder)
  assert {path.parent.name for path in folder.glob('*/results.csv')} == {
      *all_results
  }


@pytest.mark.parametrize('given', ['', '/.', '/../numbers.old'])
def test_the_page_is_called_as_the_folder_whatever_that_is(
    write_page, tmp_path, given
):
  folder = tmp_path / 'numbers.old'
  _write_table1(folder, _VALUES)
  (tmp_path / 'numbers.md').write_text('of other results')
  write_page(f'{folder}{given}')
  assert '(numbers.old/table1_small/' in (
      tmp_path / 'numbers.old.md'
  ).read_text()
  assert (tmp_path / 'numbers.md').read_text() == 'of other results'
