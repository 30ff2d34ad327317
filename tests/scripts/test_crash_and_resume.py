"""A run that is ended at any moment goes on to what the unbroken one gives."""

import os
import pathlib
import re
import shutil
import signal
import textwrap

import forked_program
import patience
import pytest
import quick_runs
import script_runner

from experiment.runs import metrics_log

_ARGUMENTS = (
    '--algorithm=astraea',
    '--dataset=digits',
    '--num_clients=6',
    '--num_examples=120',
    '--global_distribution=long_tail',
    '--clients_per_round=4',
    '--max_clients=2',
    '--rounds=4',
    '--rounds_per_evaluation=2',
)
_SUPPORT = pathlib.Path(script_runner.__file__).parent

# Runs train.py with a signal to itself at one moment.
_PROGRAM = """
import os, pathlib, signal, sys, threading, time
sys.path[:0] = [{support!r}, {scripts!r}]
import quick_runs, script_runner
from absl import flags
import tensorflow as tf

def end():
  os.kill(os.getpid(), {signal_number})

with script_runner.loaded('train') as train:
  from experiment.runs import algorithms, checkpoints, metrics_log as log
{moment}
  with quick_runs.small_networks():
    script_runner.run(train, {arguments!r})
"""

_MOMENTS = {
    'within round 3': """
      build = algorithms.build
      def build_and_end(*arguments):
        algorithm = build(*arguments)
        def select(round_num):
          if round_num == 3:
            threading.Timer(0.05, end).start()
          return algorithm.select(round_num)
        return algorithm._replace(select=select)
      algorithms.build = build_and_end
    """,
    'while the last picture is written': """
      from matplotlib import figure
      savefig = figure.Figure.savefig
      def write_half_and_end(self, file, **options):
        if 'confusion_matrix' in os.readlink(f'/proc/self/fd/{file.fileno()}'):
          file.write(b'half')
          file.flush()
          end()
        savefig(self, file, **options)
      figure.Figure.savefig = write_half_and_end
    """,
    'between the row and the checkpoint of round 3': """
      save = checkpoints.Checkpoints.save
      async def end_before_saving(self, state, version):
        if version == 3:
          end()
        await save(self, state, version)
      checkpoints.Checkpoints.save = end_before_saving
    """,
    'while the checkpoint of round 3 is written': """
      save_model = tf.saved_model.save
      def write_and_end(module, path, **kwargs):
        save_model(module, path, **kwargs)
        if 'program_state_3' in path:
          variables = pathlib.Path(path) / 'saved_model.pb'
          variables.write_bytes(variables.read_bytes()[:100])
          end()
          time.sleep(1)
          save_model(module, path, **kwargs)
      tf.saved_model.save = write_and_end
    """,
    'while the row of round 3 is written': """
      import tensorflow_federated as tff
      release = tff.program.TensorBoardReleaseManager.release
      async def end_and_release(self, value, key):
        if key == 3:
          end()
        await release(self, value, key)
      tff.program.TensorBoardReleaseManager.release = end_and_release
    """,
    'after the checkpoint of round 3': """
      save = checkpoints.Checkpoints.save
      async def save_and_end(self, state, version):
        await save(self, state, version)
        if version == 3:
          end()
      checkpoints.Checkpoints.save = save_and_end
    """,
}


def _run_and_end(folder, moment, signal_number):
  program = _PROGRAM.format(
      support=str(_SUPPORT),
      scripts=str(script_runner.SCRIPTS),
      signal_number=int(signal_number),
      moment=textwrap.indent(textwrap.dedent(_MOMENTS[moment]), '  '),
      arguments=[*_ARGUMENTS, f'--output_dir={folder}'],
  )
  return forked_program.run(patience.SECONDS, code=program, merge_errors=True)


@pytest.fixture(name='run_train', scope='module')
def fixture_run_train():
  with quick_runs.train_runner(_ARGUMENTS) as run:
    yield run


@pytest.fixture(name='unbroken', scope='module')
def fixture_unbroken(run_train, tmp_path_factory):
  folder = tmp_path_factory.mktemp('unbroken') / 'run'
  run_train(folder)
  schedule = (folder / 'seed_0' / 'schedule.json').read_text()
  return quick_runs.rows_but_seconds(folder), schedule


def _check_resumed(folder, unbroken):
  rows, schedule = unbroken
  assert (folder / 'seed_0' / 'schedule.json').read_text() == schedule
  assert quick_runs.rows_but_seconds(folder) == rows
  kept = {path.name for path in (folder / 'seed_0' / 'checkpoints').iterdir()}
  assert kept == {'program_state_3', 'program_state_4'}


@pytest.mark.parametrize('moment', _MOMENTS)
def test_killed_run_goes_on_as_if_nothing_had_been(
    run_train, unbroken, tmp_path, moment
):
  folder = tmp_path / 'run'
  done = _run_and_end(folder, moment, signal.SIGKILL)
  assert done.returncode == -signal.SIGKILL, done.stdout
  assert not (folder / 'seed_0' / 'confusion_matrix.png').exists()
  run_train(folder)
  _check_resumed(folder, unbroken)


