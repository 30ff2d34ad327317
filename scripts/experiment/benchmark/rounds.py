"""Rounds of the benchmark's subjects, each in a process of its own, in turn."""

from collections.abc import Mapping, Sequence
import contextlib
import functools
import pathlib
from typing import Any

import tqdm

from experiment.benchmark import measuring
from experiment.benchmark import start
from experiment.benchmark import subjects as benchmark_subjects
from experiment.runs import calling_process
from experiment.runs import machine

_EXAMPLES_OF_MANY = 8
# Starts differ, so their median is reported.
_NUM_STARTS = 3
# What a user's program imports first, by the subject whose start is reported.
_FIRST_IMPORTS = {'astraea': 'astraea_tff', 'tff': 'tensorflow_federated'}


class SubjectProcess(calling_process.CallingProcess):
  """A subject's process."""

  def __init__(self, build: measuring.BuildSubject):
    super().__init__(is_quiet=True)
    self._build = build

  def start_round(self) -> calling_process.Call:
    """Starts a round, which goes on beside this process."""
    return self.submit(measuring.measure_next_round, self._build)


def end_round(started: Sequence[calling_process.Call]) -> dict[str, Any]:
  """Waits for a round of processes side by side, and adds up what they took.

  Args:
    started: What `start_round` of the processes of one subject returned.

  Returns:
    Their `examples`, `cpu` and `python_cpu` seconds together, the longest
    `wall` seconds, and the first one's `peak` memory in megabytes. Raises what
    building or running the subject does.
  """
  rounds = [each.result() for each in started]
  sums = {
      name: sum(each[name] for each in rounds)
      for name in ('examples', 'cpu', 'python_cpu')
  }
  wall = max(each['wall'] for each in rounds)
  return sums | {'wall': wall, 'peak': rounds[0]['peak']}


def measure_rounds(
    subjects: Mapping[str, Sequence[measuring.BuildSubject]], repeats: int
) -> dict[str, Any]:
  """Lets the rounds of all subjects take turns, but for the first of each.

  Args:
    subjects: By name; several that run at once are one.
    repeats: How many rounds of each are measured.

  Returns:
    By subject the examples of a round, the lists of its rounds' `wall`, `cpu`
    and `python_cpu` seconds, its `peak` memory, and `start`, lists of what
    `start.measure` says of Astraea and of TFF's FedAvg, None for others.
  """
  progress = tqdm.tqdm(
      total=len(subjects) * (1 + repeats), desc='benchmark', unit='round'
  )
  processes = {}
  measured = {name: [] for name in subjects}
  with contextlib.ExitStack() as stack, progress:
    # Starts are measured with nothing beside them.
    starts = [
        {
            name: start.measure(*subjects[name], first_import)
            for name, first_import in _FIRST_IMPORTS.items()
        }
        for _ in range(_NUM_STARTS)
    ]
    # Two a core, as one waits for its worker now and then.
    at_once, names = 2 * machine.num_cores(), list(subjects)
    for first in range(0, len(names), at_once):
      first_rounds = []
      for name in names[first : first + at_once]:
        processes[name] = [SubjectProcess(build) for build in subjects[name]]
        for process in processes[name]:
          stack.callback(process.close)
        first_rounds.append([each.start_round() for each in processes[name]])
      for started in first_rounds:
        end_round(started)
        progress.update()
    for _ in range(repeats):
      for name in subjects:
        started = [each.start_round() for each in processes[name]]
        measured[name].append(end_round(started))
        progress.update()
  return {
      name: {
          'start': _lists(starts, name) if name in _FIRST_IMPORTS else None,
          'peak': rounds[-1]['peak'],
          'examples': rounds[-1]['examples'],
      }
      | {
          figure: [each[figure] for each in rounds]
          for figure in ('wall', 'cpu', 'python_cpu')
      }
      for name, rounds in measured.items()
  }


def _lists(
    starts: Sequence[Mapping[str, Mapping[str, float]]], name: str
) -> dict[str, list[float]]:
  """Returns the figures of all starts of a subject."""
  return {
      figure: [start_of[name][figure] for start_of in starts]
      for figure in starts[0][name]
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
