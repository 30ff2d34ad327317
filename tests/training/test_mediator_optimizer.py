"""The optimizer between the visits, against chains run by hand."""

import collections
import copy
import functools

import attacks
import chain_oracle
import mediator_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import runtime
from astraea_tff.training import astraea
from astraea_tff.training import astraea_with_optimizer_schedule
from astraea_tff.training import client_steps

pytestmark = pytest.mark.usefixtures('execution_context')

SIZES = (7, 10, 4)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in SIZES]
EMPTY = chain_oracle.make_client(0, seed=0)
ITERATOR = tff.learning.LoopImplementation.DATASET_ITERATOR
REDUCE = tff.learning.LoopImplementation.DATASET_REDUCE
SGD = chain_oracle.shared_optimizer('sgd')
PASSES = dict(mediator_epochs=2, local_epochs=2)
# The first mediator's client in the middle is undone, the third has nobody.
FEATURES, LABELS = next(iter(CLIENTS[2]))
BAD = tf.data.Dataset.from_tensors((FEATURES * np.nan, LABELS))
ROUND = [
    (CLIENTS[0], BAD, CLIENTS[1]),
    (CLIENTS[2], CLIENTS[0], EMPTY),
    (EMPTY, EMPTY, EMPTY),
]
CHAINS, WEIGHTS = ((0, 1), (2, 0)), (7 + 10, 4 + 7)


def build_keras_sgd():
  return tf.keras.optimizers.legacy.SGD(0.1)


@functools.cache
def mediators_optimizer(kind):
  return mediator_oracle.TFF_OPTIMIZERS[kind]()


def build(kind, model='variable', builder='weighted', **arguments):
  """Returns a process with a mediator's optimizer, given or by its name."""
  optimizer = mediators_optimizer(kind) if isinstance(kind, str) else kind
  defaults = dict(optimizer='sgd', max_clients=3)
  return chain_oracle.build_process(
      model,
      kind=builder,
      mediator_optimizer_fn=optimizer,
      **(defaults | arguments),
  )


def train(process, num_rounds=2, data=None):
  state = process.initialize()
  for _ in range(num_rounds):
    output = process.next(state, ROUND if data is None else data)
    state = output.state
  return list(process.get_model_weights(state).trainable), state, output.metrics


@functools.cache
def train_by_hand(
    kind, keep=True, chains=CHAINS, shares=WEIGHTS, rounds=2, step_power=1.0,
    **arguments,
):
  """Rounds of chains in Keras with the mediator's optimizer in NumPy.

  Returns the weights and the mediators' averaged optimizer. Without a kind the
  chains are the paper's.
  """
  weights = chain_oracle.initial_weights()
  new = kind and mediator_oracle.MediatorByHand(kind, weights, step_power)
  average = new
  for _ in range(rounds):
    mediators = [copy.deepcopy(average if keep else new) for _ in chains]
    ends = [
        chain_oracle.run_chain(
            [CLIENTS[i] for i in chain],
            build_keras_sgd,
            mediator_step=mediator and mediator.step,
            weights=weights,
            **arguments,
        )
        for chain, mediator in zip(chains, mediators)
    ]
    weights = [
        np.average(np.stack(arrays), axis=0, weights=shares)
        for arrays in zip(*ends)
    ]
    average = kind and mediator_oracle.average(mediators, shares)
  return weights, average


def assert_state_is(state, by_hand):
  """The kept state of Adam: moments of all weights in one vector, and steps."""
  kept = state.client_work['mediator']
  for name, arrays in (
      ('accumulator', by_hand.first),
      ('preconditioner', by_hand.second),
  ):
    expected = np.concatenate([array.ravel() for array in arrays])
    np.testing.assert_allclose(kept[name][0], expected, rtol=1e-3, atol=1e-6)
  assert kept['step'] == by_hand.num_steps


@pytest.mark.parametrize(
    'kind, model, loop, keep',
    [
        ('adam', 'variable', ITERATOR, True),
        ('adam', 'variable', REDUCE, False),
        ('adam', 'functional', REDUCE, True),
        ('adam', 'functional', ITERATOR, False),
        ('momentum', 'variable', REDUCE, True),
        ('momentum', 'functional', ITERATOR, False),
        ('sgd', 'variable', ITERATOR, True),
    ],
)
def test_equals_two_rounds_by_hand(kind, model, loop, keep):
  """With an undone client in the middle and a mediator without an example."""
  process = build(
      kind, model, loop_implementation=loop, keep_mediator_state=keep, **PASSES
  )
  actual, state, metrics = train(process)
  expected, average = train_by_hand(kind, keep, **PASSES)
  chain_oracle.assert_weights_close(actual, expected, 2e-6)
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 1
  if kind == 'adam' and keep:
    assert_state_is(state, average)


