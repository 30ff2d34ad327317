"""What a program takes from its first import to the end of its first round.

It starts a program of its own, which first imports what its user would. The
time of the import depends on that: Astraea imports TFF in less time than TFF
alone takes.
"""

import json
import os
import pathlib
import pickle
import subprocess
import sys
from typing import Any

import psutil

from experiment.benchmark import measuring

_SCRIPTS = pathlib.Path(__file__).parents[2]
_FIGURES = {
    'wall': 'since_start', 'cpu': 'cpu_since_start', 'build_cpu': 'build_cpu'
}
_PROGRAM = """
import {first_import}
from experiment.benchmark import start
start.report_first_round()
"""


def measure(
    build: measuring.BuildSubject, first_import: str
) -> dict[str, float]:
  """Lets a program build a subject and train its first round.

  Args:
    build: Builds the subject.
    first_import: The package that the program imports first.

  Returns:
    The seconds and the CPU seconds, the worker's included, to the end of the
    round, `wall` and `cpu`, and the CPU seconds to build the process,
    `build_cpu`.

  Raises:
    RuntimeError: The program fails; its last line says why.
  """
  path = os.pathsep.join(
      [str(_SCRIPTS), *filter(None, [os.environ.get('PYTHONPATH')])]
  )
  program = subprocess.run(
      [sys.executable, '-c', _PROGRAM.format(first_import=first_import)],
      input=pickle.dumps(build),
      capture_output=True,
      env=os.environ | {'PYTHONPATH': path},
      check=False,
  )
  if program.returncode:
    # The system says nothing there when it ends a program.
    said = program.stderr.decode(errors='replace').strip().splitlines()
    reason = said[-1] if said else f'it ended with {program.returncode}'
    raise RuntimeError(f'the first round of {first_import} failed: {reason}')
  return json.loads(program.stdout)


def report_first_round() -> Any:
  """Prints what `measure` returns, as JSON; ends the program and its worker."""
  build = pickle.load(sys.stdin.buffer)
  first_round = measuring.measure_next_round(build)
  print(
      json.dumps({name: first_round[key] for name, key in _FIGURES.items()}),
      flush=True,
  )
  for worker in psutil.Process().children(recursive=True):
    worker.kill()
  os._exit(0)
