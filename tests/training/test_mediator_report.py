"""The report of mediators' updates against chains by hand and the round."""

import collections
import itertools

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.clients import mediator_data as mediator_data_lib
from astraea_tff.control import credits
from astraea_tff.scheduling import schedule as schedule_lib
from astraea_tff.training import mediator_report

pytestmark = pytest.mark.usefixtures('execution_context')

SIZES = (7, 10, 4, 9, 3)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in SIZES]
SCHEDULE = schedule_lib.Schedule(((2, 0), (1, 4), (3,)), [0.1, 0.2, 0.3], 2)


def build(model='variable', kind='weighted', **arguments):
  defaults = dict(max_clients=2, report_mediators=True)
  return chain_oracle.build_process(
      model, 'momentum', kind, **(defaults | arguments)
  )


def flat(weights):
  return np.concatenate([np.ravel(w) for w in weights])


def by_hand(clients, **arguments):
  """A mediator's update in TFF's sign."""
  _, build_optimizer = chain_oracle.OPTIMIZERS['momentum']
  trained = chain_oracle.run_chain(clients, build_optimizer, **arguments)
  return flat(chain_oracle.initial_weights()) - flat(trained)


@pytest.mark.parametrize('model', ['variable', 'functional'])
@pytest.mark.parametrize('kind', ['weighted', 'unweighted'])
def test_rows_are_the_chains_and_their_mean_is_the_round(model, kind):
  process = build(model, kind)
  data = next(SCHEDULE.rounds(CLIENTS, 3, seed=1, report_mediators=True))
  state = process.initialize()
  output = process.next(state, data)
  table = output.metrics['client_work']['mediators']
  assert sorted(table['mediator']) == [0, 1, 2]
  assert table['mediator'].dtype == np.int32
  for number, weight, update in zip(*table.values()):
    clients = SCHEDULE.mediators[number]
    np.testing.assert_allclose(
        update, by_hand([CLIENTS[k] for k in clients]), rtol=0, atol=1e-6
    )
    examples = sum(SIZES[k] for k in clients)
    assert weight == (examples if kind == 'weighted' else 1)
  mean = credits.mean_update(table['weight'], table['update'])
  moved = flat(process.get_model_weights(state).trainable) - flat(
      process.get_model_weights(output.state).trainable
  )
  np.testing.assert_allclose(mean, moved, rtol=0, atol=1e-6)


def test_with_passes_only_those_who_train_are_reported():
  process = build(mediator_epochs=None)
  rounds = SCHEDULE.rounds(
      CLIENTS,
      3,
      seed=1,
      report_mediators=True,
      passes=lambda round_num, mediators: [m % 3 for m in mediators],
  )
  _, metrics = chain_oracle.run_round(process, next(rounds))
  table = metrics['client_work']['mediators']
  assert sorted(table['mediator']) == [1, 2]
  for number, weight, update in zip(*table.values()):
    clients = SCHEDULE.mediators[number]
    np.testing.assert_allclose(
        update,
        by_hand([CLIENTS[k] for k in clients], mediator_epochs=int(number)),
        rtol=0,
        atol=1e-6,
    )
    assert weight == sum(SIZES[k] for k in clients)


def test_the_report_changes_nothing_else():
  plain = build(report_mediators=False)
  reporting = build()
  assert (
      reporting.initialize.type_signature == plain.initialize.type_signature
  )
  options = dict(seed=1)
  actual, metrics = chain_oracle.run_round(
      reporting,
      next(SCHEDULE.rounds(CLIENTS, 3, report_mediators=True, **options)),
  )
  expected, expected_metrics = chain_oracle.run_round(
      plain, next(SCHEDULE.rounds(CLIENTS, 3, **options))
  )
  chain_oracle.assert_weights_close(actual, expected, tolerance=1e-7)
  del metrics['client_work']['mediators']
  assert metrics.keys() == expected_metrics.keys()
  assert (
      metrics['client_work']['train']['num_examples']
      == expected_metrics['client_work']['train']['num_examples']
  )


