"""Rounds of ids train what rounds of datasets train, bit by bit."""

import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff.augmentation import one_client
from astraea_tff.clients import by_id as by_id_lib
from astraea_tff.clients import process_by_id
from astraea_tff.datasets.storage import client_store

_SHAPE, _NUM_CLASSES, _SIZES = (4, 4, 1), 3, (7, 4, 9, 5, 6)
_SEED = 11

pytestmark = pytest.mark.usefixtures('execution_context')


@pytest.fixture(name='store', scope='module')
def fixture_store(tmp_path_factory):
  rng = np.random.default_rng(1)
  folder = tmp_path_factory.mktemp('store')
  client_store.write_store(
      folder,
      (
          (
              rng.integers(0, 256, (size, *_SHAPE), np.uint8),
              rng.integers(0, _NUM_CLASSES, size).astype(np.int32),
          )
          for size in _SIZES
      ),
      num_clients=len(_SIZES),
      num_classes=_NUM_CLASSES,
      feature_spec=tf.TensorSpec(_SHAPE, tf.uint8),
      description='writing',
  )
  return client_store.open_store(folder)


@pytest.fixture(name='in_memory', scope='module')
def fixture_in_memory(store):
  return [
      tf.data.Dataset.from_tensor_slices(store.load(client))
      for client in range(len(store))
  ]


def _model_fn():
  model = tf.keras.Sequential([
      tf.keras.layers.Input(_SHAPE, dtype=tf.uint8),
      tf.keras.layers.Rescaling(1 / 255),
      tf.keras.layers.Flatten(),
      tf.keras.layers.Dense(
          _NUM_CLASSES,
          kernel_initializer=tf.keras.initializers.GlorotUniform(seed=1),
      ),
  ])
  return tff.learning.models.from_keras_model(
      model,
      loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
      input_spec=(
          tf.TensorSpec([None, *_SHAPE], tf.uint8),
          tf.TensorSpec([None], tf.int32),
      ),
  )


@pytest.fixture(name='astraea', scope='module')
def fixture_astraea():
  return astraea_tff.build_weighted_astraea(
      _model_fn,
      tff.learning.optimizers.build_adam(0.01),
      max_clients=3,
      mediator_epochs=2,
      local_epochs=2,
  )


@pytest.fixture(name='by_id', scope='module')
def fixture_by_id(astraea, store):
  clients = by_id_lib.ClientsById(store.client_data, 2, seed=_SEED)
  return process_by_id.read_by_id(astraea, clients), clients


def _weights(process, state):
  return process.get_model_weights(state).trainable


def _run(process, clients, schedule, num_rounds=3):
  state = process.initialize()
  measured = []
  for data, _ in zip(schedule.rounds(clients, 1, seed=4), range(num_rounds)):
    state, metrics = process.next(state, data)
    measured.append(metrics['client_work']['train'])
  return _weights(process, state), measured


def test_astraea_by_id_trains_the_same_weights(astraea, by_id, store, in_memory):
  schedule = astraea_tff.reschedule(store.label_counts, 3)
  shipped, shipped_metrics = _run(
      astraea, astraea_tff.BatchedClients(in_memory, 2, seed=_SEED), schedule
  )
  process, clients = by_id
  read, read_metrics = _run(process, clients, schedule)
  assert len(schedule.mediators[-1]) == 2  # One is padded.
  for one, other in zip(shipped, read):
    np.testing.assert_array_equal(one, other)
  assert shipped_metrics == read_metrics


def test_reshuffled_orders_go_with_the_ids(store, in_memory):
  process = astraea_tff.build_weighted_astraea(
      _model_fn,
      tff.learning.optimizers.build_sgdm(0.1),
      max_clients=3,
      client_order='reshuffled',
  )
  clients = by_id_lib.ClientsById(store.client_data, 2, seed=_SEED)
  by_id = process_by_id.read_by_id(process, clients)
  batched = astraea_tff.BatchedClients(in_memory, 2, seed=_SEED)
  orders = np.array([[[2, 0, 1]]], np.int32)
  state = process.initialize()
  shipped, read = (
      process_.next(
          state,
          astraea_tff.mediator_data(
              [[3, 0, 4]], data.for_round(2), 3, orders=orders
          ),
      )
      for process_, data in ((process, batched), (by_id, clients))
  )
  for one, other in zip(
      _weights(process, shipped.state), _weights(process, read.state)
  ):
    np.testing.assert_array_equal(one, other)


