"""Passes that come with the data are the same on any number of workers."""

import chain_oracle
import pytest
import test_remote_workers
import tensorflow_federated as tff

from astraea_tff.scheduling import schedule as schedule_lib
from astraea_tff.training import astraea

SCHEDULE = schedule_lib.Schedule(
    ((0, 1), (2, 3), (4, 5), (6,)), [0.1, 0.2, 0.3, 0.4], 2
)


@pytest.fixture(autouse=True)
def restored_default_context():
  before = tff.framework.get_context_stack().current
  yield
  tff.framework.set_default_context(before)


def train(process):
  rounds = SCHEDULE.rounds(
      test_remote_workers.CLIENTS,
      4,
      seed=2,
      passes=lambda round_num, _: [round_num, 1, 0, 2],
      reshuffled=True,
  )
  state = process.initialize()
  for _ in range(2):
    state, metrics = process.next(state, next(rounds))
  weights = list(process.get_model_weights(state).trainable)
  return weights, metrics['client_work']['train']


@pytest.mark.parametrize('number', [1, 2, 4])
def test_workers_train_what_a_local_one_trains(number, execution_context):
  process = astraea.build_weighted_astraea(
      chain_oracle.variable_model_fn,
      tff.learning.optimizers.build_adam(0.01),
      max_clients=2,
      mediator_epochs=None,
  )
  expected, expected_metrics = train(process)
  with test_remote_workers.served_workers(number) as workers:
    with test_remote_workers.remote_context(workers):
      actual, metrics = train(process)
  # Partial sums are added in another order.
  chain_oracle.assert_weights_close(actual, expected, tolerance=1e-6)
  assert metrics['num_examples'] == expected_metrics['num_examples'] > 0
