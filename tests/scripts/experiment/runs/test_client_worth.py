"""Clients of unequal worth: what each kind holds, and the good ones alone."""

import numpy as np
import pytest

from astraea_tff import datasets
from astraea_tff import randomness
from experiment.runs import client_worth
from experiment.runs import grouping
from experiment.runs import settings as settings_lib


@pytest.fixture(name='data', scope='module')
def fixture_data():
  return datasets.prepare('digits', num_clients=50, seed=3)


def _change(data, worth, seed=3):
  return client_worth.change_worth(data, worth, 5, seed=seed)


def _examples(data):
  return [data.clients.load(client) for client in range(len(data.clients))]


def test_equal_clients_stay(data):
  assert _change(data, 'equal') is data


def test_a_fifth_of_the_clients_has_random_labels(data):
  changed = _change(data, 'wrong_labels')
  shares = []
  wrong = randomness.round_generator(
      3, 0, randomness.WORTH_STREAM).permutation(50)[:10]
  for client, ((images, labels), (same, given)) in enumerate(
      zip(_examples(data), _examples(changed))
  ):
    np.testing.assert_array_equal(images, same)
    shares.append((labels == given).mean())
    assert (shares[-1] < 1) == (client in wrong)
  assert sum(share == 1 for share in shares) == 40
  assert np.mean([share for share in shares if share < 1]) < 0.3
  np.testing.assert_array_equal(changed.test_labels, data.test_labels)
  assert _change(data, 'wrong_labels').content_hash == changed.content_hash


def test_too_few_clients_or_classes_are_refused():
  two = datasets.prepare('digits', num_clients=2, seed=3)
  with pytest.raises(ValueError, match='for 3 clients or more, got 2'):
    _change(two, 'wrong_labels')
  lacking = datasets.prepare(
      'digits', num_clients=5, seed=3, num_examples=9,
      global_distribution='balanced',
  )
  with pytest.raises(ValueError, match='examples of every class, got none of'):
    _change(lacking, 'unequal')


def test_mediators_hold_what_their_kind_says(data):
  changed = _change(data, 'unequal')
  assert len(changed.clients) == 50
  counts = changed.label_counts.reshape(10, 5, 10).sum(axis=1)
  true_labels = {
      image.tobytes(): label
      for images, labels in _examples(data)
      for image, label in zip(images, labels)
  }
  for mediator, kind in enumerate(client_worth.KINDS):
    of_mediator = counts[mediator]
    examples = [
        changed.clients.load(5 * mediator + client) for client in range(5)
    ]
    right = np.mean([
        true_labels[image.tobytes()] == label
        for images, labels in examples
        for image, label in zip(images, labels)
    ])
    if kind == 'wrong labels':
      assert 0.15 < right < 0.45
      continue
    # Two digits of different classes may be the same pixels, if seldom.
    assert right > 0.99
    if kind == 'rare':
      assert of_mediator[8:].sum() == pytest.approx(
          of_mediator.sum() / 2, rel=0.1
      )
    elif kind == 'one class':
      assert np.count_nonzero(of_mediator) == 1
    else:
      assert not of_mediator[8:].any() and (of_mediator[:8] > 0).all()
  sizes = dict(zip(client_worth.KINDS, counts.sum(axis=1)))
  assert sizes['tiny'] < 0.2 * sizes['balanced']


def test_the_good_ones_alone_hold_what_they_held(data):
  whole, good = _examples(_change(data, 'unequal')), _change(data, 'unequal_good')
  kept = [
      5 * mediator + client
      for mediator, kind in enumerate(client_worth.KINDS)
      if kind in ('balanced', 'rare')
      for client in range(5)
  ]
  assert len(good.clients) == len(kept) == 25
  for (images, labels), client in zip(_examples(good), kept):
    np.testing.assert_array_equal(images, whole[client][0])
    np.testing.assert_array_equal(labels, whole[client][1])


def test_consecutive_clients_share_a_mediator():
  settings = settings_lib.Settings(
      num_clients=7, clients_per_round=3, max_clients=3, grouping='consecutive'
  )
  counts = np.random.default_rng(0).integers(1, 9, (7, 4))
  schedule = grouping.schedule_of_round(settings, counts, 0, 0)
  assert schedule.mediators == ((0, 1, 2), (3, 4, 5), (6,))
  shares = counts[:3].sum(axis=0) / counts[:3].sum()
  assert schedule.kl_divergence[0] == pytest.approx(
      (shares * np.log(4 * shares)).sum()
  )


def test_clients_of_a_round_share_a_mediator_by_their_numbers():
  settings = settings_lib.Settings(
      num_clients=12, clients_per_round=6, max_clients=3, grouping='consecutive'
  )
  counts = np.ones((12, 4), int)
  schedule = grouping.schedule_of_round(settings, counts, 7, 1)
  clients = [client for mediator in schedule.mediators for client in mediator]
  assert clients == sorted(clients) and len(clients) == 6


@pytest.mark.parametrize(
    'dataset, num_clients',
    [('digits', 4), ('breast_cancer', 10)],
)
def test_unequal_mediators_need_clients_and_classes(dataset, num_clients):
  data = datasets.prepare(dataset, num_clients=num_clients, seed=0)
  with pytest.raises(
      ValueError,
      match='client_worth=unequal needs max_clients=5 clients or more and 3 cl',
  ):
    _change(data, 'unequal')
