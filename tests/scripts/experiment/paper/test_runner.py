"""Folders of runs, and how much work a run is, without training."""

import pathlib

import pytest

from experiment.paper import experiments
from experiment.paper import runner
from experiment.runs import settings as settings_lib


def make(**values):
  arguments = dict(num_clients=20, num_examples=400, clients_per_round=5)
  return settings_lib.Settings(**(arguments | values))


def test_a_folder_belongs_to_its_settings_and_seed():
  root = pathlib.Path('runs')
  folders = {
      runner.run_folder(root, settings, seed)
      for settings in (make(), make(beta=0.4), make(algorithm='fedavg'))
      for seed in (0, 1)
  }
  assert len(folders) == 6
  assert runner.run_folder(root, make(), 0) in folders
  assert all(folder.parts[0] == 'runs' for folder in folders)


@pytest.mark.parametrize(
    'values, expected',
    [
        # Ten rounds over a quarter of the examples.
        (dict(rounds=10), 10 * 100),
        (dict(rounds=10, mediator_epochs=3, local_epochs=2), 10 * 600),
        (dict(rounds=1, algorithm='fedavg', mediator_epochs=3), 100),
    ],
)
def test_work_is_the_examples_that_are_passed_over(values, expected):
  assert runner.work(make(**values)) == expected


def make_reproduction(seeds):
  def row(**options):
    return experiments.make_row({}, **options)

  rows = {
      'A, 1': row(tuned='A', rounds=10),
      'A, 2': row(tuned='A', rounds=10, client_learning_rate=0.2),
      'B': row(rounds=20),
      'C': row(rounds=30, has_one_seed=True),
  }
  return runner.Reproduction(
      'name',
      experiments.Experiment(
          title='', claim='', rows=rows, columns=('gain',), seeds=seeds
      ),
      pathlib.Path('runs'),
  )


def test_the_best_rate_of_the_first_seed_goes_on(monkeypatch):
  validation = {'A, 1': 30.0, 'A, 2': 40.0}
  monkeypatch.setattr(
      runner.Reproduction,
      '_measure_run',
      lambda self, row, seed: {'best_validation_top_1': validation[row]},
  )
  first = [('A, 1', 5), ('A, 2', 5), ('B', 5), ('C', 5)]
  runs = list(make_reproduction((5, 6, 7)).runs())
  assert runs == first + [('A, 2', 6), ('B', 6), ('A, 2', 7), ('B', 7)]
  assert list(make_reproduction((5,)).runs()) == first


def test_what_will_be_run_is_known_before_the_choice():
  settings = make_reproduction((5, 6)).expected_settings()
  assert [each.rounds for each in settings] == [10, 10, 20, 30, 10, 20]
