"""Ctrl-C and SIGTERM, taken where nothing is half done.

A signal raises `Interrupted` in the main thread at once, in the middle of a
round if need be, but not within `uninterrupted()`: there it waits for the end
of the block, so that a checkpoint is written as a whole.
"""

from collections.abc import Iterator
import contextlib
import signal
from typing import Optional

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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


@contextlib.contextmanager
def handled_signals() -> Iterator[None]:
  """Takes the signals in this block; must be entered in the main thread."""
  global _waiting_signal
  before = {number: signal.signal(number, _take) for number in _SIGNALS}
  try:
    yield
  finally:
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
