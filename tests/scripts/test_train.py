"""train.py: what a run leaves, that it resumes, and how it refuses."""

import asyncio
import json
import os
import re
import shutil
import socket
import threading
import time

import forked_program
import numpy as np
import patience
import psutil
import pytest
import quick_runs
import script_runner

from astraea_tff.runtime import contexts
from astraea_tff.runtime import local_worker
from astraea_tff.scheduling import schedule as schedule_lib
from experiment.runs import metrics_log
from experiment.runs import run as run_lib

SMALL = (
    '--dataset=digits',
    '--num_clients=6',
    '--num_examples=120',
    '--clients_per_round=4',
    '--max_clients=2',
    '--rounds=4',
    '--rounds_per_evaluation=2',
)
ASTRAEA = (*SMALL, '--algorithm=astraea', '--global_distribution=long_tail')
FED_AVG = (*SMALL, '--algorithm=fedavg')

# What a run reports, apart from how long it took.
REPORTED = (
    'round',
    'top_1',
    'loss',
    'train_loss',
    'mean_kl_divergence',
    'megabytes',
)


@pytest.fixture(scope='module')
def train():
  with script_runner.loaded('train') as script, quick_runs.shared_processes():
    yield script


@pytest.fixture(scope='module')
def run_whole(train):
  def run(folder, *arguments):
    script_runner.run(train, [*arguments, f'--output_dir={folder}'])

  return run


@pytest.fixture(scope='module')
def run_train(run_whole):
  """Runs the script with a small network."""

  def run(folder, *arguments):
    with quick_runs.small_networks():
      run_whole(folder, *arguments)

  return run


@pytest.fixture(scope='module')
def run_undrawn(run_train):
  def run(folder, *arguments):
    with quick_runs.without_pictures():
      run_train(folder, *arguments)

  return run


@pytest.fixture(scope='module')
def refuse_train(run_whole):
  """Runs the script where it must fail; returns its one line."""

  def refuse(folder, *arguments):
    with pytest.raises(SystemExit) as refusal:
      run_whole(folder, *arguments)
    message = refusal.value.code
    assert isinstance(message, str), 'would exit with 0'
    assert message.startswith('train.py: ') and '\n' not in message
    return message

  return refuse


def read_reported(folder, seed=0):
  rows = metrics_log.read_rows(folder / f'seed_{seed}' / metrics_log.METRICS_FILE)
  return [{name: row[name] for name in REPORTED} for row in rows]


