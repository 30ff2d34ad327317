"""Programs as processes of their own, in which TFF is imported already.

Importing TFF takes six seconds of a core. A server imports it once and forks,
so that a program starts at once. It has pipes, signals, an exit code and an
interpreter that ends as any other's.
"""

import atexit
import concurrent.futures
import functools
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

# Source after which a program imports our packages itself.
FORGET_OUR_MODULES = """
import sys
for name in list(sys.modules):
  if name.partition('.')[0] in ('astraea_tff', 'experiment'):
    del sys.modules[name]
"""
_SERVER = pathlib.Path(__file__).with_name('forking_server.py')


class Program:
  """A running program, with the interface of `subprocess.Popen`."""

  def __init__(self, argv, code, merge_errors):
    read_ends, write_ends = zip(*(os.pipe() for _ in range(3)))
    request = {'argv': argv, 'code': code, 'environment': dict(os.environ)}
    output, errors, report = write_ends
    given, giving = os.pipe()
    sent = [given, output, output if merge_errors else errors, report]
    socket.send_fds(_server(), [json.dumps(request).encode()], sent)
    for file in (given, *write_ends):
      os.close(file)
    self.args = argv
    self.returncode = None
    self.stdin = open(giving, 'w')
    self.stdout = open(read_ends[0])
    self.stderr = open(read_ends[1])
    self._report = open(read_ends[2])
    self.pid = int(self._report.readline())

  def poll(self):
    """Returns the exit code, or None while the program runs."""
    readable, _, _ = select.select([self._report], [], [], 0)
    return self.wait() if readable or self.returncode is not None else None

  def wait(self, timeout=None):
    """Returns the exit code as soon as there is one."""
    if self.returncode is None:
      readable, _, _ = select.select([self._report], [], [], timeout)
      if not readable:
        raise subprocess.TimeoutExpired(self.args, timeout)
      self.returncode = int(self._report.readline())
    return self.returncode

  def communicate(self, timeout):
    """Returns what the program prints until it ends, within seconds."""
    deadline = time.monotonic() + timeout
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
      outputs = [pool.submit(s.read) for s in (self.stdout, self.stderr)]
      try:
        self.wait(timeout)
        return tuple(
            output.result(max(0, deadline - time.monotonic()))
            for output in outputs
        )
      except (TimeoutError, subprocess.TimeoutExpired):
        self.kill()
        raise

  def send_signal(self, number):
    """Sends a signal, unless the program has ended."""
    if self.poll() is None:
      os.kill(self.pid, number)

  def kill(self):
    """Ends the program if it still runs."""
    self.send_signal(signal.SIGKILL)


def start(code=None, script=None, arguments=(), merge_errors=False):
  """Starts source text, or a script with arguments; returns the program.

  Args:
    code: Python source.
    script: Path of a script, if no source is given.
    arguments: What follows in `sys.argv`.
    merge_errors: Whether standard error goes where standard output goes.
  """
  argv = ['-c' if script is None else str(script), *map(str, arguments)]
  return Program(argv, code, merge_errors)


def run(timeout, **arguments):
  """Starts a program, and returns what it printed and its exit code."""
  program = start(**arguments)
  output, errors = program.communicate(timeout)
  return subprocess.CompletedProcess(
      program.args, program.returncode, output, errors
  )


@functools.cache
def _server():
  """Returns a connection to the server, which starts with the first program."""
  ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
  with theirs:
    subprocess.Popen(
        [sys.executable, str(_SERVER)],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
  atexit.register(ours.close)
  return ours
