"""Clients' data that a worker keeps: the same results as without, and no more
of it sent than needed."""

import collections
import os
import signal

import chain_oracle
import numpy as np
import patience
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import runtime
from astraea_tff.clients import mediator_data
from astraea_tff.runtime import execution_context as execution_context_lib
from astraea_tff.runtime import keeping_executor

_NUMBERS = tff.SequenceType(np.int64)


@tff.tensorflow.computation(_NUMBERS, _NUMBERS)
def _weigh(first, second):
  add = lambda total, number: total + number
  return first.reduce(np.int64(0), add) + 1000 * second.reduce(np.int64(0), add)


@tff.federated_computation(
    tff.FederatedType(np.int64, tff.SERVER),
    tff.FederatedType((_NUMBERS, _NUMBERS), tff.CLIENTS),
)
def weigh(factor, data):
  """Returns the factor, and all numbers with their places told apart."""
  return factor, tff.federated_sum(tff.federated_map(_weigh, data))


def numbers(*values):
  return tf.data.Dataset.from_tensor_slices(np.array(values, np.int64))


@pytest.fixture
def num_sent(monkeypatch):
  """Counts how often clients' data were sent, in a list of one."""
  count = [0]
  create_value = tff.framework.RemoteExecutorGrpcStub.create_value

  def counting_create_value(self, request):
    count[0] += request.value.WhichOneof('value') == 'federated' and (
        request.value.federated.type.placement.value.uri == 'clients'
    )
    return create_value(self, request)

  monkeypatch.setattr(
      tff.framework.RemoteExecutorGrpcStub,
      'create_value',
      counting_create_value,
  )
  return count


def test_data_are_sent_when_they_are_others(execution_context, num_sent):
  a, b, c = numbers(1, 2), numbers(30), numbers()

  def check(factor, *clients):
    """Computes as NumPy does; returns whether data were sent."""
    before = num_sent[0]
    result = weigh(factor, [tuple(client) for client in clients])
    expected = sum(
        sum(first.as_numpy_iterator()) + 1000 * sum(second.as_numpy_iterator())
        for first, second in clients
    )
    assert result == (factor, expected)
    return num_sent[0] - before

  assert check(1, (a, b), (b, c)) == 1
  # The server's values are sent, the clients' are not.
  assert check(2, (a, b), (b, c)) == 0
  assert check(3, (b, c), (a, b)) == 1, 'mediators swapped'
  assert check(4, (b, c), (b, a)) == 1, 'clients swapped'
  assert check(5, (b, c), (b, a)) == 0
  assert check(6, (b, c)) == 1, 'fewer mediators'
  assert check(7, (b, c), (b, a)) == 1, 'as many as before'
  assert check(8, (b, c), (b, numbers(1, 2))) == 1, 'equal, another object'
  assert check(9, (a, a), (a, a)) == 1, 'the same four times'
  for number in range(5):
    # What Python makes anew may be where that was which is gone.
    assert check(number, (numbers(number), a)) == 1


def test_datasets_are_neither_kept_alive_nor_changed(
    execution_context, num_sent
):
  array = np.arange(5000, dtype=np.int64)
  dataset = tf.data.Dataset.from_tensor_slices(array)
  first = weigh(0, [(dataset, dataset)])
  # A dataset has a copy of the array that it was made of.
  array[:] = 7
  assert weigh(0, [(dataset, dataset)]) == first
  assert num_sent[0] == 1
  other = tf.data.Dataset.from_tensor_slices(array)
  assert weigh(0, [(other, other)])[1] == 7 * 5000 * 1001 != first[1]


def test_kept_data_are_drawn_anew(execution_context, num_sent):
  shuffled = tf.data.Dataset.range(10**6).shuffle(1000).take(3)
  drawn = tf.data.Dataset.range(3).map(
      lambda _: tf.random.uniform([], 0, 10**6, tf.int64)
  )
  sums = {int(weigh(0, [(shuffled, drawn)])[1]) for _ in range(4)}
  assert num_sent[0] == 1
  assert len(sums) > 1


