"""The page of an experiment, from results made by hand."""

import csv
import dataclasses
import math

import numpy as np
import pytest

from experiment.paper import claims
from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import runner


def make_experiment(**changes):
  rows = {
      'FedAvg': experiments.make_row({}, algorithm='fedavg'),
      'Astraea': experiments.make_row({}, {'gain': 5.89}),
  }
  arguments = dict(
      title='A title',
      claim='A claim.',
      rows=rows,
      columns=('best_top_1', 'gain', 'megabytes_to_target'),
      baseline='FedAvg',
      seeds=(0, 1),
  )
  return experiments.Experiment(**(arguments | changes))


RESULTS = runner.make_results({
    ('FedAvg', 0): dict(
        best_top_1=50.0, gain=0.0, megabytes_to_target=math.nan, seconds=30.0
    ),
    ('FedAvg', 1): dict(
        best_top_1=52.0, gain=0.0, megabytes_to_target=math.nan, seconds=30.0
    ),
    ('Astraea', 0): dict(
        best_top_1=60.0, gain=10.0, megabytes_to_target=7.0, seconds=60.0
    ),
    ('Astraea', 1): dict(
        best_top_1=56.0, gain=4.0, megabytes_to_target=math.nan, seconds=60.0
    ),
})


def test_page_has_our_numbers_their_spread_and_the_papers():
  page = experiment_page.format_page(make_experiment(), RESULTS, 'a command')
  assert (
      '| row | best top-1 (%) | gain in best top-1 (points) | paper | MB to'
      ' target |\n'
      '| --- | --- | --- | --- | --- |\n'
      '| FedAvg | 51.00 ± 1.41 | 0.00 ± 0.00 |  |  |\n'
      '| Astraea | 58.00 ± 2.83 | 7.00 ± 4.24 | 5.89 | 7.0 (1/2) |\n'
  ) in page
  for text in (
      '# A title\n', '    a command\n', 'The paper: A claim.', 'Data: digits.',
      'Target: 75 % top-1.', 'Gains are over FedAvg', 'took 3.0 minutes',
      "These are not the paper's data",
  ):
    assert text in page


@pytest.mark.parametrize('claim, paragraph', [
    ('Not in the paper.', ''),
    ('Not in the paper. It has ten clients.', 'It has ten clients.\n\n'),
    ('Not in the paper, but of it.', 'Not in the paper, but of it.\n\n'),
])
def test_page_of_ours_does_not_say_that_the_paper_says_it(claim, paragraph):
  experiment = dataclasses.replace(make_experiment(), claim=claim)
  page = experiment_page.format_page(experiment, RESULTS, 'a command')
  assert f'    a command\n\n{paragraph}Data: digits.' in page


def test_page_on_the_papers_data_does_not_disown_them():
  rows = {'FedAvg': experiments.make_row(dict(dataset='emnist_ltrf2'))}
  experiment = make_experiment(rows=rows)
  page = experiment_page.format_page(experiment, RESULTS, 'a command')
  assert "These are not the paper's data" not in page
  assert 'at a fraction' not in page
  rows = {
      'FedAvg': experiments.make_row(
          dict(dataset='emnist_ltrf2', fraction=0.12)
      )
  }
  experiment = make_experiment(rows=rows)
  page = experiment_page.format_page(experiment, RESULTS, 'a command')
  assert "the paper's at a fraction of 0.12, on 60 clients" in page


def test_csv_has_a_line_for_each_row_and_seed(tmp_path):
  experiment_page.write_csv(tmp_path / 'results.csv', RESULTS)
  with (tmp_path / 'results.csv').open(newline='') as file:
    rows = list(csv.DictReader(file))
  assert [(row['row'], row['seed']) for row in rows] == [
      (name, str(seed)) for name, seed in RESULTS.index
  ]
  assert [row['best_top_1'] for row in rows] == ['50.0', '52.0', '60.0', '56.0']
  assert [row['megabytes_to_target'] for row in rows] == ['', '', '7.0', '']
  assert 'chosen_top_1' not in rows[0]


