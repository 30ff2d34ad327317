"""The workers: that they run, fail clearly at the start, and end."""

import gc
import os
import pathlib
import signal
import sys
import textwrap
import threading
import time

import forked_program
import patience
import psutil
import pytest

from astraea_tff import runtime
from astraea_tff.runtime import contexts
from astraea_tff.runtime import execution_context
from astraea_tff.runtime import local_worker

# Starts the worker, computes 1 + 2 in it, prints its process id and ends in the
# way the test says.
_PROGRAM = """
import os, signal, sys, time
# Shells start what runs in the background with Ctrl-C ignored, these tests too.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np
import tensorflow_federated as tff
from astraea_tff import runtime

worker = runtime.set_local_execution_context(startup_timeout=600.0)

@tff.tensorflow.computation(np.int32)
def add_two(x):
  return x + 2

assert add_two(1) == 3
print(worker.pid, flush=True)
{ending}
"""


_programs = []


@pytest.fixture(autouse=True)
def no_program_outlives_its_test():
  yield
  while _programs:
    _programs.pop().kill()


def run_program(ending):
  """Runs a program piped, as `program | cat` would; returns it, and the pid."""
  program = forked_program.start(
      _PROGRAM.format(ending=textwrap.dedent(ending))
  )
  _programs.append(program)
  return program, int(program.stdout.readline())


def build_worker(**kwargs):
  return runtime.Worker(startup_timeout=patience.SECONDS, **kwargs)


def wait_until_gone(pid):
  deadline = time.monotonic() + patience.SECONDS
  while psutil.pid_exists(pid) and time.monotonic() < deadline:
    try:
      if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
        return True
    except psutil.NoSuchProcess:
      return True
    time.sleep(0.05)
  return not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    'ending, exit_code',
    [
        ('', 0),
        ('sys.exit(3)', 3),
        ('raise KeyError("lost")', 1),
    ],
)
def test_worker_ends_with_the_program_and_the_pipe_closes(ending, exit_code):
  program, pid = run_program(ending)
  _, errors = program.communicate(patience.SECONDS)
  assert program.returncode == exit_code
  assert wait_until_gone(pid)
  assert 'Exception ignored' not in errors


@pytest.mark.parametrize(
    'signal_number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
)
def test_worker_ends_when_the_program_is_signalled(signal_number):
  program, pid = run_program('time.sleep(10**6)')
  program.send_signal(signal_number)
  program.communicate(patience.SECONDS)
  assert wait_until_gone(pid)


def test_worker_started_in_a_short_lived_thread_lives_on():
  """The death signal is bound to a thread; it must not be the caller's."""
  worker = build_worker(num_threads=1)
  thread = threading.Thread(target=worker.start)
  thread.start()
  thread.join()
  assert worker.stub().is_ready
  pid = worker.pid
  worker.stop()
  assert worker.pid is None
  assert wait_until_gone(pid)


def test_threads_reach_the_worker():
  worker = build_worker(num_threads=3)
  worker.stub()
  environment = psutil.Process(worker.pid).environ()
  worker.stop()
  assert environment['TF_NUM_INTEROP_THREADS'] == '3'
  assert environment['TF_NUM_INTRAOP_THREADS'] == '1'


def test_what_the_environment_says_comes_before_our_defaults(monkeypatch):
  monkeypatch.setenv('TF_ENABLE_ONEDNN_OPTS', '0')
  monkeypatch.delenv('TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE', raising=False)
  monkeypatch.delenv('MALLOC_ARENA_MAX', raising=False)
  monkeypatch.setenv('TF_NUM_INTEROP_THREADS', '7')
  worker = build_worker(num_threads=2)
  worker.stub()
  environment = psutil.Process(worker.pid).environ()
  worker.stop()
  assert environment['TF_ENABLE_ONEDNN_OPTS'] == '0'
  assert environment['TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE'] == '0'
  assert environment['MALLOC_ARENA_MAX'] == '3'
  # Threads are an argument.
  assert environment['TF_NUM_INTEROP_THREADS'] == '2'


def fake_binary(path, script):
  path.write_text(f'#!{sys.executable}\n{script}\n')
  path.chmod(0o755)
  return path


def test_worker_that_cannot_start_is_an_error_with_its_output(
    monkeypatch, tmp_path
):
  binary = fake_binary(
      tmp_path / 'worker_binary', 'import sys; sys.exit("no such library")'
  )
  monkeypatch.setattr(local_worker, '_WORKER_BINARY', binary)
  worker = build_worker(num_threads=1)
  with pytest.raises(RuntimeError, match='exit code 1.*\n*no such library'):
    worker.stub()


def test_worker_that_does_not_answer_is_an_error_within_the_timeout(
    monkeypatch, tmp_path
):
  binary = fake_binary(
      tmp_path / 'worker_binary', 'import time; time.sleep(10**6)'
  )
  monkeypatch.setattr(local_worker, '_WORKER_BINARY', binary)
  worker = runtime.Worker(
      num_threads=1, max_concurrent_calls=-1, startup_timeout=0.5
  )
  with pytest.raises(RuntimeError, match='within `startup_timeout` = 0.5 s'):
    worker.stub()
  assert worker.pid is None


def test_worker_that_keeps_dying_is_started_a_few_times_only(
    monkeypatch, tmp_path
):
  binary = fake_binary(tmp_path / 'worker_binary', 'pass')
  monkeypatch.setattr(local_worker, '_WORKER_BINARY', binary)
  worker = build_worker(num_threads=1)
  with pytest.raises(RuntimeError, match='ended unexpectedly'):
    for _ in range(10):
      worker.start()
      wait_until_gone(worker._process.pid)


