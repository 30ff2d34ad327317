"""A child process that surely ends with this one.

A child outlives its parent by itself, and whoever reads the parent's output
then waits for it. Here the kernel kills it when this process ends, however that
is, and its output goes to a file of its own.
"""

import concurrent.futures
from collections.abc import Mapping, Sequence
import os
import subprocess
import sys
import tempfile
import threading

# Asks the kernel to kill this process when the thread that started it ends,
# then becomes the worker. PR_SET_PDEATHSIG is 1, SIGKILL is 9. The parent may
# have gone before the request was made, hence the check.
_LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
  sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def becoming(command: Sequence[str]) -> list[str]:
  """Returns the arguments of a Python program that becomes a command."""
  return ['-c', _LAUNCHER, str(os.getpid()), *command]


class ChildProcess:
  """A Python program, or what it becomes, that ends with this process.

  Attributes:
    pid: Its process id.
  """

  def __init__(
      self,
      arguments: Sequence[str],
      environment: Mapping[str, str],
      inherited: Sequence[int] = (),
  ):
    """Starts the program; does not wait for it.

    Args:
      arguments: The arguments of Python's interpreter. The program must ask the
        kernel itself to be ended with its parent, as the program of `becoming`
        does.
      environment: Its environment variables.
      inherited: The file descriptors that it has of this process.
    """
    self._output = tempfile.TemporaryFile()
    command = [sys.executable, '-I', '-S', *arguments]
    launched = concurrent.futures.Future()

    def launch_and_wait():
      # The death signal goes out when the launching thread ends, so the thread
      # must live as long as the process may: it waits for it.
      try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=inherited,
            # Ctrl-C reaches the parent alone, which then ends the child.
            start_new_session=True,
        )
      except BaseException as error:  # The caller waits for one or the other.
        launched.set_exception(error)
        return
      launched.set_result(process)
      process.wait()

    threading.Thread(target=launch_and_wait, daemon=True).start()
    self._process = launched.result()
    self.pid = self._process.pid

  @property
  def is_running(self) -> bool:
    """Whether it has not ended."""
    if self._process.returncode is not None:
      return False
    try:
      # `poll` says that it runs until the thread that waits for it has been
      # told of its end.
      ended = os.waitid(
          os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
      )
    except ChildProcessError:
      return False
    return ended is None

  def wait(self) -> int:
    """Waits until it ends; returns its exit code."""
    return self._process.wait()

  def kill(self) -> None:
    """Ends it and waits until it is gone."""
    if self.is_running:
      self._process.kill()
      self._process.wait()

  def last_words(self, num_bytes: int = 2000) -> str:
    """Returns a sentence with the end of what it printed."""
    size = self._output.seek(0, os.SEEK_END)
    self._output.seek(max(0, size - num_bytes))
    text = self._output.read().decode(errors='replace').strip()
    return f'Its last output:\n{text}' if text else 'It printed nothing.'
