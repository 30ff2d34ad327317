"""Rounds with the label prior, by hand in NumPy."""

import functools

import label_prior_oracle as oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import models
from astraea_tff.labels import client_reports
from astraea_tff.labels import collection

pytestmark = pytest.mark.usefixtures('execution_context')

_LABELS = ([0, 2, 2, 0, 2, 0, 0], [1, 1], [2, 2, 2, 1], [2, 1, 0, 0])
_COUNTS = np.array([oracle.counts_of(labels) for labels in _LABELS])
_GLOBAL = _COUNTS.sum(axis=0)
_MEDIATORS = [[2, 0, 1], [3]]
_SGD = tff.learning.optimizers.build_sgdm(oracle.LEARNING_RATE)
_SEED = 8


def _clients():
  return [oracle.make_client(labels, k) for k, labels in enumerate(_LABELS)]


def _batched():
  return astraea_tff.BatchedClients(_clients(), 3, seed=_SEED)


_CLIENT_DATA = tff.simulation.datasets.TestClientData({
    str(k): next(client.batch(100).as_numpy_iterator())
    for k, client in enumerate(_clients())
})


def _by_id():
  return astraea_tff.ClientsById(_CLIENT_DATA, 3, seed=_SEED)


def _variable_model_fn():
  return models.tff_model_fn(
      *astraea_tff.model_with_label_prior(
          oracle.build_keras_model, oracle.SPEC
      )
  )


def _functional_model():
  keras_model, input_spec = astraea_tff.model_with_label_prior(
      oracle.build_keras_model, oracle.SPEC
  )
  return tff.learning.models.functional_model_from_keras(
      keras_model,
      tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
      input_spec,
  )


_MODELS = pytest.mark.parametrize(
    'build_model', [_variable_model_fn, _functional_model]
)


# Built once: the same process reads datasets, ids and other clients' priors.
@functools.cache
def _astraea(build_model):
  return astraea_tff.build_weighted_astraea(build_model(), _SGD, max_clients=3)


@functools.cache
def _fed_avg(build_model):
  return tff.learning.algorithms.build_weighted_fed_avg(build_model(), _SGD)


def _train_by_hand(weights, round_num, client, global_counts=_GLOBAL):
  batches = _batched().for_round(round_num)[client].as_numpy_iterator()
  prior = oracle.log_prior(_COUNTS[client], global_counts)
  return oracle.train_client(weights, batches, prior)


def _assert_rounds(process, rounds, train_by_hand):
  """Trains rounds, and the same by hand, and compares the weights."""
  state, weights = process.initialize(), oracle.initial_weights()
  for round_num, data in rounds:
    state = process.next(state, data).state
    weights = train_by_hand(weights, round_num)
    trained = process.get_model_weights(state).trainable
    for ours, theirs in zip(trained, weights, strict=True):
      np.testing.assert_allclose(ours, theirs, atol=1e-5)
  return process.get_model_weights(state)


def _chains_by_hand(weights, round_num, mediators=_MEDIATORS):
  trained = []
  for mediator in mediators:
    chain = weights
    for client in mediator:
      chain = _train_by_hand(chain, round_num, client)
    trained.append(chain)
  return oracle.mean_weights(
      trained, [_COUNTS[mediator].sum() for mediator in mediators]
  )


def _clients_by_hand(weights, round_num, global_counts=_GLOBAL):
  trained = [
      _train_by_hand(weights, round_num, client, global_counts)
      for client in range(4)
  ]
  return oracle.mean_weights(trained, _COUNTS.sum(axis=1))


@_MODELS
def test_astraea_on_datasets_and_by_id(build_model):
  process = _astraea(build_model)
  clients = astraea_tff.clients_with_label_prior(_batched(), _GLOBAL)
  by_id = astraea_tff.clients_with_label_prior(_by_id(), _GLOBAL)
  for trained, rounds in (
      (process, clients),
      (astraea_tff.read_by_id(process, by_id), by_id),
  ):
    _assert_rounds(
        trained,
        [
            (r, astraea_tff.mediator_data(_MEDIATORS, rounds.for_round(r), 3))
            for r in (1, 2)
        ],
        _chains_by_hand,
    )


def test_an_undone_client_leaves_nothing_to_those_after_it():
  clients = _clients()
  clients[0] = clients[0].map(lambda x, y: (x * np.nan, y))
  with_prior = astraea_tff.clients_with_label_prior(
      astraea_tff.BatchedClients(clients, 3, seed=_SEED), _GLOBAL
  )
  _assert_rounds(
      _astraea(_variable_model_fn),
      [(1, astraea_tff.mediator_data(_MEDIATORS, with_prior.for_round(1), 3))],
      lambda weights, r: _chains_by_hand(weights, r, [[2, 1], [3]]),
  )