def test_kept_and_new_states_differ():
  """Otherwise the test above would not tell them apart."""
  for kind in ('adam', 'momentum'):
    kept, _ = train_by_hand(kind, True, **PASSES)
    new, _ = train_by_hand(kind, False, **PASSES)
    assert chain_oracle.largest_difference(kept, new) > 1e-3, kind


@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_sgd_of_rate_one_is_the_paper_s_chain(model):
  optimizer = tff.learning.optimizers.build_sgdm(1.0)
  actual, _, _ = train(build(optimizer, model, **PASSES))
  expected, _ = train_by_hand(None, **PASSES)
  chain_oracle.assert_weights_close(actual, expected, 1e-6)


def test_sgd_of_rate_one_and_one_client_is_fed_avg():
  ours = build(tff.learning.optimizers.build_sgdm(1.0), max_clients=1)
  theirs = chain_oracle.build_fed_avg('variable', 'sgd', 'weighted')
  actual, _, _ = train(ours, data=[(client,) for client in CLIENTS])
  expected, _, _ = train(theirs, data=CLIENTS)
  chain_oracle.assert_weights_close(actual, expected, 1e-6)


def test_clipping_comes_before_the_step_and_the_power_is_on_the_step():
  """The power of a visit's number of batches; clipping knows nothing of it."""
  arguments = dict(client_clipping_norm=0.1, **PASSES)
  actual, _, _ = train(build('adam', visit_step_power=0.5, **arguments))
  expected, _ = train_by_hand('adam', step_power=0.5, **arguments)
  chain_oracle.assert_weights_close(actual, expected, 2e-6)
  unclipped, _ = train_by_hand('adam', step_power=0.5, **PASSES)
  assert chain_oracle.largest_difference(expected, unclipped) > 1e-4
  other, _ = train_by_hand('adam', **arguments)
  assert chain_oracle.largest_difference(expected, other) > 1e-3


def test_follows_reshuffled_orders():
  process = build('adam', client_order='reshuffled', mediator_epochs=2)
  order = np.array([[2, 0, 1], [1, 2, 0]], np.int32)
  data = collections.OrderedDict(order=list(order), clients=tuple(CLIENTS))
  actual, _, _ = train(process, data=[data])
  chain = tuple(order.ravel())
  expected, _ = train_by_hand('adam', chains=(chain,), shares=(1,))
  chain_oracle.assert_weights_close(actual, expected, 2e-6)


def test_with_a_carried_client_state():
  """The clients' momentum goes along, the mediator's stays where it is."""
  process = build(
      'adam',
      optimizer='momentum',
      carry_optimizer_state=True,
  )
  actual, _, _ = train(process, num_rounds=1, data=[tuple(CLIENTS)])
  initial = chain_oracle.initial_weights()
  expected = chain_oracle.run_chain(
      CLIENTS,
      lambda: tf.keras.optimizers.legacy.SGD(0.1, momentum=0.9),
      carry_optimizer_state=True,
      mediator_step=mediator_oracle.MediatorByHand('adam', initial).step,
  )
  chain_oracle.assert_weights_close(actual, expected, 2e-6)


@pytest.mark.parametrize('nobody', [(EMPTY,) * 3, (BAD, BAD, EMPTY)])
def test_a_round_with_nobody_leaves_model_and_state(nobody):
  process = build(
      'adam', loop_implementation=ITERATOR, keep_mediator_state=True, **PASSES
  )
  weights, state, _ = train(process, num_rounds=1)
  output = process.next(state, [nobody, nobody])
  after = process.get_model_weights(output.state).trainable
  chain_oracle.assert_weights_close(after, weights, 0)
  tf.nest.map_structure(
      np.testing.assert_array_equal,
      output.state.client_work,
      state.client_work,
  )


