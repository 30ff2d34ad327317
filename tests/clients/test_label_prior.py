"""Clients with the prior: the examples of before, and what each expects."""

import augmentation_support
import label_prior_oracle as oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff.augmentation import one_client
from astraea_tff.clients import label_prior
from astraea_tff.training import chain_batches
from astraea_tff.training import chain_options

_LABELS = ([0, 2, 2, 0, 2, 0, 0], [1, 1], [], [2, 1, 0, 0])
_COUNTS = np.array([oracle.counts_of(labels) for labels in _LABELS])
_GLOBAL = [10, 30, 60]
# Its dataset computation does not keep a `TestClientData` alive.
_KEPT = []


@pytest.fixture(autouse=True)
def fixture_nothing_kept_alive():
  yield
  _KEPT.clear()


def _clients():
  return [oracle.make_client(labels, k) for k, labels in enumerate(_LABELS)]


def _client_data(clients):
  """Clients by the ids '0', '1', ... , none of them empty."""
  columns = [next(client.batch(100).as_numpy_iterator()) for client in clients]
  client_data = tff.simulation.datasets.TestClientData(
      {str(k): column for k, column in enumerate(columns)}
  )
  _KEPT.append(client_data)
  return client_data


def _assert_same_but_for_prior(
    with_prior, plain, counts, global_counts=_GLOBAL
):
  """Same batches, and beside them the prior of a client with these counts."""
  expected = None
  if sum(counts):
    expected = oracle.log_prior(counts, global_counts)
  for changed, batch in zip(
      with_prior.as_numpy_iterator(), plain.as_numpy_iterator(), strict=True
  ):
    (features, prior), labels = changed
    np.testing.assert_array_equal(features, batch[0])
    np.testing.assert_array_equal(labels, batch[1])
    assert prior.shape == (len(labels), oracle.NUM_CLASSES)
    np.testing.assert_allclose(prior, [expected] * len(labels), rtol=1e-6)


def _tensors(client):
  """A client in a round, as the worker's graph has it."""
  return {
      'client_id': tf.constant(client['client_id']),
      'is_present': tf.constant(client['is_present']),
      'shuffle_seed': tf.constant(client['shuffle_seed'], tf.int64),
      'preprocess_seed': tf.constant(client['preprocess_seed'], tf.int64),
  }


def test_batched_clients_keep_their_order_and_get_their_own_prior():
  plain = astraea_tff.BatchedClients(_clients(), 3, seed=5)
  changed = label_prior.clients_with_label_prior(plain, _GLOBAL)
  assert len(changed) == len(plain)
  for round_num in (1, 2):
    for k, counts in enumerate(_COUNTS):
      ours = changed.for_round(round_num)[k]
      theirs = plain.for_round(round_num)[k]
      # Two epochs, of which the second has another order.
      _assert_same_but_for_prior(ours.repeat(2), theirs.repeat(2), counts)


def test_a_dataset_counts_where_it_was_sent():
  changed = label_prior.clients_with_label_prior(
      astraea_tff.BatchedClients(_clients(), 3, seed=5), _GLOBAL
  )
  there = augmentation_support.sent(changed.for_round(1)[0])
  plain = astraea_tff.BatchedClients(_clients(), 3, seed=5).for_round(1)[0]
  _assert_same_but_for_prior(
      there, augmentation_support.sent(plain), _COUNTS[0]
  )


def test_datasets_of_batches_and_of_examples():
  for clients in (_clients(), [c.batch(2) for c in _clients()]):
    changed = label_prior.clients_with_label_prior(clients, _COUNTS)
    for k, counts in enumerate(_COUNTS):
      with_prior, plain = changed[k], clients[k]
      if plain.element_spec[1].shape.rank == 0:
        with_prior, plain = with_prior.batch(2), plain.batch(2)
      _assert_same_but_for_prior(
          with_prior, plain, counts, _COUNTS.sum(axis=0)
      )
    assert changed[-1] is changed[3]
    with pytest.raises(IndexError):
      changed[4]