@pytest.fixture(scope='module')
def astraea_run(run_whole, tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs') / 'astraea'
  run_whole(folder, *ASTRAEA, '--mediator_epochs=2')
  return folder


def test_astraea_run_leaves_all_its_results(astraea_run):
  names = {path.name for path in (astraea_run / 'seed_0').iterdir()}
  assert names == {
      'accuracy.png',
      'checkpoints',
      'confusion_matrix.png',
      'kl_divergence.png',
      'label_histogram.png',
      'metrics.csv',
      'model.weights.h5',
      'per_class.csv',
      'schedule.json',
      'tensorboard',
  }
  flags = json.loads((astraea_run / 'flags.json').read_text())
  assert flags['mediator_epochs'] == 2
  assert flags['seed'] == [0]


def test_rows_hold_the_rounds_and_their_costs(astraea_run):
  rows = read_reported(astraea_run)
  assert [row['round'] for row in rows] == [0, 1, 2, 3, 4]
  evaluated = [row['round'] for row in rows if row['top_1'] is not None]
  assert evaluated == [0, 2, 4]
  assert all(0 <= rows[r]['top_1'] <= 1 for r in evaluated)
  # 2 |w| (2 mediators + 4 clients * 2 epochs) a round, |w| of ten classes.
  num_parameters = 68_873 - 37 * 151
  megabytes = 2 * 4 * num_parameters * (2 + 4 * 2) / 1e6
  np.testing.assert_allclose(
      [row['megabytes'] for row in rows], [r * megabytes for r in range(5)]
  )


def test_mean_divergence_is_that_of_the_sampled_mediators(astraea_run):
  text = (astraea_run / 'seed_0' / 'schedule.json').read_text()
  schedule = schedule_lib.Schedule.from_json(text)
  assert schedule.num_clients == 6
  for row in read_reported(astraea_run)[1:]:
    sampled = schedule.sample(2, seed=0, round_num=row['round'])
    assert row['mean_kl_divergence'] == pytest.approx(
        schedule.kl_divergence[list(sampled)].mean()
    )


def test_same_command_again_does_nothing_more(run_whole, astraea_run, capsys):
  before = (astraea_run / 'seed_0' / 'metrics.csv').read_bytes()
  run_whole(astraea_run, *ASTRAEA, '--mediator_epochs=2')
  assert 'is finished already' in capsys.readouterr().out
  assert (astraea_run / 'seed_0' / 'metrics.csv').read_bytes() == before


def test_other_flags_on_the_folder_are_refused(refuse_train, astraea_run):
  message = refuse_train(astraea_run, *ASTRAEA, '--mediator_epochs=1')
  assert '--mediator_epochs=1 (was 2)' in message


def test_damaged_checkpoint_is_one_line_that_says_what_to_do(
    run_whole, refuse_train, astraea_run, tmp_path
):
  folder = tmp_path / 'run'
  shutil.copytree(astraea_run, folder)
  (folder / 'seed_0' / 'confusion_matrix.png').unlink()
  checkpoint = folder / 'seed_0' / 'checkpoints' / 'program_state_4'
  (checkpoint / 'saved_model.pb').write_bytes(b'damaged')
  message = refuse_train(folder, *ASTRAEA, '--mediator_epochs=2')
  assert 'program_state_4 is damaged' in message and 'Remove it' in message
  shutil.rmtree(checkpoint)
  with quick_runs.without_pictures():
    run_whole(folder, *ASTRAEA, '--mediator_epochs=2')
  assert read_reported(folder)[-1]['top_1'] == pytest.approx(
      read_reported(astraea_run)[-1]['top_1']
  )


def test_fed_avg_run_counts_its_traffic_and_clients(run_undrawn, tmp_path):
  run_undrawn(tmp_path, *FED_AVG, '--seed=3')
  rows = read_reported(tmp_path, seed=3)
  num_parameters = 10 * (28 * 28 + 1)
  assert rows[-1]['megabytes'] == pytest.approx(
      4 * 2 * 4 * num_parameters * 4 / 1e6
  )
  assert not (tmp_path / 'seed_3' / 'schedule.json').exists()


def test_per_round_schedules_hold_the_sampled_clients(run_train, tmp_path):
  run_train(
      tmp_path,
      *ASTRAEA,
      '--schedule=per_round',
      '--target=pooled',
      '--rounds=2',
      '--carry_optimizer_state',
      '--fresh_augmentation',
  )
  paths = sorted((tmp_path / 'seed_0' / 'schedules').iterdir())
  assert [path.name for path in paths] == [
      'round_000001.json',
      'round_000002.json',
  ]
  for path in paths:
    schedule = schedule_lib.Schedule.from_json(path.read_text())
    assert schedule.num_clients == 4 and schedule.num_mediators == 2


@pytest.mark.parametrize('schedule', ['static', 'per_round'])
def test_random_grouping_has_the_same_clients_in_other_groups(
    run_undrawn, tmp_path, schedule
):
  mediators = {}
  for grouping in ('greedy', 'random'):
    folder = tmp_path / grouping
    run_undrawn(
        folder,
        *ASTRAEA,
        '--rounds=1',
        f'--schedule={schedule}',
        f'--grouping={grouping}',
    )
    (path,) = (folder / 'seed_0').rglob('*.json')
    text = path.read_text()
    mediators[grouping] = schedule_lib.Schedule.from_json(text).mediators
  clients = {name: sorted(sum(m, ())) for name, m in mediators.items()}
  assert clients['greedy'] == clients['random']
  assert mediators['greedy'] != mediators['random']


@pytest.mark.parametrize(
    'argument, match',
    [
        ('--dataset=imagenet', "Data set 'imagenet' is unknown; known are"),
        ('--clients_per_round=7', 'clients_per_round=7 must not exceed'),
        ('--alpha=3', r'alpha=3.0 must be in \[0, 2\]'),
        ('--max_clients=0', 'max_clients=0 must be at least 1'),
        ('--client_learning_rate=-1', 'client_learning_rate=-1.0 must be'),
        ('--num_examples=100000', 'example'),
    ],
)
def test_bad_values_are_refused_in_one_line(
    refuse_train, tmp_path, argument, match
):
  message = refuse_train(tmp_path / 'run', *SMALL, argument)
  assert re.search(match, message), message


def test_repeated_seed_is_refused(refuse_train, tmp_path):
  message = refuse_train(tmp_path, *SMALL, '--seed=1', '--seed=1')
  assert '--seed must be given different values' in message


def test_output_folder_that_cannot_be_made_is_refused(refuse_train, tmp_path):
  (tmp_path / 'file').write_text('')
  message = refuse_train(tmp_path / 'file' / 'run', *SMALL)
  assert 'file' in message


def test_data_that_are_not_there_are_refused_with_what_to_do(
    refuse_train, tmp_path
):
  message = refuse_train(
      tmp_path / 'run', '--dataset=mnist', f'--data_dir={tmp_path}/nothing'
  )
  assert '--data_dir' in message or 'data_dir' in message


BASELINE = (*SMALL, '--client_optimizer=sgd', '--client_learning_rate=0.05')


@pytest.fixture(scope='module')
def fed_avg_rows(run_undrawn, tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs') / 'fedavg'
  run_undrawn(folder, *BASELINE, '--algorithm=fedavg')
  return read_reported(folder)


@pytest.mark.parametrize('algorithm', ['fedprox', 'mime_lite'])
def test_other_baselines_are_tffs_own_on_the_same_clients(
    run_undrawn, fed_avg_rows, tmp_path, algorithm
):
  run_undrawn(
      tmp_path,
      *BASELINE,
      f'--algorithm={algorithm}',
      '--proximal_strength=0',
  )
  rows, expected = read_reported(tmp_path), [dict(r) for r in fed_avg_rows]
  # Without proximal term, or without momentum, both are FedAvg; Mime Lite asks
  # for a gradient beside the update, and sends SGD's hyperparameters.
  factor = {'fedprox': 1.0, 'mime_lite': 1.5}[algorithm]
  assert rows[-1].pop('megabytes') == pytest.approx(
      factor * expected[-1].pop('megabytes'), rel=1e-4
  )
  assert rows[-1] == pytest.approx(expected[-1], rel=1e-3)


@pytest.mark.parametrize('algorithm', ['astraea', 'fedavg', 'mime_lite'])
def test_rounds_that_everybody_drops_out_of_change_nothing(
    run_undrawn, tmp_path, algorithm
):
  run_undrawn(
      tmp_path,
      *SMALL,
      f'--algorithm={algorithm}',
      '--rounds=2',
      '--drop_probability=1',
  )
  rows = read_reported(tmp_path)
  assert [row['megabytes'] for row in rows] == [0, 0, 0]
  assert [row['mean_kl_divergence'] for row in rows] == [None] * 3
  assert rows[2]['loss'] == rows[0]['loss']


def test_options_of_the_chain_and_the_server_reach_the_process(
    run_undrawn, tmp_path
):
  arguments = (*ASTRAEA, '--rounds=2', '--mediator_epochs=2')
  options = {
      'plain': [],
      'reshuffled': ['--client_order=reshuffled'],
      'clipped': ['--client_clipping_norm=1e-9'],
      'server': ['--server_optimizer=adam', '--server_learning_rate=1e-9'],
      'dropping': ['--drop_probability=0.5'],
  }
  losses, megabytes = {}, {}
  for name, option in options.items():
    run_undrawn(tmp_path / name, *arguments, *option)
    rows = read_reported(tmp_path / name)
    losses[name] = rows[0]['loss'], rows[2]['loss']
    megabytes[name] = rows[2]['megabytes']
  for name in ('reshuffled', 'dropping'):
    assert losses[name][1] != losses['plain'][1]
  for name in ('clipped', 'server'):
    before, after = losses[name]
    assert after == pytest.approx(before, rel=1e-5)
    assert losses['plain'][1] != pytest.approx(before, rel=1e-3)
  assert megabytes['dropping'] < megabytes['plain'] == megabytes['reshuffled']


def test_validation_examples_are_not_tested(run_undrawn, tmp_path):
  run_undrawn(tmp_path, *FED_AVG, '--rounds=2', '--validation_fraction=0.5')
  row = metrics_log.read_rows(tmp_path / 'seed_0' / metrics_log.METRICS_FILE)[-1]
  # Of 150 examples each.
  for name in ('top_1', 'validation_top_1'):
    assert 150 * row[name] == pytest.approx(round(150 * row[name]))


def test_a_fraction_that_holds_out_nobody_is_refused(run_train, tmp_path):
  """Digits have 30 test examples of each class."""
  with pytest.raises(
      SystemExit,
      match='=0.033 holds out none of the 30 .*; give 0.0334 or more',
  ):
    run_train(
        tmp_path / 'run', '--rounds=1', '--class_feedback=sampling',
        '--validation_fraction=0.033',
    )
  # Nothing was written that would tie the folder to the refused flags.
  assert not list((tmp_path / 'run').glob('seed_*/*'))


def test_threads_are_no_more_than_the_mediators(
    run_train, tmp_path, monkeypatch
):
  """Of the worker that is started, before anything is trained."""
  trained = []
  monkeypatch.setattr(
      run_lib, 'train', lambda settings, *_, **__: trained.append(settings)
  )

  def threads(folder, *arguments):
    run_train(tmp_path / folder, *arguments, '--rounds=1')
    worker = contexts._current[threading.current_thread()]
    # Its environment is its own as soon as it answers.
    worker.stub()
    environment = psutil.Process(worker.pid).environ()
    return int(environment['TF_NUM_INTEROP_THREADS'])

  cores = len(os.sched_getaffinity(0))
  assert threads('one', *ASTRAEA, '--max_clients=4') == 1
  assert threads('two', *ASTRAEA) == min(cores, 2)
  assert threads('given', *ASTRAEA, '--num_threads=3') == 3
  assert [settings.max_clients for settings in trained] == [4, 2, 2]


def test_another_worker_trains_the_same(run_undrawn, refuse_train, tmp_path):
  arguments = (*ASTRAEA, '--mediator_epochs=2', '--carry_optimizer_state')
  run_undrawn(tmp_path / 'local', *arguments, '--max_concurrent_calls=1')
  with socket.create_server(('127.0.0.1', 0)) as listener:
    worker = local_worker.Worker(num_threads=1, listener=listener)
    workers = f'--workers=127.0.0.1:{listener.getsockname()[1]}'
    try:
      worker.stub()
      run_undrawn(tmp_path / 'remote', *arguments, workers)
      message = refuse_train(
          tmp_path / 'both', *arguments, workers, '--num_threads=1'
      )
    finally:
      worker.stop()
      # What runs after this has no worker otherwise.
      contexts.set_local_execution_context()
  rows, expected = (read_reported(tmp_path / n) for n in ('remote', 'local'))
  assert len(rows) == len(expected) == 5
  for row, wanted in zip(rows, expected):
    assert row == pytest.approx(wanted, rel=1e-4)
  assert '--num_threads and --workers exclude each other' in message


def find_orphans():
  """Running workers that lost their parent, and so belong to process 1."""
  return {
      process.pid
      for process in psutil.process_iter(['name', 'ppid', 'status'])
      if process.info['name'] == 'worker_binary'
      and process.info['ppid'] == 1
      and process.info['status'] != psutil.STATUS_ZOMBIE
  }


def test_piped_command_ends_and_leaves_no_process(train, tmp_path):
  orphans_before = find_orphans()
  done = forked_program.run(
      patience.SECONDS,
      script=train.__file__,
      arguments=[*FED_AVG, '--rounds=1', f'--output_dir={tmp_path}/run'],
      merge_errors=True,
  )
  assert done.returncode == 0, done.stdout
  assert 'top_1=' in done.stdout and '1/1' in done.stdout
  # A test beside this one may have killed a parent, whose worker ends at once.
  deadline = time.monotonic() + patience.SECONDS
  while not find_orphans() <= orphans_before and time.monotonic() < deadline:
    time.sleep(0.1)
  assert find_orphans() <= orphans_before


@pytest.fixture(autouse=True)
def event_loop_is_left_as_it_was():
  yield
  asyncio.set_event_loop(None)
