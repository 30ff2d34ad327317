"""A client that may never end fails in a round, whatever hides it."""

import gc
import weakref

import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.augmentation import all_clients
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.client_datasets import errors as client_errors
from astraea_tff.clients import batches
from astraea_tff.clients import by_id
from astraea_tff.clients import label_prior
from astraea_tff.clients import mediator_data

_MOST = 40
_TOO_LONG = 'was read for 40 examples without an end'


@pytest.fixture(autouse=True)
def few(monkeypatch):
  monkeypatch.setattr(client_endings, 'MOST_EXAMPLES_OF_UNKNOWN_NUMBER', _MOST)


def _examples(number=_MOST):
  dataset = tf.data.Dataset.range(number)
  return dataset.map(lambda n: (tf.ones([2]), tf.cast(n % 3, tf.int32)))


def _endless():
  return _examples().repeat().take_while(lambda x, y: y >= 0)


def _read(dataset):
  """Reads to the end, as the message of a fault says whose it is."""
  with client_errors.named_errors('it', dataset, 'read'):
    return sum(len(y) for _, y in dataset)


def test_a_round_reads_what_is_of_unknown_number_to_a_limit():
  whole = _examples(2 * _MOST).filter(lambda x, y: y >= 0)
  clients = batches.BatchedClients([_endless(), whole, _examples()], 7, seed=0)
  of_round = clients.for_round(1)
  ((endless, finite, known),) = mediator_data.mediator_data(
      [[0, 1, 2]], of_round, 3
  )
  assert known.element_spec == finite.element_spec == of_round[0].element_spec
  assert _read(finite) == 2 * _read(known) == 2 * _MOST
  with pytest.raises(tf.errors.InvalidArgumentError, match=f'it {_TOO_LONG}'):
    _read(endless)


@pytest.mark.parametrize('number', [10**15, 2**62])
def test_a_client_of_more_than_anybody_can_read_never_ends(number):
  huge = tf.data.Dataset.range(number).map(lambda n: (tf.ones([2]), n % 3))
  with pytest.raises(ValueError, match='c has a dataset that never ends'):
    client_endings.check_ends('c', huge)
  client_endings.check_ends('c', tf.data.Dataset.range(10**9))


def test_a_client_of_unknown_number_is_the_same_dataset_in_every_round():
  clients = [_endless().batch(7), _examples().batch(7)]
  rounds = [
      mediator_data.mediator_data([[0, 1]], clients, 2)[0] for _ in range(2)
  ]
  assert rounds[0][0] is rounds[1][0] is not clients[0]
  assert rounds[0][1] is rounds[1][1] is clients[1]
  references = [weakref.ref(part) for part in (clients[0], rounds[0][0])]
  del clients, rounds
  gc.collect()
  assert [reference() for reference in references] == [None, None]


def test_the_label_prior_hides_no_client_that_never_ends():
  clients = [_examples(), _examples().repeat(), _endless()]
  of_round = label_prior.clients_with_label_prior(
      batches.BatchedClients(clients, 7, seed=0), [1, 1, 1]
  ).for_round(1)
  with pytest.raises(ValueError, match=r'clients\[1\] has a dataset that never'):
    mediator_data.mediator_data([[0, 1]], of_round, 2)
  ((known, endless),) = mediator_data.mediator_data([[0, 2]], of_round, 2)
  assert _read(known) == _MOST
  with pytest.raises(tf.errors.InvalidArgumentError, match=f'it {_TOO_LONG}'):
    _read(endless)


def test_the_label_prior_hides_no_client_that_calls_python():
  generated = tf.data.Dataset.from_generator(
      lambda: [([1.0, 2.0], 0)],
      output_signature=(tf.TensorSpec([2]), tf.TensorSpec([], tf.int32)),
  )
  of_round = label_prior.clients_with_label_prior(
      batches.BatchedClients([_examples(), generated], 7, seed=0), [1, 1, 1]
  ).for_round(1)
  with pytest.raises(ValueError, match=r'clients\[1\] has a dataset that calls'):
    mediator_data.mediator_data([[0, 1]], of_round, 2)


def test_augmentation_that_is_fresh_has_no_limit_of_its_own():
  plan = plan_lib.augmentation_plan([9, 3, 1], 1)
  dataset = _examples(2 * _MOST)
  clients = batches.BatchedClients(
      all_clients.augment_clients(
          [dataset], plan, seed=0, fresh_every_epoch=True
      ),
      7,
      seed=0,
  )
  ((augmented,),) = mediator_data.mediator_data([[0]], clients.for_round(1), 1)
  assert _read(augmented) > 2 * _MOST


def _client_data(make):
  return tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
      ['a', '猫'], lambda client_id: make()
  )


def test_clients_by_id_have_the_same_limit():
  whole = lambda: _examples().filter(lambda x, y: y >= 0)
  for make in (whole, _endless):
    client_data = _client_data(make)
    for clients in (
        by_id.ClientsById(client_data, 7, seed=0),
        label_prior.clients_with_label_prior(
            by_id.ClientsById(client_data, 7, seed=0), [1, 1, 1]
        ),
    ):
      client = {
          name: tf.constant(value)
          for name, value in clients.for_round(1)[1].items()
      }
      if make is whole:
        assert _read(clients.read(client)) == _MOST
      else:
        with pytest.raises(tf.errors.InvalidArgumentError, match=_TOO_LONG):
          with client_errors.named_errors('it', None, 'read'):
            _read(clients.read(client))
  with pytest.raises(ValueError, match="client 'a' has a dataset that never"):
    by_id.ClientsById(_client_data(lambda: _examples().repeat()), 7, seed=0)


def test_a_vector_as_a_label_is_one_example():
  """As StackOverflow's tags are, of clients whose number is not known."""
  make = lambda: tf.data.Dataset.range(1).flat_map(
      lambda _: _examples().map(lambda x, y: (x, tf.zeros([50])))
  )
  clients = by_id.ClientsById(_client_data(make), 7, seed=0)
  client = {
      name: tf.constant(value)
      for name, value in clients.for_round(1)[1].items()
  }
  assert _read(clients.read(client)) == _MOST


def test_client_data_with_the_label_prior_have_the_same_limit():
  batched = lambda: _endless().batch(7)
  with_prior = label_prior.clients_with_label_prior(
      _client_data(batched), [1, 1, 1]
  )
  with pytest.raises(tf.errors.InvalidArgumentError, match=_TOO_LONG):
    _read(with_prior.create_tf_dataset_for_client('a'))
