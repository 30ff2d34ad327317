"""A process of its own that calls functions, and ends with this program."""

from collections.abc import Callable
from concurrent import futures
import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from typing import Any

import psutil
import tqdm

_PR_SET_PDEATHSIG = 1


def _begin(is_quiet: bool) -> None:
  """Makes the kernel end this process with its parent, however that ends."""
  ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
  if not multiprocessing.parent_process().is_alive():
    os._exit(1)  # The parent ended before.
  # Bars would lock with a semaphore of all processes, which stays of one that is
  # killed.
  tqdm.tqdm.set_lock(threading.RLock())
  if is_quiet:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


class ChildProcess:
  """Calls functions, one after another, in a process of its own.

  It is not forked, so it holds nothing of this program. Ctrl-C in a terminal
  reaches this program alone, which ends the process by `close`.

  Attributes:
    pid: Of the process.
  """

  def __init__(self, *, is_quiet: bool = False):
    """Starts the process; must be called in the main thread.

    Args:
      is_quiet: Whether what it writes to standard error is thrown away.
    """
    self._pool = futures.ProcessPoolExecutor(
        1, multiprocessing.get_context('spawn'), _begin, (is_quiet,)
    )
    before = set(multiprocessing.active_children())
    # A blocked signal stays so in what is started.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
      self._pool.submit(os.getpid)
    finally:
      signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    (process,) = set(multiprocessing.active_children()) - before
    self.pid = process.pid

  def submit(self, call: Callable[..., Any], *arguments: Any) -> futures.Future:
    """Calls a function, which goes on beside this program."""
    return self._pool.submit(call, *arguments)

  def close(self) -> None:
    """Ends the process at once, and what it started, which would outlive it."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
      process = psutil.Process(self.pid)
      family = [*process.children(recursive=True), process]
    for each in family:
      with contextlib.suppress(psutil.NoSuchProcess):
        each.kill()
    self._pool.shutdown()
