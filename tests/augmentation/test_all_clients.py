"""Augmentation of all clients: stored, fresh, and by client id."""

import collections

import augmentation_support as support
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.augmentation import all_clients
from astraea_tff.augmentation.all_clients import augment_clients
from astraea_tff.augmentation.one_client import augment
from astraea_tff.augmentation.plan import augmentation_plan
from astraea_tff.client_datasets import endings as client_endings


def test_stored_clients_hold_what_augment_gives_under_their_seed():
  plan = augmentation_plan(support.COUNTS, 0.67)
  clients = [support.as_dataset(support.all_labels()[:size]) for size in (150, 64, 1, 10)]
  stored = augment_clients(clients, plan, seed=9)
  assert isinstance(stored, list)
  for k, (client, dataset) in enumerate(zip(clients, stored)):
    assert support.read(dataset) == support.read(augment(client, plan, seed=(9, k)))
    assert support.read(support.sent(dataset)) == support.read(dataset)


def test_stored_clients_are_computed_once():
  images, labels = support.examples(support.all_labels())
  reads = []

  def generate():
    reads.append(1)
    yield from zip(images, labels)

  signature = tf.data.Dataset.from_tensor_slices((images, labels)).element_spec
  dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
  (stored,) = augment_clients([dataset], augmentation_plan(support.COUNTS, 1), seed=1)
  assert len(support.read(stored)) == len(support.read(stored)) > len(labels)
  assert len(reads) == 1


def test_clients_of_the_same_content_draw_differently():
  plan, dataset = augmentation_plan(support.COUNTS, 0.67), support.as_dataset(support.all_labels())
  first, second = augment_clients([dataset, dataset], plan, seed=(4, 2))
  assert support.read(first) != support.read(second)
  again = augment_clients((dataset, dataset), plan, seed=(4, 2))
  assert [support.read(first), support.read(second)] == [support.read(client) for client in again]


def test_an_empty_client_is_stored_as_an_empty_dataset():
  full = support.as_dataset(support.all_labels())
  (stored,) = augment_clients(
      [full.take(0)], augmentation_plan(support.COUNTS, 1), seed=1
  )
  assert stored.element_spec == full.element_spec
  assert stored.cardinality() == 0
  assert support.read(stored.concatenate(full)) == support.read(full)


def test_no_clients_give_no_clients():
  assert augment_clients([], augmentation_plan(support.COUNTS, 1), seed=1) == []


def test_fresh_clients_differ_by_client_epoch_and_round():
  plan, dataset = augmentation_plan(support.COUNTS, 0.67), support.as_dataset(support.all_labels())

  def build():
    return augment_clients(
        [dataset, dataset], plan, seed=6, fresh_every_epoch=True
    )

  def draws(clients):
    return [
        support.read(datasets[k].repeat(2))
        for datasets in (clients.for_round(0), clients.for_round(1))
        for k in range(2)
    ]

  clients = build()
  assert len(clients) == len(clients.for_round(3)) == 2
  first = draws(clients)
  assert len({tuple(reading) for reading in first}) == 4
  for reading in first:
    epoch = support.read(dataset)
    assert collections.Counter(reading) >= collections.Counter(epoch * 2)
  assert draws(clients) == first
  assert draws(build()) == first
  assert support.read(support.sent(clients.for_round(1)[0].repeat(2))) == first[2]


def test_all_clients_and_rounds_share_a_trace():
  traces = []

  def traced(images, seed):
    del seed
    traces.append(images)
    return images

  plan = augmentation_plan(support.COUNTS, 1)
  clients = [support.as_dataset(support.all_labels()[:size]) for size in (5, 150, 64, 1, 10)]
  fresh = augment_clients(
      clients, plan, seed=1, transform=traced, fresh_every_epoch=True
  )
  for round_num in range(3):
    for client in fresh.for_round(round_num):
      support.read(client)
  assert len(traces) == 1
  traces.clear()
  augment_clients(clients, plan, seed=1, transform=traced)
  assert len(traces) == 1


def test_fresh_clients_are_a_sequence_of_round_0():
  plan, dataset = augmentation_plan(support.COUNTS, 0.67), support.as_dataset(support.all_labels())
  clients = augment_clients(
      [dataset, dataset], plan, seed=6, fresh_every_epoch=True
  )
  assert isinstance(clients, all_clients.FreshlyAugmentedClients)
  round_0 = clients.for_round(0)
  assert [support.read(client) for client in clients] == [
      support.read(round_0[0]),
      support.read(round_0[1]),
  ]
  assert support.read(clients[-1]) == support.read(clients[1])
  assert support.read(clients.for_round(2)[0]) != support.read(clients[0])
  with pytest.raises(IndexError):
    clients[2]  # pylint: disable=pointless-statement


def test_refuses_a_bad_round():
  clients = augment_clients(
      [support.as_dataset([0])],
      augmentation_plan(support.COUNTS, 1),
      seed=1,
      fresh_every_epoch=True,
  )
  with pytest.raises(ValueError, match='round_num must be at least 0'):
    clients.for_round(-1)
  with pytest.raises(TypeError, match='round_num must be an int'):
    clients.for_round(1.0)


