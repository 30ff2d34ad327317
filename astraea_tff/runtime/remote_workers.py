"""One computation over several of TFF's workers, some of which may be lost.

TFF's mergeable execution context splits a round's mediators among workers,
lets each train and sum its share, and merges the sums. On its own it fails, or
waits without end, when a worker goes. Here a share whose worker is lost is
trained again on one of the others; the shares that are finished stay as they
are. A share that every worker was lost with is given up. A worker that answers
again is used again from the next call on.
"""

from collections.abc import Sequence
import contextvars
import functools
import os
import threading
from typing import Any, Optional

from absl import logging
import grpc
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.runtime import execution_context
from astraea_tff.runtime import lean_stub
from astraea_tff.runtime import local_worker

# A machine that vanishes without closing its connections is noticed by a ping
# that is not answered. gRPC servers hang up on those who ping more often than
# every five minutes.
_CHANNEL_OPTIONS = local_worker.CHANNEL_OPTIONS + (
    ('grpc.keepalive_time_ms', 310_000),
    ('grpc.keepalive_timeout_ms', 20_000),
    ('grpc.http2.max_pings_without_data', 0),
    ('grpc.max_reconnect_backoff_ms', 5_000),
)
# How often a share may connect to one worker. A worker that something starts
# again whenever it ends would otherwise get what ends it for ever.
_MAX_CONNECTIONS = 3
# How often the call under way has connected: a list of one number.
_num_connections = contextvars.ContextVar('num_connections', default=None)

# Compiles for any number of shares; it is kept when that number changes.
_compile = functools.lru_cache(maxsize=128)(
    tff.backends.native.compile_to_mergeable_comp_form
)


class WorkerLostError(RuntimeError):
  """A worker does not answer any more."""


class RemoteWorker:
  """A connection to one worker that somebody else started."""

  def __init__(self, address: str, connection_timeout: float):
    self.address = address
    self.num_calls = 0
    self._connection_timeout = connection_timeout
    # How long one attempt may take, 20 s without it.
    attempt = ('grpc.min_reconnect_backoff_ms', int(1000 * connection_timeout))
    self._channel = grpc.insecure_channel(
        address, (*_CHANNEL_OPTIONS, attempt)
    )
    self._stub = lean_stub.Stub(self._channel)
    self._ready = grpc.channel_ready_future(self._channel)
    self._context = execution_context.create_async_context(self.stub)

  def stub(self) -> lean_stub.Stub:
    """Returns the connection once the worker answers.

    TFF asks for it at the first call and whenever a call has failed for want of
    a connection, which ends TFF's otherwise endless retries.

    Raises:
      WorkerLostError: If it does not answer within the connection timeout, or
        was lost too often in one call.
    """
    count = _num_connections.get()
    if count is not None:
      count[0] += 1
      if count[0] > _MAX_CONNECTIONS:
        raise WorkerLostError(
            f'The TFF worker {self.address} was lost {_MAX_CONNECTIONS} times'
            ' with one share of a round.'
        )
    ready = grpc.channel_ready_future(self._channel)
    try:
      ready.result(timeout=self._connection_timeout)
    except grpc.FutureTimeoutError:
      ready.cancel()
      raise WorkerLostError(
          f'The TFF worker {self.address} did not answer within'
          f' `connection_timeout` = {self._connection_timeout:g} s.'
      ) from None
    self._ready.cancel()
    self._ready = ready
    return self._stub

  @property
  def is_alive(self) -> bool:
    """Whether the worker has answered since it was last lost."""
    return self._ready.done()

  def mark_lost(self) -> None:
    """Notes that the worker is gone, and goes on trying to reach it."""
    self._ready.cancel()
    self._ready = grpc.channel_ready_future(self._channel)

  async def invoke(self, comp: Any, arg: Any) -> Any:
    """Computes `comp(arg)` on this worker."""
    self.num_calls += 1
    # What TFF does for this call runs in a copy of this call's context.
    token = _num_connections.set([0])
    try:
      return await self._context.invoke(comp, arg)
    finally:
      _num_connections.reset(token)
      self.num_calls -= 1

  def give_up(self) -> None:
    """Leaves the calls under way."""
    self._context.give_up()

  def close(self) -> None:
    """Stops trying to reach the worker.

    The channel ends with the program: gRPC does not let one be closed from
    under TFF, which watches its state.
    """
    self._ready.cancel()


