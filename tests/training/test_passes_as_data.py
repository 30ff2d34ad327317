"""Passes that come with the data, against chains run by hand."""

import collections
import itertools

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.clients import batches as batches_lib
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib
from astraea_tff.training import astraea

pytestmark = pytest.mark.usefixtures('execution_context')

SIZES = (7, 10, 4, 9)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in SIZES]
EMPTY = chain_oracle.make_client(0, seed=0)
LOOPS = tff.learning.LoopImplementation


def build(model='variable', **arguments):
  defaults = dict(max_clients=3, mediator_epochs=None)
  return chain_oracle.build_process(
      model, 'momentum', **(defaults | arguments)
  )


def run_by_hand(clients, **arguments):
  _, build_optimizer = chain_oracle.OPTIMIZERS['momentum']
  return chain_oracle.run_chain(clients, build_optimizer, **arguments)


def data_of(clients, *orders):
  clients = tuple(clients) + (EMPTY,) * (3 - len(clients))
  orders = [np.array(order, np.int32) for order in orders]
  return collections.OrderedDict(order=orders, clients=clients)


def mean(chains, weights):
  return [
      np.average(np.stack(parts), axis=0, weights=weights)
      for parts in zip(*chains)
  ]


SCHEDULED = [0, 1, 2]


@pytest.mark.parametrize('carry_optimizer_state', [False, True])
@pytest.mark.parametrize('loop_implementation', LOOPS)
@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_each_mediator_makes_as_many_passes_as_its_data_hold_orders(
    model, loop_implementation, carry_optimizer_state
):
  options = dict(local_epochs=2, carry_optimizer_state=carry_optimizer_state)
  process = build(model, loop_implementation=loop_implementation, **options)
  once, often = CLIENTS[:2], CLIENTS[2:]
  orders = [[1, 0, 2], SCHEDULED, [2, 1, 0], [1, 2, 0]]
  actual, metrics = chain_oracle.run_round(
      process, [data_of(once, SCHEDULED), data_of(often, *orders)]
  )
  visits = [often[place] for order in orders for place in order if place < 2]
  # n_m does not grow with the passes.
  expected = mean(
      [run_by_hand(once, **options), run_by_hand(visits, **options)], [17, 13]
  )
  chain_oracle.assert_weights_close(actual, expected)
  grown = mean(
      [run_by_hand(once, **options), run_by_hand(visits, **options)], [17, 52]
  )
  assert chain_oracle.largest_difference(actual, grown) > 1e-3
  examples = metrics['client_work']['train']['num_examples']
  assert examples == 2 * (17 + 4 * 13)


@pytest.mark.parametrize('orders', [[], 'dataset'])
@pytest.mark.parametrize('weighting', tff.learning.ClientWeighting)
def test_a_mediator_without_orders_sits_out(weighting, orders):
  process = build(client_weighting=weighting)
  out = data_of(CLIENTS[2:])
  if orders == 'dataset':
    out['order'] = tf.data.Dataset.from_tensors(
        np.array(SCHEDULED, np.int32)
    ).take(0)
  actual, metrics = chain_oracle.run_round(
      process, [out, data_of(CLIENTS[:2], SCHEDULED)]
  )
  chain_oracle.assert_weights_close(actual, run_by_hand(CLIENTS[:2]))
  assert metrics['client_work']['train']['num_examples'] == 17
  nobody, metrics = chain_oracle.run_round(process, [out, out])
  chain_oracle.assert_weights_close(
      nobody, chain_oracle.initial_weights(), tolerance=0
  )
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 0


@pytest.mark.parametrize('model', ['variable', 'functional'])
@pytest.mark.parametrize('client_order', ['scheduled', 'reshuffled'])
def test_a_process_built_with_the_number_trains_the_same(client_order, model):
  schedule = schedule_lib.Schedule(((2, 0, 1), (3,)), [0.1, 0.2], 3)
  fixed = build(model, mediator_epochs=3, client_order=client_order)
  free = build(model)
  if client_order == 'scheduled':
    data = [tuple(CLIENTS[k] for k in (2, 0, 1)), (CLIENTS[3], EMPTY, EMPTY)]
    with_passes = next(schedule.rounds(CLIENTS, 2, seed=5, passes=3))
    # A round's mediators are drawn in an order of their own.
    first = schedule.sample(2, seed=5, round_num=1)[0]
    data = [data[first], data[1 - first]]
  else:
    with_passes = next(
        schedule.rounds(CLIENTS, 2, seed=5, passes=3, reshuffled=True)
    )
    data = with_passes
  chain_oracle.assert_weights_close(
      chain_oracle.run_round(free, with_passes)[0],
      chain_oracle.run_round(fixed, data)[0],
      tolerance=0,
  )


