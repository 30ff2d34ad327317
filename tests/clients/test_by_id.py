"""Clients of a round as their ids, and what a worker reads by them."""

import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.clients import by_id

_SIZES = (7, 4, 9, 5, 6)
_CLIENT_DATA = tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
    [str(size) for size in _SIZES],
    lambda client_id: tf.data.Dataset.range(
        tf.strings.to_number(client_id, tf.int64)
    ),
)


@pytest.fixture(name='clients')
def fixture_clients():
  return by_id.ClientsById(_CLIENT_DATA, 2, seed=11)


def _as_tensors(client):
  return collections.OrderedDict(
      client, **{
          name: tf.constant(client[name], tf.int64)
          for name in ('shuffle_seed', 'preprocess_seed')
      }
  )


def test_clients_of_a_round_are_counted_from_the_end_as_in_a_list(clients):
  of_round = clients.for_round(1)
  assert str(of_round[-1]) == str(of_round[len(of_round) - 1])
  with pytest.raises(IndexError):
    of_round[len(of_round)]


def test_nobody_has_no_examples_and_the_others_elements(clients):
  of_round = clients.for_round(1)
  nobody = clients.read(_as_tensors(of_round.nobody))
  assert not list(nobody)
  somebody = clients.read(_as_tensors(of_round[0]))
  assert nobody.element_spec == somebody.element_spec
  assert len(list(somebody.unbatch())) == _SIZES[0]


def test_seeds_are_new_in_every_round_and_for_every_client(clients):
  drawn = [
      (client['shuffle_seed'], *client['preprocess_seed'])
      for round_num in range(5)
      for client in clients.for_round(round_num)
  ]
  assert len({part for seeds in drawn for part in seeds}) == 5 * 5 * 3


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        (dict(batch_size=0), ValueError, '`batch_size`'),
        (dict(seed=-1), ValueError, '`seed`'),
        (dict(shuffle_buffer=0), ValueError, '`shuffle_buffer`'),
        (dict(shuffle_buffer=2**31), ValueError, '`shuffle_buffer` must be at m'),
        (dict(local_epochs=1.5), TypeError, '`local_epochs`'),
        (dict(preprocess='x'), TypeError, "`preprocess` must be a function"),
        (
            dict(preprocess=lambda *parts: parts[0], copies=np.ones(3)),
            TypeError, '`copies` must be a function, got array',
        ),
        (dict(client_data=[1]), TypeError, 'tff.simulation.datasets.ClientData'),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error, message):
  given = dict(client_data=_CLIENT_DATA, batch_size=2, seed=0)
  with pytest.raises(error, match=message):
    by_id.ClientsById(**(given | arguments))


def test_ids_that_are_no_texts_are_refused():
  numbered = tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
      [3, 5], lambda client_id: tf.data.Dataset.range(2)
  )
  with pytest.raises(TypeError, match='texts as client ids.*got 3 of type int'):
    by_id.ClientsById(numbered, 2, seed=0)
