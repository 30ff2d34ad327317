"""What Astraea's rounds cost, in bytes and in seconds of a deployment."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.metrics import traffic
from experiment.runs import adaptive
from experiment.runs import deployment
from experiment.runs import grouping
from experiment.runs import metrics_log
from experiment.runs import optimizers
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib


class AstraeaCosts:
  """The costs of rounds and of single mediators.

  Of a mediator they are asked with its clients and its passes, as
  `astraea_tff.control` does.
  """

  def __init__(
      self,
      settings: settings_lib.Settings,
      population: population_lib.Population,
      process: tff.learning.templates.LearningProcess,
  ):
    """Measures what is sent.

    Args:
      settings: The settings.
      population: The clients.
      process: The learning process, of which the model is.
    """
    self._max_clients = settings.max_clients
    self._deployed = deployment.DeploymentOfRun(
        settings, population.num_examples, population.seed
    )
    weights = process.get_model_weights(process.initialize())
    self._model_bytes = traffic.model_bytes(tf.nest.flatten(weights))
    self._state_bytes = optimizers.sent_state_bytes(
        settings, weights.trainable
    )
    self._copies_bytes = adaptive.copies_bytes(population)

  def bytes_sent(self, clients: Sequence[int], passes: int) -> float:
    """Returns the bytes of a mediator alone."""
    models = self._bytes_of_models([len(clients)], [passes])
    return models + len(clients) * self._copies_bytes

  def seconds(self, clients: Sequence[int], passes: int) -> float:
    """Returns the simulated seconds of a mediator alone."""
    return self._work([clients], [passes]).seconds

  def of_round(self, of_round: grouping.Round) -> metrics_log.RoundCost:
    """Returns what a round costs."""
    num_clients = [len(mediator) for mediator in of_round.mediators]
    models = self._bytes_of_models(num_clients, of_round.passes)
    return metrics_log.RoundCost(
        models + sum(num_clients) * self._copies_bytes,
        self._bytes_of_models(num_clients, [1] * len(num_clients)),
        metrics_log.mean_or_none(of_round.kl_divergence),
        *self._work(of_round.mediators, of_round.passes),
    )

  def _work(
      self, mediators: Sequence[Sequence[int]], passes: Sequence[int]
  ) -> deployment.Work:
    return self._deployed.chains(
        mediators, passes, self._model_bytes, **self._state_bytes
    )

  def _bytes_of_models(
      self, num_clients: list[int], passes: Sequence[int]
  ) -> int:
    """Returns the bytes of the models, with the optimizers' states."""
    if not any(num_clients):
      return 0
    return traffic.astraea_round_bytes(
        self._model_bytes,
        sum(num_clients),
        self._max_clients,
        passes,
        clients_per_mediator=num_clients,
        **self._state_bytes,
    )
