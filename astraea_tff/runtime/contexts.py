"""Where TFF's computations run: on a local worker, or on several anywhere.

TFF runs computations in a process of its own, the worker. This module makes one
of these the default for all of TFF's computations:

  * `set_local_execution_context`: a worker on this machine
    (`astraea_tff.runtime.local_worker`);
  * `set_remote_execution_context`: workers started elsewhere, among which a
    round's mediators are divided (`astraea_tff.runtime.remote_workers`).

Programs of `tff.program` (`tff.learning.programs.train_model` is one) want a
federated context; `create_federated_context` returns one over the same workers.
Those who compose contexts themselves take `create_async_execution_context`.
"""

import atexit
from collections.abc import Sequence
import os
import threading
from typing import Optional, Union

import tensorflow_federated as tff

from astraea_tff.runtime import execution_context
from astraea_tff.runtime import local_worker
from astraea_tff.runtime import remote_workers

Worker = local_worker.Worker
RemoteWorkers = remote_workers.RemoteWorkers

_Workers = Union[Worker, RemoteWorkers]
# What a thread's default context runs on; TFF has a default for each thread.
_current: dict[threading.Thread, _Workers] = {}
# Workers of contexts made by `create_async_execution_context`.
_others: list[Worker] = []
# The process in which this module made its first connection.
_owner: Optional[int] = None


def set_local_execution_context(
    *,
    num_threads: Optional[int] = None,
    max_concurrent_calls: int = -1,
    startup_timeout: float = 60.0,
) -> Worker:
  """Makes a local worker TFF's default execution context, in this thread.

  The worker starts at once and comes up while the caller builds its model. A
  worker started by an earlier call in this thread is ended first. It answers to
  programs on this machine alone; where the system does not allow that, a
  warning says so. A call that is interrupted (Ctrl-C) ends the worker, and the
  next call starts it again.

  TFF has a default context for each thread, so every thread that computes calls
  this itself. In one that does not, TFF computes nothing ('No default context
  installed'), or, if it was imported there, on a worker of its own that answers
  to other machines too.

  Args:
    num_threads: How many TensorFlow operations may run at once in the worker,
      at least 1; each uses one thread. The number of usable cores by default.
    max_concurrent_calls: How many mediators (with FedAvg: clients) are trained
      at once; no limit if not positive. More of them need more memory.
    startup_timeout: Seconds within which the worker must answer.

  Returns:
    The worker.

  Raises:
    TypeError: If `num_threads` is not an int, or `startup_timeout` no number.
    ValueError: If `num_threads` or `startup_timeout` is not positive.
    RuntimeError: If TFF's wheel holds no worker binary, or in a process that
      was forked from one that runs TFF. An error in starting the worker shows
      when the first computation is called.
  """
  _refuse_forks()
  worker = Worker(
      num_threads=num_threads,
      max_concurrent_calls=max_concurrent_calls,
      startup_timeout=startup_timeout,
  )
  _stop_unused()
  worker.start()
  _current[threading.current_thread()] = worker
  tff.framework.set_default_context(
      execution_context.create_sync_context(worker.stub, worker.restart_later)
  )
  return worker


def set_remote_execution_context(
    addresses: Sequence[str], *, connection_timeout: float = 10.0
) -> RemoteWorkers:
  """Makes workers on this or other machines TFF's default execution context.

  A round's mediators are divided among the workers. If one is lost, its share
  is trained again on the others; see `astraea_tff.runtime.remote_workers`. The
  channel to a worker is neither encrypted nor authenticated:
  `docs/several_machines.md` says how to tunnel it.

  Args:
    addresses: A `host:port` for each worker (`astraea-worker` starts one).
    connection_timeout: Seconds within which a worker must answer, at first and
      after a lost connection.

  Returns:
    The workers.

  Raises:
    TypeError: If `addresses` is no sequence of strings, or
      `connection_timeout` no number.
    ValueError: If an argument is out of range or an address is given twice.
    RuntimeError: If a worker does not answer, or in a process that was forked
      from one that runs TFF.
  """
  _refuse_forks()
  workers = RemoteWorkers(addresses, connection_timeout=connection_timeout)
  _stop_unused()
  _current[threading.current_thread()] = workers
  tff.framework.set_default_context(workers)
  return workers


