"""Everything FedAvg takes, in Astraea's place: with one client a mediator the
process must train what TFF's own FedAvg trains with the same arguments."""

import collections
import functools

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import runtime
from astraea_tff.training import astraea

pytestmark = pytest.mark.usefixtures('execution_context')

CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4, 9)]
SGD = tff.learning.optimizers.build_sgdm(0.1)
ITERATOR = tff.learning.LoopImplementation.DATASET_ITERATOR


def build_both(*, kind='weighted', model_fn=None, optimizer=SGD, **arguments):
  """Returns Astraea's process, one client a mediator, and FedAvg's."""
  model_fn = model_fn or chain_oracle.variable_model_fn
  build_astraea = getattr(astraea, f'build_{kind}_astraea')
  build_fed_avg = getattr(tff.learning.algorithms, f'build_{kind}_fed_avg')
  return (
      build_astraea(model_fn, optimizer, max_clients=1, **arguments),
      build_fed_avg(model_fn, optimizer, **arguments),
  )


def plain_pair():
  """Both processes with all defaults."""
  ours = chain_oracle.build_process(max_clients=1)
  return ours, chain_oracle.build_fed_avg('variable', 'sgd', 'weighted')


def train(process, data, num_rounds=2):
  state = process.initialize()
  for _ in range(num_rounds):
    state, metrics = process.next(state, data)
  return process.get_model_weights(state), metrics


def assert_same(ours, theirs, tolerance=1e-6, num_rounds=2):
  """Trains both and compares weights and training metrics."""
  mediators = [(client,) for client in CLIENTS]
  our_weights, our_metrics = train(ours, mediators, num_rounds)
  their_weights, their_metrics = train(theirs, CLIENTS, num_rounds)
  chain_oracle.assert_weights_close(
      our_weights.trainable, their_weights.trainable, tolerance
  )
  # Or nothing was tested.
  assert (
      chain_oracle.largest_difference(
          our_weights.trainable, chain_oracle.initial_weights()
      )
      > 1e-4
  )
  ours_train = our_metrics['client_work']['train']
  theirs_train = their_metrics['client_work']['train']
  # A secure aggregator nests measurements of its own in them.
  tf.nest.map_structure(
      lambda our, their: np.testing.assert_allclose(our, their, rtol=1e-5),
      ours_train,
      theirs_train,
  )
  return our_metrics, their_metrics


def halving_distributor():
  """One that halves the weights on their way, so that its work shows."""
  with tf.Graph().as_default():
    weights_type = tff.learning.models.weights_type_from_model(
        chain_oracle.variable_model_fn()
    )

  @tff.tensorflow.computation(weights_type)
  def halve(weights):
    return tf.nest.map_structure(lambda weight: weight / 2, weights)

  @tff.federated_computation
  def initialize():
    return tff.federated_value((), tff.SERVER)

  @tff.federated_computation(
      initialize.type_signature.result,
      tff.FederatedType(weights_type, tff.SERVER),
  )
  def distribute(state, weights):
    return tff.templates.MeasuredProcessOutput(
        state,
        tff.federated_broadcast(tff.federated_map(halve, weights)),
        tff.federated_value(3, tff.SERVER),
    )

  return tff.learning.templates.DistributionProcess(initialize, distribute)


def build_adafactor():
  return tff.learning.optimizers.build_adafactor(0.1)


OPTIMIZERS = {
    'adagrad': lambda: tff.learning.optimizers.build_adagrad(0.1),
    'adam': lambda: tff.learning.optimizers.build_adam(0.01),
    'adamw': lambda: tff.learning.optimizers.build_adamw(0.01),
    'rmsprop': lambda: tff.learning.optimizers.build_rmsprop(0.01),
    'sgdm': lambda: tff.learning.optimizers.build_sgdm(0.1, momentum=0.9),
    'yogi': lambda: tff.learning.optimizers.build_yogi(0.01),
    'scheduled': lambda: tff.learning.optimizers.schedule_learning_rate(
        tff.learning.optimizers.build_sgdm(),
        lambda step: 0.1 * 0.5 ** tf.cast(step, tf.float32),
    ),
}


def test_every_optimizer_of_tff_is_tested():
  names = {
      name.removeprefix('build_')
      for name in dir(tff.learning.optimizers)
      if name.startswith('build_')
  }
  assert names == {'adafactor', *OPTIMIZERS} - {'scheduled'}


