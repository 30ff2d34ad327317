"""A connection to TFF's worker over which clients' data go with fewer copies.

TFF writes a dataset into a message, that into the message of its mediator, that
into the message of all clients, and that into the request, and each of these
steps copies all data twice. Here a dataset is written into the request alone.
TFF makes the request, as for a round without clients.
"""

from collections.abc import Iterator
import contextlib
import contextvars
import types
from typing import Any

import grpc
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.client_datasets import errors as client_errors
from astraea_tff.client_datasets import names as client_names

# The clients' data that the next request to create a value gets, with their
# type.
_data = contextvars.ContextVar('data', default=None)

# A worker that is there takes a disposal at once.
_DISPOSAL_SECONDS = 1.0
_DISPOSALS = ('/Dispose', '/DisposeExecutor')


@contextlib.contextmanager
def filled_in(data: list[Any], type_spec: tff.FederatedType) -> Iterator[None]:
  """Puts clients' data into the request that creates an empty value here.

  Args:
    data: Each client's data.
    type_spec: The type of the data, placed at the clients.

  Yields:
    None, for the time of the request.

  Raises:
    TypeError: In the request, if the data are of another type.
  """
  token = _data.set((data, type_spec.member))
  try:
    yield
  finally:
    _data.reset(token)


class _ShortDisposals(grpc.UnaryUnaryClientInterceptor):
  """Lets no disposal wait for a connection to a worker that is gone."""

  def intercept_unary_unary(
      self, continuation: Any, client_call_details: Any, request: Any
  ) -> Any:
    """See `grpc.UnaryUnaryClientInterceptor`."""
    if client_call_details.method.endswith(_DISPOSALS):
      # gRPC takes all other details from the call.
      client_call_details = types.SimpleNamespace(timeout=_DISPOSAL_SECONDS)
    return continuation(client_call_details, request)


class Stub(tff.framework.RemoteExecutorGrpcStub):
  """A connection to a worker."""

  def __init__(self, channel: grpc.Channel):
    """Initializes the stub; see `tff.framework.RemoteExecutorGrpcStub`."""
    super().__init__(grpc.intercept_channel(channel, _ShortDisposals()))

  def create_value(self, request: Any) -> Any:
    """Creates a value in the worker, of the data that are filled in if any."""
    given = _data.get()
    if given is not None:
      data, member_type = given
      for one in data:
        _fill_in(request.value.federated.value.add(), one, member_type)
    return super().create_value(request)

  def dispose(self, request: Any) -> Any:
    """Lets the worker forget values; nothing if the worker is gone."""
    with contextlib.suppress(grpc.RpcError, tff.framework.RetryableError):
      return super().dispose(request)


def _fill_in(message: Any, value: Any, type_spec: tff.types.Type) -> None:
  """Writes what `tff.framework.serialize_value` returns into a message."""
  if isinstance(type_spec, tff.StructType):
    parts = tff.structure.from_container(value)
    if len(parts) == len(type_spec):
      message.struct.SetInParent()
      for (name, part_type), part in zip(
          tff.structure.iter_elements(type_spec), parts
      ):
        element = message.struct.element.add()
        if name:
          element.name = name
        _fill_in(element.value, part, part_type)
      return
  try:
    serialized, _ = tff.framework.serialize_value(value, type_spec)
  except TypeError as error:
    name = isinstance(value, tf.data.Dataset) and client_names.name_of(value)
    if not name:
      raise
    raise TypeError(
        f'{name} has elements {client_errors.describe(value.element_spec)},'
        f' where the process takes {type_spec.element}; bring them to these'
        ' sizes, or state them with tf.ensure_shape.'
    ) from error
  if isinstance(value, tf.data.Dataset):
    # Field by field, as protobuf copies a message by way of its bytes.
    sequence = serialized.sequence
    message.sequence.serialized_graph_def = sequence.serialized_graph_def
    message.sequence.element_type.CopyFrom(sequence.element_type)
  else:
    message.CopyFrom(serialized)
