"""What a measurement was made on."""

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


def describe() -> str:
  """Returns the processor, cores, memory and Python, in a line."""
  gigabytes = psutil.virtual_memory().total / 1e9
  return (
      f'{cpu_name()}, {len(os.sched_getaffinity(0))} cores, {gigabytes:.1f} GB,'
      f' Python {platform.python_version()}'
  )
