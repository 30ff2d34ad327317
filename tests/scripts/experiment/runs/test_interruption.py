import os
import signal
import sys
import time

import pytest

from experiment.runs import interruption


def _send(signal_number):
  os.kill(os.getpid(), signal_number)


@pytest.mark.parametrize('signal_number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_at_once(signal_number):
  with pytest.raises(interruption.Interrupted) as interrupted:
    with interruption.handled_signals():
      _send(signal_number)
      pytest.fail('went on')
  assert interrupted.value.signal_number == signal_number
  assert str(interrupted.value) == signal_number.name


def test_a_signal_waits_for_the_end_of_an_uninterrupted_block():
  done = []
  with pytest.raises(interruption.Interrupted):
    with interruption.handled_signals():
      with interruption.uninterrupted():
        with interruption.uninterrupted():
          _send(signal.SIGTERM)
          done.append('inner')
        done.append('outer')
      pytest.fail('went on')
  assert done == ['inner', 'outer']


def test_a_signal_that_python_ignores_comes_again():
  class Object:
    def __del__(self):
      _send(signal.SIGTERM)
      time.sleep(0)

  with pytest.raises(interruption.Interrupted):
    with interruption.handled_signals():
      Object()
      time.sleep(10)
      pytest.fail('went on')


def test_other_errors_that_python_ignores_are_still_told(monkeypatch):
  class Object:
    def __del__(self):
      raise ValueError('wrong')

  told = []
  monkeypatch.setattr(sys, 'unraisablehook', lambda u: told.append(u.exc_value))
  with interruption.handled_signals():
    Object()
  assert [str(error) for error in told] == ['wrong']


def test_an_error_in_an_uninterrupted_block_comes_first():
  with interruption.handled_signals():
    with pytest.raises(ValueError, match='wrong'):
      with interruption.uninterrupted():
        raise ValueError('wrong')
    with interruption.uninterrupted():
      pass


def test_a_signal_before_an_error_does_not_reach_a_later_run():
  with pytest.raises(OSError, match='disk full'):
    with interruption.handled_signals():
      with interruption.uninterrupted():
        _send(signal.SIGTERM)
        raise OSError('disk full')
  with interruption.handled_signals():
    with interruption.uninterrupted():
      pass


def test_handlers_are_put_back():
  before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
  with interruption.handled_signals():
    assert signal.getsignal(signal.SIGTERM) is not before[0]
  after = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
  assert after == before
