"""Folders of runs, and how much work a run is, without training."""

import pathlib

import pytest

from astraea_tff.experiment import estimation
from astraea_tff.experiment import reproduction
from astraea_tff.experiment import settings as settings_lib


def make(**values):
  arguments = dict(num_clients=20, num_examples=400, clients_per_round=5)
  return settings_lib.Settings(**(arguments | values))


def test_a_folder_belongs_to_its_settings_and_seed():
  root = pathlib.Path('runs')
  folders = {
      reproduction.run_folder(root, settings, seed)
      for settings in (make(), make(beta=0.4), make(algorithm='fedavg'))
      for seed in (0, 1)
  }
  assert len(folders) == 6
  assert reproduction.run_folder(root, make(), 0) in folders
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
  assert reproduction.work(make(**values)) == expected


def test_seconds_of_a_run_are_those_of_its_parts():
  rates = estimation.Rates(0.5, 7.0, 2.0)
  settings = make(rounds=10, rounds_per_evaluation=4)
  assert rates.run_seconds(settings) == 7 + 0.5 * 1000 + 2 * 3


@pytest.mark.parametrize(
    'dataset, stand_in',
    [
        ('emnist_ltrf2', 'mnist'),
        ('cinic10_imbalanced', 'cifar10_imbalanced'),
        ('digits', None),
        ('mnist', None),
        ('cifar10_imbalanced', None),
    ],
)
def test_what_stands_in_for_data_that_are_not_here(dataset, stand_in):
  found = estimation.find_stand_in(make(dataset=dataset))
  assert (found and found.settings['dataset']) == stand_in