def create_federated_context() -> tff.program.NativeFederatedContext:
  """Returns a context for `tff.program` over the current worker or workers.

  For instance
  `tff.framework.set_default_context(astraea_tff.create_federated_context())`,
  after `set_local_execution_context` or `set_remote_execution_context`, as
  `tff.learning.programs.train_model` wants it. Computations that are called in
  it return references, which `tff.program.materialize_value` resolves.
  `tff.program.NativeFederatedContext` itself fails on mediators; see
  `astraea_tff.runtime.execution_context.FederatedContext`.

  Raises:
    RuntimeError: If neither was called before.
  """
  if not _current:
    raise RuntimeError(
        'Call set_local_execution_context() or set_remote_execution_context()'
        ' before create_federated_context().'
    )
  # Another thread's if this one has none: the one that was set last.
  workers = _current.get(
      threading.current_thread(), list(_current.values())[-1]
  )
  if isinstance(workers, Worker):
    context = execution_context.create_async_context(
        workers.stub, workers.restart_later
    )
  else:
    context = _create_async_context_of_all(workers)
  return execution_context.FederatedContext(context)


def create_async_execution_context(
    *,
    num_threads: Optional[int] = None,
    max_concurrent_calls: int = -1,
    startup_timeout: float = 60.0,
) -> tff.framework.AsyncContext:
  """Starts a local worker and returns an asynchronous context over it.

  The counterpart of
  `tff.backends.native.create_async_local_cpp_execution_context`, for instance
  for `tff.backends.native.set_mergeable_comp_execution_context`. Every call
  starts another worker; they end with the program, or by `stop_worker`.

  Args:
    num_threads: See `set_local_execution_context`.
    max_concurrent_calls: See `set_local_execution_context`.
    startup_timeout: See `set_local_execution_context`.

  Returns:
    The context.

  Raises:
    TypeError: If `num_threads` is not an int, or `startup_timeout` no number.
    ValueError: If `num_threads` or `startup_timeout` is not positive.
    RuntimeError: If TFF's wheel holds no worker binary, or in a process that
      was forked from one that runs TFF.
  """
  _refuse_forks()
  worker = Worker(
      num_threads=num_threads,
      max_concurrent_calls=max_concurrent_calls,
      startup_timeout=startup_timeout,
  )
  worker.start()
  _others.append(worker)
  return execution_context.create_async_context(
      worker.stub, worker.restart_later
  )


def stop_worker() -> None:
  """Ends all local workers and leaves remote ones. Runs by itself at exit."""
  for thread in list(_current):
    _stop_current(thread)
  while _others:
    _others.pop().stop()


def _stop_current(thread: threading.Thread) -> None:
  workers = _current.pop(thread, None)
  if isinstance(workers, Worker):
    workers.stop()
  elif workers is not None:
    workers.close()


def _stop_unused() -> None:
  """Ends what this thread had, and what threads had that are over."""
  for thread in list(_current):
    if thread is threading.current_thread() or not thread.is_alive():
      _stop_current(thread)


def _refuse_forks() -> None:
  """Raises a RuntimeError in a process that was forked from one with a worker.

  gRPC, once it is used, waits for ever in such a process.
  """
  global _owner
  if _owner is None:
    _owner = os.getpid()
  if _owner != os.getpid():
    raise RuntimeError(local_worker.FORKED)


def _create_async_context_of_all(
    workers: RemoteWorkers,
) -> tff.framework.AsyncContext:
  async def invoke(comp, arg):
    return workers.invoke(comp, arg)

  return execution_context.ThreadContext(
      lambda given_up: invoke, workers.give_up
  )


@atexit.register
def _end() -> None:
  """Leaves nothing behind at exit, and nothing that TFF complains of.

  The context that TFF makes when it is imported prints an exception if it is
  still there when Python takes its modules down, so it is replaced in time.
  """
  stop_worker()

  def no_worker():
    raise RuntimeError('The program is ending.')

  tff.framework.set_default_context(
      execution_context.create_sync_context(no_worker)
  )