@pytest.mark.parametrize(
    'moment, signal_number, last_round',
    [
        ('within round 3', signal.SIGTERM, 2),
        ('within round 3', signal.SIGINT, 2),
        ('while the row of round 3 is written', signal.SIGTERM, 3),
        ('while the checkpoint of round 3 is written', signal.SIGTERM, 3),
    ],
)
def test_signalled_run_saves_and_says_so_in_one_line(
    run_train, unbroken, tmp_path, moment, signal_number, last_round
):
  folder = tmp_path / 'run'
  done = _run_and_end(folder, moment, signal_number)
  assert done.returncode == 128 + signal_number, done.stdout
  assert f'ended by {signal_number.name}; what was written' in done.stdout
  assert 'Traceback' not in done.stdout
  checkpoint = folder / 'seed_0/checkpoints' / f'program_state_{last_round}'
  assert checkpoint.is_dir()
  run_train(folder)
  _check_resumed(folder, unbroken)


@pytest.mark.parametrize('writer', ['checkpoint', 'metrics'])
def test_full_disk_loses_no_finished_round(
    run_train, unbroken, tmp_path, monkeypatch, writer
):
  """As if there were no space for anything of round 3."""
  folder = tmp_path / 'run'

  def fail(*args, **kwargs):
    raise OSError(28, 'No space left on device')

  release = metrics_log.TrainingLog.release

  async def release_and_fill_the_disk(self, value, key):
    if key == 3:
      if writer == 'metrics':
        with self.path.open('a') as file:
          file.write('3,0.1')
        fail()
      monkeypatch.setattr('tensorflow.saved_model.save', fail)
    await release(self, value, key)

  monkeypatch.setattr(metrics_log.TrainingLog, 'release', release_and_fill_the_disk)
  with pytest.raises(SystemExit) as end:
    run_train(folder)
  assert 'No space left on device' in end.value.code
  assert '\n' not in end.value.code
  monkeypatch.undo()
  saved = os.listdir(folder / 'seed_0/checkpoints')
  assert 'program_state_2' in saved and 'program_state_3' not in saved
  run_train(folder)
  _check_resumed(folder, unbroken)


def test_checkpoint_that_is_due_later_is_written_on_the_way_out(
    run_train, tmp_path, monkeypatch
):
  """Checkpoints every ten rounds, and an error in round 4."""
  release = metrics_log.TrainingLog.release

  async def release_until_round_4(self, value, key):
    if key == 4:
      raise ValueError('made up')
    await release(self, value, key)

  monkeypatch.setattr(metrics_log.TrainingLog, 'release', release_until_round_4)
  folder = tmp_path / 'run'
  with pytest.raises(SystemExit, match='made up'):
    run_train(folder, '--rounds_per_checkpoint=10')
  assert quick_runs.rows_but_seconds(folder)[-1]['round'] == 3
  # The last of which there is a row; round 4 is trained again.
  saved = os.listdir(folder / 'seed_0' / 'checkpoints')
  assert sorted(saved) == ['program_state_0', 'program_state_3']


def test_a_row_that_was_lost_is_trained_again(run_train, unbroken, tmp_path):
  folder = tmp_path / 'run'
  run_train(folder)
  metrics = folder / 'seed_0' / 'metrics.csv'
  lines = metrics.read_text().splitlines(keepends=True)
  metrics.write_text(''.join(lines[:-1]))
  run_train(folder)
  _check_resumed(folder, unbroken)


def test_a_damaged_log_is_mended_as_both_its_messages_say(
    run_train, unbroken, tmp_path
):
  folder = tmp_path / 'run'
  run_train(folder)
  metrics = folder / 'seed_0' / 'metrics.csv'
  lines = metrics.read_text().splitlines(keepends=True)
  advice = f'Remove the folder {folder / "seed_0"}, and the same command trains'
  for text in (''.join(lines[:3] + ['broken\n']), ''.join(lines[:3])):
    metrics.write_text(text)
    with pytest.raises(SystemExit, match=re.escape(advice)):
      run_train(folder)
  shutil.rmtree(folder / 'seed_0')
  run_train(folder)
  _check_resumed(folder, unbroken)


@pytest.mark.parametrize('num_lines', [None, 1, 3])
def test_a_log_without_the_rows_of_the_checkpoints_is_refused(
    run_train, tmp_path, num_lines
):
  folder = tmp_path / 'run'
  run_train(folder)
  metrics = folder / 'seed_0' / 'metrics.csv'
  lines = metrics.read_text().splitlines(keepends=True)
  metrics.unlink()
  if num_lines is not None:
    metrics.write_text(''.join(lines[:num_lines]))
  for rounds in ('--rounds=4', '--rounds=6'):
    with pytest.raises(SystemExit, match='checkpoint of round 3, but the rows'):
      run_train(folder, rounds)
  # Of the file that is put back, nothing was lost.
  metrics.write_text(''.join(lines))
  run_train(folder, '--rounds=6')
  assert quick_runs.rows_but_seconds(folder)[-1]['round'] == 6