def test_a_visit_that_would_spoil_the_state_makes_no_step():
  """A huge update is finite, its square in Adam's second moment is not."""
  process = build(
      'adam',
      optimizer=tff.learning.optimizers.build_sgdm(40.0),
      loss=attacks.LOSS,
  )
  huge = attacks.attacking(CLIENTS[0].take(1), 'large')
  clients = (CLIENTS[1], huge, CLIENTS[2])
  actual, state, metrics = train(process, 1, [clients])
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 1
  initial = chain_oracle.initial_weights()
  expected = chain_oracle.run_chain(
      [CLIENTS[1], CLIENTS[2]],
      lambda: tf.keras.optimizers.legacy.SGD(40.0),
      mediator_step=mediator_oracle.MediatorByHand('adam', initial).step,
      loss=attacks.LOSS,
  )
  chain_oracle.assert_weights_close(actual, expected, 1e-5)
  assert state.client_work['mediator']['step'] == 2


def test_hyperparameters_can_be_read_and_set():
  process = build(
      'adam', loop_implementation=ITERATOR, keep_mediator_state=True, **PASSES
  )
  _, state, _ = train(process, num_rounds=1)
  hparams = process.get_hparams(state)
  np.testing.assert_allclose(hparams['client_work']['learning_rate'], 0.1)
  mediator = hparams['client_work']['mediator']
  np.testing.assert_allclose(mediator['learning_rate'], 0.003)
  mediator['learning_rate'] = 0.0
  changed = process.set_hparams(state, hparams)
  before = state.client_work['mediator']
  after = changed.client_work['mediator']
  np.testing.assert_array_equal(before['accumulator'], after['accumulator'])
  output = process.next(changed, ROUND)
  chain_oracle.assert_weights_close(
      process.get_model_weights(output.state).trainable,
      process.get_model_weights(state).trainable,
      0,
  )
  kept = process.get_hparams(output.state)['client_work']['mediator']
  assert kept['learning_rate'] == 0


def test_hyperparameters_of_a_state_that_is_not_kept():
  process = build(
      'momentum',
      'functional',
      loop_implementation=ITERATOR,
      keep_mediator_state=False,
      **PASSES,
  )
  state = process.initialize()
  hparams = process.get_hparams(state)
  assert list(hparams['client_work']) == ['mediator']
  hparams['client_work']['mediator']['learning_rate'] = 0.0
  state = process.set_hparams(state, hparams)
  output = process.next(state, ROUND)
  chain_oracle.assert_weights_close(
      process.get_model_weights(output.state).trainable,
      chain_oracle.initial_weights(),
      0,
  )


def test_goes_with_a_schedule_of_the_clients_rate():
  build_scheduled = (
      astraea_with_optimizer_schedule.build_weighted_astraea_with_optimizer_schedule
  )
  process = build_scheduled(
      chain_oracle.variable_model_fn,
      lambda round_num: 0.1 + 0 * tf.cast(round_num, tf.float32),
      tff.learning.optimizers.build_sgdm,
      max_clients=3,
      mediator_optimizer_fn=mediator_oracle.TFF_OPTIMIZERS['adam'](),
  )
  actual, state, metrics = train(process)
  expected, average = train_by_hand('adam')
  chain_oracle.assert_weights_close(actual, expected, 2e-6)
  assert_state_is(state, average)
  assert state.client_work['clients'] == 2
  assert metrics['client_work']['client_learning_rate'] == np.float32(0.1)


def test_goes_with_equal_mediators():
  process = build('adam', builder='unweighted')
  actual, _, _ = train(process, data=ROUND[:2])
  expected, _ = train_by_hand('adam', shares=(1, 1))
  chain_oracle.assert_weights_close(actual, expected, 2e-6)


def test_an_aggregator_averages_the_state_too():
  """One whose bounds are never reached gives what the plain mean gives."""
  aggregator = tff.aggregators.zeroing_factory(
      1e6, tff.aggregators.clipping_factory(1e6, tff.aggregators.MeanFactory())
  )
  process = build('adam', model_aggregator=aggregator)
  actual, state, _ = train(process)
  expected, average = train_by_hand('adam')
  chain_oracle.assert_weights_close(actual, expected, 2e-6)
  assert_state_is(state, average)
  # One that lets nothing through changes neither the model nor the moments.
  nothing = tff.aggregators.clipping_factory(0.0, tff.aggregators.MeanFactory())
  actual, state, _ = train(build('adam', model_aggregator=nothing))
  chain_oracle.assert_weights_close(actual, chain_oracle.initial_weights(), 0)
  assert not np.any(state.client_work['mediator']['accumulator'][0])


