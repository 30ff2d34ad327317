"""The learning process against TFF's FedAvg and against averages by hand."""

import functools
import inspect

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import astraea

EMPTY = chain_oracle.make_client(0, seed=0)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4, 9)]
SGD = tff.learning.optimizers.build_sgdm(0.1)


def build(**arguments):
  arguments = dict(max_clients=2) | arguments
  model_fn = arguments.pop('model_fn', chain_oracle.variable_model_fn)
  optimizer = arguments.pop('optimizer', SGD)
  return astraea.build_weighted_astraea(model_fn, optimizer, **arguments)


@pytest.mark.parametrize('kind', ['weighted', 'unweighted'])
def test_takes_fed_avg_arguments_by_their_names_and_order(kind):
  ours = inspect.signature(getattr(astraea, f'build_{kind}_astraea'))
  theirs = inspect.signature(
      getattr(tff.learning.algorithms, f'build_{kind}_fed_avg')
  )
  fed_avg_parameters = list(theirs.parameters.values())
  our_parameters = list(ours.parameters.values())
  assert [p.name for p in our_parameters] == [
      p.name for p in fed_avg_parameters
  ] + [
      'max_clients',
      'mediator_epochs',
      'local_epochs',
      'carry_optimizer_state',
      'client_order',
      'client_clipping_norm',
      'mediator_optimizer_fn',
      'keep_mediator_state',
      'visit_step_power',
      'report_mediators',
  ]
  for our, their in zip(our_parameters, fed_avg_parameters):
    assert our.kind == their.kind, our.name


@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_state_and_metrics_have_the_structure_of_fed_avg(model):
  ours = chain_oracle.build_process(model, max_clients=2)
  theirs = chain_oracle.build_fed_avg(model, 'sgd', 'weighted')
  assert isinstance(ours, tff.learning.templates.LearningProcess)
  for method in (
      'initialize',
      'get_model_weights',
      'set_model_weights',
      'get_hparams',
      'set_hparams',
  ):
    assert (
        getattr(ours, method).type_signature
        == getattr(theirs, method).type_signature
    ), method
  our_next, their_next = ours.next.type_signature, theirs.next.type_signature
  assert our_next.result[0] == their_next.result[0]
  our_metrics, their_metrics = our_next.result[1], their_next.result[1]
  for name in ('distributor', 'aggregator', 'finalizer'):
    assert getattr(our_metrics.member, name) == getattr(
        their_metrics.member, name
    ), name
  work = our_metrics.member.client_work
  assert work.train == their_metrics.member.client_work.train
  assert str(work.chain) == '<num_non_finite_clients=int64>'
  assert list(tff.structure.name_list(work)) == ['train', 'chain']
  assert our_next.parameter[0] == their_next.parameter[0]
  sequence = their_next.parameter[1].member
  assert list(our_next.parameter[1].member.children()) == [sequence, sequence]


@functools.cache
def three_rounds_of_fed_avg(kind, optimizer):
  process = chain_oracle.build_fed_avg('variable', optimizer, kind)
  state = process.initialize()
  for _ in range(3):
    state, metrics = process.next(state, CLIENTS)
  return process.get_model_weights(state), metrics


@pytest.mark.usefixtures('execution_context')
@pytest.mark.parametrize('carry_optimizer_state', [False, True])
@pytest.mark.parametrize('optimizer', ['sgd', 'adam'])
@pytest.mark.parametrize('kind', ['weighted', 'unweighted'])
def test_one_client_a_mediator_equals_fed_avg(
    kind, optimizer, carry_optimizer_state
):
  ours = chain_oracle.build_process(
      optimizer=optimizer,
      kind=kind,
      max_clients=1,
      carry_optimizer_state=carry_optimizer_state,
  )
  our_state = ours.initialize()
  for _ in range(3):
    our_state, our_metrics = ours.next(our_state, [(c,) for c in CLIENTS])
  their_weights, their_metrics = three_rounds_of_fed_avg(kind, optimizer)
  chain_oracle.assert_weights_close(
      ours.get_model_weights(our_state).trainable, their_weights.trainable
  )
  ours_train = our_metrics['client_work']['train']
  for name, value in their_metrics['client_work']['train'].items():
    np.testing.assert_allclose(ours_train[name], value, rtol=1e-6)


@pytest.mark.usefixtures('execution_context')
@pytest.mark.parametrize('carry_optimizer_state', [False, True])
def test_a_mediator_moves_the_average_by_its_share_of_the_examples(
    carry_optimizer_state,
):
  """n_m / n of every mediator, the short one included; E and E_m cancel."""
  mediators = [
      (CLIENTS[0], CLIENTS[1]),
      (CLIENTS[2], CLIENTS[3]),
      (EMPTY, CLIENTS[0]),
  ]
  sizes = np.array([7 + 10, 4 + 9, 7])
  arguments = dict(
      mediator_epochs=2,
      local_epochs=3,
      carry_optimizer_state=carry_optimizer_state,
  )
  _, build_keras_optimizer = chain_oracle.OPTIMIZERS['momentum']
  process = chain_oracle.build_process(
      optimizer='momentum', max_clients=2, **arguments
  )
  actual, _ = chain_oracle.run_round(process, mediators)
  trained = [
      chain_oracle.run_chain(m, build_keras_optimizer, **arguments)
      for m in mediators
  ]
  expected = [
      np.average(np.stack(weights), axis=0, weights=sizes)
      for weights in zip(*trained)
  ]
  chain_oracle.assert_weights_close(actual, expected)


