"""The package is imported, and scripts end, without a look for garbage."""

import signal
import subprocess
import sys

import forked_program
import patience

from experiment.runs import command

_SCRIPTS = command.__file__.rsplit('/experiment/', 1)[0]
_CODE = f"""
import atexit, gc, signal, sys
sys.path.insert(0, {_SCRIPTS!r})
gc.SETTING()
atexit.register(lambda: print(len(gc.get_objects()) < 1000))
looks = []
gc.callbacks.append(lambda phase, info: looks.append(phase))
import experiment
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print(gc.isenabled(), gc.get_freeze_count() > 100_000, len(looks) < 100)
"""


def test_what_a_script_imports_is_not_looked_through():
  completed = subprocess.run(
      [sys.executable, '-c', _CODE.replace('SETTING', 'enable')],
      capture_output=True, text=True, timeout=patience.SECONDS, check=True,
  )
  assert completed.stdout.split() == ['True'] * 4


def test_a_program_that_collects_nothing_stays_so():
  completed = forked_program.run(
      patience.SECONDS, code=_CODE.replace('SETTING', 'disable')
  )
  assert completed.stdout.split()[:3] == ['False', 'True', 'True']


_INTERRUPTED_CODE = f"""
import os, signal, sys
sys.path.insert(0, {_SCRIPTS!r})
class Finder:
  def find_spec(name, path=None, target=None):
    if name == 'tensorflow':
      os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
import experiment
"""


def test_ctrl_c_while_a_script_imports_prints_nothing():
  completed = subprocess.run(
      [sys.executable, '-c', _INTERRUPTED_CODE],
      capture_output=True, text=True, timeout=patience.SECONDS, check=False,
  )
  assert completed.returncode == -signal.SIGINT
  assert completed.stdout == completed.stderr == ''
