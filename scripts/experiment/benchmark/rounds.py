"""Rounds of the benchmark's subjects, each in a process of its own, in turn."""

from collections.abc import Mapping, Sequence
from concurrent import futures
import contextlib
import functools
import multiprocessing
import os
import pathlib
from typing import Any

import psutil
import tqdm

from experiment.benchmark import measuring
from experiment.benchmark import report as benchmark_report
from experiment.benchmark import subjects as benchmark_subjects
from experiment.runs import machine

_EXAMPLES_OF_MANY = 8


def _silence() -> None:
  """Keeps what TensorFlow and the workers say off the terminal."""
  os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


class SubjectProcess:
  """A subject's process."""

  def __init__(self, build: measuring.BuildSubject):
    self._build = build
    # Not forked: a subject starts with nothing of this process.
    self._pool = futures.ProcessPoolExecutor(
        1, multiprocessing.get_context('spawn'), initializer=_silence
    )
    self.pid = self._pool.submit(os.getpid)

  def start_round(self) -> futures.Future[dict[str, Any]]:
    """Starts a round, which goes on beside this process."""
    return self._pool.submit(measuring.measure_next_round, self._build)

  def close(self) -> None:
    """Ends the process and its workers, which would outlive it."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
      process = psutil.Process(self.pid.result())
      family = [*process.children(recursive=True), process]
    for each in family:
      with contextlib.suppress(psutil.NoSuchProcess):
        each.kill()
    self._pool.shutdown()


def measure_round(processes: Sequence[SubjectProcess]) -> dict[str, Any]:
  """Runs a round of processes side by side, and adds up what they took.

  Args:
    processes: The processes of one subject.

  Returns:
    Their `examples`, `cpu`, `python_cpu` and `cpu_since_start` seconds
    together, the longest `wall` and `since_start` seconds, and the first one's
    `build_cpu` and `peak` memory in megabytes. Raises what building or running
    the subject does.
  """
  return _end_round([process.start_round() for process in processes])


def _end_round(started: Sequence[futures.Future]) -> dict[str, Any]:
  rounds = [each.result() for each in started]
  sums = ('examples', 'cpu', 'python_cpu', 'cpu_since_start')
  return (
      {name: sum(each[name] for each in rounds) for name in sums}
      | {
          name: max(each[name] for each in rounds)
          for name in ('wall', 'since_start')
      }
      | {name: rounds[0][name] for name in ('build_cpu', 'peak')}
  )


def measure_rounds(
    subjects: Mapping[str, Sequence[measuring.BuildSubject]], repeats: int
) -> dict[str, Any]:
  """Lets the rounds of all subjects take turns; the first of each is its start.

  Args:
    subjects: By name; several that run at once are one.
    repeats: How many rounds of each are measured.

  Returns:
    By subject the examples of a round, the lists of its rounds' `wall`, `cpu`
    and `python_cpu` seconds, its `peak` memory, and, of those that start alone,
    `start`: the seconds and the CPU seconds to the end of the first round,
    `wall` and `cpu`, and the CPU seconds to build the process, `build_cpu`.
  """
  alone = benchmark_report.STARTED_ALONE
  others = [name for name in subjects if name not in alone]
  # The others' start is not reported, so some start at once: two a core, as one
  # waits for its worker now and then.
  at_once = 2 * machine.num_cores()
  groups = [[name] for name in alone] + [
      others[first : first + at_once]
      for first in range(0, len(others), at_once)
  ]
  progress = tqdm.tqdm(
      total=len(subjects) * (1 + repeats), desc='benchmark', unit='round'
  )
  processes, starts = {}, {}
  measured = {name: [] for name in subjects}
  with contextlib.ExitStack() as stack, progress:
    for group in groups:
      first_rounds = {}
      for name in group:
        processes[name] = [SubjectProcess(build) for build in subjects[name]]
        for process in processes[name]:
          stack.callback(process.close)
        first_rounds[name] = [each.start_round() for each in processes[name]]
      for name, started in first_rounds.items():
        first_round = _end_round(started)
        starts[name] = {
            'wall': first_round['since_start'],
            'cpu': first_round['cpu_since_start'],
            'build_cpu': first_round['build_cpu'],
        }
        progress.update()
    for _ in range(repeats):
      for name in subjects:
        measured[name].append(measure_round(processes[name]))
        progress.update()
  return {
      name: {
          'start': starts[name] if name in alone else None,
          'peak': rounds[-1]['peak'],
          'examples': rounds[-1]['examples'],
      }
      | {
          figure: [each[figure] for each in rounds]
          for figure in ('wall', 'cpu', 'python_cpu')
      }
      for name, rounds in measured.items()
  }


def measure_memory(
    scratch: pathlib.Path, populations: Sequence[int], max_clients: int
) -> dict[int, Any]:
  """Measures the peak memory of a few rounds when so many clients are on disk.

  Args:
    scratch: A folder, in which each population gets a new one.
    populations: Numbers of clients.
    max_clients: The clients of a mediator, gamma.

  Returns:
    By population, the megabytes of parent and worker.
  """
  with contextlib.ExitStack() as stack:
    last_rounds = {}
    for population in populations:
      folder = scratch / str(population)
      benchmark_subjects.write_clients(folder, population, _EXAMPLES_OF_MANY)
      process = SubjectProcess(functools.partial(
          benchmark_subjects.astraea, str(folder), population, max_clients
      ))
      stack.callback(process.close)
      # Side by side, as no time is measured.
      *_, last_rounds[population] = [process.start_round() for _ in range(3)]
    return {
        population: started.result()['peak']
        for population, started in last_rounds.items()
    }