@_MODELS
def test_fed_avg_on_datasets_and_by_id(build_model):
  process = _fed_avg(build_model)
  clients = astraea_tff.clients_with_label_prior(_batched(), _GLOBAL)
  by_id = astraea_tff.clients_with_label_prior(_by_id(), _GLOBAL)
  for trained, rounds in (
      (process, clients),
      (astraea_tff.read_by_id(process, by_id), by_id),
  ):
    _assert_rounds(
        trained,
        [(r, [rounds.for_round(r)[k] for k in range(4)]) for r in (1, 2)],
        _clients_by_hand,
    )


def test_client_data_composed_with_fed_avg():
  """TFF's own way to make datasets of ids, in its worker."""
  data = _CLIENT_DATA.preprocess(lambda dataset: dataset.batch(100))
  clients = astraea_tff.clients_with_label_prior(data, _GLOBAL)
  process = tff.simulation.compose_dataset_computation_with_learning_process(
      clients.dataset_computation,
      _fed_avg(_variable_model_fn),
  )

  def by_hand(weights, round_num):
    del round_num
    trained = []
    for client, counts in zip(_clients(), _COUNTS):
      prior = oracle.log_prior(counts, _GLOBAL)
      batches = client.batch(100).as_numpy_iterator()
      trained.append(oracle.train_client(weights, batches, prior))
    return oracle.mean_weights(trained, _COUNTS.sum(axis=1))

  _assert_rounds(process, [(1, clients.client_ids)], by_hand)


def test_evaluation_and_the_exported_model_are_the_plain_ones(tmp_path):
  process = _astraea(_variable_model_fn)
  clients = astraea_tff.clients_with_label_prior(_batched(), _GLOBAL)
  weights = _assert_rounds(
      process,
      [(1, astraea_tff.mediator_data(_MEDIATORS, clients.for_round(1), 3))],
      _chains_by_hand,
  )
  evaluation = tff.learning.algorithms.build_fed_eval(
      models.tff_model_fn(oracle.build_keras_model, oracle.SPEC)
  )
  state = evaluation.set_model_weights(evaluation.initialize(), weights)
  plain = [client.batch(5) for client in _clients()]
  measured = evaluation.next(state, plain).metrics['client_work']['eval'][
      'current_round_metrics'
  ]

  keras_model = oracle.build_keras_model()
  weights.assign_weights_to(keras_model)
  keras_model.save(tmp_path / 'model')
  loaded = tf.keras.models.load_model(tmp_path / 'model')
  examples = [client.batch(100).as_numpy_iterator() for client in _clients()]
  features, labels = map(
      np.concatenate, zip(*(next(example) for example in examples))
  )
  by_hand = _chains_by_hand(oracle.initial_weights(), 1)
  logits = features @ by_hand[0] + by_hand[1]
  np.testing.assert_allclose(loaded(features), logits, atol=1e-5)
  shares = oracle.softmax(logits)[np.arange(len(labels)), labels]
  assert measured['loss'] == pytest.approx(-np.log(shares).mean(), abs=1e-5)
  assert measured['sparse_categorical_accuracy'] == pytest.approx(
      (logits.argmax(axis=1) == labels).mean()
  )


@pytest.mark.parametrize('is_private', [False, True])
def test_global_counts_that_the_clients_reported(is_private):
  """By a secure sum, or each client's with noise of its own."""
  spec = _clients()[0].element_spec
  if is_private:
    report = collection.build_client_label_counts(
        spec,
        3,
        report_fn=client_reports.locally_private(epsilon=1.0, seed=3),
    )
    counts = report(list(range(4)), _clients())
    assert (counts != _COUNTS).any()
    global_counts = counts.sum(axis=0)
  else:
    counts = global_counts = collection.build_global_label_counts(
        spec, 3, max_examples_per_client=100
    )(_clients())
    np.testing.assert_array_equal(counts, _GLOBAL)
  clients = astraea_tff.clients_with_label_prior(_batched(), counts)
  process = _fed_avg(_variable_model_fn)
  _assert_rounds(
      process,
      [(1, [clients.for_round(1)[k] for k in range(4)])],
      lambda weights, r: _clients_by_hand(weights, r, global_counts),
  )


def test_clients_without_the_prior_are_refused():
  process = _fed_avg(_variable_model_fn)
  with pytest.raises(TypeError, match='must make the batches that `process`'):
    astraea_tff.read_by_id(process, _by_id())
