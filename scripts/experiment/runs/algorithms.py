"""What a run trains: a learning process, and the data and cost of a round.

The processes that train clients side by side are in
`experiment.runs.baselines`.
"""

import pathlib
from typing import Union

import numpy as np
import tensorflow as tf

from astraea_tff.clients import by_id as clients_by_id
from astraea_tff.clients import mediator_data as mediator_data_lib
from astraea_tff.labels import divergence
from astraea_tff.metrics import traffic
from astraea_tff.scheduling import sampling
from astraea_tff.training import astraea
from experiment.runs import baselines
from experiment.runs import grouping as mediators_lib
from experiment.runs import metrics_log
from experiment.runs import optimizers
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib


def build(
    settings: settings_lib.Settings,
    population: population_lib.Population,
    folder: pathlib.Path,
) -> Union['Astraea', baselines.FedAvg]:
  """Builds the algorithm; Astraea writes its schedule to `folder`."""
  if settings.algorithm == 'astraea':
    return Astraea(settings, population, folder)
  return baselines.FedAvg(settings, population)


class Astraea:
  """Astraea, with a schedule for all rounds or one for each.

  Attributes:
    process: The learning process.
    divergences: By name, the divergences from the target of the single clients
      and of the mediators (of the first round's, if each round has its own).
  """

  def __init__(
      self,
      settings: settings_lib.Settings,
      population: population_lib.Population,
      folder: pathlib.Path,
  ):
    """Schedules the clients and writes the schedule to `folder`."""
    self._settings = settings
    self._population = population
    self._mediators = mediators_lib.Mediators(
        settings, population.counts, population.seed, folder
    )
    optimizer = optimizers.build_client_optimizer(settings)
    self.process = clients_by_id.read_by_id(
        astraea.build_weighted_astraea(
            population_lib.build_model_fn(population),
            optimizer,
            optimizers.build_server_optimizer(settings),
            max_clients=settings.max_clients,
            mediator_epochs=settings.mediator_epochs,
            local_epochs=settings.local_epochs,
            carry_optimizer_state=settings.carry_optimizer_state,
            client_order=settings.client_order,
            client_clipping_norm=settings.client_clipping_norm,
        ),
        population.clients,
    )
    weights = optimizers.initial_weights(self.process)
    self._model_bytes = traffic.model_bytes(tf.nest.flatten(weights))
    self._carried_bytes = 0
    if settings.carry_optimizer_state:
      self._carried_bytes = optimizers.state_bytes(
          optimizer, weights.trainable
      )
    self.divergences = {
        'clients': divergence.kl_divergence(population.counts),
        'mediators': self._mediators.kl_divergence,
    }

  def select(
      self, round_num: int
  ) -> tuple[list[mediator_data_lib.MediatorData], metrics_log.RoundCost]:
    """Returns the data of a round and what the round costs."""
    settings = self._settings
    mediators_of_round = self._mediators.of_round(round_num)
    num_clients = [len(m) for m in mediators_of_round.mediators]
    orders = None
    if settings.client_order == 'reshuffled':
      orders = sampling.reshuffled_orders(
          num_clients,
          settings.max_clients,
          settings.mediator_epochs,
          seed=self._population.seed,
          round_num=round_num,
      )
    data = mediator_data_lib.mediator_data(
        mediators_of_round.mediators,
        self._population.clients.for_round(round_num),
        settings.max_clients,
        orders=orders,
    )
    num_bytes, num_bytes_in_paper = (
        self._round_bytes(num_clients, mediator_epochs)
        for mediator_epochs in (settings.mediator_epochs, 1)
    )
    return data, metrics_log.RoundCost(
        num_bytes,
        num_bytes_in_paper,
        metrics_log.mean_or_none(mediators_of_round.kl_divergence),
    )

  def _round_bytes(self, num_clients: list[int], mediator_epochs: int) -> int:
    """Traffic of mediators of so many clients."""
    if not any(num_clients):
      return 0
    return traffic.astraea_round_bytes(
        self._model_bytes,
        sum(num_clients),
        self._settings.max_clients,
        mediator_epochs,
        carry_optimizer_state_bytes=self._carried_bytes,
        num_mediators=np.count_nonzero(num_clients),
    )
