"""Local steps of a run's rounds, and how long they would take in a deployment.

Both follow from which clients take part and how many examples they have, so
they cost nothing to know.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from astraea_tff.metrics import deployment_time
from experiment.runs import settings as settings_lib


class Work(NamedTuple):
  """What a round asks of the clients.

  Attributes:
    num_steps: The optimizer steps of all its clients together.
    seconds: How long the round would take in the deployment of the settings.
  """

  num_steps: int
  seconds: float


class DeploymentOfRun:
  """The deployment that a run's settings describe."""

  def __init__(
      self,
      settings: settings_lib.Settings,
      num_examples: Callable[[], np.ndarray],
      seed: int,
  ):
    """Draws the clients' speeds.

    Args:
      settings: The settings.
      num_examples: Returns int64 [K], how many examples the clients train on in
        the round to come.
      seed: The run's seed.
    """
    self._num_examples = num_examples
    self._batch_size = settings.batch_size
    self._local_epochs = settings.local_epochs
    # Mime Lite also takes the gradient at the round's first model, of all data.
    self._work_per_step = 2 if settings.algorithm == 'mime_lite' else 1
    self._deployment = deployment_time.Deployment(
        deployment_time.client_seconds_per_step(
            len(num_examples()),
            settings.seconds_per_step,
            settings.straggler_spread,
            seed=seed,
        ),
        settings.download_megabits_per_second,
        settings.upload_megabits_per_second,
        settings.mediator_place,
        settings.edge_megabits_per_second,
    )

  def side_by_side(
      self, clients: Sequence[int], download_bytes: int, upload_bytes: int
  ) -> Work:
    """Returns the work of a round whose clients train side by side.

    Args:
      clients: Those that take part.
      download_bytes: What each of them gets.
      upload_bytes: What each of them returns.
    """
    steps = self._steps_of(clients)
    seconds = self._deployment.side_by_side_seconds(
        clients,
        [self._work_per_step * number for number in steps],
        download_bytes,
        upload_bytes,
    )
    return Work(sum(steps), seconds)

  def chains(
      self,
      mediators: Sequence[Sequence[int]],
      passes: Sequence[int],
      bytes_per_model: int,
      **state_bytes: int,
  ) -> Work:
    """Returns the work of a round of mediators.

    Args:
      mediators: The clients of each of them that take part.
      passes: E_m of each of them.
      bytes_per_model: |w|.
      **state_bytes: See `deployment_time.Deployment.chain_seconds`.
    """
    steps = [self._steps_of(mediator) for mediator in mediators]
    seconds = self._deployment.chain_seconds(
        mediators, steps, passes, bytes_per_model, **state_bytes
    )
    return Work(
        sum(number * sum(visited) for number, visited in zip(passes, steps)),
        seconds,
    )

  def _steps_of(self, clients: Sequence[int]) -> list[int]:
    num_batches = -(-self._num_examples()[list(clients)] // self._batch_size)
    return (self._local_epochs * num_batches).astype(int).tolist()
