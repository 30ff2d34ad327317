"""The data source against the rounds of the schedule."""

import copy

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.scheduling import data_source
from astraea_tff.scheduling import schedule as schedule_lib
from astraea_tff.training import astraea

CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4, 9, 3)]
SCHEDULE = schedule_lib.Schedule(((0, 3), (1, 4), (2,)), [0.1, 0.2, 0.3], 2)


def examples(mediators):
  """The examples of a round, for comparison."""
  return [
      [[x.numpy().tolist() for x, _ in client] for client in mediator]
      for mediator in mediators
  ]


def as_client_data(datasets):
  return tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
      [f'client_{index}' for index in range(len(datasets))],
      lambda client_id: datasets[int(client_id.rpartition('_')[2])],
  )


@pytest.mark.parametrize('kind', ['sequence', 'client_data'])
def test_selects_what_the_schedule_yields(kind):
  clients = CLIENTS if kind == 'sequence' else as_client_data(CLIENTS)
  iterator = data_source.MediatorDataSource(
      SCHEDULE, clients, seed=5
  ).iterator()
  expected = SCHEDULE.rounds(CLIENTS, 2, seed=5)
  for _ in range(4):
    assert examples(iterator.select(2)) == examples(next(expected))


def test_selects_the_mediators_that_are_sampled_and_all_without_a_number():
  iterator = data_source.MediatorDataSource(
      SCHEDULE, CLIENTS, seed=1
  ).iterator()
  sampled = SCHEDULE.sample(3, seed=1, round_num=1)
  expected = examples(
      [[CLIENTS[client] for client in SCHEDULE.mediators[m]] for m in sampled]
  )
  selected = examples(iterator.select())
  assert [[c for c in mediator if c] for mediator in selected] == expected


def test_type_is_that_of_the_learning_process():
  source = data_source.MediatorDataSource(SCHEDULE, CLIENTS, seed=0)
  process = astraea.build_weighted_astraea(
      chain_oracle.variable_model_fn,
      tff.learning.optimizers.build_sgdm(0.1),
      max_clients=2,
  )
  expected = process.next.type_signature.parameter[1]
  assert expected.is_assignable_from(source.federated_type)
  assert source.iterator().federated_type == source.federated_type


OPTIONS = [dict(drop_probability=0.5), dict(reshuffled_epochs=2),
           dict(drop_probability=0.5, reshuffled_epochs=3)]


@pytest.mark.parametrize('options', OPTIONS)
def test_drop_outs_and_orders_are_those_of_the_schedule(options):
  iterator = data_source.MediatorDataSource(
      SCHEDULE, CLIENTS, seed=5, **options
  ).iterator()
  expected = SCHEDULE.rounds(CLIENTS, 2, seed=5, **options)
  plain = SCHEDULE.rounds(CLIENTS, 2, seed=5)
  differ = False
  for _ in range(4):
    ours, theirs, others = iterator.select(2), next(expected), next(plain)
    if 'reshuffled_epochs' in options:
      np.testing.assert_array_equal(
          [mediator['order'] for mediator in ours],
          [mediator['order'] for mediator in theirs],
      )
      assert len(ours[0]['order']) == options['reshuffled_epochs']
      ours = [mediator['clients'] for mediator in ours]
      theirs = [mediator['clients'] for mediator in theirs]
    assert examples(ours) == examples(theirs)
    differ |= examples(ours) != examples(others)
  assert differ == ('drop_probability' in options)


def test_a_reshuffled_process_trains_from_it_as_from_the_schedule(
    execution_context,
):
  process = astraea.build_weighted_astraea(
      chain_oracle.variable_model_fn,
      tff.learning.optimizers.build_sgdm(0.1),
      max_clients=2,
      mediator_epochs=3,
      client_order='reshuffled',
  )
  options = dict(drop_probability=0.3, reshuffled_epochs=3)
  source = data_source.MediatorDataSource(SCHEDULE, CLIENTS, seed=5, **options)
  assert process.next.type_signature.parameter[1].is_assignable_from(
      source.federated_type
  )
  iterator = source.iterator()
  rounds = SCHEDULE.rounds(CLIENTS, 2, seed=5, **options)
  states = [process.initialize()] * 2
  for _ in range(2):
    states = [
        process.next(state, data).state
        for state, data in zip(states, (iterator.select(2), next(rounds)))
    ]
  ours, theirs = (
      tf.nest.flatten(process.get_model_weights(state).trainable)
      for state in states
  )
  start = tf.nest.flatten(
      process.get_model_weights(process.initialize()).trainable
  )
  for our, their, first in zip(ours, theirs, start):
    np.testing.assert_array_equal(our, their)
    assert (np.asarray(our) != np.asarray(first)).any()


