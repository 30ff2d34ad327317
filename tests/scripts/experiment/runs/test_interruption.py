import os
import signal
import sys
import threading
import time

import patience
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


def test_a_signal_that_does_not_end_a_wait_is_taken_soon():
  # As one that comes before the wait: noted, but the wait goes on.
  def send_to_this_thread():
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

  lock = threading.Lock()
  lock.acquire()
  timer = threading.Timer(0.1, send_to_this_thread)
  with pytest.raises(interruption.Interrupted):
    with interruption.handled_signals():
      timer.start()
      lock.acquire(timeout=patience.SECONDS)
      pytest.fail('waited to the end')
  timer.join()


def test_an_error_that_an_interruption_became_tells_of_it():
  def fail_in_locks():
    lock = threading.Lock()
    with interruption.handled_signals():
      try:
        _send(signal.SIGINT)
      finally:
        lock.release()

  with pytest.raises(RuntimeError, match='release unlocked') as error:
    fail_in_locks()
  behind = interruption.interruption_behind(error.value)
  assert behind.signal_number == signal.SIGINT
  assert interruption.interruption_behind(ValueError()) is None


@pytest.mark.parametrize('error', [OSError('disk full'), RuntimeError('worker')])
def test_another_error_after_an_interruption_is_told(error):
  with pytest.raises(type(error)) as raised:
    with interruption.handled_signals():
      try:
        _send(signal.SIGINT)
      finally:
        raise error
  assert interruption.interruption_behind(raised.value) is None


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
  def handlers():
    numbers = signal.SIGTERM, signal.SIGINT, signal.SIGURG
    # The file of notes is told only when another is set.
    file = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(file)
    return [*map(signal.getsignal, numbers), file]

  before = handlers()
  with interruption.handled_signals():
    assert all(map(lambda a, b: a != b, handlers(), before))
  assert handlers() == before
