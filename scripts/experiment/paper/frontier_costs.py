"""What a frontier's runs cost, with mediators on the server and at the edge.

On the server every visit crosses the wide area; at the edge one model of a
mediator does (`astraea_tff.metrics.deployment_time`). Where the mediators stand
changes no weight, so that a run is measured for both.
"""

import dataclasses
import pathlib
import tempfile
from typing import NamedTuple

import numpy as np
import pandas as pd

from astraea_tff.metrics import traffic
from experiment.paper import frontier
from experiment.paper import runner
from experiment.runs import adaptive_settings
from experiment.runs import deployment
from experiment.runs import grouping
from experiment.runs import metrics_log
from experiment.runs import optimizers
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib

_BYTES_PER_MEGABYTE = 1e6


class Costs(NamedTuple):
  """What a run of Astraea has cost after rounds 0, 1, ...

  Attributes:
    seconds: float64 [rounds + 1], of the simulated deployment.
    megabytes: float64 [rounds + 1], between the server and mediators that
      stand at the edge.
  """

  seconds: np.ndarray
  megabytes: np.ndarray


def measure(
    reproduction: runner.Reproduction, whole: runner.Reproduction
) -> pd.DataFrame:
  """Measures the finished runs of an experiment.

  Args:
    reproduction: The experiment, with the rows whose runs there are.
    whole: The experiment with all rows.

  Returns:
    A line for each reported run and evaluated round: `regime`, `method`,
    `seed`, `top_1` in percent, and the costs so far, see `frontier.AXES`. Those
    at the edge are left out where a run decides its rounds while it trains, as
    these cannot be followed again.
  """
  lines = []
  has_edge = not any(
      adaptive_settings.adapts(row.settings)
      for row in whole.experiment.rows.values()
  )
  for row, seed in reproduction.reported_runs():
    about = reproduction.experiment.rows[row]
    regime, method = frontier.regime_and_method(row, about)
    rows = reproduction.metrics(row, seed)
    edge = None
    if has_edge and about.settings.algorithm == 'astraea':
      edge = follow_rounds(
          dataclasses.replace(about.settings, mediator_place='edge'),
          reproduction.population(row, seed),
          rows[-1]['round'],
      )
    for evaluated in metrics_log.evaluated_rows(rows):
      line = {
          name: evaluated[name] for name in frontier.AXES if name in evaluated
      }
      spent = evaluated['round']
      if has_edge:
        line['edge_seconds'] = (
            edge.seconds[spent] if edge else line['simulated_seconds']
        )
        line['edge_megabytes'] = (
            edge.megabytes[spent] if edge else line['megabytes']
        )
      lines.append(
          dict(regime=regime, method=method, seed=seed)
          | line
          | dict(top_1=100 * evaluated['top_1'])
      )
  return pd.DataFrame(lines)


def follow_rounds(
    settings: settings_lib.Settings,
    population: population_lib.Population,
    rounds: int,
) -> Costs:
  """Follows the rounds of a run of Astraea again, without training."""
  deployed = deployment.DeploymentOfRun(
      settings, population.num_examples, population.seed
  )
  model = population_lib.build_keras_model(population)
  state_bytes = optimizers.sent_state_bytes(settings, model.trainable_weights)
  kept = state_bytes['mediator_state_bytes']
  num_bytes = traffic.model_bytes(model.weights)
  seconds, megabytes = [0.0], [0.0]
  with tempfile.TemporaryDirectory() as folder:
    mediators = grouping.Mediators(
        settings, population.counts, population.seed, pathlib.Path(folder)
    )
    for round_num in range(1, rounds + 1):
      chains = mediators.of_round(round_num).mediators
      work = deployed.chains(
          chains,
          [settings.mediator_epochs] * len(chains),
          num_bytes,
          **state_bytes,
      )
      seconds.append(work.seconds)
      sent = 2 * (num_bytes + kept) * sum(map(bool, chains))
      megabytes.append(sent / _BYTES_PER_MEGABYTE)
  return Costs(np.cumsum(seconds), np.cumsum(megabytes))
