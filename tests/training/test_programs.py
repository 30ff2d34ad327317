"""The programs in tests/programs, with FedAvg and with Astraea in its place."""

import contextlib
import csv
import json
import pathlib
import socket

import forked_program
import numpy as np
import psutil
import pytest
import tensorflow as tf

from astraea_tff.runtime import local_worker

_PROGRAMS = pathlib.Path(__file__).parent / 'programs'
_ALGORITHMS = ['fedavg', 'astraea']


def run_program(name, **flags):
  """Runs a program piped, as `program | tee log` would."""
  arguments = [f'--{flag}={value}' for flag, value in flags.items()]
  result = forked_program.run(
      300, script=_PROGRAMS / f'{name}.py', arguments=arguments
  )
  assert result.returncode == 0, result.stderr[-2000:]
  assert 'Exception ignored' not in result.stderr
  return result


def read_rows(path):
  with path.open(newline='') as file:
    return list(csv.DictReader(file))


def tensorboard_tags(folder):
  tags = set()
  for path in folder.glob('events*'):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
      tags.update(value.tag for value in event.summary.value)
  return tags


@pytest.mark.parametrize('algorithm', _ALGORITHMS)
def test_image_classification(algorithm, tmp_path):
  path = tmp_path / 'result.json'
  run_program('image_classification', algorithm=algorithm, output_file=path)
  result = json.loads(path.read_text())
  assert result['train_losses'][-1] < result['train_losses'][0] / 2
  assert result['federated_accuracy'] > 0.5
  np.testing.assert_allclose(
      result['keras_accuracy'], result['federated_accuracy'], rtol=1e-6
  )


@pytest.mark.parametrize('algorithm', _ALGORITHMS)
def test_simulated_training(algorithm, tmp_path):
  run_program('simulated_training', algorithm=algorithm, output_dir=tmp_path)
  rows = read_rows(tmp_path / 'metrics.csv')
  assert [row['round'] for row in rows] == ['0', '1', '2', '3', '4']
  losses = [float(row['evaluation/loss']) for row in rows]
  np.testing.assert_allclose(losses[0], np.log(10), rtol=1e-5)
  assert losses[-1] < losses[0] / 2
  assert 'evaluation/loss' in tensorboard_tags(tmp_path / 'tensorboard')
  assert (tmp_path / 'checkpoints' / 'program_state_4').is_dir()


@pytest.fixture(scope='module')
def managed_runs(tmp_path_factory):
  """Folders of managed_training.py, four rounds without a break."""
  folders = {}
  for algorithm in _ALGORITHMS:
    folders[algorithm] = tmp_path_factory.mktemp(algorithm)
    run_program(
        'managed_training',
        algorithm=algorithm,
        output_dir=folders[algorithm],
        rounds=4,
    )
  return folders


def read_numbers(path):
  return [[float(cell) for cell in row.values()] for row in read_rows(path)]


@pytest.mark.parametrize('algorithm', _ALGORITHMS)
def test_managed_training_writes_all_that_its_managers_write(
    algorithm, managed_runs
):
  folder = managed_runs[algorithm]
  rows = read_rows(folder / 'train.csv')
  assert [row['round'] for row in rows] == ['1', '2', '3', '4']
  losses = [float(row['model_metrics/loss']) for row in rows]
  assert losses[-1] < losses[0]
  evaluated = read_rows(folder / 'evaluation.csv')
  assert [row['round'] for row in evaluated] == ['2', '4']
  assert 'model_metrics/loss' in tensorboard_tags(folder / 'tensorboard')
  assert list((folder / 'models').glob('*round_4'))
  states = {path.name for path in (folder / 'checkpoints').iterdir()}
  assert states == {'program_state_0', 'program_state_4'}


def test_managed_training_goes_on_elsewhere_as_if_unbroken(
    managed_runs, tmp_path
):
  """Begun on the local worker, ended on several, in another process.

  The data source's iterator is restored with the rest of the state. Of two
  mediators a round each of two workers has one.
  """
  arguments = dict(algorithm='astraea', output_dir=tmp_path)
  run_program('managed_training', rounds=2, **arguments)
  with contextlib.ExitStack() as stack:
    workers, addresses = [], []
    for _ in range(2):
      listener = stack.enter_context(socket.create_server(('127.0.0.1', 0)))
      worker = local_worker.Worker(num_threads=1, listener=listener)
      stack.callback(worker.stop)
      worker.stub()
      workers.append(worker)
      addresses.append(f'127.0.0.1:{listener.getsockname()[1]}')
    before = [cpu_seconds(worker) for worker in workers]
    run_program(
        'managed_training', rounds=4, workers=','.join(addresses), **arguments
    )
    after = [cpu_seconds(worker) for worker in workers]
  assert all(b < a for b, a in zip(before, after)), 'a worker had no share'
  for name, num_rows in (('train.csv', 4), ('evaluation.csv', 2)):
    unbroken = read_numbers(managed_runs['astraea'] / name)
    assert len(unbroken) == num_rows
    np.testing.assert_allclose(
        read_numbers(tmp_path / name), unbroken, rtol=1e-5
    )


def cpu_seconds(worker):
  """Of a worker behind its relay."""
  (child,) = psutil.Process(worker.pid).children()
  return child.cpu_times().user
