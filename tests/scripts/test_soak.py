"""soak.py: what it measures, and that growth of either process fails it."""

import asyncio
import csv
import os
import re
import subprocess
import sys
import types

import numpy as np
import psutil
import pytest
import quick_runs
import script_runner

from experiment.runs import run as run_lib

# Takes 200 MB when it is told to, and says so.
_GROWING_PROGRAM = """
import sys
print('started', flush=True)
sys.stdin.readline()
taken = bytearray(b'x' * 200_000_000)
print('grown', flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope='module')
def soak():
  with script_runner.loaded('soak') as script, quick_runs.shared_processes():
    yield script


@pytest.fixture(autouse=True)
def event_loop_is_left_as_it_was():
  yield
  asyncio.set_event_loop(None)


@pytest.fixture
def growing_worker():
  with subprocess.Popen(
      [sys.executable, '-c', _GROWING_PROGRAM],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
  ) as process:
    assert process.stdout.readline() == 'started\n'
    yield process
    process.kill()


def read_rows(folder):
  with (folder / 'soak.csv').open(newline='') as file:
    return [
        {name: float(cell) for name, cell in row.items()}
        for row in csv.DictReader(file)
    ]


def test_a_run_of_train_is_measured_after_every_round(soak, tmp_path, capsys):
  (tmp_path / 'soak.csv').write_text('of an earlier run\n')
  with quick_runs.small_networks(), quick_runs.without_pictures():
    script_runner.run(soak, [
        f'--output_dir={tmp_path}',
        '--num_clients=6',
        '--num_examples=120',
        '--clients_per_round=4',
        '--max_clients=2',
        '--rounds=3',
        '--reference_round=1',
        '--tolerance=10',
    ])
  rows = read_rows(tmp_path)
  assert [row['round'] for row in rows] == [0, 1, 2, 3]
  own = psutil.Process(os.getpid()).memory_info().rss / 1e6
  assert 0.5 * own < rows[-1]['parent_megabytes'] < 2 * own
  printed = dict(re.findall(
      r'(\w+): .* after round 3, ([\d.]+) times', capsys.readouterr().out
  ))
  for name in ('parent', 'worker'):
    values = [row[f'{name}_megabytes'] for row in rows]
    ratio = np.median(values[2:]) / np.median(values[:2])
    assert float(printed[name]) == pytest.approx(ratio, abs=1e-3)
  assert (tmp_path / 'soak.png').stat().st_size > 1000
  assert {path.name for path in tmp_path.iterdir()} == {'soak.csv', 'soak.png'}


@pytest.mark.parametrize('grows', ['parent', 'worker'])
def test_growth_of_either_process_fails_with_one_line(
    soak, tmp_path, monkeypatch, growing_worker, grows
):
  taken = []

  def train(settings, *args, metrics_managers, **kwargs):
    for round_num in range(settings.rounds + 1):
      if round_num == 2 and grows == 'parent':
        taken.append(np.ones(25_000_000))
      if round_num == 2 and grows == 'worker':
        growing_worker.stdin.write('\n')
        growing_worker.stdin.flush()
        assert growing_worker.stdout.readline() == 'grown\n'
      for manager in metrics_managers:
        asyncio.run(manager.release({}, round_num))

  monkeypatch.setattr(run_lib, 'train', train)
  monkeypatch.setattr(
      soak.runtime,
      'set_local_execution_context',
      lambda: types.SimpleNamespace(pid=growing_worker.pid),
  )
  with pytest.raises(SystemExit) as failure:
    script_runner.run(soak, [
        f'--output_dir={tmp_path}', '--rounds=2', '--reference_round=1',
    ])
  message = failure.value.code
  assert message.startswith('soak.py: The memory grew by more than 5 %')
  assert '\n' not in message
  assert re.findall(r'(\w+): [\d.]+ MB', message) == [grows]
  _, before, after = read_rows(tmp_path)
  growth = after[f'{grows}_megabytes'] - before[f'{grows}_megabytes']
  assert growth == pytest.approx(200, abs=20)


def test_what_is_not_finished_leaves_earlier_results(
    soak, tmp_path, monkeypatch, growing_worker
):
  (tmp_path / 'soak.csv').write_text('of an earlier run\n')
  monkeypatch.setattr(
      soak.runtime,
      'set_local_execution_context',
      lambda: types.SimpleNamespace(pid=growing_worker.pid),
  )

  def train(*args, metrics_managers, **kwargs):
    (memory,) = metrics_managers
    asyncio.run(memory.release({}, 0))
    raise OSError('the disk is full')

  for failing, message in (
      (run_lib.train, "'nothing' is unknown"),
      (train, 'the disk is full'),
  ):
    monkeypatch.setattr(run_lib, 'train', failing)
    with pytest.raises(SystemExit, match=message):
      script_runner.run(soak, [f'--output_dir={tmp_path}', '--dataset=nothing'])
  assert (tmp_path / 'soak.csv').read_text() == 'of an earlier run\n'
  assert (tmp_path / 'unfinished.csv').read_text().startswith('round,')


def test_rounds_before_the_reference_are_refused_in_one_line(soak, tmp_path):
  folder = tmp_path / 'new'
  with pytest.raises(SystemExit, match='--reference_round=50 must be below'):
    script_runner.run(soak, [f'--output_dir={folder}', '--rounds=50'])
  assert not folder.exists()


def test_a_tolerance_that_nothing_exceeds_is_refused(soak, tmp_path):
  with pytest.raises(SystemExit, match='--tolerance=nan must be finite'):
    script_runner.run(soak, [f'--output_dir={tmp_path}', '--tolerance=nan'])
