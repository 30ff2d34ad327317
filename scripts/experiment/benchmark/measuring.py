"""Measures the rounds of a benchmark's subject in the process it has."""

from collections.abc import Callable, Iterator
import itertools
import pathlib
import time
from typing import Any, Optional

import psutil

from experiment.benchmark import subjects as benchmark_subjects

# Builds a subject in its process; by way of pickle.
BuildSubject = Callable[[], benchmark_subjects.Subject]


def _cpu_seconds() -> float:
  """CPU time of this process and its worker."""
  processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
  return sum(sum(process.cpu_times()[:2]) for process in processes)


def _peak_megabytes() -> dict[str, float]:
  """Peak resident memory of this process and of its worker, 10^6 bytes."""

  def peak(process):
    status = pathlib.Path(f'/proc/{process.pid}/status').read_text()
    return int(status.split('VmHWM:')[1].split()[0]) * 1024 / 1e6

  children = psutil.Process().children(recursive=True)
  return {
      'parent': peak(psutil.Process()),
      'worker': sum(map(peak, children)),
  }


def _measured_rounds(build: BuildSubject) -> Iterator[dict[str, Any]]:
  """Builds a subject, and yields what each of its rounds took."""
  # Imports are part of what starting takes.
  start, subject = psutil.Process().create_time(), build()
  for round_num in itertools.count(1):
    wall, cpu, python_cpu = (
        time.perf_counter(), _cpu_seconds(), time.process_time()
    )
    num_examples = subject.run(round_num)
    yield {
        'examples': num_examples,
        'wall': time.perf_counter() - wall,
        'cpu': _cpu_seconds() - cpu,
        'python_cpu': time.process_time() - python_cpu,
        'build_cpu': subject.build_cpu,
        'since_start': time.time() - start,
        'cpu_since_start': _cpu_seconds(),
        'peak': _peak_megabytes(),
    }


# The rounds of this process's subject, once it is built.
_rounds: Optional[Iterator[dict[str, Any]]] = None


def measure_next_round(build: BuildSubject) -> dict[str, Any]:
  """Trains the next round of the subject that this process is for.

  Args:
    build: Builds the subject, at the first call.

  Returns:
    The round's `examples`, `wall` and `cpu` seconds, and the `python_cpu`
    without the worker's; the `build_cpu` of the subject, the seconds
    `since_start` of the process and its and its worker's `cpu_since_start`; and
    their `peak` memory in megabytes.
  """
  global _rounds
  if _rounds is None:
    _rounds = _measured_rounds(build)
  return next(_rounds)
