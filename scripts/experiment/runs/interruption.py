"""Ctrl-C and SIGTERM, taken where nothing is half done.

A signal raises `Interrupted` in the main thread at once, in the middle of a
round if need be, but not within `uninterrupted()`: there it waits for the end
of the block, so that a checkpoint is written as a whole. One that comes in a
destructor or a callback, where Python ignores every error, is raised soon after.
"""

from collections.abc import Callable, Iterator
import contextlib
import functools
import signal
import sys
import threading
from typing import Any, Optional

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS_TO_NEXT_TRY = 0.02


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
  # By another thread and later, as here it would be ignored again.
  timer = threading.Timer(
      _SECONDS_TO_NEXT_TRY, _send_again, [error.signal_number]
  )
  timer.daemon = True
  timer.start()


@contextlib.contextmanager
def handled_signals() -> Iterator[None]:
  """Takes the signals in this block; must be entered in the main thread."""
  global _waiting_signal
  before = {number: signal.signal(number, _take) for number in _SIGNALS}
  hook = sys.unraisablehook
  sys.unraisablehook = functools.partial(_keep_signals, hook)
  try:
    yield
  finally:
    sys.unraisablehook = hook
    for number, handler in before.items():
      signal.signal(number, handler)
    # One that still waits, behind an error, is none of a later run's.
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
