"""TFF's execution contexts over a worker."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
import concurrent.futures
import os
import threading
from typing import Any, Optional
import weakref

import numpy as np
import tensorflow_federated as tff

from astraea_tff.runtime import compilation
from astraea_tff.runtime import keeping_executor
from astraea_tff.runtime import lean_stub
from astraea_tff.runtime import local_worker
from astraea_tff.runtime import worker_errors

# Returns a connection to a worker that answers, or raises.
StubFn = Callable[[], lean_stub.Stub]
# Computes `comp(arg)` in an event loop.
Invoke = Callable[[Any, Any], Coroutine[Any, Any, Any]]


def create_sync_context(
    stub_fn: StubFn, end_calls: Optional[Callable[[], None]] = None
) -> tff.framework.SyncContext:
  """Returns a context in which a computation's call waits for its result.

  Args:
    stub_fn: Returns a connection to the worker.
    end_calls: Ends what the worker computes, after a call is interrupted.
  """
  return _WaitingContext(_CallThread(_invoke_fn(stub_fn), end_calls))


def create_async_context(
    stub_fn: StubFn, end_calls: Optional[Callable[[], None]] = None
) -> 'ThreadContext':
  """Returns a context in which a computation's call returns an awaitable.

  Args:
    stub_fn: Returns a connection to the worker.
    end_calls: Ends what the worker computes, after a call is interrupted.
  """
  return ThreadContext(_invoke_fn(stub_fn), end_calls)


def _invoke_fn(stub_fn: StubFn) -> Callable[[threading.Event], Invoke]:
  """Returns what makes one of TFF's contexts."""

  def make_invoke(given_up: threading.Event) -> Invoke:
    last_data = keeping_executor.LastData()

    def create_executor(
        cardinalities: Mapping[tff.framework.PlacementLiteral, int]
    ):
      if given_up.is_set():
        # TFF would compute the call again on the next worker.
        raise RuntimeError('The call was interrupted.')
      executor = keeping_executor.KeepingExecutor(stub_fn(), last_data)
      executor.set_cardinalities({tff.CLIENTS: 0, **cardinalities})
      return executor

    return tff.framework.AsyncExecutionContext(
        executor_fn=tff.framework.ResourceManagingExecutorFactory(
            create_executor
        ),
        compiler_fn=compilation.compile_computation,
        transform_args=tff.tensorflow.transform_args,
        transform_result=tff.tensorflow.transform_result,
    ).invoke

  return make_invoke


class FederatedContext(tff.program.NativeFederatedContext):
  """TFF's federated context, for clients whose data are structs as well.

  TFF 0.87 takes a list of clients (here: of mediators) for one client when a
  client's data are a struct. Here the clients' data go through unlooked at.
  """

  def __init__(self, context: tff.framework.AsyncContext):
    super().__init__(_UnwrappingContext(context))

  def invoke(self, comp: Any, arg: Any) -> Any:
    """See `tff.program.FederatedContext`."""
    return super().invoke(_WrappedComputation(comp), arg)


class _WrappedComputation:
  """A computation which says of its clients' data only that there are some."""

  def __init__(self, computation: tff.Computation):
    self.computation = computation
    signature = computation.type_signature
    self.type_signature = tff.FunctionType(
        _without_client_structs(signature.parameter), signature.result
    )


class _UnwrappingContext(tff.framework.AsyncContext):
  """Computes what was wrapped."""

  def __init__(self, context: tff.framework.AsyncContext):
    self._context = context

  async def invoke(self, comp: _WrappedComputation, arg: Any) -> Any:
    return await self._context.invoke(comp.computation, arg)


def _without_client_structs(
    type_spec: Optional[tff.types.Type],
) -> Optional[tff.types.Type]:
  if isinstance(type_spec, tff.StructType):
    return tff.StructType([
        (name, _without_client_structs(element))
        for name, element in tff.structure.to_elements(type_spec)
    ])
  if (
      isinstance(type_spec, tff.FederatedType)
      and type_spec.placement is tff.CLIENTS
  ):
    return tff.FederatedType(np.int32, tff.CLIENTS)
  return type_spec


