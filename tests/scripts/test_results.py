"""results.py: an answer to each claim, from CSV files made by hand."""

import pytest
import script_runner

from experiment.paper import experiment_page
from experiment.paper import paper_claims
from experiment.paper import paper_experiments
from experiment.paper import runner


@pytest.fixture(name='write_page', scope='module')
def fixture_write_page():
  with script_runner.loaded('results') as script:

    def run(folder):
      script_runner.run(script, [f'--results_dir={folder}'])

    yield run


def _write_table1(folder, values):
  experiment = paper_experiments.EXPERIMENTS['table1']('small')
  results = runner.make_results({
      (row, seed): dict(
          best_top_1=value + seed, last_top_1=value, macro_f1=0.5,
          worst_class_recall=0.25, seconds=1200.0,
      )
      for row, value in values.items()
      for seed in experiment.seeds
  })
  (folder / 'table1_small').mkdir(parents=True, exist_ok=True)
  experiment_page.write_csv(folder / 'table1_small' / 'results.csv', results)


_VALUES = {'BAL1': 80, 'BAL2': 81, 'INS': 79, 'LTRF1': 70, 'LTRF2': 79}


def test_each_claim_has_an_answer(write_page, tmp_path):
  folder = tmp_path / 'numbers'
  _write_table1(folder, _VALUES)
  write_page(folder)
  page = (tmp_path / 'numbers.md').read_text()
  lines = {
      claim.text: next(l for l in page.splitlines() if claim.text in l)
      for claim in (*paper_claims.PAPER, *paper_claims.OURS)
  }
  answers = [line.split('|')[-2].strip() for line in lines.values()]
  assert answers[:3] == [
      'confirmed here', 'not confirmed here', 'not confirmed here'
  ]
  assert set(answers[3:]) == {'not run'}
  assert 'INS - LTRF1: +9.00 ± 0.00 points (3 seeds)' in page
  assert 'Training took 5.0 hours' in page
  assert '| BAL2 | 82.00 ± 1.00 | 80.13 |' in page
  assert '![table1](numbers/table1_small/results.png)' in page


def test_tables_of_other_rows_and_no_tables_are_one_line(write_page, tmp_path):
  with pytest.raises(SystemExit, match='^results.py: results_dir=.* has no'):
    write_page(tmp_path)
  _write_table1(tmp_path, {'BAL1': 80})
  with pytest.raises(SystemExit, match='experiment=table1 again'):
    write_page(tmp_path)
