"""A process of its own that calls functions, and ends with this program."""

from collections.abc import Callable
import contextlib
import ctypes
import dataclasses
import multiprocessing
from multiprocessing import connection as connection_lib
from multiprocessing import resource_tracker
import os
import pickle
import signal
import threading
import traceback
from typing import Any, NoReturn, Optional

import psutil
import tqdm

_PR_SET_PDEATHSIG = 1
_ENDED = 'The process ended in the midst of a call.'


def _serve(connection: connection_lib.Connection, is_quiet: bool) -> NoReturn:
  """Makes the calls that come; answers with values, or with errors as text."""
  # The kernel ends this process with its parent, however that ends.
  ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
  if not multiprocessing.parent_process().is_alive():
    os._exit(1)  # The parent ended before.
  # Bars would lock with a semaphore of all processes, which outlives a process
  # that is killed.
  tqdm.tqdm.set_lock(threading.RLock())
  if is_quiet:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
  while True:
    call, arguments = connection.recv()
    try:
      answer = pickle.dumps((call(*arguments), None, None))
    # It is raised where the result is asked for.
    except BaseException as error:
      answer = _pickled(error)
    connection.send_bytes(answer)


def _pickled(error: BaseException) -> bytes:
  """Returns an error and its text; another error if this cannot be pickled."""
  where = traceback.format_exc()
  if isinstance(error, Exception):
    with contextlib.suppress(Exception):
      answer = pickle.dumps((None, error, where))
      pickle.loads(answer)
      return answer
  told = RuntimeError(f'{type(error).__name__}: {error}')
  return pickle.dumps((None, told, where))


class _CallError(Exception):
  """Tells where in the process an error was raised."""


@dataclasses.dataclass(frozen=True)
class Call:
  """A call that goes on beside this program."""

  _connection: connection_lib.Connection

  def result(self, timeout: Optional[float] = None) -> Any:
    """Waits for the call, so many seconds at most; may be asked for once.

    It waits without a lock, which an interruption could leave locked.
    """
    if not self._connection.poll(timeout):
      raise TimeoutError(f'The call did not end in {timeout:g} s.')
    try:
      value, error, where = pickle.loads(self._connection.recv_bytes())
    except (EOFError, OSError):
      raise RuntimeError(_ENDED) from None
    if error is not None:
      raise error from _CallError(where)
    return value


class CallingProcess:
  """Calls functions, one after another, in a process of its own.

  It is not forked, so it holds nothing of this program. Ctrl-C in a terminal
  reaches this program alone, which ends the process by `close`. The calls may
  start programs, but no processes of `multiprocessing`.

  Attributes:
    pid: The process's id.
  """

  def __init__(self, *, is_quiet: bool = False):
    """Starts the process; must be called in the main thread.

    Args:
      is_quiet: Whether what it writes to standard error is thrown away.
    """
    self._connection, theirs = multiprocessing.Pipe()
    self._process = multiprocessing.get_context('spawn').Process(
        target=_serve, args=(theirs, is_quiet), daemon=True
    )
    # Starting the process would start the tracker too, and the tracker's start
    # unblocks the signal that is blocked below.
    resource_tracker.ensure_running()
    # A blocked signal stays so in what is started.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
      self._process.start()
    finally:
      signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    # While this end is open, the process's end would give no end of file.
    theirs.close()
    self.pid = self._process.pid

  def submit(self, call: Callable[..., Any], *arguments: Any) -> Call:
    """Starts a call; its result must be asked for before a later one's."""
    try:
      self._connection.send((call, arguments))
    except OSError:
      raise RuntimeError(_ENDED) from None
    return Call(self._connection)

  def close(self) -> None:
    """Ends the process at once, and what it started, which would outlive it."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
      process = psutil.Process(self.pid)
      family = [*process.children(recursive=True), process]
    for each in family:
      with contextlib.suppress(psutil.NoSuchProcess):
        each.kill()
    self._process.join()
    self._connection.close()