def test_bad_arguments_are_refused_by_name(monkeypatch):
  with pytest.raises(ValueError, match='`num_threads` must be at least 1'):
    runtime.set_local_execution_context(num_threads=0)
  with pytest.raises(ValueError, match=r'`startup_timeout` must be in \(0, inf'):
    runtime.set_local_execution_context(startup_timeout=0.0)
  monkeypatch.setattr(local_worker, '_WORKER_BINARY', pathlib.Path('/nowhere'))
  with pytest.raises(RuntimeError, match='no worker at /nowhere'):
    runtime.set_local_execution_context()


# The same through each of the asynchronous contexts; prints the workers' ids.
_ASYNCHRONOUS_PROGRAMS = {
    'federated': """
async def compute():
  return await tff.program.materialize_value(add_two(1))

tff.framework.set_default_context(runtime.create_federated_context())
assert asyncio.run(compute()) == 3
""",
    'mergeable': """
tff.backends.native.set_mergeable_comp_execution_context(
    [runtime.create_async_execution_context(num_threads=1) for _ in range(2)]
)
assert add_two(1) == 3
""",
}
_ASYNCHRONOUS_ENDING = """
import asyncio, psutil
{body}
children = psutil.Process().children(recursive=True)
print(*(child.pid for child in children), flush=True)
{ending}
"""


@pytest.mark.parametrize(
    'ending', ['', 'raise KeyError()', 'time.sleep(10**6)']
)
@pytest.mark.parametrize('context', sorted(_ASYNCHRONOUS_PROGRAMS))
def test_workers_of_asynchronous_contexts_end_too(context, ending):
  program, first = run_program(
      _ASYNCHRONOUS_ENDING.format(
          body=_ASYNCHRONOUS_PROGRAMS[context], ending=ending
      )
  )
  pids = [int(pid) for pid in program.stdout.readline().split()]
  assert first in pids
  assert len(pids) == (1 if context == 'federated' else 3)
  if 'sleep' in ending:
    program.kill()
  _, errors = program.communicate(patience.SECONDS)
  assert all(wait_until_gone(pid) for pid in pids)
  assert 'Exception ignored' not in errors


def test_interrupted_round_ends_the_program_and_the_worker():
  """Ctrl-C while the worker computes, in the context of train_model."""
  program, pid = run_program("""
      import asyncio
      import tensorflow as tf

      @tff.tensorflow.computation(np.int32)
      def loop(x):
        return tf.while_loop(
            lambda i: i >= 0, lambda i: tf.math.floormod(i + 1, 1000), [x]
        )[0]

      async def compute():
        print('ready', flush=True)
        return await tff.program.materialize_value(loop(1))

      tff.framework.set_default_context(runtime.create_federated_context())
      asyncio.run(compute())
  """)
  assert program.stdout.readline() == 'ready\n'
  busy = psutil.Process(pid)
  before = busy.cpu_times().user
  while busy.cpu_times().user < before + 0.3:
    time.sleep(0.05)
  program.send_signal(signal.SIGINT)
  _, errors = program.communicate(patience.SECONDS)
  assert 'KeyboardInterrupt' in errors
  assert 'Exception ignored' not in errors
  assert wait_until_gone(pid)


def test_a_context_that_is_dropped_leaves_no_thread_and_no_file():
  def stub():
    raise RuntimeError('There is no worker.')

  # What earlier tests have left may end meanwhile, so that the contexts'
  # threads are told from all others.
  before, files = set(threading.enumerate()), psutil.Process().num_fds()
  kept = [execution_context.create_sync_context(stub) for _ in range(5)]
  kept.append(execution_context.create_async_context(stub))
  kept[-1].give_up()
  threads = set(threading.enumerate()) - before
  assert len(threads) >= 6
  del kept
  gc.collect()
  deadline = time.monotonic() + patience.SECONDS
  while time.monotonic() < deadline and (
      any(thread.is_alive() for thread in threads)
      or psutil.Process().num_fds() > files
  ):
    time.sleep(0.01)
  assert not any(thread.is_alive() for thread in threads)
  assert psutil.Process().num_fds() <= files


def test_federated_context_needs_a_worker(monkeypatch):
  monkeypatch.setattr(contexts, '_current', None)
  with pytest.raises(RuntimeError, match='Call set_local_execution_context'):
    runtime.create_federated_context()


def test_stopped_worker_is_not_started_again():
  worker = build_worker(num_threads=1)
  worker.start()
  pid = worker.pid
  worker.stop()
  with pytest.raises(RuntimeError, match='has been stopped'):
    worker.stub()
  assert wait_until_gone(pid)


def test_threads_are_the_usable_cores_by_default():
  worker = build_worker()
  worker.stub()
  environment = psutil.Process(worker.pid).environ()
  worker.stop()
  cores = len(os.sched_getaffinity(0))
  assert environment['TF_NUM_INTEROP_THREADS'] == str(cores)


def test_exit_without_a_computation_is_silent():
  program = forked_program.run(
      patience.SECONDS,
      code=f'{forked_program.FORGET_OUR_MODULES}'
      'from astraea_tff import runtime',
  )
  assert program.returncode == 0, program.stderr
  assert 'Exception ignored' not in program.stderr
