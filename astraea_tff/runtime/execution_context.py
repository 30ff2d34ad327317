"""TFF's execution contexts over a worker."""

import asyncio
from collections.abc import Callable, Mapping
import threading
from typing import Any, Optional

import numpy as np
import tensorflow_federated as tff

# Returns a connection to a worker that answers, or raises.
StubFn = Callable[[], tff.framework.RemoteExecutorGrpcStub]


def create_sync_context(stub_fn: StubFn) -> tff.framework.SyncExecutionContext:
  """Returns a context in which a computation's call waits for its result."""
  return tff.framework.SyncExecutionContext(**_context_arguments(stub_fn))


def create_async_context(stub_fn: StubFn) -> tff.framework.AsyncContext:
  """Returns a context in which a computation's call returns an awaitable."""
  context = tff.framework.AsyncExecutionContext(**_context_arguments(stub_fn))
  return ThreadContext(context.invoke)


def _context_arguments(stub_fn: StubFn) -> dict[str, Any]:

  def create_executor(
      cardinalities: Mapping[tff.framework.PlacementLiteral, int]
  ):
    executor = tff.framework.RemoteExecutor(stub_fn())
    executor.set_cardinalities({tff.CLIENTS: 0, **cardinalities})
    return executor

  return dict(
      executor_fn=tff.framework.ResourceManagingExecutorFactory(
          create_executor
      ),
      compiler_fn=_compile,
      transform_args=tff.tensorflow.transform_args,
      transform_result=tff.tensorflow.transform_result,
  )


def _compile(computation: tff.Computation) -> tff.Computation:
  """Compiles as TFF does, with secure sums replaced by plain ones.

  TFF's own default context cannot run secure aggregators at all. Workers hold
  all clients' data anyway, so a protocol among them would protect nothing.
  """
  return tff.backends.native.desugar_and_transform_to_native(
      tff.backends.test.replace_secure_intrinsics_with_bodies(computation)
  )


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


class ThreadContext(tff.framework.AsyncContext):
  """An asynchronous context that leaves its caller's event loop alone.

  TFF's executors make blocking calls from within coroutines: several of them in
  one event loop train one after another, and nothing else happens in that loop
  meanwhile. So each gets a loop in a thread of its own.
  """

  def __init__(self, invoke: Callable[[Any, Any], Any]):
    """Initializes a context that runs the coroutine function `invoke`."""
    self._invoke = invoke
    self._loop = asyncio.new_event_loop()
    # A daemon: the end of the program does not wait for a round under way.
    threading.Thread(target=self._loop.run_forever, daemon=True).start()

  async def invoke(self, comp: Any, arg: Any) -> Any:
    """See `tff.framework.AsyncContext`."""
    if asyncio.iscoroutine(arg):
      # It may belong to the caller's loop.
      arg = await arg
    return await asyncio.wrap_future(
        asyncio.run_coroutine_threadsafe(self._invoke(comp, arg), self._loop)
    )
