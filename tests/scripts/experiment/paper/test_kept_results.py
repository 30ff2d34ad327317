"""Which lines of an earlier results.csv a page keeps."""

import pathlib

import pandas as pd
import pytest

from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import frontier
from experiment.paper import kept_results
from experiment.paper import runner

_TUNING = experiments.TUNING_SEEDS[0]


def _make(picture='bars', seeds=(0, 1), **of_fed_avg):
  rows = {
      'FedAvg': experiments.make_row({}, algorithm='fedavg', **of_fed_avg),
      'ours, 0.1': experiments.make_row(
          {}, tuned='ours', client_learning_rate=0.1
      ),
      'ours, 0.2': experiments.make_row(
          {}, tuned='ours', client_learning_rate=0.2
      ),
      'other': experiments.make_row({}, alpha=1.0),
  }
  experiment = experiments.Experiment(
      title='',
      claim='',
      rows=rows,
      columns=('best_top_1',),
      picture=picture,
      baseline='FedAvg',
      seeds=seeds,
  )
  return runner.Reproduction('name', experiment, pathlib.Path('runs'))


def _results(whole, top_1):
  return runner.make_results({
      (row, seed): dict(
          best_top_1=value, run=whole.run_name(row)
      )
      for (row, seed), value in top_1.items()
  })


_EARLIER = {
    ('ours, 0.1', _TUNING): 61.0,
    ('ours, 0.2', _TUNING): 62.0,
    ('FedAvg', 0): 50.0,
    ('ours, 0.2', 0): 63.0,
    ('FedAvg', 1): 51.0,
    ('ours, 0.2', 1): 64.0,
}
_NOW = {('other', 0): 70.0, ('other', 1): 71.5}


@pytest.fixture(name='path')
def fixture_path(tmp_path):
  path = tmp_path / 'results.csv'
  experiment_page.write_csv(path, _results(_make(), _EARLIER))
  return path


def test_other_rows_are_kept_in_order_and_gains_counted_anew(path):
  whole = _make()
  together = kept_results.add(path, whole, _results(whole, _NOW))
  assert together['best_top_1'].to_dict() == _EARLIER | _NOW
  assert [*together.index] == [
      ('ours, 0.1', _TUNING), ('ours, 0.2', _TUNING),
      ('FedAvg', 0), ('ours, 0.2', 0), ('other', 0),
      ('FedAvg', 1), ('ours, 0.2', 1), ('other', 1),
  ]
  assert together['gain'].xs('other', level='row').tolist() == [20.0, 20.5]
  names = kept_results.names_of_rows(whole.experiment, together, ['other'])
  assert names == []


def test_a_row_that_is_measured_now_replaces_the_earlier_one(path):
  whole = _make()
  now = {('FedAvg', 0): 55.0, ('FedAvg', 1): 56.0}
  together = kept_results.add(path, whole, _results(whole, now))
  assert together['best_top_1'].to_dict() == _EARLIER | now
  names = kept_results.names_of_rows(whole.experiment, together, ['FedAvg'])
  assert names == ['ours', 'FedAvg']


def test_a_rate_that_is_run_alone_keeps_what_chose_it(path):
  """A single rate has no tuning runs."""
  whole = _make()
  now = {('ours, 0.2', 0): 65.0, ('ours, 0.2', 1): 66.0}
  together = kept_results.add(path, whole, _results(whole, now))
  assert together['best_top_1'].to_dict() == _EARLIER | now


@pytest.mark.parametrize(
    'whole, kept',
    [
        # The settings of one row have changed since.
        (_make(rounds=7), {'ours, 0.1', 'ours, 0.2'}),
        # The rows are to have a third seed; the rates are chosen as before.
        (_make(seeds=(0, 1, 2)), {'ours, 0.1', 'ours, 0.2'}),
        # Curves are drawn from runs.
        (_make(picture='curves'), set()),
    ],
)
def test_what_is_no_longer_the_experiments_is_not_kept(path, whole, kept):
  results = _results(whole, _NOW)
  together = kept_results.add(path, whole, results)
  assert set(together.index.unique('row')) == kept | {'other'}
  # Without the baseline.
  assert 'gain' not in together


def test_a_file_that_names_no_runs_or_is_not_there_keeps_nothing(tmp_path):
  whole = _make()
  now = _results(whole, _NOW)
  path = tmp_path / 'results.csv'
  assert kept_results.add(path, whole, now) is now
  experiment_page.write_csv(
      path, _results(whole, _EARLIER).drop(columns='run')
  )
  assert kept_results.add(path, whole, now) is now


def _write_without_runs(path):
  earlier = _results(_make(), _EARLIER).drop(columns='run')
  experiment_page.write_csv(path, earlier)


@pytest.mark.parametrize('picture', ['bars', 'curves', 'boxes'])
def test_rows_alone_are_refused_beside_rows_that_name_no_runs(
    tmp_path, picture
):
  experiment = _make(picture).experiment
  kept_results.check(tmp_path, experiment, ['other'])
  _write_without_runs(tmp_path / 'results.csv')
  with pytest.raises(
      ValueError, match="results.csv has the row 'FedAvg', .* another --output"
  ):
    kept_results.check(tmp_path, experiment, ['ours', 'other'])
  # These replace all that there are.
  kept_results.check(tmp_path, experiment, ['ours', 'FedAvg'])
  kept_results.check(tmp_path, experiment, [])


def test_lines_that_go_are_said(path, tmp_path):
  whole = _make()
  now = _results(whole, _NOW)
  together = kept_results.add(path, whole, now)
  assert not kept_results.describe_lost(path, together)
  assert not kept_results.describe_lost(tmp_path / 'nothing.csv', now)
  changed = _make(rounds=7)
  together = kept_results.add(path, changed, _results(changed, _NOW))
  said = kept_results.describe_lost(path, together)
  assert said.startswith(f'{path}: 2 of its 6 lines are gone')
  assert said.endswith(': FedAvg.')


def _curves(top_1):
  return pd.DataFrame([
      dict(regime=regime, method=method, seed=seed, round=5, top_1=value)
      for (regime, method, seed), value in top_1.items()
  ])


def test_curves_of_kept_rows_are_kept_and_others_replaced(tmp_path):
  rows = {
      'a: one, 0.1': experiments.make_row({}, tuned='a: one', alpha=1.0),
      'a: two': experiments.make_row({}),
      'b: one': experiments.make_row({}),
  }
  experiment = experiments.Experiment(
      title='', claim='', rows=rows, columns=(), seeds=(0,), picture='frontier'
  )
  path = tmp_path / 'curves.csv'
  now = _curves({('b', 'one', 0): 5.0})
  add = kept_results.add_curves
  assert add(path, experiment, pd.DataFrame(), now) is now
  earlier = {('a', 'one', 0): 1.0, ('a', 'two', 0): 2.0, ('b', 'one', 0): 3.0}
  frontier.write_curves(path, _curves(earlier))
  # 'a: two' was not kept, 'b: one' is measured anew.
  results = runner.make_results({
      ('a: one, 0.1', 0): dict(best_top_1=1.0),
      ('b: one', 0): dict(best_top_1=5.0),
  })
  together = add(path, experiment, results, now)
  assert together.to_dict('list') == _curves(
      {('a', 'one', 0): 1.0, ('b', 'one', 0): 5.0}
  ).to_dict('list')
