"""The machine: what a measurement was made on, and its cores."""

import os
import pathlib
import platform

import psutil


def cpu_name() -> str:
  """Returns the processor's name."""
  return next(
      (
          line.split(':')[1].strip()
          for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines()
          if line.startswith('model name')
      ),
      platform.processor(),
  )


def num_cores() -> int:
  """Returns the number of cores that this process may use."""
  return len(os.sched_getaffinity(0))


def num_worker_threads(num_models: int) -> int:
  """Returns the threads with which TFF's worker trains so many models at once.

  As many as models at the most: two threads on one mediator's chain take a
  third more CPU and are no faster.

  Args:
    num_models: The mediators (or clients, where there are none) of a round.
  """
  return min(num_cores(), num_models)


def describe() -> str:
  """Returns the processor, cores, memory and Python, in a line."""
  gigabytes = psutil.virtual_memory().total / 1e9
  return (
      f'{cpu_name()}, {num_cores()} cores, {gigabytes:.1f} GB,'
      f' Python {platform.python_version()}'
  )
