"""The baselines: TFF's own algorithms, whose clients train side by side."""

from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.clients import by_id as clients_by_id
from astraea_tff.labels import divergence
from astraea_tff.metrics import traffic
from astraea_tff.scheduling import sampling
from experiment.runs import metrics_log
from experiment.runs import optimizers
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib


class FedAvg:
  """TFF's weighted FedAvg, FedProx or Mime Lite: clients side by side.

  Attributes:
    process: The learning process.
    divergences: By name, the divergences from uniform of what is averaged.
  """

  def __init__(
      self,
      settings: settings_lib.Settings,
      population: population_lib.Population,
  ):
    self._settings = settings
    self._population = population
    self._client_divergences = divergence.kl_divergence(
        population.counts
    )
    self.process = clients_by_id.read_by_id(
        _build_process(
            settings, population_lib.build_model_fn(population)
        ),
        population.clients,
    )
    self.divergences = {'clients': self._client_divergences}
    weights = optimizers.initial_weights(self.process)
    self._model_bytes = traffic.model_bytes(tf.nest.flatten(weights))
    self._gradient_bytes = traffic.model_bytes(weights.trainable)
    self._state_bytes = optimizers.state_bytes(
        optimizers.build_client_optimizer(settings), weights.trainable
    )

  def select(
      self, round_num: int
  ) -> tuple[list[clients_by_id.ClientInRound], metrics_log.RoundCost]:
    """Returns the data of a round and what the round costs."""
    settings, seed = self._settings, self._population.seed
    sampled = sampling.sample_clients(
        len(self._population.counts),
        settings.clients_per_round,
        seed=seed,
        round_num=round_num,
    )
    available = list(
        sampling.available_clients(
            sampled,
            settings.drop_probability,
            seed=seed,
            round_num=round_num,
        )
    )
    clients = self._population.clients.for_round(round_num)
    data = [clients[k] for k in available]
    # TFF keeps what it made for a number of clients, so that stays the same.
    data += [clients.nobody] * (len(sampled) - len(available))
    num_bytes = self._round_bytes(len(available)) if available else 0
    return data, metrics_log.RoundCost(
        num_bytes,
        num_bytes,
        metrics_log.mean_or_none(self._client_divergences[available]),
    )

  def _round_bytes(self, num_clients: int) -> int:
    if self._settings.algorithm == 'mime_lite':
      return traffic.mime_lite_round_bytes(
          self._model_bytes,
          num_clients,
          gradient_bytes=self._gradient_bytes,
          optimizer_state_bytes=self._state_bytes,
      )
    return traffic.fed_avg_round_bytes(self._model_bytes, num_clients)


def _build_process(
    settings: settings_lib.Settings, model_fn: Any
) -> tff.learning.templates.LearningProcess:
  """Builds the process in which clients train side by side."""
  client_optimizer = optimizers.build_client_optimizer(settings)
  server_optimizer = optimizers.build_server_optimizer(settings)
  # TFF's default makes NaN of the model when everyone dropped out of a round.
  mean = tff.aggregators.MeanFactory(no_nan_division=True)
  # The quicker of TFF's two loops, and the one that our chains have.
  loop = tff.learning.LoopImplementation.DATASET_ITERATOR
  if settings.algorithm == 'fedprox':
    return tff.learning.algorithms.build_weighted_fed_prox(
        model_fn,
        settings.proximal_strength,
        client_optimizer,
        server_optimizer,
        model_aggregator=mean,
        loop_implementation=loop,
    )
  if settings.algorithm == 'mime_lite':
    return tff.learning.algorithms.build_weighted_mime_lite(
        model_fn,
        client_optimizer,
        server_optimizer,
        model_aggregator=mean,
        full_gradient_aggregator=mean,
        # It reads the data twice, and under an iterator the second time in
        # another order than the other algorithms.
        loop_implementation=tff.learning.LoopImplementation.DATASET_REDUCE,
    )
  return tff.learning.algorithms.build_weighted_fed_avg(
      model_fn,
      client_optimizer,
      server_optimizer,
      model_aggregator=mean,
      loop_implementation=loop,
  )