def test_a_mediator_of_nobody_counts_as_nothing(by_id):
  process, clients = by_id
  state = process.initialize()
  data = astraea_tff.mediator_data([[], [0, 1]], clients.for_round(1), 3)
  alone = astraea_tff.mediator_data([[0, 1]], clients.for_round(1), 3)
  both, only = process.next(state, data), process.next(state, alone)
  for one, other in zip(
      _weights(process, both.state), _weights(process, only.state)
  ):
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_fed_avg_by_id_trains_the_same_weights(store, in_memory):
  process = tff.learning.algorithms.build_weighted_fed_avg(
      _model_fn, tff.learning.optimizers.build_sgdm(0.1)
  )
  clients = by_id_lib.ClientsById(
      store.client_data, 2, seed=_SEED, local_epochs=2
  )
  by_id = process_by_id.read_by_id(process, clients)
  batched = astraea_tff.BatchedClients(in_memory, 2, seed=_SEED)
  state = process.initialize()
  shipped = process.next(
      state, [batched.for_round(7)[k].repeat(2) for k in (3, 0)]
  )
  read = by_id.next(state, [clients.for_round(7)[k] for k in (3, 0)])
  for one, other in zip(
      _weights(process, shipped.state), _weights(process, read.state)
  ):
    np.testing.assert_array_equal(one, other)


def test_fresh_augmentation_by_id_is_that_of_freshly_augmented_clients(
    astraea, store, in_memory
):
  plan = astraea_tff.augmentation_plan(store.label_counts, 2.0)
  fresh = astraea_tff.FreshlyAugmentedClients(in_memory, plan, seed=_SEED)
  batched = astraea_tff.BatchedClients(fresh, 2, seed=_SEED)
  clients = by_id_lib.ClientsById(
      store.client_data,
      2,
      seed=_SEED,
      preprocess=one_client.augment_dataset_fn(
          plan, one_client.DEFAULT_TRANSFORM, True
      ),
  )
  process = process_by_id.read_by_id(astraea, clients)
  state = process.initialize()
  shipped, read = (
      process_.next(
          state, astraea_tff.mediator_data([[2, 1]], data.for_round(5), 3)
      )
      for process_, data in ((astraea, batched), (process, clients))
  )
  for one, other in zip(
      _weights(process, shipped.state), _weights(process, read.state)
  ):
    np.testing.assert_array_equal(one, other)


def test_process_keeps_its_other_methods(astraea, by_id):
  process, _ = by_id
  state = process.initialize()
  hparams = process.get_hparams(state)
  assert process.get_hparams.type_signature == astraea.get_hparams.type_signature
  changed = process.set_hparams(state, hparams)
  assert changed.client_work == state.client_work
  zeros = tf.nest.map_structure(
      np.zeros_like, process.get_model_weights(state)
  )
  state = process.set_model_weights(state, zeros)
  assert all((weight == 0).all() for weight in _weights(process, state))


def test_a_round_is_a_few_bytes_whatever_the_clients_size(by_id):
  process, clients = by_id
  client_type = process.next.type_signature.parameter[1].member[0]
  assert str(client_type) == (
      '<client_id=str,is_present=bool,shuffle_seed=int64,'
      'preprocess_seed=int64[2]>'
  )
  client = clients.for_round(1)[2]
  assert client['client_id'] == b'2'
  assert isinstance(client, collections.OrderedDict)


def test_ids_of_any_text_are_read(astraea):
  ids = ['', ' ', '猫 3', 'a/b\\"\'\n', 'ä,{}', 'z']

  def dataset_of(client_id):
    size = 1 + tf.reduce_sum(
        tf.where(
            tf.equal(tf.constant(ids), client_id),
            tf.range(6, dtype=tf.int64),
            0,
        )
    )
    return tf.data.Dataset.from_tensors((
        tf.zeros(_SHAPE, tf.uint8), tf.constant(0)
    )).repeat(size)

  client_data = tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
      ids, dataset_of
  )
  clients = by_id_lib.ClientsById(client_data, 2, seed=0)
  process = process_by_id.read_by_id(astraea, clients)
  state = process.initialize()
  for index, client_id in enumerate(client_data.client_ids):
    data = astraea_tff.mediator_data([[index]], clients.for_round(1), 3)
    metrics = process.next(state, data).metrics['client_work']['train']
    assert metrics['num_examples'] == 2 * 2 * (1 + ids.index(client_id))


def test_what_is_no_process_or_no_clients_by_id_is_refused(astraea, by_id):
  with pytest.raises(TypeError, match='`process` must be a .*LearningProc'):
    process_by_id.read_by_id(None, by_id[1])
  with pytest.raises(TypeError, match='`clients` must be a ClientsById, got'):
    process_by_id.read_by_id(astraea, None)


def test_what_looks_at_a_variable_of_outside_is_told_what_to_do(astraea, store):
  shift = tf.Variable(1, dtype=tf.uint8)
  shifted = store.client_data.preprocess(
      lambda dataset: dataset.map(lambda x, y: (x + shift, y))
  )
  with pytest.raises(ValueError, match='looks at a variable, a table or a tens'):
    process_by_id.read_by_id(
        astraea, by_id_lib.ClientsById(shifted, 2, seed=0)
    )


def test_batches_that_the_process_does_not_take_are_refused(astraea, store):
  floats = store.client_data.preprocess(
      lambda ds: ds.map(lambda x, y: (tf.cast(x, tf.float32), y))
  )
  clients = by_id_lib.ClientsById(floats, 2, seed=0)
  with pytest.raises(TypeError, match='must make the batches that `process`'):
    process_by_id.read_by_id(astraea, clients)