def test_refuses_clients_of_another_type():
  plan = augmentation_plan(support.COUNTS, 1)
  with pytest.raises(TypeError, match='`fresh_every_epoch` must be .*bool'):
    augment_clients([], plan, seed=1, fresh_every_epoch='False')
  for fresh_every_epoch in (False, True):
    with pytest.raises(TypeError, match='`clients` must be a sequence'):
      augment_clients(
          support.as_dataset([0]), plan, seed=1, fresh_every_epoch=fresh_every_epoch
      )
    with pytest.raises(TypeError, match=r'`clients\[1\]` must be a tf.data'):
      augment_clients(
          [support.as_dataset([0]), 'client'],
          plan,
          seed=1,
          fresh_every_epoch=fresh_every_epoch,
      )


def client_data(ids=('a', 'b')):
  images, labels = support.examples(support.all_labels())
  return tff.simulation.datasets.TestClientData(
      {
          client_id: collections.OrderedDict(y=labels, x=images)
          for client_id in ids
      }
  )


def read_mapping(dataset):
  return support.read(dataset.map(lambda example: (example['x'], example['y'])))


def test_client_data_keeps_ids_and_structure_and_follows_the_plan():
  clients, plan = client_data(), augmentation_plan(support.COUNTS, 1)
  augmented = augment_clients(clients, plan, seed=1)
  assert isinstance(augmented, tff.simulation.datasets.ClientData)
  assert augmented.client_ids == ['a', 'b']
  assert augmented.element_type_structure == clients.element_type_structure
  assert list(augmented.element_type_structure) == ['y', 'x']
  for client_id in 'ab':
    dataset = augmented.create_tf_dataset_for_client(client_id)
    after = read_mapping(dataset)
    before = read_mapping(clients.create_tf_dataset_for_client(client_id))
    assert set(before) <= set(after)
    labels = collections.Counter(label for _, label in after)
    assert [labels[y] for y in range(4)] == [100, 100, 100, 70]
    assert 40 < labels[4] < 80


def test_client_data_draws_depend_on_seed_and_client():
  plan = augmentation_plan(support.COUNTS, 0.67)

  def draws(seed, ids=('a', 'b')):
    augmented = augment_clients(client_data(ids), plan, seed=seed)
    return [
        read_mapping(augmented.create_tf_dataset_for_client(client_id))
        for client_id in ids
    ]

  first, second = draws(1)
  assert first != second
  assert draws(1) == [first, second]
  assert draws(1, ('b',)) == [second]
  assert draws(2)[0] not in (first, second)


def test_client_data_can_be_read_by_id_in_a_graph():
  augmented = augment_clients(
      client_data(), augmentation_plan(support.COUNTS, 0.67), seed=1
  )

  @tf.function
  def variant(client_id):
    return tf.data.experimental.to_variant(
        augmented.serializable_dataset_fn(client_id)
    )

  for client_id in 'ab':
    eager = augmented.create_tf_dataset_for_client(client_id)
    in_graph = tf.data.experimental.from_variant(
        variant(tf.constant(client_id)), eager.element_spec
    )
    assert read_mapping(in_graph) == read_mapping(eager)
    assert read_mapping(support.sent(eager)) == read_mapping(eager)


def test_fresh_client_data_differs_between_epochs():
  plan = augmentation_plan(support.COUNTS, 0.67)

  def build():
    return augment_clients(
        client_data(), plan, seed=1, fresh_every_epoch=True
    ).create_tf_dataset_for_client('a')

  dataset = build()
  epochs = [read_mapping(dataset) for _ in range(2)]
  assert epochs[0] != epochs[1]
  assert read_mapping(build().repeat(2)) == sum(epochs, [])


def test_refuses_client_data_of_other_elements():
  clients = client_data().preprocess(lambda dataset: dataset.batch(4))
  with pytest.raises(ValueError, match='unbatch'):
    augment_clients(clients, augmentation_plan(support.COUNTS, 1), seed=1)


def test_an_odd_client_is_named_in_one_line():
  plan = augmentation_plan(support.COUNTS, 1)
  good = support.as_dataset([0, 1])
  small = good.map(lambda x, y: (x[:-1], y))
  for fresh in (False, True):
    with pytest.raises(ValueError, match=r'`clients\[2\]` has elements') as raised:
      augment_clients(
          [good, good, small], plan, seed=1, fresh_every_epoch=fresh)
    assert '\n' not in str(raised.value)
    with pytest.raises(ValueError, match=r'`clients\[1\]`: .*`unbatch\(\)`'):
      augment_clients(
          [good, good.batch(2)], plan, seed=1, fresh_every_epoch=fresh)
    with pytest.raises(ValueError, match=r'`clients\[1\]` .* never ends'):
      augment_clients(
          [good, good.repeat()], plan, seed=1, fresh_every_epoch=fresh)


def test_a_client_that_cannot_be_augmented_is_named_in_one_line(monkeypatch):
  plan = augmentation_plan(support.COUNTS, 1)
  good = support.as_dataset([0, 1])
  with pytest.raises(tf.errors.InvalidArgumentError) as raised:
    augment_clients([good, support.as_dataset([0, 7])], plan, seed=1)
  message = str(raised.value)
  assert message.startswith('clients[1] cannot be augmented: indices[1] = 7 is')
  assert '\n' not in message
  monkeypatch.setattr(client_endings, 'MOST_EXAMPLES_OF_UNKNOWN_NUMBER', 3000)
  endless = good.repeat().take_while(lambda x, y: y >= 0)
  with pytest.raises(ValueError, match=r'clients\[1\] was read for .* may never'):
    augment_clients([good, endless], plan, seed=1)
