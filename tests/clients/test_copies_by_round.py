"""Copies that change with the round, as data of clients by id."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.augmentation import one_client
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.clients import by_id
from astraea_tff.clients import label_prior

COPIES = {0: [1, 1, 1], 1: [2, 1, 1], 2: [1, 3, 0.5]}
LABELS = [0] * 6 + [1] * 4 + [2] * 8


def _clients(**options):
  data = tff.simulation.datasets.TestClientData({
      'a': (
          np.zeros((18, 2, 2, 1), np.uint8), np.array(LABELS, np.int32)
      )
  })
  plan = plan_lib.augmentation_plan([6, 4, 8], 0)
  options = dict(
      seed=3,
      preprocess=one_client.augment_dataset_fn(
          plan, one_client.DEFAULT_TRANSFORM, True
      ),
      copies=lambda round_num: np.array(COPIES[round_num]),
  ) | options
  return by_id.ClientsById(data, 50, **options)


def _tensors(client):
  return {name: tf.constant(value) for name, value in client.items()}


def test_a_round_has_its_copies_and_an_empty_place_their_type():
  clients = _clients()
  assert str(clients.client_type['copies']) == 'float32[3]'
  for round_num, copies in COPIES.items():
    client = clients.for_round(round_num)[0]
    np.testing.assert_array_equal(client['copies'], np.float32(copies))
    ((_, labels),) = clients.read(_tensors(client)).as_numpy_iterator()
    counts = np.bincount(labels, minlength=3)
    assert counts[0] == 6 * copies[0] and counts[1] == 4 * copies[1]
    assert counts[2] == 8 if copies[2] == 1 else counts[2] < 8
    nobody = clients.for_round(round_num).nobody
    assert nobody.keys() == client.keys()


@pytest.mark.parametrize(
    'copies, message',
    [
        ([1, -1, 1], r'float32 above 0 for each class, got \[1, -1, 1\] in'),
        ([1, np.nan, 1], 'must return a finite float32'),
        ([1, 1e39, 1], r'each class, got \[1.0, 1e\+39, 1.0\] in round 7'),
        ([1, 1e-46, 1], r'each class, got \[1.0, 1e-46, 1.0\] in round 7'),
        (2.0, 'must return a finite float32 above 0 for each class, got 2.0'),
        ([1, 1], 'each of 3 classes in every round, got 2 in round 7'),
    ],
)
def test_what_is_no_copies_is_refused_with_its_round(copies, message):
  clients = _clients(copies=lambda round_num: copies if round_num else [1, 1, 1])
  clients.for_round(0)
  with pytest.raises(ValueError, match=message):
    clients.for_round(7)


@pytest.mark.parametrize('copies', [[1, 1, 1], None])
def test_the_prior_counts_the_copies_of_the_round(copies):
  with_prior = label_prior.clients_with_label_prior(
      _clients(), [6, 4, 8], prior_share=0.0, copies=copies
  )
  assert with_prior.client_type == _clients().client_type
  client = _tensors(with_prior.for_round(1)[0])
  (((_, prior), _),) = with_prior.read(client).as_numpy_iterator()
  expected = np.array([12, 4, 8]) / 24
  np.testing.assert_allclose(np.exp(prior[0]), expected, atol=1e-3)


def test_clients_without_copies_are_as_before():
  clients = _clients(copies=None)
  assert 'copies' not in clients.for_round(1)[0]
  with pytest.raises(ValueError, match='`copies` need a `preprocess`'):
    _clients(preprocess=None)
