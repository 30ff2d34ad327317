"""benchmark.py: its subjects train what they say, and end."""

import psutil
import pytest
import script_runner

from astraea_tff.experiment import benchmark_subjects


@pytest.fixture(name='benchmark', scope='module')
def fixture_benchmark():
  with script_runner.loaded('benchmark') as script:
    yield script


@pytest.fixture(name='folder', scope='module')
def fixture_folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('clients') / 'store'
  benchmark_subjects.write_clients(folder, num_clients=3, num_examples=20)
  return str(folder)


@pytest.mark.parametrize(
    'name, arguments, num_examples',
    [
        ('plain_loop', dict(clients=[0, 2], num_threads=1, epochs=2), 80),
        ('astraea', dict(num_clients=3, max_clients=2, mediator_epochs=2), 120),
    ],
)
def test_a_subject_trains_its_rounds_and_leaves_no_process(
    benchmark, folder, name, arguments, num_examples
):
  subject = benchmark._Subject(name, arguments | dict(folder=folder))
  try:
    first, second = (benchmark._measure_round([subject]) for _ in range(2))
    processes = psutil.Process(subject._process.pid).children(recursive=True)
  finally:
    subject.close()
  assert first['examples'] == second['examples'] == num_examples
  assert second['since_start'] > second['wall'] > 0 and second['cpu'] > 0
  assert second['peak']['parent'] > 100
  assert bool(processes) == (name == 'astraea')
  psutil.wait_procs(processes, timeout=10)
  assert not any(process.is_running() for process in processes)


def test_a_subject_that_fails_is_one_clear_error(benchmark):
  subject = benchmark._Subject(
      'plain_loop', dict(folder='/nowhere', clients=[0], num_threads=1)
  )
  with pytest.raises(RuntimeError, match='benchmark process .*plain_loop'):
    benchmark._measure_round([subject])


def test_subjects_cover_what_the_report_compares(benchmark):
  subjects = benchmark._subjects('folder', 'small', 20)
  assert {name for parts in subjects.values() for name, _ in parts} == set(
      benchmark_subjects._SUBJECTS
  )
  assert 'astraea, gamma 1' in subjects and 'astraea, gamma 20' in subjects
