"""Folders of runs, and how much work a run is, without training."""

import csv
import dataclasses
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


def make_reproduction(seeds, num_tuning_seeds=1):
  def row(**options):
    return experiments.make_row({}, **options)

  rows = {
      'A, 1': row(tuned='A', rounds=10),
      'A, 2': row(tuned='A', rounds=10, client_learning_rate=0.2),
      'B': row(rounds=20),
      'C': row(rounds=30, num_seeds=1),
  }
  return runner.Reproduction(
      'name',
      experiments.Experiment(
          title='', claim='', rows=rows, columns=('gain',), seeds=seeds,
          tuning_seeds=experiments.TUNING_SEEDS[:num_tuning_seeds],
      ),
      pathlib.Path('runs'),
  )


_TUNING, _SECOND = experiments.TUNING_SEEDS


def test_the_best_rate_of_the_tuning_seed_goes_on(monkeypatch):
  validation = {'A, 1': 30.0, 'A, 2': 40.0}
  monkeypatch.setattr(
      runner.Reproduction,
      '_measure_run',
      lambda self, row, seed: {'best_validation_top_1': validation[row]},
  )
  tuning = [('A, 1', _TUNING), ('A, 2', _TUNING)]
  first = [('A, 2', 5), ('B', 5), ('C', 5)]
  reproduction = make_reproduction((5, 6, 7))
  reported = first + [('A, 2', 6), ('B', 6), ('A, 2', 7), ('B', 7)]
  assert list(reproduction.runs()) == tuning + reported
  assert reproduction.reported_runs() == reported
  assert list(make_reproduction((5,)).runs()) == tuning + first


def test_the_mean_over_the_tuning_seeds_chooses(monkeypatch):
  validation = {
      ('A, 1', _TUNING): 45.0, ('A, 1', _SECOND): 20.0,
      ('A, 2', _TUNING): 40.0, ('A, 2', _SECOND): 30.0,
  }
  monkeypatch.setattr(
      runner.Reproduction,
      '_measure_run',
      lambda self, row, seed: {'best_validation_top_1': validation[row, seed]},
  )
  reproduction = make_reproduction((5,), num_tuning_seeds=2)
  assert list(reproduction.runs()) == [
      ('A, 1', _TUNING), ('A, 2', _TUNING),
      ('A, 1', _SECOND), ('A, 2', _SECOND),
      ('A, 2', 5), ('B', 5), ('C', 5),
  ]


def test_a_single_rate_needs_no_tuning():
  experiment = experiments.Experiment(
      title='', claim='', columns=('gain',), seeds=(0, 1),
      rows={'A, 1': experiments.make_row({}, tuned='A')},
  )
  reproduction = runner.Reproduction('name', experiment, pathlib.Path('runs'))
  assert list(reproduction.runs()) == [('A, 1', 0), ('A, 1', 1)]


def test_what_will_be_run_is_known_before_the_choice():
  settings = make_reproduction((5, 6)).expected_settings()
  assert [each.rounds for each in settings] == [10, 10, 10, 20, 30, 10, 20]


def write_metrics(folder, validation):
  """Writes what a finished run leaves, with an evaluation in every round."""
  folder.mkdir(parents=True, exist_ok=True)
  with (folder / 'metrics.csv').open('w', newline='') as file:
    writer = csv.writer(file)
    writer.writerow([
        'round', 'top_1', 'validation_top_1', 'mean_kl_divergence',
        'megabytes', 'megabytes_in_paper', 'seconds', 'partition',
    ])
    for round_num, value in enumerate(validation):
      sums = [round_num] * 3
      writer.writerow([round_num, value, value, 0.5, *sums, 'x'])
  (folder / 'confusion_matrix.png').touch()


def test_a_row_goes_on_until_validation_stands_still(tmp_path, monkeypatch):
  experiment = experiments.Experiment(
      title='', claim='', columns=('gain',), seeds=(0,),
      rows={
          'A': experiments.make_row(
              {}, rounds=4, validation_fraction=0.2, longest=10
          )
      },
  )
  reproduction = runner.Reproduction('name', experiment, tmp_path)
  rising = [i / 100 for i in range(11)]
  trained = []

  def train(settings, seed, folder, **arguments):
    del seed, arguments
    trained.append(settings.rounds)
    assert settings == dataclasses.replace(
        experiment.rows['A'].settings, rounds=settings.rounds
    )
    write_metrics(folder, rising[: settings.rounds + 1])

  monkeypatch.setattr(runner.run_lib, 'train', train)
  reproduction.train(say=lambda text: None)
  # In stages of four rounds, up to the longest; and no more.
  assert trained == [4, 8, 10]
  reproduction.train(say=lambda text: None)
  assert trained == [4, 8, 10]

  folder = reproduction.folder('A', 0)
  # Best in round 2 of 4: it stood still for half a stage.
  write_metrics(folder, [0.0, 0.1, 0.3, 0.2, 0.1])
  assert reproduction.rounds_to_train('A', 0) is None
  write_metrics(folder, [0.0, 0.1, 0.2, 0.3, 0.1])
  assert reproduction.rounds_to_train('A', 0) == 8
  # Interrupted in the second stage, which is trained to its end.
  (folder / 'confusion_matrix.png').unlink()
  write_metrics(folder, rising[:7])
  assert reproduction.rounds_to_train('A', 0) == 8


def test_a_row_that_may_go_on_has_a_folder_of_its_own():
  root, settings = pathlib.Path('runs'), make()
  assert runner.run_folder(root, settings, 0) != runner.run_folder(
      root, settings, 0, 90
  )
