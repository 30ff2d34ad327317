"""The steps and the simulated time of a run's rounds."""

import numpy as np
import pytest

from astraea_tff.metrics import deployment_time
from experiment.runs import deployment
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib

# 45, 20 and 1 examples: 3, 1 and 1 batches of 20.
COUNTS = np.array([[40, 5], [10, 10], [0, 1]])


def make(**values):
  settings = settings_lib.Settings(
      dataset='mnist', clients_per_round=3, num_clients=3, batch_size=20,
      download_megabits_per_second=8.0, upload_megabits_per_second=2.0,
      edge_megabits_per_second=16.0, **values,
  )
  speeds = deployment_time.client_seconds_per_step(
      3, settings.seconds_per_step, settings.straggler_spread, seed=5
  )
  return deployment.DeploymentOfRun(
      settings, lambda: COUNTS.sum(axis=1), 5
  ), speeds


def test_clients_side_by_side_train_local_epochs_of_batches():
  deployed, speeds = make(algorithm='fedavg', local_epochs=2)
  work = deployed.side_by_side([0, 2], 10**6, 10**6)
  assert work.num_steps == 2 * 3 + 2 * 1
  slowest = max(6 * speeds[0], 2 * speeds[2])
  assert work.seconds == pytest.approx(slowest + 1 + 4)
  assert deployed.side_by_side([], 1, 1) == (0, 0)


@pytest.mark.parametrize('algorithm', ['fedavg', 'astraea'])
def test_steps_are_the_batches_that_clients_read(algorithm):
  settings = settings_lib.Settings(
      dataset='digits', num_examples=120, num_clients=4, clients_per_round=2,
      batch_size=7, local_epochs=3, alpha=0.67, algorithm=algorithm,
  )
  population = population_lib.make_population(settings, 1)
  batches = [
      sum(1 for _ in population.clients.read(client))
      for client in population.clients.for_round(1)
  ]
  deployed = deployment.DeploymentOfRun(settings, population.num_examples, 1)
  if algorithm == 'fedavg':
    works = [deployed.side_by_side([k], 1, 1) for k in range(4)]
  else:
    # The chain repeats them.
    batches = [3 * number for number in batches]
    works = [deployed.chains([[k]], [1], 1) for k in range(4)]
  assert [work.num_steps for work in works] == batches


def test_mime_lite_takes_as_many_gradients_more():
  deployed, speeds = make(algorithm='mime_lite', straggler_spread=0.0)
  work = deployed.side_by_side([0, 1], 3 * 10**6, 2 * 10**6)
  assert work.num_steps == 4
  assert work.seconds == pytest.approx(2 * 3 * 0.1 + 3 + 8)


@pytest.mark.parametrize('place, sending', [('server', 5), ('edge', 1)])
def test_chains_repeat_their_clients_in_every_pass(place, sending):
  deployed, speeds = make(
      local_epochs=2, seconds_per_step=0.3, mediator_place=place
  )
  work = deployed.chains(
      [(0, 2), (1,)], [3, 1], 10**6, mediator_state_bytes=10**6
  )
  assert work.num_steps == 3 * (6 + 2) + 2
  seconds = 3 * (6 * speeds[0] + 2 * speeds[2]) + 6 * sending
  # A model and a state to the mediator at the edge and back.
  seconds += 2 * 5 if place == 'edge' else 0
  assert work.seconds == pytest.approx(seconds)


def test_steps_follow_the_copies_of_the_feedback():
  settings = settings_lib.Settings(
      dataset='digits', num_examples=120, num_clients=4, clients_per_round=2,
      batch_size=3, alpha=0.67, fresh_augmentation=True,
      class_feedback='copies', validation_fraction=0.2,
  )
  population = population_lib.make_population(settings, 1)
  deployed = deployment.DeploymentOfRun(settings, population.num_examples, 1)

  def steps():
    return [deployed.chains([[k]], [1], 1).num_steps for k in range(4)]

  def expected(multiples):
    examples = np.rint(population.data.label_counts * multiples).sum(axis=1)
    return np.ceil(examples / 3).tolist()

  assert steps() == expected(population.plan.multiples)
  population.feedback.update(np.linspace(0.1, 1, 10))
  copies = population.feedback.copies(population.plan)
  assert steps() == expected(copies) != expected(population.plan.multiples)
