"""What a run trains: a learning process, and the data and cost of a round."""

from collections.abc import Callable
import functools
import pathlib
from typing import Any, NamedTuple, Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.clients import process_by_id
from astraea_tff.control import mediator_control
from astraea_tff.control import policies
from astraea_tff.scheduling import rounds as rounds_lib
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib
from astraea_tff.training import astraea
from experiment.runs import adaptive
from experiment.runs import astraea_costs
from experiment.runs import baselines
from experiment.runs import deployment
from experiment.runs import grouping
from experiment.runs import highest_loss
from experiment.runs import metrics_log
from experiment.runs import optimizers
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib


class Algorithm(NamedTuple):
  """An algorithm on the clients of a run.

  Attributes:
    process: The learning process.
    divergences: By name, float64 [any], the divergences from the target of the
      single clients, and of the mediators if there are any (of the first
      round's, if each round has its own).
    select: Returns the data of a round, from its number, and what it costs.
    control: What decides the rounds anew while it trains; None if nothing does.
    see_model: From the Keras model of the run, what the control gets to see of
      the model after every round; None if that is nothing.
  """

  process: tff.learning.templates.LearningProcess
  divergences: dict[str, np.ndarray]
  select: Callable[[int], tuple[list[Any], metrics_log.RoundCost]]
  control: Optional[mediator_control.MediatorControl] = None
  see_model: Optional[Callable[[tf.keras.Model], adaptive.SeeModel]] = None


def build(
    settings: settings_lib.Settings,
    population: population_lib.Population,
    folder: pathlib.Path,
    schedule: Optional[schedule_lib.Schedule] = None,
    policy: Optional[policies.MediatorPolicy] = None,
) -> Algorithm:
  """Builds the algorithm of the settings.

  Args:
    settings: The settings.
    population: The clients.
    folder: Of the run; Astraea writes its schedule there.
    schedule: Astraea's static schedule, if it is made already.
    policy: What decides the mediators' passes, if it is made already.
  """
  if settings.algorithm == 'astraea':
    return _build_astraea(settings, population, folder, schedule, policy)
  return _build_side_by_side(settings, population)


def _build_astraea(
    settings, population, folder, schedule, policy
) -> Algorithm:
  """Builds Astraea, and what decides its rounds anew while it trains."""
  mediators = grouping.Mediators(
      settings, population.counts, population.seed, folder, schedule
  )
  policy = policy or adaptive.build_policy(
      settings, mediators.static_schedule, population.seed
  )
  process = _build_astraea_process(
      settings, population, mediators.max_clients
  )
  costs = astraea_costs.AstraeaCosts(settings, population, process)
  control = adaptive.build_control(
      settings,
      population.data.label_counts,
      mediators.static_schedule,
      seed=population.seed,
      feedback=population.feedback,
      policy=policy,
      cost=(
          costs.bytes_sent
          if settings.policy_objective == 'traffic'
          else costs.seconds
      ),
      seconds=costs.seconds,
  )
  reports_mediators = adaptive.reports_mediators(settings)

  def select(round_num: int):
    of_round = mediators.of_round(round_num, control)
    data = rounds_lib.data_of_round(
        of_round.visits,
        population.clients,
        mediators.max_clients,
        round_num=round_num,
        numbers=of_round.numbers if reports_mediators else None,
    )
    return data, costs.of_round(of_round)

  see_model = None
  if isinstance(policy, highest_loss.HighestLoss):
    see_model = functools.partial(
        policy.watch, population.data, mediators.static_schedule.mediators
    )
  divergences = {
      'clients': grouping.client_divergences(settings, population.counts),
      'mediators': mediators.first_divergences(control),
  }
  return Algorithm(process, divergences, select, control, see_model)


def _build_astraea_process(
    settings, population, max_clients: int
) -> tff.learning.templates.LearningProcess:
  """Builds Astraea's process, which reads the clients by their ids."""
  process = astraea.build_weighted_astraea(
      population_lib.build_model_fn(population),
      optimizers.build_client_optimizer(settings),
      optimizers.build_server_optimizer(settings),
      max_clients=max_clients,
      mediator_epochs=(
          settings.mediator_epochs
          if settings.mediator_policy == 'fixed'
          else None
      ),
      local_epochs=settings.local_epochs,
      carry_optimizer_state=settings.carry_optimizer_state,
      client_order=settings.client_order,
      client_clipping_norm=settings.client_clipping_norm,
      mediator_optimizer_fn=optimizers.build_mediator_optimizer(settings),
      keep_mediator_state=settings.keep_mediator_state,
      visit_step_power=settings.visit_step_power,
      report_mediators=adaptive.reports_mediators(settings),
  )
  return process_by_id.read_by_id(process, population.clients)


def _build_side_by_side(settings, population) -> Algorithm:
  """Builds TFF's weighted FedAvg, FedProx or Mime Lite."""
  process = process_by_id.read_by_id(
      baselines.build_process(
          settings, population_lib.build_model_fn(population)
      ),
      population.clients,
  )
  weights = process.get_model_weights(process.initialize())
  bytes_each_way = baselines.bytes_each_way(settings, weights)
  deployed = deployment.DeploymentOfRun(
      settings, population.num_examples, population.seed
  )
  divergences = grouping.client_divergences(settings, population.counts)
  copies_bytes = adaptive.copies_bytes(population)
  control = adaptive.build_control(
      settings,
      population.data.label_counts,
      None,
      seed=population.seed,
      feedback=population.feedback,
  )

  def select(round_num: int):
    draw = dict(seed=population.seed, round_num=round_num)
    sampled = sampling.sample_clients(
        len(population.counts),
        settings.clients_per_round,
        **draw,
        weights=None if control is None else control.weights(round_num),
    )
    available = list(
        sampling.available_clients(sampled, settings.drop_probability, **draw)
    )
    clients = population.clients.for_round(round_num)
    data = [clients[k] for k in available]
    # TFF keeps what it made for a number of clients, so that stays the same.
    data += [clients.nobody] * (len(sampled) - len(available))
    num_bytes = len(available) * sum(bytes_each_way)
    return data, metrics_log.RoundCost(
        num_bytes + len(available) * copies_bytes,
        num_bytes,
        metrics_log.mean_or_none(divergences[available]),
        *deployed.side_by_side(available, *bytes_each_way),
    )

  return Algorithm(process, {'clients': divergences}, select, control)
