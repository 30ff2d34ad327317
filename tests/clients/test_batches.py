"""A schedule over clients: which data a round's mediators get."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.clients import batches as batches_lib
from astraea_tff.clients import mediator_data as mediator_data_lib
from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib

NUM_CLIENTS = 7


def make_client(client, num_examples=5):
  """A client whose every example is its own number, 100 k + i."""
  examples = 100 * client + np.arange(num_examples)
  return tf.data.Dataset.from_tensor_slices(examples)


CLIENTS = [make_client(k) for k in range(NUM_CLIENTS)]
SCHEDULE = schedule_lib.Schedule(((4, 0, 2), (5, 1, 3), (6,)), [0.1, 0.2, 0.3], 3)


def read(dataset):
  return [int(x) for x in dataset.as_numpy_iterator()]


def client_of(dataset):
  """The client a dataset of `make_client` belongs to; None if it is empty."""
  examples = read(dataset)
  return examples[0] // 100 if examples else None


def test_mediators_get_their_clients_in_order_and_empty_ones_behind():
  data = mediator_data_lib.mediator_data(SCHEDULE.mediators, CLIENTS, 3)
  assert [tuple(map(client_of, mediator)) for mediator in data] == [
      (4, 0, 2),
      (5, 1, 3),
      (6, None, None),
  ]
  specs = {d.element_spec for mediator in data for d in mediator}
  assert specs == {CLIENTS[0].element_spec}


def test_client_data_is_read_by_the_order_of_its_ids():
  data = tff.simulation.datasets.TestClientData(
      collections.OrderedDict(
          (f'client_{k}', (100 * k + np.arange(5)).tolist()) for k in range(NUM_CLIENTS)
      )
  )
  clients = batches_lib.clients_for_round(data, round_num=1)
  assert len(clients) == NUM_CLIENTS
  assert [client_of(clients[k]) for k in range(NUM_CLIENTS)] == list(range(7))
  assert clients[3] is clients[3], 'made anew, which leaks memory'


def test_rounds_draw_the_mediators_of_the_schedule():
  rounds = itertools.islice(SCHEDULE.rounds(CLIENTS, 2, seed=3), 8)
  for round_num, data in enumerate(rounds, start=1):
    sampled = SCHEDULE.sample(2, seed=3, round_num=round_num)
    expected = [SCHEDULE.mediators[mediator] for mediator in sampled]
    actual = [
        tuple(c for c in map(client_of, mediator) if c is not None)
        for mediator in data
    ]
    assert actual == expected


def test_resumed_rounds_go_on_as_the_unbroken_ones():
  def clients_of(rounds):
    return [[tuple(map(client_of, m)) for m in data] for data in rounds]

  unbroken = itertools.islice(SCHEDULE.rounds(CLIENTS, 1, seed=5), 9)
  resumed = SCHEDULE.rounds(CLIENTS, 1, seed=5, first_round=5)
  assert clients_of(unbroken)[4:] == clients_of(itertools.islice(resumed, 5))


def test_rounds_refuse_too_few_clients():
  with pytest.raises(ValueError, match='`clients` must hold 7 clients or more'):
    next(SCHEDULE.rounds(CLIENTS[:6], 1, seed=0))


def test_a_round_is_scheduled_as_its_sampled_clients_alone():
  counts = np.random.default_rng(0).multinomial(30, [0.25] * 4, size=20)
  schedule = greedy.reschedule_round(
      counts, 8, 3, seed=1, round_num=4, target='pooled'
  )
  sampled = sampling.sample_clients(20, 8, seed=1, round_num=4)
  assert sorted(itertools.chain(*schedule.mediators)) == sorted(sampled)
  assert schedule == greedy.reschedule(
      counts, 3, target='pooled', clients=sampled
  )


def test_sampled_clients_are_distinct_and_depend_on_seed_and_round_alone():
  draws = [
      tuple(sampling.sample_clients(20, 8, seed=s, round_num=r))
      for s in range(3)
      for r in range(5)
  ]
  assert all(len(set(draw)) == 8 for draw in draws)
  assert len(set(draws)) == len(draws)
  again = sampling.sample_clients(20, 8, seed=2, round_num=3)
  assert tuple(again) == draws[2 * 5 + 3]


@pytest.mark.parametrize('clients_per_round', [0, -1, 21])
def test_sampling_refuses_more_clients_than_there_are(clients_per_round):
  with pytest.raises(
      ValueError,
      match=f'`clients_per_round` must be at .*, got {clients_per_round}',
  ):
    sampling.sample_clients(20, clients_per_round, seed=0, round_num=1)


@pytest.mark.parametrize('clients_per_round', [2.5, True])
@pytest.mark.parametrize('weights', [None, [1.0] * 20])
def test_sampling_refuses_what_is_no_number_of_clients(
    clients_per_round, weights
):
  with pytest.raises(TypeError, match='`clients_per_round` must be an int'):
    sampling.sample_clients(
        20, clients_per_round, seed=0, round_num=1, weights=weights
    )


def test_batches_hold_every_example_once_in_batches_of_the_size():
  clients = batches_lib.BatchedClients(CLIENTS, 2, seed=0).for_round(1)
  batches = [b.tolist() for b in clients[3].as_numpy_iterator()]
  assert [len(batch) for batch in batches] == [2, 2, 1]
  assert sorted(sum(batches, [])) == [300, 301, 302, 303, 304]


def read_order(seed, round_num, client, epochs=1):
  clients = batches_lib.BatchedClients(
      [make_client(k, num_examples=30) for k in range(2)], 4, seed=seed
  )
  dataset = clients.for_round(round_num)[client].repeat(epochs).unbatch()
  return [example % 100 for example in read(dataset)]


def test_order_depends_on_seed_round_client_and_epoch():
  order = read_order(seed=0, round_num=1, client=0)
  assert order == read_order(seed=0, round_num=1, client=0)
  assert order != sorted(order)
  assert order != read_order(seed=1, round_num=1, client=0)
  assert order != read_order(seed=0, round_num=2, client=0)
  assert order != read_order(seed=0, round_num=1, client=1)
  two_epochs = read_order(seed=0, round_num=1, client=0, epochs=2)
  assert two_epochs[:30] == order
  assert two_epochs[30:] != order
  assert sorted(two_epochs[30:]) == sorted(order)


def test_clients_of_a_round_are_counted_from_the_end_as_in_a_list():
  of_round = batches_lib.BatchedClients(CLIENTS, 5, seed=5).for_round(3)
  (last,), (same,) = of_round[-1], of_round[NUM_CLIENTS - 1]
  np.testing.assert_array_equal(last, same)
  with pytest.raises(IndexError):
    of_round[-NUM_CLIENTS - 1]


def test_clients_that_change_with_the_round_are_asked_for_the_round():
  class Changing:

    def __len__(self):
      return 1

    def for_round(self, round_num):
      return [tf.data.Dataset.from_tensors(np.int64(round_num))]

  batched = batches_lib.BatchedClients(Changing(), 1, seed=0)
  assert read(batched.for_round(6)[0].unbatch()) == [6]


def test_batch_size_below_one_is_refused():
  with pytest.raises(ValueError, match='`batch_size` must be at least 1, got 0'):
    batches_lib.BatchedClients(CLIENTS, 0, seed=0)


@pytest.mark.parametrize('arguments, error, message', [
    (dict(seed=-1), ValueError, '`seed` must be at least 0'),
    (dict(seed=0.5), TypeError, '`seed` must be an int'),
    (dict(shuffle_buffer=0), ValueError, '`shuffle_buffer` must be at least 1'),
    (dict(batch_size=2.0), TypeError, '`batch_size` must be an int'),
    (dict(batch_size=2**63), ValueError, '`batch_size` must be at most 2147483'),
    (dict(shuffle_buffer=2**31), ValueError, '`shuffle_buffer` must be at most'),
])
def test_bad_numbers_are_refused_by_name(arguments, error, message):
  with pytest.raises(error, match=message):
    batches_lib.BatchedClients(CLIENTS, **(dict(batch_size=2, seed=0) | arguments))


def test_one_epoch_keeps_the_order_of_the_shuffle():
  def order(num_epochs):
    dataset = batches_lib.batch_examples(
        make_client(0, 30), 4, seed=3, shuffle_buffer=30, num_epochs=num_epochs
    )
    return read(dataset.unbatch())

  shuffled = read(make_client(0, 30).shuffle(30, seed=3))
  assert order(1) == shuffled != sorted(shuffled)
  two_epochs = order(2)
  assert sorted(two_epochs[:30]) == sorted(two_epochs[30:]) == sorted(shuffled)
  assert two_epochs[:30] != two_epochs[30:]


@pytest.mark.parametrize('num_examples', [0, 1, 4, 30])
def test_a_buffer_beyond_the_client_is_its_size_and_the_order_stays(
    num_examples, monkeypatch
):
  shuffle, sizes = tf.data.Dataset.shuffle, []

  def noting_shuffle(dataset, size, **options):
    sizes.append(size)
    return shuffle(dataset, size, **options)

  def shuffled(dataset):
    return batches_lib.batch_examples(
        dataset, 4, seed=3, shuffle_buffer=100_000, num_epochs=2
    )

  @tf.function
  def size_in_graph(number):
    shuffled(make_client(0, 50).take(number))
    return sizes[-1]

  client = make_client(0, num_examples)
  unbounded = client.shuffle(100_000, seed=3).batch(4).repeat(2)
  monkeypatch.setattr(tf.data.Dataset, 'shuffle', noting_shuffle)
  assert read(shuffled(client).unbatch()) == read(unbounded.unbatch())
  assert sizes == [max(num_examples, 1)]
  assert size_in_graph(np.int64(num_examples)) == max(num_examples, 1)
  shuffled(client.filter(lambda example: example >= 0))
  assert sizes[-1] == 100_000, 'of a number that is not known'


def test_without_a_seed_the_order_stays():
  dataset = batches_lib.batch_examples(
      make_client(0, 30), 4, seed=None, shuffle_buffer=30
  )
  assert read(dataset.unbatch()) == list(range(30))


def test_a_missing_client_is_an_empty_dataset_of_the_others_elements():
  of_round = batches_lib.BatchedClients(CLIENTS, 2, seed=0).for_round(1)
  for clients in (of_round, CLIENTS):
    for visited in ({}, {3: clients[3]}):
      nobody = batches_lib.nobody_of(clients, visited)
      assert read(nobody) == []
      assert nobody.element_spec == clients[3].element_spec


def test_clients_may_be_lists_of_batches_as_in_tff():
  clients = [[(np.ones([k + 1, 1]), np.zeros(k + 1))] for k in range(3)]
  ((first, missing), second) = mediator_data_lib.mediator_data(
      [[1], [0, 2]], clients, 2
  )
  assert first is clients[1] and missing == []
  assert second[0] is clients[0] and second[1] is clients[2]
  assert mediator_data_lib.mediator_data([[]], clients, 2) == [([], [])]
  with pytest.raises(TypeError, match=r'clients\[0\] must be a tf.data.Data'):
    batches_lib.BatchedClients(clients, 2, seed=0).for_round(0)[0]


def test_clients_in_a_mapping_by_name_are_refused():
  with pytest.raises(TypeError, match='by client index, got a mapping of .*c0'):
    next(SCHEDULE.rounds({f'c{k}': c for k, c in enumerate(CLIENTS)}, 1, seed=0))


@pytest.mark.parametrize(
    'clients, got',
    [
        (None, 'NoneType'),
        (CLIENTS[0], '_.*Dataset'),
        ((client for client in CLIENTS), 'generator'),
    ],
)
def test_what_has_no_clients_is_refused_at_once(clients, got):
  message = f'sequence of tf.data.Datasets, got {got}'
  with pytest.raises(TypeError, match=message):
    batches_lib.BatchedClients(clients, 2, seed=0)
  with pytest.raises(TypeError, match=message):
    next(SCHEDULE.rounds(clients, 1, seed=0))
