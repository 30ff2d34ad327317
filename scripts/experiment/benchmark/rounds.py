"""Rounds of the benchmark's subjects, each in a process of its own, in turn."""

from collections.abc import Mapping, Sequence
import contextlib
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import tqdm

from experiment.benchmark import report as benchmark_report
from experiment.benchmark import subjects as benchmark_subjects
from experiment.runs import machine

# A subject's name in `benchmark_subjects` and its arguments.
Subject = tuple[str, dict[str, Any]]

_EXAMPLES_OF_MANY = 8
# Where a subject's process finds this package.
_SCRIPTS = pathlib.Path(__file__).parents[2]


class SubjectProcess:
  """A subject's process."""

  def __init__(self, name: str, arguments: dict[str, Any]):
    self._process = subprocess.Popen(
        [
            sys.executable,
            '-m',
            benchmark_subjects.__name__,
            name,
            json.dumps(arguments),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(_SCRIPTS)},
    )

  def start_round(self) -> None:
    self._process.stdin.write('\n')
    self._process.stdin.flush()

  def end_round(self) -> dict[str, Any]:
    line = self._process.stdout.readline()
    if not line:
      raise RuntimeError(
          f'The benchmark process {self._process.args[2:]} ended with'
          f' {self._process.wait()}; run it by itself to see why.'
      )
    return json.loads(line)

  def close(self) -> None:
    self._process.stdin.close()
    self._process.wait()


def measure_round(processes: Sequence[SubjectProcess]) -> dict[str, Any]:
  """Runs a round of processes side by side, and adds up what they took.

  Args:
    processes: The processes of one subject.

  Returns:
    Their `examples` and `cpu` seconds together, the longest `wall` and
    `since_start` seconds, and the first one's `peak` memory in megabytes.

  Raises:
    RuntimeError: A process ended.
  """
  for process in processes:
    process.start_round()
  return _end_round(processes)


def _end_round(processes: Sequence[SubjectProcess]) -> dict[str, Any]:
  rounds = [process.end_round() for process in processes]
  return {
      'examples': sum(each['examples'] for each in rounds),
      'wall': max(each['wall'] for each in rounds),
      'cpu': sum(each['cpu'] for each in rounds),
      'since_start': max(each['since_start'] for each in rounds),
      'peak': rounds[0]['peak'],
  }


def measure_rounds(
    subjects: Mapping[str, Sequence[Subject]], repeats: int
) -> dict[str, Any]:
  """Lets the rounds of all subjects take turns; the first of each is its start.

  Args:
    subjects: By name; several that run at once are one.
    repeats: How many rounds of each are measured.

  Returns:
    By subject the examples of a round, the lists of its rounds' `wall` and
    `cpu` seconds, its `peak` memory, and, of those that start alone, the
    seconds to the end of the first round, `start`.
  """
  measured = {name: [] for name in subjects}
  alone = benchmark_report.STARTED_ALONE
  others = [name for name in subjects if name not in alone]
  # The others' start is not reported, so some start at once: two a core, as one
  # waits for its worker now and then.
  at_once = 2 * machine.num_cores()
  groups = [[name] for name in alone] + [
      others[first : first + at_once]
      for first in range(0, len(others), at_once)
  ]
  with contextlib.ExitStack() as stack:
    processes = {}
    progress = stack.enter_context(
        tqdm.tqdm(
            total=len(subjects) * (1 + repeats), desc='benchmark',
            unit='round',
        )
    )
    starts = {}
    for group in groups:
      for name in group:
        processes[name] = [SubjectProcess(*part) for part in subjects[name]]
        for process in processes[name]:
          stack.callback(process.close)
          process.start_round()
      for name in group:
        starts[name] = _end_round(processes[name])['since_start']
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
          'wall': [each['wall'] for each in rounds],
          'cpu': [each['cpu'] for each in rounds],
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
    processes = {}
    for population in populations:
      folder = scratch / str(population)
      benchmark_subjects.write_clients(folder, population, _EXAMPLES_OF_MANY)
      processes[population] = SubjectProcess(
          'astraea',
          dict(
              folder=str(folder),
              num_clients=population,
              max_clients=max_clients,
          ),
      )
      stack.callback(processes[population].close)
    # Side by side, as no time is measured.
    for _ in range(3):
      for process in processes.values():
        process.start_round()
      peaks = {
          population: process.end_round()['peak']
          for population, process in processes.items()
      }
  return peaks
