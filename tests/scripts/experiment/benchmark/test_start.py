"""The start of a benchmark's subject, in a program of its own."""

import functools

import psutil
import pytest

from experiment.benchmark import start
from experiment.benchmark import subjects as benchmark_subjects


def test_a_program_is_measured_from_its_start_and_ends(tmp_path):
  folder = str(tmp_path / 'store')
  benchmark_subjects.write_clients(
      tmp_path / 'store', num_clients=2, num_examples=20
  )
  measured = start.measure(
      functools.partial(benchmark_subjects.astraea, folder, 2, 2), 'astraea_tff'
  )
  # To import TensorFlow is part of it.
  assert measured['cpu'] > measured['build_cpu'] + 1 > 1
  assert measured['wall'] > 1
  for process in psutil.process_iter(['cmdline']):
    assert 'report_first_round' not in ' '.join(process.info['cmdline'] or ())


def test_a_program_that_is_ended_says_with_what(monkeypatch):
  monkeypatch.setattr(
      start, '_PROGRAM', 'import os; os.kill(os.getpid(), 9)  # {first_import}'
  )
  with pytest.raises(RuntimeError, match='of nowhere failed: it ended with -9'):
    start.measure(benchmark_subjects.plain_loop, 'nowhere')


def test_a_program_that_fails_says_why():
  with pytest.raises(RuntimeError, match="No module named 'nowhere'"):
    start.measure(benchmark_subjects.plain_loop, 'nowhere')