@pytest.mark.usefixtures('execution_context')
def test_unweighted_mediators_count_alike():
  mediators = [(CLIENTS[0], CLIENTS[1]), (CLIENTS[2], EMPTY)]
  process = chain_oracle.build_process(kind='unweighted', max_clients=2)
  actual, _ = chain_oracle.run_round(process, mediators)
  _, build_keras_optimizer = chain_oracle.OPTIMIZERS['sgd']
  trained = [
      chain_oracle.run_chain(m, build_keras_optimizer) for m in mediators
  ]
  expected = [np.mean(weights, axis=0) for weights in zip(*trained)]
  chain_oracle.assert_weights_close(actual, expected)


@pytest.mark.usefixtures('execution_context')
def test_the_order_of_the_mediators_does_not_matter():
  mediators = [(CLIENTS[0], CLIENTS[1]), (CLIENTS[2], CLIENTS[3])]
  process = chain_oracle.build_process(max_clients=2)
  forward, _ = chain_oracle.run_round(process, mediators)
  backward, _ = chain_oracle.run_round(process, mediators[::-1])
  chain_oracle.assert_weights_close(forward, backward)


@pytest.mark.usefixtures('execution_context')
def test_round_without_an_example_leaves_the_model_as_it_was():
  process = chain_oracle.build_process(max_clients=2)
  weights, _ = chain_oracle.run_round(process, [(EMPTY, EMPTY)] * 2)
  chain_oracle.assert_weights_close(
      weights, chain_oracle.initial_weights(), tolerance=0
  )


@pytest.mark.usefixtures('execution_context')
def test_server_optimizer_is_applied_to_the_average():
  mediators = [(CLIENTS[0], CLIENTS[1])]
  full, _ = chain_oracle.run_round(
      chain_oracle.build_process(max_clients=2), mediators
  )
  half, _ = chain_oracle.run_round(
      build(server_optimizer_fn=tff.learning.optimizers.build_sgdm(0.5)),
      mediators,
  )
  initial = chain_oracle.initial_weights()
  expected = [(one + other) / 2 for one, other in zip(initial, full)]
  chain_oracle.assert_weights_close(half, expected)


@pytest.mark.usefixtures('execution_context')
def test_client_learning_rate_can_be_set_through_hparams():
  process = chain_oracle.build_process(max_clients=2)
  state = process.initialize()
  hparams = process.get_hparams(state)
  np.testing.assert_allclose(hparams['client_work']['learning_rate'], 0.1)
  hparams['client_work']['learning_rate'] = 0.0
  state = process.set_hparams(state, hparams)
  output = process.next(state, [(CLIENTS[0], CLIENTS[1])])
  chain_oracle.assert_weights_close(
      process.get_model_weights(output.state).trainable,
      chain_oracle.initial_weights(),
      tolerance=0,
  )


@pytest.mark.parametrize(
    'name', ['max_clients', 'mediator_epochs', 'local_epochs']
)
def test_counts_below_one_and_other_types_are_refused(name):
  with pytest.raises(ValueError, match=f'`{name}` must be at least 1, got 0'):
    build(**{name: 0})
  # Without a number of passes, they come with the data.
  no_number = () if name == 'mediator_epochs' else (None,)
  for value in (1.5, True, '3', *no_number):
    with pytest.raises(TypeError, match=f'`{name}` must be an int'):
      build(**{name: value})


@pytest.mark.parametrize(
    'arguments, match',
    [
        (dict(model_fn=3), '`model_fn` must be a .*FunctionalModel, got 3'),
        (dict(optimizer=0.1), '`client_optimizer_fn` must be .*Optimizer'),
        (dict(server_optimizer_fn=1.0), '`server_optimizer_fn` must be'),
        (dict(client_weighting='uniform'), '`client_weighting` must be'),
        (
            dict(model_aggregator=tff.aggregators.UnweightedMeanFactory()),
            '`model_aggregator` must be .*WeightedAggregationFactory',
        ),
        (dict(loop_implementation='reduce'), '`loop_implementation` must be'),
        (dict(carry_optimizer_state=1), '`carry_optimizer_state` must be'),
        (dict(client_clipping_norm='1'), '`client_clipping_norm` must be'),
        (dict(client_clipping_norm=True), '`client_clipping_norm` must be'),
        (
            dict(model_fn=lambda: tf.constant(0)),
            r'`model_fn\(\)` must be .*VariableModel',
        ),
    ],
)
def test_arguments_of_other_types_are_refused_by_name(arguments, match):
  with pytest.raises(TypeError, match=match):
    build(**arguments)


@pytest.mark.parametrize('norm', [0, -1.0, float('nan'), float('inf')])
def test_clipping_norms_that_are_not_positive_are_refused(norm):
  with pytest.raises(ValueError, match='`client_clipping_norm` must be finite'):
    build(client_clipping_norm=norm)


@pytest.mark.parametrize('order', ['random', None, 1])
def test_unknown_client_orders_are_refused(order):
  with pytest.raises(ValueError, match='`client_order` must be one of sched'):
    build(client_order=order)


def test_the_order_of_the_clients_is_part_of_the_data():
  process = build(client_order='reshuffled', mediator_epochs=3)
  mediator = process.next.type_signature.parameter[1].member
  plain = chain_oracle.build_process(max_clients=2)
  scheduled = plain.next.type_signature.parameter[1].member
  assert str(mediator.order) == 'int32[2]*'
  assert str(mediator.clients) == str(scheduled)


def test_unweighted_refuses_a_weighted_aggregator():
  with pytest.raises(TypeError, match='`model_aggregator` must be'):
    astraea.build_unweighted_astraea(
        chain_oracle.variable_model_fn,
        SGD,
        model_aggregator=tff.aggregators.MeanFactory(),
        max_clients=2,
    )