def test_iterators_are_independent():
  source = data_source.MediatorDataSource(SCHEDULE, CLIENTS, seed=0)
  one, other = source.iterator(), source.iterator()
  first = examples(one.select(1))
  one.select(1)
  assert examples(other.select(1)) == first


def test_copies_go_on_alike_and_share_the_data():
  iterator = data_source.MediatorDataSource(
      SCHEDULE, CLIENTS, seed=0
  ).iterator()
  iterator.select(2)
  copied = copy.deepcopy(iterator)
  assert copied == iterator
  assert copied.source is iterator.source
  assert examples(copied.select(2)) == examples(iterator.select(2))
  copied.select(2)
  assert copied != iterator


def test_restored_iterator_goes_on_where_the_saved_one_stopped():
  iterator = data_source.MediatorDataSource(
      SCHEDULE, CLIENTS, seed=0
  ).iterator()
  iterator.select(2)
  saved = iterator.to_bytes()
  # As in a new process, where only an iterator of the same making is at hand.
  again = data_source.MediatorDataSource(SCHEDULE, CLIENTS, seed=0).iterator()
  restored = type(again).from_bytes(saved)
  assert examples(restored.select(2)) == examples(iterator.select(2))


@pytest.mark.parametrize(
    'changed', ['seed', 'schedule', 'drop_probability', 'reshuffled_epochs']
)
def test_iterator_of_another_run_is_refused(changed):
  saved = (
      data_source.MediatorDataSource(SCHEDULE, CLIENTS, seed=0)
      .iterator()
      .to_bytes()
  )
  other_schedule = schedule_lib.Schedule(((0, 1), (2, 3)), [0.1, 0.2], 2)
  arguments = dict(schedule=SCHEDULE, clients=CLIENTS, seed=0)
  arguments[changed] = dict(
      seed=1,
      schedule=other_schedule,
      drop_probability=0.1,
      reshuffled_epochs=1,
  )[changed]
  other = data_source.MediatorDataSource(**arguments)
  with pytest.raises(ValueError, match='another schedule or seed'):
    type(other.iterator()).from_bytes(saved)


def test_data_that_change_with_the_round_are_taken_in_their_round():
  class Clients:

    def __len__(self):
      return len(CLIENTS)

    def for_round(self, round_num):
      value = np.array([round_num], np.int64)
      return [tf.data.Dataset.from_tensors(value)] * len(CLIENTS)

  iterator = data_source.MediatorDataSource(
      SCHEDULE, Clients(), seed=0
  ).iterator()
  for round_num in (1, 2, 3):
    (mediator,) = iterator.select(1)
    assert [int(x[0]) for x in mediator[0]] == [round_num]


@pytest.mark.parametrize(
    'arguments, error, match',
    [
        (dict(schedule=[[0, 1]]), TypeError, '`schedule` must be'),
        (dict(seed=1.5), TypeError, '`seed` must be an int'),
        (dict(reshuffled='no'), TypeError, '`reshuffled` must be a builtins.b'),
        (dict(seed=-1), ValueError, '`seed` must be at least 0'),
        (dict(clients=CLIENTS[:2]), ValueError, '`clients` must hold 5 clients or'),
        (dict(drop_probability=2), ValueError, '`drop_probability` must be in'),
        (dict(reshuffled_epochs=0), ValueError, '`reshuffled_epochs` must be at'),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error, match):
  arguments = dict(schedule=SCHEDULE, clients=CLIENTS, seed=0) | arguments
  with pytest.raises(error, match=match):
    data_source.MediatorDataSource(**arguments)


def test_bad_selections_are_refused_by_name():
  iterator = data_source.MediatorDataSource(
      SCHEDULE, CLIENTS, seed=0
  ).iterator()
  for k in (0, 4):
    with pytest.raises(ValueError, match='mediators_per_round must be at'):
      iterator.select(k)
  with pytest.raises(TypeError, match='mediators_per_round must be an int'):
    iterator.select(1.5)


def test_numbers_of_numpy_can_be_saved():
  sources = [
      data_source.MediatorDataSource(
          SCHEDULE, CLIENTS, seed=5, reshuffled_epochs=epochs
      )
      for epochs in (2, np.int64(2))
  ]
  assert sources[0].fingerprint == sources[1].fingerprint
  with pytest.raises(TypeError, match='`reshuffled_epochs` must be an int'):
    data_source.MediatorDataSource(
        SCHEDULE, CLIENTS, seed=5, reshuffled_epochs=2.5
    )


def test_a_schedule_of_some_clients_needs_its_last_one():
  schedule = schedule_lib.Schedule(((0, 1), (4,)), [0.1, 0.2], 2)
  with pytest.raises(ValueError, match='5 clients or more, as .* has client 4'):
    data_source.MediatorDataSource(schedule, CLIENTS[:3], seed=0)
