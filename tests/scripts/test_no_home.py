"""A user who has no home, as in a container, is told to name the cache."""

import os
import subprocess
import sys

import patience
import script_runner

_PROGRAM = """
import pwd, runpy, sys

def no_entry(user):
  raise KeyError(user)

pwd.getpwuid = no_entry
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def test_the_cache_is_asked_for_in_one_line(tmp_path):
  script = script_runner.SCRIPTS / 'train.py'
  environment = {
      name: value
      for name, value in os.environ.items()
      if name not in ('HOME', 'XDG_CACHE_HOME')
  }
  environment['PYTHONPATH'] = os.pathsep.join(
      path for path in (str(script.parent), *sys.path) if path
  )
  completed = subprocess.run(
      [
          sys.executable, '-c',
          f'import sys; sys.argv = sys.argv[1:]\n{_PROGRAM}',
          str(script), '--dataset=digits', '--num_clients=4',
          '--clients_per_round=2', '--rounds=1', f'--output_dir={tmp_path}/run',
      ],
      cwd=tmp_path, env=environment, capture_output=True, text=True,
      timeout=patience.SECONDS,
  )
  assert completed.returncode == 1
  assert 'Traceback' not in completed.stderr
  assert '--cache_dir' in completed.stderr.splitlines()[-1]
  # Nor is there a folder called ~.
  assert os.listdir(tmp_path) == ['run']