def test_client_data_stay_client_data():
  clients = [client for k, client in enumerate(_clients()) if k != 2]
  plain = _client_data(clients)
  changed = label_prior.clients_with_label_prior(plain, _GLOBAL)
  assert changed.client_ids == plain.client_ids
  for k, counts in enumerate(np.delete(_COUNTS, 2, axis=0)):
    _assert_same_but_for_prior(
        changed.create_tf_dataset_for_client(str(k)).batch(4),
        plain.create_tf_dataset_for_client(str(k)).batch(4),
        counts,
    )


def test_clients_by_id_keep_their_order_and_their_rounds():
  clients = [client for k, client in enumerate(_clients()) if k != 2]
  plain = astraea_tff.ClientsById(
      _client_data(clients), 3, seed=5, local_epochs=2
  )
  changed = label_prior.clients_with_label_prior(plain, _GLOBAL)
  assert len(changed) == 3
  for k, counts in enumerate(np.delete(_COUNTS, 2, axis=0)):
    client = changed.for_round(4)[k]
    tf.nest.map_structure(
        np.testing.assert_array_equal, client, plain.for_round(4)[k]
    )
    _assert_same_but_for_prior(
        changed.read(_tensors(client)), plain.read(_tensors(client)), counts
    )
  nobody = _tensors(changed.for_round(4).nobody)
  assert not list(changed.read(nobody))


# Images, for augmentation, of two clients; class 1 is rare.
_IMAGE_LABELS = ([0] * 6 + [1] * 2, [0] * 5 + [2] * 7 + [1])
_IMAGE_COUNTS = np.array([oracle.counts_of(labels) for labels in _IMAGE_LABELS])


def _image_clients():
  return [
      augmentation_support.as_dataset(labels, label_dtype=np.int32)
      for labels in _IMAGE_LABELS
  ]


def _plan():
  plan = astraea_tff.augmentation_plan(_IMAGE_COUNTS, 1.0)
  assert plan.copies[1] == pytest.approx(7 / 3)
  return plan


def _trained_on(dataset):
  """Counts of the labels in batches, by reading them."""
  labels = [batch[1] for batch in dataset.as_numpy_iterator()]
  return oracle.counts_of(np.concatenate(labels))


def test_stored_augmentation_is_counted():
  plan = _plan()
  augmented = astraea_tff.augment_clients(_image_clients(), plan, seed=2)
  plain = astraea_tff.BatchedClients(augmented, 4, seed=5)
  changed = label_prior.clients_with_label_prior(plain, plan.expected_counts)
  for k, counts in enumerate(_IMAGE_COUNTS):
    trained_on = _trained_on(plain.for_round(1)[k])
    assert trained_on[1] > counts[1]
    _assert_same_but_for_prior(
        changed.for_round(1)[k],
        plain.for_round(1)[k],
        trained_on,
        plan.expected_counts,
    )


def _fresh():
  fresh = astraea_tff.FreshlyAugmentedClients(_image_clients(), _plan(), seed=2)
  return astraea_tff.BatchedClients(fresh, 4, seed=5)


def _by_id():
  clients = _client_data(_image_clients())
  return astraea_tff.ClientsById(
      clients,
      4,
      seed=5,
      preprocess=one_client.augment_dataset_fn(
          _plan(), one_client.DEFAULT_TRANSFORM, True
      ),
  )


@pytest.mark.parametrize('copies', [None, _plan().copies])
def test_fresh_augmentation_keeps_its_draws(copies):
  changed = label_prior.clients_with_label_prior(
      _fresh(), _GLOBAL, copies=copies
  )
  by_id = _by_id()
  by_id_changed = label_prior.clients_with_label_prior(
      by_id, _GLOBAL, copies=copies
  )
  for round_num in (0, 1, 2):
    for k, counts in enumerate(_IMAGE_COUNTS):
      plain = _fresh().for_round(round_num)[k]
      if copies is None:
        # Of a dataset of its own: a second reading has other draws.
        expected = _trained_on(_fresh().for_round(round_num)[k])
      else:
        expected = counts * copies
      _assert_same_but_for_prior(
          changed.for_round(round_num)[k], plain, expected
      )
      client = _tensors(by_id.for_round(round_num)[k])
      if copies is None:
        expected = _trained_on(by_id.read(client))
      _assert_same_but_for_prior(
          by_id_changed.read(client), by_id.read(client), expected
      )


