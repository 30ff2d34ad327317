"""Data of another kind than a process takes are an error that says what to do."""

import collections

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.clients import by_id
from astraea_tff.runtime import client_data_kinds
from astraea_tff.scheduling import schedule as schedule_lib

CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4, 9)]
SCHEDULE = schedule_lib.Schedule(((0, 1), (2, 3)), [0.1, 0.2], 2)
_BATCHES = tff.SequenceType(
    tff.types.tensorflow_to_type(CLIENTS[0].element_spec)
)
_MEDIATOR = tff.StructType([_BATCHES] * 2)
_ORDERS = tff.StructType([
    ('order', tff.SequenceType(tff.TensorType(np.int32, [2]))),
    ('clients', _MEDIATOR),
])
_BY_ID = by_id.ClientsById(
    tff.simulation.datasets.TestClientData(
        {'a': (np.zeros([3, 5]), [0, 1, 2]), 'b': (np.ones([1, 5]), [1])}
    ),
    2,
    seed=0,
)
_ID = _BY_ID.client_type


def first(**options):
  return next(SCHEDULE.rounds(CLIENTS, 1, seed=0, **options))[0]


@pytest.mark.parametrize('value, type_spec, advice', [
    (CLIENTS[0], _MEDIATOR, 'got one dataset; make the rounds by Schedule.rou'),
    (_BY_ID.for_round(1)[0], _MEDIATOR, 'got one client by id; make the rounds'),
    (_BY_ID.for_round(1)[0], _BATCHES, 'make the process by read_by_id'),
    (CLIENTS[0], _ID, 'make the rounds of the ClientsById'),
    ((CLIENTS[0],) * 2, tff.StructType([_ID] * 2), 'rounds of the ClientsById'),
    ((CLIENTS[0],) * 3, _MEDIATOR, '3 places for clients, .* takes 2; give both'),
    (first(), _ORDERS, 'give reshuffled_epochs for client_order='),
    (first(reshuffled_epochs=1), _MEDIATOR, 'bring the orders of the visits'),
    (first(), _BATCHES, 'one dataset of each client, got several'),
])
def test_data_of_another_kind_are_told_what_to_do(value, type_spec, advice):
  for form in (value, tff.structure.from_container(value, recursive=True)
               if isinstance(value, (tuple, dict)) else value):
    with pytest.raises(TypeError, match=f'^Data of a round: .*{advice}'):
      client_data_kinds.check(form, type_spec)


@pytest.mark.parametrize('value, type_spec', [
    (CLIENTS[0], _BATCHES),
    (first(), _MEDIATOR),
    (first(reshuffled_epochs=1), _ORDERS),
    (_BY_ID.for_round(1)[0], _ID),
    # What is none of our kinds is left to TFF.
    (3, tff.TensorType(np.int32)),
    ([1, 2], _BATCHES),
    ((), _MEDIATOR),
    (collections.OrderedDict(x=1), _MEDIATOR),
    (CLIENTS[0], tff.StructType([('x', np.int32)])),
    (tf.constant(1), tff.StructType([])),
])
def test_other_data_pass(value, type_spec):
  client_data_kinds.check(value, type_spec)


def test_a_round_of_fed_avg_is_no_round_of_mediators(execution_context):
  process = chain_oracle.build_process(optimizer='sgd', max_clients=2)
  with pytest.raises(TypeError, match='make the rounds by Schedule.rounds'):
    process.next(process.initialize(), CLIENTS[:2])