@pytest.mark.parametrize(
    'builder, aggregator, match',
    [
        (
            'weighted',
            # Zeroing and clipping, on in the report's test, are slow.
            tff.learning.secure_aggregator(zeroing=False, clipping=False),
            'secure',
        ),
        (
            'unweighted',
            tff.learning.dp_aggregator(0.1, 10),
            'differentially private',
        ),
    ],
)
def test_a_kept_state_does_not_go_with_what_hides_it(
    builder, aggregator, match
):
  arguments = dict(builder=builder, model_aggregator=aggregator)
  with pytest.raises(ValueError, match=f'`keep_mediator_state`.* is {match}'):
    build('adam', **arguments)
  process = build('adam', keep_mediator_state=False, **arguments)
  actual, _, _ = train(process, num_rounds=1, data=ROUND[:2])
  assert all(np.isfinite(weights).all() for weights in actual)


def test_is_the_same_on_several_workers(execution_context):
  """A round split among workers; restores the shared context at the end."""
  process = build(
      'adam', loop_implementation=ITERATOR, keep_mediator_state=True, **PASSES
  )
  local, local_state, _ = train(process)
  before = tff.framework.get_context_stack().current
  try:
    tff.backends.native.set_mergeable_comp_execution_context([
        runtime.create_async_execution_context(num_threads=1)
        for _ in range(2)
    ])
    split, split_state, _ = train(process)
  finally:
    tff.framework.set_default_context(before)
  chain_oracle.assert_weights_close(split, local)
  tf.nest.map_structure(
      lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4),
      split_state.client_work['mediator'],
      local_state.client_work['mediator'],
  )


class LongestFirst(tff.learning.optimizers.Optimizer):
  """Steps only the weight with the most numbers; needs AutoGraph.

  Its state is an integer, the number of steps, which doubles the third step.
  """

  def initialize(self, specs):
    return tf.constant(0)

  def next(self, state, weights, gradients):
    sizes = [weight.shape.num_elements() for weight in weights]
    factor = 1.0
    if state >= 2:
      factor = 2.0
    stepped = tuple(
        weight - factor * gradient if size == max(sizes) else weight
        for size, weight, gradient in zip(sizes, weights, gradients)
    )
    return state + 1, stepped


@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_takes_any_optimizer_weight_by_weight(model):
  process = build(LongestFirst(), model)
  data = [tuple(CLIENTS)]
  actual, state, _ = train(process, num_rounds=1, data=data)
  visits = iter((1.0, 1.0, 2.0))

  def step(before, after, num_batches):
    del num_batches
    handed = list(before)
    handed[0] = before[0] + next(visits) * (after[0] - before[0])
    return handed

  expected = chain_oracle.run_chain(
      CLIENTS, build_keras_sgd, mediator_step=step
  )
  chain_oracle.assert_weights_close(actual, expected, 1e-6)
  assert state.client_work['mediator'] == 3


def test_no_client_is_handed_the_mediator_s_state():
  model = chain_oracle.build_functional_model()
  start = client_steps.start_functional_chain(model, SGD, True)
  weights = tff.learning.models.ModelWeights(*model.initial_weights)
  steps, first = start((), weights)
  state = steps.begin(first._replace(mediator_state=tf.constant(3.0)))
  assert state.mediator_state == ()


@pytest.mark.parametrize(
    'arguments, error, match',
    [
        (
            dict(mediator_optimizer_fn=0.1),
            TypeError,
            '`mediator_optimizer_fn` must be a .*Optimizer, got 0.1',
        ),
        (
            dict(keep_mediator_state=1),
            TypeError,
            '`keep_mediator_state` must be a .*bool, got 1',
        ),
        (dict(visit_step_power='1'), TypeError, '`visit_step_power` must be'),
        (dict(visit_step_power=True), TypeError, '`visit_step_power` must be'),
        (dict(visit_step_power=-0.5), ValueError, '`visit_step_power` must be'),
        (
            dict(visit_step_power=float('nan')),
            ValueError,
            '`visit_step_power` must be finite',
        ),
    ],
)
def test_what_it_cannot_take_is_refused_by_name(arguments, error, match):
  with pytest.raises(error, match=match):
    astraea.build_weighted_astraea(
        chain_oracle.variable_model_fn, SGD, max_clients=2, **arguments
    )