def test_an_undone_mediator_is_reported_as_nothing():
  features, labels = next(iter(CLIENTS[2]))
  bad = [(features * np.nan, labels)]
  data = mediator_data_lib.mediator_data(
      [[0], [1]], [CLIENTS[0], CLIENTS[1]], 1, numbers=[5, 9]
  )
  data[1]['clients'] = (bad,)
  _, metrics = chain_oracle.run_round(build(max_clients=1), data)
  rows = dict(zip(
      metrics['client_work']['mediators']['mediator'].tolist(),
      zip(
          metrics['client_work']['mediators']['weight'],
          metrics['client_work']['mediators']['update'],
      ),
  ))
  assert rows.keys() == {5, 9}
  assert rows[9][0] == 0 and not rows[9][1].any()
  assert rows[5][0] == SIZES[0]


def test_the_report_of_round_after_round_has_as_many_rows_as_mediators():
  process = build(mediator_epochs=None)
  rounds = SCHEDULE.rounds(
      CLIENTS,
      3,
      seed=2,
      report_mediators=True,
      passes=lambda round_num, _: ([1, 1, 1], [1, 0, 0], [0, 2, 1])[
          round_num % 3
      ],
  )
  state, sizes = process.initialize(), []
  for data in itertools.islice(rounds, 3):
    state, metrics = process.next(state, data)
    sizes.append(len(metrics['client_work']['mediators']['weight']))
  assert sizes == [1, 2, 3]


@pytest.mark.parametrize(
    'kind, arguments, message',
    [
        (
            'weighted',
            lambda: dict(model_aggregator=tff.learning.secure_aggregator()),
            'what a secure `model_aggregator` hides',
        ),
        (
            'unweighted',
            lambda: dict(
                model_aggregator=tff.learning.dp_aggregator(0.1, 10)
            ),
            'differentially private `model_aggregator`',
        ),
        (
            'weighted',
            lambda: dict(
                metrics_aggregator=tff.learning.metrics.secure_sum_then_finalize
            ),
            'what a secure `metrics_aggregator` hides',
        ),
    ],
)
def test_what_hides_updates_is_refused_by_name(kind, arguments, message):
  with pytest.raises(ValueError, match=message):
    build(kind=kind, **arguments())


def test_robust_and_compressing_aggregators_are_not_refused():
  build(model_aggregator=tff.learning.robust_aggregator())


def test_the_switch_must_be_a_bool():
  with pytest.raises(TypeError, match='`report_mediators` must be a'):
    build(report_mediators=1)


def test_data_hold_the_number_beside_the_order():
  data = mediator_data_lib.mediator_data(
      [[0]], CLIENTS, 2, orders=[np.array([[0, 1]], np.int32)], numbers=[3]
  )
  assert list(data[0]) == ['order', 'clients', 'mediator']
  assert data[0]['mediator'] == [3]
  assert isinstance(data[0], collections.OrderedDict)


@pytest.mark.parametrize(
    'dtypes, expected',
    [
        ((np.float16, np.float32), np.float32),
        ((np.float64, np.float16), np.float64),
    ],
)
def test_weights_of_several_dtypes_make_one_row(dtypes, expected):
  @tff.tensorflow.computation(np.float32)
  def result(weight):
    first, second = dtypes
    update = (tf.constant([[1.0, 2.0]], first), tf.constant(3.0, second))
    return tff.learning.templates.ClientResult(update, weight)

  @tff.federated_computation(
      tff.FederatedType(np.float32, tff.CLIENTS),
      tff.FederatedType(tff.SequenceType(np.int32), tff.CLIENTS),
  )
  def collect(weights, numbers):
    return mediator_report.collect(
        tff.federated_map(result, weights), numbers
    )

  table = collect([5.0], [[np.int32(7)]])
  assert table['update'].dtype == expected
  np.testing.assert_array_equal(table['update'], [[1.0, 2.0, 3.0]])
  assert (table['mediator'], table['weight']) == ([7], [5.0])