def test_clients_that_are_fresh_without_batches():
  plan = _plan()
  fresh = astraea_tff.FreshlyAugmentedClients(_image_clients(), plan, seed=2)
  changed = label_prior.clients_with_label_prior(
      fresh, _GLOBAL, copies=plan.copies
  )
  for k, counts in enumerate(_IMAGE_COUNTS):
    _assert_same_but_for_prior(
        changed.for_round(3)[k].batch(4),
        fresh.for_round(3)[k].batch(4),
        counts * plan.copies,
    )


@pytest.mark.parametrize('build_clients', [
    _clients,
    lambda: astraea_tff.BatchedClients(_clients(), 2, seed=0),
    lambda: astraea_tff.ClientsById(_client_data(_clients()[:2]), 2, seed=0),
    lambda: _client_data(_clients()[:2]),
])
def test_copies_for_clients_without_fresh_augmentation_are_refused(
    build_clients,
):
  clients = build_clients()
  with pytest.raises(ValueError, match='`copies` is for clients whose augment'):
    label_prior.clients_with_label_prior(clients, _GLOBAL, copies=[1, 2, 3])


@pytest.mark.parametrize(
    'change, error, message',
    [
        (lambda x, y: (x, tf.cast(y, tf.float32)), TypeError, 'tensor of integ'),
        (lambda x, y: (x, tf.reshape(y, [1, 1, 1])), ValueError, 'one integer'),
        (lambda x, y: (x, y, y), ValueError, r'elements \(x, y\)'),
    ],
)
def test_an_odd_client_is_named(change, error, message):
  clients = list(_clients())
  clients[1] = clients[1].map(change)
  with_prior = label_prior.clients_with_label_prior(clients, _GLOBAL)
  next(iter(with_prior[0]))
  with pytest.raises(error, match=rf'^clients\[1\] must have .*{message}'):
    with_prior[1]


def test_other_clients_and_numbers_are_refused_by_name():
  with pytest.raises(TypeError, match='`clients` must be BatchedClients'):
    label_prior.clients_with_label_prior(3, _GLOBAL)
  with pytest.raises(ValueError, match='`global_counts` must be'):
    label_prior.clients_with_label_prior(_clients(), [3])
  with pytest.raises(TypeError, match=r'clients\[0\] must be a .*Dataset'):
    label_prior.clients_with_label_prior([1], _GLOBAL)[0]
  with pytest.raises(ValueError, match='`prior_share` must be in'):
    label_prior.clients_with_label_prior(_clients(), _GLOBAL, prior_share=2)


@pytest.mark.parametrize('local_epochs, mediator_epochs', [(1, 2), (2, 2)])
def test_examples_come_in_the_order_that_they_have_without_prior(
    local_epochs, mediator_epochs
):
  examples = tf.data.Dataset.from_tensor_slices(
      (np.arange(6, dtype=np.float32), np.array([0, 1, 2, 0, 1, 2], np.int32))
  )
  options = chain_options.ChainOptions(
      max_clients=1, local_epochs=local_epochs, mediator_epochs=mediator_epochs
  )

  def order(add_prior):
    clients = astraea_tff.BatchedClients([examples], 2, seed=4)
    (client,) = add_prior(clients).for_round(1)
    chain = chain_batches.join_clients([client], None, options)
    return [
        number
        for _, (features, _) in chain
        for number in np.ravel(tf.nest.flatten(features)[0])
    ]

  plain = order(lambda clients: clients)
  assert len(plain) == 6 * local_epochs * mediator_epochs
  assert order(
      lambda clients: astraea_tff.clients_with_label_prior(clients, [2, 2, 2])
  ) == plain