# Beside the optimizer, what else a pair of processes is built with.
BESIDE = {
    'adagrad': lambda: dict(
        model_aggregator=tff.learning.add_debug_measurements(
            tff.aggregators.MeanFactory()
        )
    ),
    'adam': lambda: dict(
        client_weighting=tff.learning.ClientWeighting.UNIFORM,
        loop_implementation=tff.learning.LoopImplementation.DATASET_REDUCE,
    ),
    'adamw': lambda: dict(
        client_weighting=tff.learning.ClientWeighting.NUM_EXAMPLES,
        loop_implementation=ITERATOR,
    ),
    'rmsprop': lambda: dict(model_distributor=halving_distributor()),
    'scheduled': lambda: dict(
        model_aggregator=tff.learning.secure_aggregator(),
        metrics_aggregator=tff.learning.metrics.secure_sum_then_finalize,
    ),
    'sgdm': lambda: dict(model_aggregator=tff.learning.robust_aggregator()),
    'yogi': lambda: dict(
        model_aggregator=tff.learning.compression_aggregator()
    ),
}


@functools.cache
def pair(name):
  """Both processes with an optimizer on clients and server, and `BESIDE`."""
  build_optimizer = OPTIMIZERS[name]
  return build_both(
      optimizer=build_optimizer(),
      server_optimizer_fn=build_optimizer(),
      **BESIDE[name](),
  )


@pytest.mark.parametrize('name', sorted(OPTIMIZERS))
def test_optimizer_on_clients_and_server(name):
  """And what is given beside it; `test_defaults` has the defaults."""
  ours, theirs = assert_same(*pair(name))
  tf.nest.map_structure(
      lambda our, their: np.testing.assert_allclose(our, their, rtol=1e-4),
      ours['aggregator'],
      theirs['aggregator'],
  )
  if name == 'rmsprop':
    assert ours['distributor'] == 3


@pytest.mark.parametrize('where', ['clients', 'functional', 'server'])
def test_adafactor_fails_as_it_does_in_fed_avg(where):
  """TFF 0.87: its state has other types after a step than before."""
  model_fn, optimizer, arguments = chain_oracle.variable_model_fn, SGD, {}
  if where == 'functional':
    model_fn = chain_oracle.shared_model('functional')
    arguments['loop_implementation'] = ITERATOR
  if where == 'server':
    arguments['server_optimizer_fn'] = build_adafactor()
  else:
    optimizer = build_adafactor()
  with pytest.raises((TypeError, KeyError)) as theirs:
    tff.learning.algorithms.build_weighted_fed_avg(
        model_fn, optimizer, **arguments
    )
  with pytest.raises((TypeError, KeyError)) as ours:
    astraea.build_weighted_astraea(
        model_fn, optimizer, max_clients=1, **arguments
    )
  assert ours.type is theirs.type


def test_defaults():
  """Among them a weighted mean, weights by examples, and summed metrics."""
  assert_same(*plain_pair())


def functional(name):
  """Arguments of a functional model with an optimizer on the clients."""
  return dict(
      model_fn=chain_oracle.shared_model('functional'),
      optimizer=OPTIMIZERS[name](),
      # With the other one functional_model_from_keras fails in TFF itself.
      loop_implementation=ITERATOR,
  )


def test_functional_model():
  """One more, unweighted and with momentum, is among the aggregators."""
  assert_same(*build_both(**functional('adam')))


UNWEIGHTED_AGGREGATORS = {
    'mean': tff.aggregators.UnweightedMeanFactory,
    # So little noise that the two can be compared, in the first round at least:
    # the noise of the adaptive clipping is not ours to choose.
    'dp': lambda: tff.learning.dp_aggregator(1e-7, len(CLIENTS)),
    'robust': lambda: tff.learning.robust_aggregator(weighted=False),
    # Zeroing and clipping, both on in the weighted one's test, are slow.
    'secure': lambda: tff.learning.secure_aggregator(
        zeroing=False, clipping=False, weighted=False
    ),
}


@pytest.mark.parametrize('name', sorted(UNWEIGHTED_AGGREGATORS))
def test_unweighted_aggregator(name):
  ours, theirs = build_both(
      kind='unweighted',
      model_aggregator=UNWEIGHTED_AGGREGATORS[name](),
      **functional('sgdm') if name == 'mean' else {},
  )
  if name == 'mean':
    assert_same(ours, theirs)
  else:
    assert_same(ours, theirs, tolerance=1e-5, num_rounds=1)


def test_compression_compresses():
  """On weights above its threshold: the test model is below it."""
  spec = (
      tf.TensorSpec([None, 200], tf.float32),
      tf.TensorSpec([None], tf.int32),
  )

  def model_fn():
    return tff.learning.models.from_keras_model(
        tf.keras.Sequential([
            tf.keras.layers.Input([200]),
            tf.keras.layers.Dense(110, kernel_initializer='zeros'),
        ]),
        input_spec=spec,
        loss=chain_oracle.loss_fn(),
    )

  rng = np.random.default_rng(0)
  client = tf.data.Dataset.from_tensor_slices((
      rng.normal(size=[8, 200]).astype(np.float32),
      rng.integers(110, size=8).astype(np.int32),
  )).batch(4)
  plain, compressed = (
      train(
          astraea.build_weighted_astraea(
              model_fn, SGD, model_aggregator=aggregator, max_clients=2
          ),
          [(client, client)],
          num_rounds=1,
      )[0].trainable
      # Both zero and clip; one also compresses.
      for aggregator in (
          tff.learning.robust_aggregator(),
          tff.learning.compression_aggregator(),
      )
  )
  difference = np.abs(plain[0] - compressed[0]).max()
  # Eight bits for the range of the update.
  assert 0 < difference < np.ptp(plain[0]) / 100


