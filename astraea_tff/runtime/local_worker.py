"""TFF's `worker_binary` as a child process that surely ends.

As TFF starts the binary, it inherits the parent's standard output and outlives
the parent, so that `python train.py | tee log` never ends; its start-up loop
has no timeout; and it runs with TensorFlow's default threads, which slow down
rounds of small models. Here the same binary gets

  * its output in a temporary file, never in the parent's pipe,
  * threads chosen from the machine: one thread an operation, as many operations
    at once as there are cores, so that concurrent mediators share the cores,
  * an end: on exit, on an exception, on Ctrl-C, and, by a parent-death signal,
    when the parent is killed,
  * a start-up timeout, and an error that shows what the worker said,
  * a port of its own, at which it answers to callers on this machine alone.

Whatever TFF does not export belongs in this module. At present that is one
thing: where the wheel keeps the binary.
"""

import os
import pathlib
import socket
import threading
import time
from typing import Optional

from absl import logging
import grpc
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.runtime import child_process
from astraea_tff.runtime import lean_stub
from astraea_tff.runtime import loopback_guard

_WORKER_BINARY = pathlib.Path(tff.__file__).parent / 'data' / 'worker_binary'
_RELAY = pathlib.Path(__file__).with_name('worker_relay.py')
_MAX_MESSAGE_BYTES = 2 * 1000**3
CHANNEL_OPTIONS = (
    ('grpc.max_message_length', _MAX_MESSAGE_BYTES),
    ('grpc.max_receive_message_length', _MAX_MESSAGE_BYTES),
    ('grpc.max_send_message_length', _MAX_MESSAGE_BYTES),
    # A proxy that the environment names would be asked for the way to a worker.
    ('grpc.enable_http_proxy', 0),
)
# For how long to try a connection. A worker that listens is there at once; one
# that has died leaves a port that is kept for it, where nobody answers.
_ATTEMPT = ('grpc.min_reconnect_backoff_ms', 2_000)
# A worker that dies again and again (out of memory, as a rule) must not be
# started for ever: TFF itself retries a lost connection without limit.
_MAX_STARTS = 4

EXPOSED = (
    "This system does not let TFF's worker at port %d be closed to other"
    ' machines: whoever reaches it reads and writes files with your rights.'
    ' Keep others out by a firewall, or run where nobody else is on the'
    ' network.'
)
FORKED = (
    'This process was forked from one that runs TFF, which does not survive it:'
    ' compute in the parent, or start processes by the method "spawn"'
    ' (multiprocessing.get_context("spawn")).'
)


