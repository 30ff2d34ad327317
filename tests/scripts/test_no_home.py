"""A user who has no home, as in a container, is told to name the cache."""

import os

import forked_program
import patience
import script_runner

_PROGRAM = """
import os, pwd, runpy
{forget}
os.chdir({folder!r})
sys.path.insert(0, {scripts!r})

def no_entry(user):
  raise KeyError(user)

pwd.getpwuid = no_entry
sys.argv[0] = {script!r}
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def test_the_cache_is_asked_for_in_one_line(tmp_path, monkeypatch):
  script = script_runner.SCRIPTS / 'train.py'
  for name in ('HOME', 'XDG_CACHE_HOME'):
    monkeypatch.delenv(name, raising=False)
  completed = forked_program.run(
      patience.SECONDS,
      code=_PROGRAM.format(
          forget=forked_program.FORGET_OUR_MODULES,
          folder=str(tmp_path),
          scripts=str(script.parent),
          script=str(script),
      ),
      arguments=[
          '--dataset=digits', '--num_clients=4', '--clients_per_round=2',
          '--rounds=1', f'--output_dir={tmp_path}/run',
      ],
  )
  assert completed.returncode == 1
  assert 'Traceback' not in completed.stderr
  assert '--cache_dir' in completed.stderr.splitlines()[-1]
  # Nor is there a folder called ~.
  assert os.listdir(tmp_path) == ['run']
