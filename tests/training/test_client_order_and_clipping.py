"""Reshuffled passes and clipped visits, against chains run by hand."""

import collections
import itertools

import attacks
import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.clients import batches as batches_lib
from astraea_tff.clients import mediator_data as mediator_data_lib
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib

pytestmark = pytest.mark.usefixtures('execution_context')

SIZES = (7, 10, 4)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in SIZES]
EMPTY = chain_oracle.make_client(0, seed=0)
ORDER = np.array([[2, 0, 1, 3], [3, 1, 2, 0]], np.int32)


def build(model='variable', optimizer='momentum', **arguments):
  return chain_oracle.build_process(
      model, optimizer, **(dict(max_clients=4) | arguments)
  )


def run_by_hand(clients, optimizer='momentum', **arguments):
  _, build_optimizer = chain_oracle.OPTIMIZERS[optimizer]
  return chain_oracle.run_chain(clients, build_optimizer, **arguments)


def in_order(clients, order):
  return collections.OrderedDict(order=list(order), clients=tuple(clients))


@pytest.mark.parametrize('carry_optimizer_state', [False, True])
@pytest.mark.parametrize('loop_implementation', tff.learning.LoopImplementation)
@pytest.mark.parametrize('model', ['variable', 'functional'])
def test_each_pass_visits_the_clients_in_its_order(
    model, loop_implementation, carry_optimizer_state
):
  """With every visit's update scaled down to the norm."""
  arguments = dict(
      local_epochs=2,
      carry_optimizer_state=carry_optimizer_state,
      client_clipping_norm=0.4,
  )
  process = build(
      model,
      client_order='reshuffled',
      mediator_epochs=2,
      loop_implementation=loop_implementation,
      **arguments,
  )
  clients = CLIENTS + [EMPTY]
  actual, metrics = chain_oracle.run_round(process, [in_order(clients, ORDER)])
  visits = [clients[place] for place in ORDER.ravel()]
  expected = run_by_hand(visits, **arguments)
  chain_oracle.assert_weights_close(actual, expected)
  assert metrics['client_work']['train']['num_examples'] == 4 * sum(SIZES)
  scheduled = run_by_hand(CLIENTS, mediator_epochs=2, **arguments)
  assert chain_oracle.largest_difference(actual, scheduled) > 1e-3
  # A bad client is told from the others in whatever order it comes.
  features, labels = next(iter(CLIENTS[0]))
  bad = tf.data.Dataset.from_tensors((features * np.nan, labels))
  with_bad, metrics = chain_oracle.run_round(
      process, [in_order(CLIENTS + [bad], ORDER)]
  )
  chain_oracle.assert_weights_close(with_bad, actual)
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 1


def test_reshuffled_rounds_of_a_schedule_train_as_drawn():
  """From the schedule to the weights, with some clients dropped."""
  schedule = schedule_lib.Schedule(((2, 0, 1), (4, 3)), [0.1, 0.2], 3)
  sizes = [6, 9, 4, 8, 5]
  clients = [chain_oracle.make_client(n, seed=n) for n in sizes]
  process = build(max_clients=3, client_order='reshuffled', mediator_epochs=2)
  arguments = dict(seed=3, drop_probability=0.3, reshuffled_epochs=2)
  rounds = schedule.rounds(clients, 2, **arguments)
  dropped = 0
  for round_num, data in enumerate(itertools.islice(rounds, 3), start=1):
    actual, _ = chain_oracle.run_round(process, data)
    mediators = [
        sampling.available_clients(
            schedule.mediators[index], 0.3, seed=3, round_num=round_num
        )
        for index in schedule.sample(2, seed=3, round_num=round_num)
    ]
    orders = sampling.reshuffled_orders(
        list(map(len, mediators)), 3, 2, seed=3, round_num=round_num
    )
    trained, weights = [], []
    for mediator, order in zip(mediators, orders):
      dropped += len(mediator) < 3
      places = [p for p in order.ravel() if p < len(mediator)]
      trained.append(run_by_hand([clients[mediator[p]] for p in places]))
      weights.append(sum(sizes[client] for client in mediator))
    expected = [np.average(np.stack(w), axis=0, weights=weights)
                for w in zip(*trained)]
    chain_oracle.assert_weights_close(actual, expected)
  assert dropped, 'the seed drops no client: nothing was tested'