def test_share_of_the_loss_that_is_retrieved_is_that_of_the_chosen_rows():
  names = ('FedAvg', 'FedAvg, balanced classes', 'Astraea')
  rows = {
      f'{name}, {rate}': experiments.make_row(
          {}, tuned=name, client_learning_rate=rate
      )
      for name in names
      for rate in (0.1, 0.2)
  }
  experiment = make_experiment(
      rows=rows, columns=('chosen_top_1',), baseline=None, seeds=(0,)
  )
  # FedAvg's first rate, the others' second.
  validation = dict(zip(rows, (40, 30, 50, 60, 50, 60)))
  test = dict(zip(rows, (42, 70, 0, 62, 0, 52)))
  results = runner.make_results({
      (name, 0): {
          'best_validation_top_1': float(validation[name]),
          'chosen_top_1': float(test[name]),
          'seconds': 1.0,
      }
      for name in rows
  })
  assert runner.choose_rows(experiment, results) == {
      'FedAvg': 'FedAvg, 0.1',
      'FedAvg, balanced classes': 'FedAvg, balanced classes, 0.2',
      'Astraea': 'Astraea, 0.2',
  }
  assert claims.retrieved_share(experiment, results) == pytest.approx(0.5)
  page = experiment_page.format_page(experiment, results, 'a command')
  assert 'Astraea got 50.0 % back' in page
  assert '| **Astraea, 0.2** | 52.00 |' in page
  assert '| Astraea, 0.1 | 0.00 |' in page
  assert claims.retrieved_share(make_experiment(), RESULTS) is None


def test_a_cell_of_one_seed_has_no_spread():
  assert experiment_page.format_cell(np.array([1.25]), 1) == '1.2'
  assert experiment_page.format_cell(np.array([np.nan]), 1) == ''


def test_rates_that_were_not_chosen_are_in_the_table_of_rates_alone():
  tuning = experiments.TUNING_SEEDS[0]
  rows = {
      f'A, {rate}': experiments.make_row(
          {}, tuned='A', client_learning_rate=rate
      )
      for rate in (0.1, 0.2)
  } | {'B': experiments.make_row({}, algorithm='fedavg')}
  experiment = make_experiment(
      rows=rows, columns=('best_top_1',), baseline=None
  )
  values = {
      ('A, 0.1', tuning): 40.0,
      ('A, 0.2', tuning): 60.0,
      ('A, 0.2', 0): 50.0,
      ('A, 0.2', 1): 52.0,
  }
  results = runner.make_results({
      key: dict(best_top_1=value, best_validation_top_1=value, seconds=1.0)
      for key, value in values.items()
  })
  page = experiment_page.format_page(experiment, results, 'a command')
  assert '| **A, 0.2** | 51.00 ± 1.41 |' in page
  assert '| A | A, 0.1: 40.00; **A, 0.2**: 60.00 |' in page
  assert '| A, 0.1 |' not in page
  assert 'with seed 100, which is not reported' in page
  two = dataclasses.replace(experiment, tuning_seeds=experiments.TUNING_SEEDS)
  page = experiment_page.format_page(two, results, 'a command')
  assert 'with seeds 100 and 101, which are not reported' in page
  assert 'Not run yet: B.' in page
  assert experiment_page.missing_rows(experiment, results) == ['B']


@pytest.mark.parametrize(
    'text, fault',
    [
        ('', 'no column seed, row'),
        ('line,seed\n0,0\n', 'no column row'),
        ('row,seed,megabytes\na,0,1\na,0,2\n', 'two lines .* row, seed'),
    ],
)
def test_damaged_results_are_an_error_that_says_what_to_do(
    tmp_path, text, fault
):
  path = tmp_path / 'results.csv'
  path.write_text(text)
  with pytest.raises(
      ValueError, match=f'results.csv is damaged .*{fault}.* Remove it'
  ):
    experiment_page.read_csv(path)