def test_a_client_that_is_undone_counts_in_no_pass():
  features, labels = next(iter(CLIENTS[2]))
  bad = tf.data.Dataset.from_tensors((features * np.nan, labels))
  orders = [[0, 1, 2], [0, 2, 1], [2, 0, 1], [0, 1, 2]]
  clients = [CLIENTS[0], CLIENTS[2], bad]
  other = [CLIENTS[1]]
  actual, metrics = chain_oracle.run_round(
      build(), [data_of(clients, *orders), data_of(other, SCHEDULED)]
  )
  visits = [CLIENTS[0], CLIENTS[2]] * 4
  expected = mean([run_by_hand(visits), run_by_hand(other)], [11, 10])
  chain_oracle.assert_weights_close(actual, expected)
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 1


def test_rounds_of_a_schedule_train_the_passes_that_are_asked_for():
  """Through the schedule to the weights; whoever has none is not sent."""
  schedule = schedule_lib.Schedule(((2, 0), (1,), (3,)), [0.1, 0.2, 0.3], 2)
  asked = []

  def passes(round_num, mediators):
    asked.append((round_num, mediators))
    return [(round_num + mediator) % 3 for mediator in mediators]

  process = build(max_clients=2)
  options = dict(seed=7, drop_probability=0.2, reshuffled=True)
  rounds = schedule.rounds(CLIENTS, 3, passes=passes, **options)
  for round_num, data in enumerate(itertools.islice(rounds, 4), start=1):
    sampled = schedule.sample(3, seed=7, round_num=round_num)
    assert asked[-1] == (round_num, sampled)
    wanted = [(round_num + mediator) % 3 for mediator in sampled]
    available = [
        sampling.available_clients(
            schedule.mediators[m], 0.2, seed=7, round_num=round_num
        )
        for m in sampled
    ]
    orders = sampling.mediator_orders(
        list(map(len, available)), 2, wanted,
        reshuffled=True, seed=7, round_num=round_num,
    )
    chains, weights = [], []
    for clients, order in zip(available, orders):
      places = [p for p in order.ravel() if p < len(clients)]
      chains.append(run_by_hand([CLIENTS[clients[p]] for p in places]))
      weights.append(sum(SIZES[k] for k in clients) if len(order) else 0)
    assert len(data) == np.count_nonzero(wanted)
    actual, _ = chain_oracle.run_round(process, data)
    chain_oracle.assert_weights_close(actual, mean(chains, weights))


def test_nothing_is_traced_anew_from_round_to_round():
  traces = []

  class CountingLoss(tf.keras.losses.SparseCategoricalCrossentropy):

    def call(self, y_true, y_pred):
      traces.append(1)
      return super().call(y_true, y_pred)

  loss = CountingLoss(from_logits=True)
  process = astraea.build_weighted_astraea(
      lambda: chain_oracle.variable_model_fn(loss=loss),
      tff.learning.optimizers.build_sgdm(0.1),
      max_clients=3,
      mediator_epochs=None,
  )
  batched = batches_lib.BatchedClients(
      [client.unbatch() for client in CLIENTS], 4, seed=1
  )
  schedule = schedule_lib.Schedule(((2, 0, 1), (3,)), [0.1, 0.2], 3)
  rounds = schedule.rounds(
      batched, 2, seed=1, passes=lambda r, mediators: [r % 3, 1 + r % 4]
  )
  state = process.initialize()
  state, _ = process.next(state, next(rounds))
  before = len(traces)
  assert before > 0
  for _ in range(5):
    state, _ = process.next(state, next(rounds))
  assert len(traces) == before


def test_a_number_of_passes_is_still_checked():
  with pytest.raises(ValueError, match='`mediator_epochs` must be at least 1'):
    build(mediator_epochs=0)
  with pytest.raises(TypeError, match='`mediator_epochs` must be an int'):
    build(mediator_epochs='data')