def test_every_pass_reads_a_client_in_a_new_order_of_its_examples():
  """Of `BatchedClients`; a later visit trains on another reading's batches."""
  unbatched = [client.unbatch() for client in CLIENTS[:2]]
  batched = batches_lib.BatchedClients(unbatched, 4, seed=1)
  order = np.array([[1, 0], [0, 1]], np.int32)
  process = build(max_clients=2, client_order='reshuffled', mediator_epochs=2)

  def run():
    data = mediator_data_lib.mediator_data(
        [[0, 1]], batched.for_round(1), 2, orders=order[np.newaxis]
    )
    return chain_oracle.run_round(process, data)[0]

  actual = run()
  chain_oracle.assert_weights_close(run(), actual, tolerance=0)
  readings = []
  for client in batched.for_round(1):
    batches = list(client.repeat(3))
    size = len(batches) // 3
    readings.append([batches[size * i : size * (i + 1)] for i in range(3)])
  zero, one = readings
  # TensorFlow reads ahead inside the pass, so a reading may be left out.
  differences = {
      later: chain_oracle.largest_difference(
          actual, run_by_hand([one[0], zero[0], zero[later], one[later]])
      )
      for later in range(3)
  }
  assert min(differences[1], differences[2]) < 1e-6, differences
  assert differences[0] > 1e-4, differences


@pytest.mark.parametrize(
    'model, carry_optimizer_state', [('variable', True), ('functional', False)]
)
def test_the_update_of_every_visit_is_scaled_down_to_the_norm(
    model, carry_optimizer_state
):
  """In the scheduled order, which is without orders in the data."""
  arguments = dict(
      mediator_epochs=2,
      local_epochs=2,
      carry_optimizer_state=carry_optimizer_state,
      client_clipping_norm=0.4,
  )
  process = build(model, max_clients=3, **arguments)
  actual, _ = chain_oracle.run_round(process, [tuple(CLIENTS)])
  expected = run_by_hand(CLIENTS, **arguments)
  chain_oracle.assert_weights_close(actual, expected)


def test_the_norm_clips_some_of_the_visits_above_and_not_others():
  """Otherwise the test above would not tell clipping from rescaling."""
  alone = [run_by_hand([client], local_epochs=2) for client in CLIENTS]
  initial = chain_oracle.initial_weights()
  norms = [
      np.sqrt(sum(np.sum((w - i) ** 2) for w, i in zip(weights, initial)))
      for weights in alone
  ]
  assert min(norms) < 0.4 < max(norms), norms


def test_a_norm_that_is_never_reached_changes_nothing():
  clipped = build(max_clients=3, client_clipping_norm=1e6)
  plain = build(max_clients=3)
  chain_oracle.assert_weights_close(
      chain_oracle.run_round(clipped, [tuple(CLIENTS)])[0],
      chain_oracle.run_round(plain, [tuple(CLIENTS)])[0],
      tolerance=0,
  )


def test_an_update_whose_square_overflows_is_clipped_too():
  process = chain_oracle.build_process(
      optimizer=attacks.OPTIMIZER,
      loss=attacks.LOSS,
      max_clients=2,
      client_clipping_norm=0.1,
  )
  large = attacks.attacking(CLIENTS[0].take(1), 'large')
  clients = (large, CLIENTS[1])
  actual, metrics = chain_oracle.run_round(process, [clients])
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 0
  expected = chain_oracle.run_chain(
      clients,
      attacks.build_keras_optimizer,
      loss=attacks.LOSS,
      client_clipping_norm=0.1,
  )
  chain_oracle.assert_weights_close(actual, expected, 1e-5)


@pytest.mark.parametrize('position', [0, 1, 2, 3])
def test_an_empty_client_is_skipped_and_weighs_nothing(position):
  clients = CLIENTS[:position] + [EMPTY] + CLIENTS[position:]
  other = (CLIENTS[1], EMPTY, EMPTY, EMPTY)
  actual, metrics = chain_oracle.run_round(
      build(), [tuple(clients), other, (EMPTY,) * 4]
  )
  expected = [
      np.average(np.stack(weights), axis=0, weights=[sum(SIZES), 10])
      for weights in zip(run_by_hand(CLIENTS), run_by_hand([CLIENTS[1]]))
  ]
  chain_oracle.assert_weights_close(actual, expected)
  assert metrics['client_work']['train']['num_examples'] == sum(SIZES) + 10
  assert metrics['client_work']['chain']['num_non_finite_clients'] == 0
