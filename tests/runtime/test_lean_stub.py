"""Requests that are filled in hold what TFF's own hold."""

import collections
import concurrent.futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.client_datasets import names as client_names
from astraea_tff.runtime import lean_stub

_BATCHES = tff.SequenceType(
    collections.OrderedDict(
        x=tff.TensorType(np.float32, [None, 2]), y=tff.TensorType(np.int32, [None])
    )
)
_ORDERS = tff.SequenceType(tff.TensorType(np.int32, [2]))


def client(num_examples):
  return tf.data.Dataset.from_tensor_slices(
      collections.OrderedDict(
          x=np.ones([num_examples, 2], np.float32),
          y=np.arange(num_examples, dtype=np.int32),
      )
  ).batch(2)


def contents(message):
  """What a serialized value holds; a graph is not the same at every writing."""
  kind = message.WhichOneof('value')
  if kind == 'federated':
    return (
        message.federated.type.SerializeToString(deterministic=True),
        [contents(one) for one in message.federated.value],
    )
  if kind == 'struct':
    return [(part.name, contents(part.value)) for part in message.struct.element]
  if kind == 'sequence':
    dataset, _ = tff.framework.deserialize_value(message)
    elements = list(dataset.as_numpy_iterator())
    return (
        message.sequence.element_type.SerializeToString(deterministic=True),
        tf.nest.map_structure(np.ndarray.tolist, elements),
    )
  return message.SerializeToString(deterministic=True)


def ordered(first, second):
  return collections.OrderedDict(
      order=[np.array([1, 0], np.int32)] * 2, clients=(first, second)
  )


@pytest.mark.parametrize(
    'data, member_type',
    [
        ([client(3), client(0)], _BATCHES),
        ([(client(3), client(1)), (client(2), client(2))], (_BATCHES, _BATCHES)),
        (
            [ordered(client(3), client(1)), ordered(client(2), client(5))],
            collections.OrderedDict(order=_ORDERS, clients=(_BATCHES, _BATCHES)),
        ),
        ([(client(1), 7)], (_BATCHES, np.int32)),
        ([], _BATCHES),
    ],
    ids=['one dataset', 'datasets', 'orders', 'a number', 'nobody'],
)
def test_what_is_filled_in_is_what_tff_serializes(data, member_type):
  type_spec = tff.FederatedType(member_type, tff.CLIENTS)
  expected, _ = tff.framework.serialize_value(data, type_spec)
  actual, _ = tff.framework.serialize_value([], type_spec)
  for one in data:
    lean_stub._fill_in(actual.federated.value.add(), one, type_spec.member)
  assert contents(actual) == contents(expected)


def test_a_client_that_leaves_sizes_open_is_named():
  images = tf.data.Dataset.from_tensors(tf.zeros([3]))
  is_open = images.map(lambda image: tf.io.parse_tensor(
      tf.io.serialize_tensor(image), tf.float32
  ))
  client_names.remember_name('client 7', is_open)
  type_spec = tff.SequenceType(tff.TensorType(np.float32, [3]))
  with pytest.raises(TypeError, match=r'^client 7 has elements .*\[...\].*ensure_s'):
    lean_stub._fill_in(None, is_open, type_spec)


@pytest.mark.parametrize(
    'value', [(client(1),), (client(1), client(1).unbatch()), (client(1), 'x')]
)
def test_what_is_of_another_type_is_refused_as_tff_does(value):
  type_spec = tff.to_type((_BATCHES, _BATCHES))
  message = tff.framework.serialize_value(
      [], tff.FederatedType(type_spec, tff.CLIENTS)
  )[0].federated.value.add()
  with pytest.raises(TypeError) as theirs:
    tff.framework.serialize_value(value, type_spec)
  with pytest.raises(TypeError) as ours:
    lean_stub._fill_in(message, value, type_spec)
  assert str(ours.value) == str(theirs.value)


class _Noting(grpc.GenericRpcHandler):
  """Answers every call, and notes how long its caller would wait."""

  def __init__(self):
    self.seconds = {}

  def service(self, handler_call_details):
    name = handler_call_details.method.rpartition('/')[2]

    def answer(request, context):
      del request
      self.seconds[name] = context.time_remaining()
      return b''

    return grpc.unary_unary_rpc_method_handler(answer)


def test_only_a_disposal_does_not_wait_for_a_lost_worker():
  noting = _Noting()
  server = grpc.server(concurrent.futures.ThreadPoolExecutor(1), [noting])
  port = server.add_insecure_port('127.0.0.1:0')
  server.start()
  try:
    with grpc.insecure_channel(f'127.0.0.1:{port}') as channel:
      executor = tff.framework.RemoteExecutor(lean_stub.Stub(channel))
      executor.set_cardinalities({tff.CLIENTS: 0})
      executor.close()
  finally:
    server.stop(None)
  is_bounded = {
      name: seconds is not None and seconds < 60
      for name, seconds in noting.seconds.items()
  }
  assert is_bounded == {'GetExecutor': False, 'DisposeExecutor': True}