class Worker:
  """TFF's `worker_binary` as a child process that cannot outlive its parent."""

  def __init__(
      self,
      *,
      num_threads: Optional[int] = None,
      max_concurrent_calls: int = -1,
      startup_timeout: float = 60.0,
      port: Optional[int] = None,
      listener: Optional[socket.socket] = None,
  ):
    """Prepares a worker; `start` starts it.

    Args:
      num_threads: How many TensorFlow operations may run at once in the worker,
        at least 1; each uses one thread. The number of usable cores by default.
      max_concurrent_calls: How many mediators (with FedAvg: clients) are
        trained at once; no limit if not positive. More need more memory.
      startup_timeout: Seconds within which the worker must answer.
      port: If given, the worker listens at this port on all of the machine's
        addresses, as TFF's worker does by itself. By default it listens at a
        free port, to callers on this machine.
      listener: If given, the worker listens on this socket alone: it runs in a
        network of its own and is reached through a relay (`worker_relay`).

    Raises:
      TypeError: If `num_threads` is not an int, or `startup_timeout` no number.
      ValueError: If `num_threads` or `startup_timeout` is not positive.
      RuntimeError: If TFF's wheel holds no worker binary.
    """
    if num_threads is None:
      num_threads = len(os.sched_getaffinity(0))
    arguments.check_integer(num_threads, '`num_threads`', 1)
    arguments.check_number(
        startup_timeout, '`startup_timeout`', 0, ends='(]',
        advice='it is in seconds',
    )
    if not _WORKER_BINARY.is_file():
      raise RuntimeError(
          f'TFF has no worker at {_WORKER_BINARY}; install'
          ' tensorflow-federated 0.87 from its Linux x86-64 wheel.'
      )
    defaults = {
        # `docs/performance.md` has what each of these settings saves.
        # oneDNN is on by default in TensorFlow's wheel, off in TFF's worker.
        'TF_ENABLE_ONEDNN_OPTS': '1',
        # oneDNN would otherwise prepare every convolution's gradients anew in
        # every step.
        'TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE': '0',
        'TF_CPP_MIN_LOG_LEVEL': '1',
        # By default glibc's malloc gives the threads that come and go up to 8
        # arenas a core, and each keeps what was freed in it, so the worker
        # grows with the rounds. With one arena chains that run at once wait for
        # one another; one more than there are threads is enough.
        'MALLOC_ARENA_MAX': str(num_threads + 1),
        # Lists of small free chunks would be emptied whenever a large chunk is
        # freed. Without them memory stays in one piece.
        'GLIBC_TUNABLES': 'glibc.malloc.mxfast=0',
    }
    self._environment = {
        **defaults,
        **os.environ,
        'TF_NUM_INTRAOP_THREADS': '1',
        'TF_NUM_INTEROP_THREADS': str(num_threads),
    }
    self._max_concurrent_calls = max_concurrent_calls
    self._startup_timeout = startup_timeout
    self._port = port
    self._listener = listener
    self._lock = threading.Lock()
    self._owner = os.getpid()
    self._guard = None
    self._target = None
    self._process = None
    self._stub = None
    self._num_starts = 0
    self._is_stopped = False

  @property
  def pid(self) -> Optional[int]:
    """The worker's process id, or None when it is not running."""
    if self._owner != os.getpid():
      return None  # A forked process has no children yet.
    if self._process is None or not self._process.is_running:
      return None
    return self._process.pid

  def start(self) -> None:
    """Starts the process, unless it runs already; does not wait for it.

    Raises:
      RuntimeError: If the worker was stopped, or has ended unexpectedly too
        often.
    """
    with self._lock:
      if self._is_stopped:
        # A call under way when the program ended would start it once more.
        raise RuntimeError('The TFF worker has been stopped.')
      if self.pid is not None:
        return
      if self._num_starts == _MAX_STARTS:
        raise RuntimeError(
            f'The TFF worker ended unexpectedly {_MAX_STARTS} times, most'
            ' likely for want of memory: use fewer concurrent mediators'
            f' (`max_concurrent_calls`) or smaller ones. {self.last_words()}'
        )
      self._num_starts += 1
      self._stub = None
      self._process = child_process.ChildProcess(*self._prepare_launch())

  def _prepare_launch(
      self,
  ) -> tuple[list[str], dict[str, str], tuple[int, ...]]:
    """Decides where the worker listens; returns what `ChildProcess` takes."""
    limit = self._max_concurrent_calls
    command = [
        str(_WORKER_BINARY), f'--max_concurrent_computation_calls={limit}'
    ]
    if self._listener is not None:
      host, port = self._listener.getsockname()[:2]
      self._target = f'[{host}]:{port}' if ':' in host else f'{host}:{port}'
      listener = self._listener.fileno()
      # The relay runs the worker in a network of its own.
      relay = [str(_RELAY), str(os.getpid()), str(listener), *command]
      return relay, self._environment, (listener,)
    port, inherited = self._port, ()
    if port is None:
      self._close_guard()
      self._guard = loopback_guard.Guard()
      port, inherited = self._guard.port, (self._guard.fileno(),)
    self._target = f'127.0.0.1:{port}'
    command.append(f'--port={port}')
    return child_process.becoming(command), self._environment, inherited

  def stub(self) -> lean_stub.Stub:
    """Returns a connection to the running worker; starts the worker if need be.

    Raises:
      RuntimeError: If the worker was stopped, ends before it answers, does not
        answer within the start-up timeout, or has ended unexpectedly too often;
        if another program answers in its place; or in a forked process.
    """
    if self._owner != os.getpid():
      raise RuntimeError(FORKED)
    self.start()
    deadline = time.monotonic() + self._startup_timeout
    while not self._is_ready():
      if self.pid is None:
        raise RuntimeError(
            f'The TFF worker {_WORKER_BINARY} ended with exit code'
            f' {self._process.wait()} while starting. {self.last_words()}'
        )
      if time.monotonic() > deadline:
        self._kill()
        raise RuntimeError(
            'The TFF worker did not answer within `startup_timeout` ='
            f' {self._startup_timeout:g} s; give it longer, or see whether'
            f' {_WORKER_BINARY} can run on this machine. {self.last_words()}'
        )
      time.sleep(0.01)
    return self._stub

  def _is_ready(self) -> bool:
    """Whether the worker answers; connects to it once it listens."""
    with self._lock:
      if self._stub is None:
        if not self._is_listening():
          return False
        self._stub = lean_stub.Stub(
            grpc.insecure_channel(self._target, (*CHANNEL_OPTIONS, _ATTEMPT))
        )
      return self._stub.is_ready

  def _is_listening(self) -> bool:
    if self._listener is not None or self.pid is None:
      return self._listener is not None
    try:
      if self._guard is None:
        return loopback_guard.is_served_by(self._port, self.pid)
      is_listening = self._guard.is_served_by(self.pid)
    except RuntimeError:
      self._kill()
      raise
    if is_listening and not self._guard.is_closed_to_others:
      logging.warning(EXPOSED, self._guard.port)
    return is_listening

  def restart_later(self) -> None:
    """Ends the process, with what it computes; `stub` starts it again."""
    if self._owner == os.getpid():
      with self._lock:
        self._kill()
        self._num_starts = 0

  def wait(self) -> int:
    """Waits until the process ends; returns its exit code."""
    return self._process.wait()

  def stop(self) -> None:
    """Ends the process for good and waits until it is gone."""
    if self._owner != os.getpid():
      return  # It is the parent's.
    with self._lock:
      self._is_stopped = True
      self._kill()
      self._close_guard()

  def _close_guard(self) -> None:
    if self._guard is not None:
      self._guard.close()
      self._guard = None

  def _kill(self) -> None:
    if self._process is not None:
      self._process.kill()

  def last_words(self) -> str:
    """Returns a sentence with the end of what the worker printed."""
    return '' if self._process is None else self._process.last_words()
