"""The benchmark's subjects train what they say, and end."""

import functools

import preloaded_processes
import psutil
import pytest

from experiment.benchmark import rounds as benchmark_rounds
from experiment.benchmark import subjects as benchmark_subjects


@pytest.fixture(autouse=True, scope='module')
def subjects_start_quickly():
  with preloaded_processes.in_place_of_spawned():
    yield


@pytest.fixture(name='folder', scope='module')
def fixture_folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('clients') / 'store'
  benchmark_subjects.write_clients(folder, num_clients=3, num_examples=20)
  return str(folder)


@pytest.mark.parametrize(
    'build, arguments, num_examples',
    [
        (
            benchmark_subjects.plain_loop,
            dict(clients=[0, 2], num_threads=1, epochs=2),
            80,
        ),
        (
            benchmark_subjects.astraea,
            dict(num_clients=3, max_clients=2, mediator_epochs=2),
            120,
        ),
    ],
)
def test_a_subject_trains_its_rounds_and_leaves_no_process(
    folder, build, arguments, num_examples
):
  subject = benchmark_rounds.SubjectProcess(
      functools.partial(build, folder, **arguments)
  )
  try:
    first, second = (
        benchmark_rounds.end_round([subject.start_round()]) for _ in range(2)
    )
    process = psutil.Process(subject.pid)
    workers = process.children(recursive=True)
  finally:
    subject.close()
  assert first['examples'] == second['examples'] == num_examples
  assert second['wall'] > 0
  # The kernel counts the CPU time of a process in hundredths of a second: a
  # round that takes less may count for nothing.
  assert second['cpu'] + 0.03 >= second['python_cpu'] > 0
  assert second['peak']['parent'] > 100
  assert bool(workers) == (build == benchmark_subjects.astraea)
  psutil.wait_procs([process, *workers], timeout=10)
  assert not any(each.is_running() for each in (process, *workers))


def test_a_subject_that_fails_says_why():
  subject = benchmark_rounds.SubjectProcess(
      functools.partial(
          benchmark_subjects.plain_loop, '/nowhere', [0], num_threads=1
      )
  )
  try:
    with pytest.raises((OSError, ValueError), match='/nowhere'):
      benchmark_rounds.end_round([subject.start_round()])
  finally:
    subject.close()


def test_memory_is_measured_for_every_population(tmp_path):
  peaks = benchmark_rounds.measure_memory(tmp_path, (3, 4), max_clients=2)
  assert list(peaks) == [3, 4]
  for peak in peaks.values():
    assert peak['parent'] > 100 and peak['worker'] > 10
