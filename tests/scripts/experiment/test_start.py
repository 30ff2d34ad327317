"""The package is imported, and scripts end, without a look for garbage."""

import signal
import subprocess
import sys

import forked_program
import patience
import pytest

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


_OLD_CODE = """
import gc
gc.SETTING()
looked_through = []
def look(phase, info):
  generations = range(info['generation'] + 1)
  if phase == 'start':
    looked_through.append(sum(len(gc.get_objects(g)) for g in generations))
gc.callbacks.append(look)
is_frozen = gc.get_freeze_count() > 0
import astraea_tff
gc.collect(1)
print(gc.isenabled(), (gc.get_freeze_count() > 0) == is_frozen)
print(len(gc.get_objects(2)) > 100_000 > max(looked_through))
"""


@pytest.mark.parametrize(
    'setting, said',
    [
        # Most of what was imported is old at once.
        ('enable', ['True', 'True', 'True']),
        # What a program froze stays frozen.
        ('freeze', ['True', 'True', 'False']),
    ],
)
def test_what_the_package_imports_is_not_looked_through(setting, said):
  completed = subprocess.run(
      [sys.executable, '-c', _OLD_CODE.replace('SETTING', setting)],
      capture_output=True, text=True, timeout=patience.SECONDS, check=True,
  )
  assert completed.stdout.split() == said


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
