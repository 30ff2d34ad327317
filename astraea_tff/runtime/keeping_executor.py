"""TFF's executor, which sends clients' data that the worker has only once.

TFF sends its arguments anew at every call. A program that hands the same
datasets to every round thereby has Python copy all of its clients' data, some
ten times each, most of what a round costs Python (`docs/performance.md`). So
the worker keeps the clients' data of the last call,
and gets them again if they are others.

The same datasets in the same places are the same data. A `tf.data.Dataset` is
never changed: TensorFlow copies the arrays that it is made of, and what it
shuffles or draws it draws anew whenever it is read. One that looks at a
`tf.Variable` is sent in every call, with the variable's value of then, and so
is one that may. What stands beside datasets, the orders and the numbers of
mediators, is compared by value.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional
import weakref

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.client_datasets import names as client_names
from astraea_tff.runtime import client_data_kinds
from astraea_tff.runtime import lean_stub


class _Kept(NamedTuple):
  """Clients' data that a worker has.

  Attributes:
    executor: The executor that sent them.
    type_spec: Their type.
    contents: What `_describe` tells of them.
    value: What stands for them in the executor's calls.
  """

  executor: 'KeepingExecutor'
  type_spec: tff.types.Type
  contents: Any
  value: Any


class LastData:
  """The clients' data that a worker keeps, at most those of one call.

  TFF has an executor for each number of clients; those of one worker share
  this.
  """

  def __init__(self):
    self.kept: Optional[_Kept] = None

  def is_of(self, executor: 'KeepingExecutor') -> bool:
    """Returns whether there are data that this executor sent."""
    return self.kept is not None and self.kept.executor is executor


class KeepingExecutor(tff.framework.RemoteExecutor):
  """TFF's executor on a worker that keeps the clients' data of a call."""

  def __init__(self, stub: lean_stub.Stub, last_data: LastData):
    """Initializes it; see `tff.framework.RemoteExecutor`."""
    super().__init__(stub)
    # TFF keeps an executor as long as any of its values, and this has one.
    self._last_data = weakref.ref(last_data)

  def set_cardinalities(
      self, cardinalities: Mapping[tff.framework.PlacementLiteral, int]
  ) -> None:
    """See `tff.framework.Executor`."""
    super().set_cardinalities(cardinalities)
    self._forget()

  def close(self) -> None:
    """See `tff.framework.Executor`; also after the worker was lost."""
    super().close()
    self._forget()

  def _forget(self) -> None:
    last_data = self._last_data()
    if last_data is not None and last_data.is_of(self):
      last_data.kept = None

  async def create_value(self, value: Any, type_spec: Any = None) -> Any:
    """See `tff.framework.Executor`."""
    if _is_of_clients(value, type_spec):
      for one in value:
        client_data_kinds.check(one, type_spec.member)
    last_data = self._last_data()
    if last_data is None or not _is_clients_data(value, type_spec):
      return await super().create_value(value, type_spec)
    contents = _describe(value)
    if last_data.is_of(self) and last_data.kept[1:3] == (type_spec, contents):
      return last_data.kept.value
    # Given up before the others are sent, so that the worker has room.
    last_data.kept = None
    with lean_stub.filled_in(value, type_spec):
      sent = await super().create_value([], type_spec)
    last_data.kept = _Kept(self, type_spec, contents, sent)
    return sent


def _is_of_clients(value: Any, type_spec: Any) -> bool:
  return (
      isinstance(type_spec, tff.FederatedType)
      and type_spec.placement is tff.CLIENTS
      and not type_spec.all_equal
      and isinstance(value, list)
  )


def _is_clients_data(value: Any, type_spec: Any) -> bool:
  """Returns whether a value has a dataset for each of some clients."""
  return _is_of_clients(value, type_spec) and any(map(_has_dataset, value))


def _has_dataset(value: Any) -> bool:
  if isinstance(value, tf.data.Dataset):
    return True
  parts = client_data_kinds.parts_of(value)
  return parts is not None and any(_has_dataset(part) for _, part in parts)


def _describe(value: Any) -> Any:
  """Returns a key that only the same data have; it keeps no dataset alive."""
  if isinstance(value, tf.data.Dataset):
    # A reference is equal for the same object alone, also when it is gone; an
    # object for no other.
    return object() if client_names.may_change(value) else weakref.ref(value)
  parts = client_data_kinds.parts_of(value)
  if parts is not None:
    return type(value), [(name, _describe(part)) for name, part in parts]
  if isinstance(value, (np.ndarray, np.generic, int, float, str, bytes)):
    array = np.asarray(value)
    if not array.dtype.hasobject:
      return array.dtype.str, array.shape, array.tobytes()
  return object()