def test_what_reads_a_variable_is_sent_with_its_value(
    execution_context, num_sent
):
  """A curriculum, or a teacher whose outputs are labels."""
  factor = tf.Variable(1, dtype=tf.int64)
  scale = lambda number: number * factor
  scale_all = tf.function(lambda given: given.map(scale))
  flat_scale = lambda number: tf.data.Dataset.from_tensors(number).map(scale)
  once = tf.data.Dataset.range(1)
  for make in (
      lambda given: given.map(scale).prefetch(1),
      lambda given: once.flat_map(lambda _, read=given.map(scale): read),
      lambda given: tf.data.Dataset.from_tensors(given.map(scale)).flat_map(
          lambda read: read
      ),
      lambda given: given.flat_map(flat_scale),
      scale_all,
  ):
    factor.assign(1)
    data = [(make(numbers(1, 2)), numbers(3))]
    assert weigh(0, data) == (0, 3003)
    before = num_sent[0]
    assert weigh(1, data) == (1, 3003)
    factor.assign(5)
    assert weigh(2, data) == (2, 3015)
    assert num_sent[0] == before + 2


def test_a_lost_worker_gets_the_data_again(num_sent, capfd):
  worker = runtime.Worker(num_threads=1, startup_timeout=patience.SECONDS)
  context = execution_context_lib.create_sync_context(worker.stub)
  clients = [(numbers(1), numbers(2)), (numbers(3), numbers(4))]
  try:
    with tff.framework.get_context_stack().install(context):
      for _ in range(2):
        assert weigh(0, clients)[1] == 6004
      assert num_sent[0] == 1
      os.kill(worker.pid, signal.SIGKILL)
      for _ in range(2):
        assert weigh(0, clients)[1] == 6004
  finally:
    worker.stop()
  # One more that found nobody, if the death was not known.
  assert num_sent[0] in (2, 3)
  assert 'Exception ignored' not in capfd.readouterr().err


def test_what_stands_beside_datasets_is_compared_by_value():
  dataset = numbers(1)

  def describe(order, clients=(dataset, dataset), kind=np.int32):
    return keeping_executor._describe([
        collections.OrderedDict(
            order=[np.array(one, kind) for one in order], clients=clients
        )
    ])

  assert describe([[0, 1]]) == describe([[0, 1]])
  others = [
      describe([[1, 0]]),
      describe([[0, 1], [0, 1]]),
      describe([[0, 1]], kind=np.int64),
      describe([[0, 1]], [dataset, dataset]),
      describe([[0, 1]], (dataset,)),
      describe([[0, 1]], (dataset, numbers(1))),
      # Of tensors nobody knows.
      describe([[0, 1]], (dataset, tf.constant(1))),
  ]
  assert describe([[0, 1]]) not in others
  assert describe([[0, 1]], tf.constant(1)) != describe(
      [[0, 1]], tf.constant(1)
  )


def test_rounds_on_kept_data_train_the_same(execution_context, num_sent):
  process = chain_oracle.build_process(max_clients=2)
  clients = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4)]

  def train(copy):
    state = chain_oracle.initial_state(process)
    for _ in range(3):
      a, b, c = map(copy, clients)
      # One client is missing.
      data = mediator_data.mediator_data([[0, 1], [2]], [a, b, c], 2)
      state, metrics = process.next(state, data)
    return process.get_model_weights(state).trainable, metrics

  kept, kept_metrics = train(lambda client: client)
  assert num_sent[0] == 1
  sent, sent_metrics = train(lambda client: client.take(-1))
  assert num_sent[0] == 4
  for one, other in zip(kept, sent, strict=True):
    np.testing.assert_array_equal(one, other)
  tf.nest.map_structure(
      np.testing.assert_array_equal,
      kept_metrics['client_work'],
      sent_metrics['client_work'],
  )
