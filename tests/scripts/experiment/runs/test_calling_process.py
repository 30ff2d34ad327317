"""A process of its own ends with the program that started it."""

import contextlib
import os
import signal
import sys
import threading
import time

import forked_program
import patience
import psutil
import pytest
import script_runner

from experiment.runs import calling_process

# Starts a process that sleeps and says which; the number of a call is its pid.
_PROGRAM = f"""
import contextlib, os, sys, time
sys.path.insert(0, {str(script_runner.SCRIPTS)!r})
from experiment.runs import calling_process, command

def work():
  with contextlib.closing(calling_process.CallingProcess()) as process:
    asleep = process.submit(time.sleep, 600)
    print(process.pid, flush=True)
    asleep.result()

command.run(work, ['program'])
"""

# Is interrupted between two steps of Python's own locks, as if waiting.
_PROGRAM_BETWEEN_LOCKS = f"""
import os, signal, sys, threading
sys.path.insert(0, {str(script_runner.SCRIPTS)!r})
from experiment.runs import command

def work():
  try:
    os.kill(os.getpid(), signal.SIGTERM)
  finally:
    threading.Lock().release()

command.run(work, ['program'])
"""

# Draws a bar in a process of its own, which is then killed.
_PROGRAM_WITH_A_BAR = f"""
import contextlib, sys
sys.path.insert(0, {str(script_runner.SCRIPTS)!r})
import tqdm
from experiment.runs import calling_process

with contextlib.closing(calling_process.CallingProcess()) as process:
  process.submit(tqdm.tqdm.write, 'drawn').result()
"""


@pytest.fixture(name='process')
def fixture_process():
  with contextlib.closing(calling_process.CallingProcess()) as process:
    yield process


def test_calls_are_made_in_another_process_until_it_is_closed(process):
  assert process.submit(os.getpid).result(patience.SECONDS) == process.pid
  assert process.pid != os.getpid()
  assert signal.SIGINT in process.submit(
      signal.pthread_sigmask, signal.SIG_BLOCK, ()
  ).result(patience.SECONDS)
  # Which is so for that process alone.
  assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
  process.submit(time.sleep, 600)
  process.close()
  assert not psutil.pid_exists(process.pid)


@pytest.mark.parametrize(
    'number, code, said',
    [
        (signal.SIGTERM, 143, 'program: ended by SIGTERM; what was written is'),
        (signal.SIGINT, 130, 'program: ended by SIGINT; what was written is'),
        # What Python's own process beside it says is not ours.
        (signal.SIGKILL, -9, None),
    ],
)
def test_it_ends_with_the_program_however_that_ends(number, code, said):
  program = forked_program.start(code=_PROGRAM)
  pid = int(program.stdout.readline())
  child = psutil.Process(pid)
  if number == signal.SIGINT:
    # As from a terminal, it goes to both.
    child.send_signal(number)
  program.send_signal(number)
  _, errors = program.communicate(patience.SECONDS)
  assert program.returncode == code
  if said is not None:
    assert errors.startswith(said) and errors.count('\n') == 1
  psutil.wait_procs([child], timeout=patience.SECONDS)
  assert not child.is_running()


def test_an_interruption_that_became_another_error_is_told_as_one():
  program = forked_program.start(code=_PROGRAM_BETWEEN_LOCKS)
  _, errors = program.communicate(patience.SECONDS)
  assert program.returncode == 143
  assert errors == 'program: ended by SIGTERM; what was written is kept.\n'


def test_errors_come_where_the_result_is_asked_for(process):
  failing = process.submit(int, 'seven')
  with pytest.raises(ValueError, match='seven') as error:
    failing.result(patience.SECONDS)
  assert 'call(*arguments)' in str(error.value.__cause__)
  # The process goes on, until it ends by itself.
  assert process.submit(int, '7').result(patience.SECONDS) == 7
  with pytest.raises(TimeoutError, match='0.1 s'):
    process.submit(time.sleep, 600).result(0.1)


def test_a_process_that_ended_is_told(process):
  ending, waiting = process.submit(os._exit, 3), process.submit(os.getpid)
  for call in (ending, waiting):
    with pytest.raises(RuntimeError, match='ended in the midst of a call'):
      call.result(patience.SECONDS)
  psutil.wait_procs([psutil.Process(process.pid)], timeout=patience.SECONDS)
  with pytest.raises(RuntimeError, match='ended in the midst of a call'):
    process.submit(os.getpid)


def test_what_cannot_be_pickled_is_told(process):
  with pytest.raises(Exception, match='(?i)pickle'):
    process.submit(threading.Lock).result(patience.SECONDS)
  with pytest.raises(RuntimeError, match='SystemExit: 3'):
    process.submit(sys.exit, 3).result(patience.SECONDS)
  assert process.submit(int, '7').result(patience.SECONDS) == 7


def test_nothing_is_left_of_a_bar_that_it_drew():
  program = forked_program.start(code=_PROGRAM_WITH_A_BAR)
  _, errors = program.communicate(patience.SECONDS)
  assert (program.returncode, errors) == (0, '')