class _AnyWorkerContext(tff.framework.AsyncContext):
  """Computes on the least busy worker, and on another if that one is lost."""

  def __init__(self, workers: Sequence[RemoteWorker]):
    self._workers = workers

  async def invoke(self, comp: Any, arg: Any) -> Any:
    untried = list(self._workers)
    while True:
      alive = [worker for worker in untried if worker.is_alive]
      if not alive:
        raise RuntimeError(
            'No TFF worker is left of'
            f' {", ".join(worker.address for worker in self._workers)} that has'
            ' not been lost with this share of the round. If they ended for'
            ' want of memory, give a worker fewer mediators at once'
            ' (--max_concurrent_calls).'
        )
      worker = min(alive, key=lambda worker: worker.num_calls)
      try:
        return await worker.invoke(comp, arg)
      except WorkerLostError as error:
        worker.mark_lost()
        untried.remove(worker)
        if len(alive) > 1:
          logging.warning(
              '%s Its share is computed again elsewhere; workers left: %d.',
              error,
              len(alive) - 1,
          )


class RemoteWorkers(tff.framework.SyncContext):
  """TFF's mergeable execution context over the workers that are alive."""

  def __init__(self, addresses: Sequence[str], *, connection_timeout: float):
    """Connects to the workers.

    Args:
      addresses: A `host:port` for each worker, at least one.
      connection_timeout: Seconds within which a worker must answer, at first
        and after a lost connection.

    Raises:
      TypeError: If `addresses` is no sequence of strings, or
        `connection_timeout` no number.
      ValueError: If an argument is out of range or an address is given twice.
      RuntimeError: If a worker does not answer.
    """
    addresses = _check_addresses(addresses)
    arguments.check_number(
        connection_timeout, '`connection_timeout`', 0, ends='()',
        advice='it is in seconds',
    )
    self._workers = [
        RemoteWorker(address, connection_timeout) for address in addresses
    ]
    self._owner = os.getpid()
    self._lock = threading.Lock()
    self._num_shares = 0
    self._context: Optional[tff.framework.MergeableCompExecutionContext] = None
    try:
      for worker in self._workers:
        worker.stub()
    except WorkerLostError as error:
      self.close()
      raise RuntimeError(
          f'{error} Start one there with `astraea-worker'
          f' --port={worker.address.rpartition(":")[2]}`; it must be up before'
          ' the program that uses it.'
      ) from None

  @property
  def addresses(self) -> tuple[str, ...]:
    """Addresses of the workers that are alive."""
    return tuple(w.address for w in self._workers if w.is_alive)

  def invoke(self, comp: Any, arg: Any) -> Any:
    """Runs a computation on all workers; see `tff.framework.SyncContext`.

    Raises:
      RuntimeError: This process was forked from the one that made the context,
        or no worker is left.
    """
    if self._owner != os.getpid():
      raise RuntimeError(local_worker.FORKED)
    # One call at a time: each is to have all workers.
    with self._lock:
      num_shares = max(1, len(self.addresses))
      if num_shares != self._num_shares:
        # As many shares as workers, so that all end at about the same time.
        any_worker = _AnyWorkerContext(self._workers)
        self._context = tff.framework.MergeableCompExecutionContext(
            [any_worker] * num_shares, compiler_fn=_compile
        )
        self._num_shares = num_shares
      try:
        return self._context.invoke(comp, arg)
      except (KeyboardInterrupt, SystemExit):
        self.give_up()
        raise

  def give_up(self) -> None:
    """Leaves the calls under way, so that the next ones do not wait for them.

    The workers compute them to their end, as they do when a program ends.
    """
    self._num_shares = 0
    # An abandoned call holds the old one to its end.
    self._lock = threading.Lock()
    for worker in self._workers:
      worker.give_up()

  def close(self) -> None:
    """Gives the workers up. They themselves go on."""
    for worker in self._workers:
      worker.close()


def _check_addresses(addresses: Any) -> tuple[str, ...]:
  """Returns the addresses, or says what is wrong with them."""
  if isinstance(addresses, str) or not isinstance(addresses, Sequence):
    raise TypeError(
        '`addresses` must be a sequence of strings, host:port, got'
        f' {addresses!r}.'
    )
  if not addresses:
    raise ValueError('`addresses` must name at least one worker, got none.')
  for address in addresses:
    if not isinstance(address, str):
      raise TypeError(f'`addresses` must be strings, got {address!r}.')
    host, _, port = address.rpartition(':')
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
      raise ValueError(
          f'`addresses` must have the form host:port, got {address!r}.'
      )
    if list(addresses).count(address) > 1:
      raise ValueError(f'`addresses` names {address!r} twice.')
  return tuple(addresses)