class _CallThread:
  """Calls in an event loop that has a thread of its own.

  TFF's executors make blocking calls from within coroutines: several of them in
  one event loop train one after another, and nothing else happens in that loop
  meanwhile. One that is interrupted goes on blocking; the calls after it get
  another loop.
  """

  def __init__(
      self,
      make_invoke: Callable[[threading.Event], Invoke],
      end_calls: Optional[Callable[[], None]] = None,
  ):
    """Initializes the calls.

    Args:
      make_invoke: Given the event that says that its calls were given up,
        returns what computes.
      end_calls: Ends what is computed for calls that were given up.
    """
    self._make_invoke = make_invoke
    self._end_calls = end_calls
    self._owner = os.getpid()
    self._begin()

  def _begin(self) -> None:
    self._given_up = threading.Event()
    self._invoke = self._make_invoke(self._given_up)
    self._loop = asyncio.new_event_loop()
    # A daemon: the end of the program does not wait for a round under way.
    threading.Thread(target=_run, args=[self._loop], daemon=True).start()
    # When this goes, so do the thread and what the loop has open.
    self._end_loop = weakref.finalize(
        self, self._loop.call_soon_threadsafe, self._loop.stop
    )
    self._end_loop.atexit = False

  def submit(self, comp: Any, arg: Any) -> concurrent.futures.Future[Any]:
    """Computes `comp(arg)`.

    Raises:
      RuntimeError: In a process that was forked, which has no such thread.
    """
    if self._owner != os.getpid():
      raise RuntimeError(local_worker.FORKED)
    return asyncio.run_coroutine_threadsafe(
        self._invoke(comp, arg), self._loop
    )

  def give_up(self) -> None:
    """Leaves the calls under way, so that later ones do not wait for them."""
    self._given_up.set()
    if self._end_calls is not None:
      self._end_calls()
    # The loop ends as soon as what blocks it has ended.
    self._end_loop()
    self._begin()


def _run(loop: asyncio.AbstractEventLoop) -> None:
  """Runs a loop until it is stopped, and what it has to do then."""
  loop.run_forever()
  given_up = asyncio.all_tasks(loop)
  for task in given_up:
    task.cancel()
  if given_up:
    loop.run_until_complete(asyncio.wait(given_up))
  loop.close()


class _WaitingContext(tff.framework.SyncContext):
  """Computes in a thread, and ends that when it is interrupted (Ctrl-C)."""

  def __init__(self, calls: _CallThread):
    self._calls = calls

  def invoke(self, comp: Any, arg: Any) -> Any:
    """See `tff.framework.SyncContext`."""
    call = self._calls.submit(comp, arg)
    try:
      with worker_errors.named_errors(arg):
        return call.result()
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
      self._calls.give_up()
      raise


class ThreadContext(tff.framework.AsyncContext):
  """An asynchronous context that leaves its caller's event loop alone."""

  def __init__(
      self,
      make_invoke: Callable[[threading.Event], Invoke],
      end_calls: Optional[Callable[[], None]] = None,
  ):
    """Initializes a context; see `_CallThread`."""
    self._calls = _CallThread(make_invoke, end_calls)

  async def invoke(self, comp: Any, arg: Any) -> Any:
    """See `tff.framework.AsyncContext`."""
    if asyncio.iscoroutine(arg):
      # The coroutine may belong to the caller's loop.
      arg = await arg
    call = self._calls.submit(comp, arg)
    try:
      with worker_errors.named_errors(arg):
        return await asyncio.wrap_future(call)
    except asyncio.CancelledError:
      self._calls.give_up()
      raise

  def give_up(self) -> None:
    """Leaves the calls under way, so that later ones do not wait for them."""
    self._calls.give_up()
