"""study_privacy.py: its figures recomputed, its files, resuming, refusals."""

import csv

import numpy as np
import pytest
import quick_runs
import scipy.stats
import script_runner

import astraea_tff
from astraea_tff.labels import privacy
from experiment.studies import task as study_task

ARGUMENTS = (
    '--seed=1',
    '--epsilon=0.5',
    '--granularity=6',
    '--rounds=1',
    '--noise_draws=3',
)
SETTINGS = ('random groups', 'epsilon 0.5', 'coarse 6', 'plain')


@pytest.fixture(scope='module')
def script():
  with (
      script_runner.loaded('study_privacy') as script,
      quick_runs.shared_processes(),
      quick_runs.small_networks(),
      quick_runs.without_pictures(),
  ):
    yield script


@pytest.fixture(scope='module', autouse=True)
def clients_written_once(tmp_path_factory):
  """All settings of a seed train the same clients, which a process reads."""
  prepare = study_task.Trainer._prepare
  written = []

  def prepare_once(self, clients, folder):
    del folder
    for others, prepared in written:
      if others is clients:
        return prepared
    prepared = prepare(self, clients, tmp_path_factory.mktemp('clients'))
    written.append((clients, prepared))
    return prepared

  with pytest.MonkeyPatch.context() as patched:
    patched.setattr(study_task.Trainer, '_prepare', prepare_once)
    yield


@pytest.fixture(scope='module')
def folder(script, tmp_path_factory):
  folder = tmp_path_factory.mktemp('study') / 'privacy'
  script_runner.run(script, [*ARGUMENTS, f'--output_dir={folder}'])
  return folder


def read_rows(folder):
  with (folder / 'privacy.csv').open(newline='') as file:
    return {row['setting']: row for row in csv.DictReader(file)}


@pytest.fixture(scope='module')
def task():
  """The counts that are reported, the plan, and the counts trained on."""
  data = study_task.load_data(1)
  plan = astraea_tff.augmentation_plan(data.label_counts, 0.67)
  trained_on = astraea_tff.label_counts(
      astraea_tff.augment_clients(data.client_datasets(), plan, seed=1), 10
  )
  assert (trained_on != data.label_counts).any()
  return data.label_counts, plan, trained_on


def true_divergence(counts, schedule, target):
  """Mean D_KL to a target of the true counts of a schedule's groups."""
  divergences = []
  for mediator in schedule.mediators:
    pooled = sum(counts[client] for client in mediator)
    divergences.append(scipy.stats.entropy(pooled, target))
  return np.mean(divergences)


@pytest.mark.parametrize('name', ['uniform', 'pooled'])
def test_divergences_are_of_true_counts_over_all_draws(folder, task, name):
  counts, plan, trained_on = task
  target = plan.expected_counts if name == 'pooled' else np.ones(10)
  draws = range(3, 6)
  reports = {
      'epsilon 0.5': [
          privacy.privatize_counts(counts, 0.5, seed=draw)
          for draw in draws
      ],
      'coarse 6': [6 * ((counts + 3) // 6)],
      'plain': [counts],
  }
  schedules = {
      setting: [
          astraea_tff.reschedule(
              np.rint(sent * plan.copies).astype(int), 5, target=target
          )
          for sent in of_setting
      ]
      for setting, of_setting in reports.items()
  }
  schedules['random groups'] = [
      astraea_tff.random_schedule(counts, 5, seed=draw) for draw in draws
  ]
  rows = read_rows(folder)
  assert tuple(rows) == SETTINGS
  for setting, drawn in schedules.items():
    expected = np.mean([true_divergence(trained_on, s, target) for s in drawn])
    assert float(rows[setting][f'kl_to_{name}']) == pytest.approx(expected)


def test_accuracies_table_and_picture_are_there(folder):
  for row in read_rows(folder).values():
    # The mean of two evaluations of 300 images, before and after the round.
    accuracy = 600 * float(row['accuracy'])
    assert accuracy == pytest.approx(round(accuracy)) and 0 <= accuracy <= 600
  table = (folder / 'privacy.md').read_text()
  row = read_rows(folder)['plain']
  assert (
      f'| plain | {float(row["kl_to_uniform"]):.3f} '
      f'| {float(row["kl_to_pooled"]):.3f} '
      f'| {100 * float(row["accuracy"]):.2f} |'
  ) in table
  assert (folder / 'privacy.png').stat().st_size > 1000


def test_the_same_command_goes_on_with_what_is_missing(script, folder):
  path = folder / 'privacy.csv'
  text = path.read_text()
  lines = text.splitlines(keepends=True)
  # A made-up figure shows that the row was not measured again.
  lines[2] = 'epsilon 0.5,1,7.0,3.0,0.25\n'
  path.write_text(''.join(lines[:-1]))
  script_runner.run(script, [*ARGUMENTS, f'--output_dir={folder}'])
  assert path.read_text() == ''.join(lines)
  path.write_text(text)


def test_wrong_flags_end_in_one_line(script, folder, tmp_path):
  for arguments, message in (
      ([*ARGUMENTS[:3], '--rounds=2'], 'holds a run with other flags'),
      (['--epsilon=-1'], 'epsilon must be finite'),
      (['--granularity=0'], 'granularity must be at least 1'),
  ):
    output = folder if '--rounds=2' in arguments else tmp_path / 'new'
    with pytest.raises(SystemExit, match=f'study_privacy.py: .*{message}'):
      script_runner.run(script, [*arguments, f'--output_dir={output}'])
  assert not (tmp_path / 'new').exists()