def test_secure_aggregators_leave_no_unsecure_aggregation():
  """The clients that are undone are counted securely too.

  (TFF's secure sum of metrics knows no `FunctionalModel`, in FedAvg too.)
  """
  secure, _ = pair('scheduled')
  tff.test.assert_not_contains_unsecure_aggregation(secure.next)
  tff.test.assert_contains_secure_aggregation(secure.next)
  plain, _ = plain_pair()
  with pytest.raises(AssertionError):
    tff.test.assert_not_contains_unsecure_aggregation(plain.next)


def test_an_aggregator_may_ask_for_the_models_metrics_by_name():
  def loss_alone(finalizers):
    sum_then_finalize = tff.learning.metrics.sum_then_finalize(
        collections.OrderedDict(loss=finalizers['loss'])
    )
    return lambda metrics: sum_then_finalize(
        tff.federated_zip(collections.OrderedDict(loss=metrics['loss']))
    )

  ours, theirs = build_both(metrics_aggregator=loss_alone)
  metrics, _ = assert_same(ours, theirs, num_rounds=1)
  assert set(metrics['client_work']['train']) == {'loss'}
  spoilt = chain_oracle.make_client(7, seed=1).map(
      lambda x, y: (x * np.nan, y)
  )
  _, metrics = train(ours, [(CLIENTS[1],), (spoilt,)], num_rounds=1)
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 1


def test_hparams_and_model_weights_can_be_read_and_set():
  ours, theirs = pair('adam')
  states = [process.initialize() for process in (ours, theirs)]
  hparams = [
      process.get_hparams(state)
      for process, state in zip((ours, theirs), states)
  ]
  assert hparams[0] == hparams[1]
  weights = tff.learning.models.ModelWeights(
      [np.full_like(w, 0.25) for w in chain_oracle.initial_weights()], []
  )
  results = []
  data = [(client,) for client in CLIENTS], CLIENTS
  for process, state, clients in zip((ours, theirs), states, data):
    changed = process.get_hparams(state)
    changed['client_work']['learning_rate'] = 0.05
    changed['finalizer']['learning_rate'] = 0.5
    state = process.set_hparams(state, changed)
    tf.nest.map_structure(
        np.testing.assert_allclose, process.get_hparams(state), changed
    )
    state = process.set_model_weights(state, weights)
    chain_oracle.assert_weights_close(
        process.get_model_weights(state).trainable, weights.trainable, 0
    )
    state = process.next(state, clients).state
    results.append(process.get_model_weights(state).trainable)
  chain_oracle.assert_weights_close(*results)
  assert chain_oracle.largest_difference(results[0], weights.trainable) > 1e-3


def test_fed_eval_takes_the_weights():
  process, _ = plain_pair()
  weights, _ = train(process, [(client,) for client in CLIENTS])
  evaluation = tff.learning.algorithms.build_fed_eval(
      chain_oracle.variable_model_fn
  )
  state = evaluation.set_model_weights(evaluation.initialize(), weights)
  metrics = evaluation.next(state, CLIENTS).metrics['client_work']['eval']
  keras_model = chain_oracle.build_keras_model()
  weights.assign_weights_to(keras_model)
  examples = [batch for client in CLIENTS for batch in client]
  features, labels = (np.concatenate(parts) for parts in zip(*examples))
  expected = np.mean(keras_model(features).numpy().argmax(axis=1) == labels)
  np.testing.assert_allclose(
      metrics['current_round_metrics']['sparse_categorical_accuracy'], expected
  )


def test_mergeable_execution_context(execution_context):
  """A round split among workers; restores the shared context at the end."""
  process = chain_oracle.build_process(optimizer='adam', max_clients=2)
  mediators = [CLIENTS[:2], CLIENTS[2:], [CLIENTS[3], CLIENTS[0]]]
  mediators = [tuple(mediator) for mediator in mediators]
  local, local_metrics = train(process, mediators)
  before = tff.framework.get_context_stack().current
  try:
    tff.backends.native.set_mergeable_comp_execution_context([
        runtime.create_async_execution_context(num_threads=1)
        for _ in range(2)
    ])
    split, split_metrics = train(process, mediators)
  finally:
    tff.framework.set_default_context(before)
  chain_oracle.assert_weights_close(local.trainable, split.trainable)
  for name, value in local_metrics['client_work']['train'].items():
    np.testing.assert_allclose(
        split_metrics['client_work']['train'][name], value, rtol=1e-6
    )
