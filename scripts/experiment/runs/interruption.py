"""Ctrl-C and SIGTERM, taken where nothing is half done.

A signal raises `Interrupted` in the main thread at once, in the middle of a
round if need be, but not within `uninterrupted()`: there it waits for the end
of the block, so that a checkpoint is written as a whole. One that comes in a
destructor or a callback, where Python ignores every error, is raised soon
after. So is one that comes just before the main thread waits for something.
"""

from collections.abc import Callable, Iterator
import contextlib
import functools
import os
import re
import signal
import sys
import threading
import time
from typing import Any, Optional

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS_TO_NEXT_TRY = 0.02
# Ends a wait of the main thread for a moment, and nothing else.
_WAKING_SIGNAL = signal.SIGURG
_SECONDS_TO_WAKING = (0.02, 0.2, 2)
_OF_LOCKS = re.compile('(un-acquired|unlocked) lock')


class Interrupted(KeyboardInterrupt):
  """A signal asked the program to end.

  Attributes:
    signal_number: Which.
  """

  def __init__(self, signal_number: int):
    super().__init__(f'{signal.Signals(signal_number).name}')
    self.signal_number = signal_number


_num_blocks = 0
_waiting_signal: Optional[int] = None


def _take(signal_number, frame) -> None:
  del frame
  global _waiting_signal
  if _num_blocks:
    _waiting_signal = signal_number
  else:
    raise Interrupted(signal_number)


def _send_again(signal_number: int) -> None:
  if signal.getsignal(signal_number) is _take:
    signal.pthread_kill(threading.main_thread().ident, signal_number)


def _keep_signals(hook: Callable[[Any], None], unraisable: Any) -> None:
  """Sends a signal again that Python ignored; other errors go to the hook."""
  error = unraisable.exc_value
  if not isinstance(error, Interrupted):
    hook(unraisable)
    return
  # Another thread sends it later, as it would be ignored again here.
  timer = threading.Timer(
      _SECONDS_TO_NEXT_TRY, _send_again, [error.signal_number]
  )
  timer.daemon = True
  timer.start()


def _wake_main_thread(noted_signals: int) -> None:
  """Makes the main thread look again for each signal that Python has noted."""
  with open(noted_signals, 'rb', buffering=0) as numbers:
    while number := numbers.read(1):
      if number[0] in _SIGNALS:
        for seconds in _SECONDS_TO_WAKING:
          time.sleep(seconds)
          signal.pthread_kill(threading.main_thread().ident, _WAKING_SIGNAL)


@contextlib.contextmanager
def _waits_that_signals_end() -> Iterator[None]:
  """Lets a signal end a wait that begins just after it came.

  Python notes a signal, and handles it when the main thread looks next. A
  signal that comes between the last look and a wait would be handled when the
  wait ends.
  """
  noted_signals, write_end = os.pipe()
  os.set_blocking(write_end, False)
  threading.Thread(
      target=_wake_main_thread, args=(noted_signals,), daemon=True
  ).start()
  handler = signal.signal(_WAKING_SIGNAL, lambda number, frame: None)
  file = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
  try:
    yield
  finally:
    signal.set_wakeup_fd(file)
    signal.signal(_WAKING_SIGNAL, handler)
    # Closing the pipe ends the thread.
    os.close(write_end)


def interruption_behind(error: BaseException) -> Optional[Interrupted]:
  """Returns what interrupted the program, if an error came of that.

  One that is raised between two steps of Python's own locks becomes an error of
  these on its way.
  """
  is_of_locks = (
      isinstance(error, RuntimeError) and _OF_LOCKS.search(str(error))
  )
  behind = error
  while is_of_locks and not isinstance(behind, (Interrupted, type(None))):
    behind = behind.__context__
  return behind if isinstance(behind, Interrupted) else None


@contextlib.contextmanager
def handled_signals() -> Iterator[None]:
  """Takes the signals in this block; must be entered in the main thread."""
  global _waiting_signal
  before = {number: signal.signal(number, _take) for number in _SIGNALS}
  hook = sys.unraisablehook
  sys.unraisablehook = functools.partial(_keep_signals, hook)
  try:
    with _waits_that_signals_end():
      yield
  finally:
    sys.unraisablehook = hook
    for number, handler in before.items():
      signal.signal(number, handler)
    # A signal that still waits behind an error does not belong to a later run.
    _waiting_signal = None


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
  """Lets signals wait until the block has ended.

  Raises:
    Interrupted: At the end of the block, if a signal came.
  """
  global _num_blocks, _waiting_signal
  _num_blocks += 1
  try:
    yield
  finally:
    _num_blocks -= 1
  if not _num_blocks and _waiting_signal is not None:
    signal_number, _waiting_signal = _waiting_signal, None
    raise Interrupted(signal_number)
