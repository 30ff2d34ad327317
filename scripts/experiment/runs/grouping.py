"""Which mediators train in a round, and with which clients."""

from collections.abc import Sequence
import dataclasses
import pathlib
from typing import Optional

import numpy as np

from astraea_tff.labels import divergence
from astraea_tff import randomness
from astraea_tff.scheduling import approximate
from astraea_tff.scheduling import assignment
from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import grouping
from astraea_tff.scheduling import refinement
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib
from experiment.runs import folder as folder_lib
from experiment.runs import settings as settings_lib


def group_clients(
    counts: np.ndarray,
    settings: settings_lib.Settings,
    *,
    seed: int,
    clients: Optional[Sequence[int]] = None,
) -> schedule_lib.Schedule:
  """Groups clients under mediators, as the settings want it.

  Args:
    counts: int64 [K, N]; the label counts of all clients.
    settings: The settings: grouping, target and max_clients.
    seed: At least 0, for those groupings that draw.
    clients: The clients to be grouped; all by default.

  Returns:
    The schedule.
  """
  target = None if settings.target == 'uniform' else settings.target
  arguments = dict(target=target, clients=clients)
  if settings.grouping == 'assignment':
    return assignment.reschedule_by_assignment(
        counts, settings.max_clients, **arguments
    )
  if settings.grouping == 'random':
    return greedy.random_schedule(
        counts, settings.max_clients, seed=seed, **arguments
    )
  if settings.grouping == 'approximate':
    return approximate.reschedule_approximately(
        counts, settings.max_clients, seed=seed, **arguments
    )
  schedule = greedy.reschedule(counts, settings.max_clients, **arguments)
  if settings.grouping == 'refined':
    return refinement.refine(schedule, counts, target=target)
  return schedule


@dataclasses.dataclass(frozen=True)
class Round:
  """The mediators of a round.

  Attributes:
    mediators: The clients of each in training order; none where all of a
      mediator's clients dropped out.
    kl_divergence: float64 [any]; of those mediators that have clients, the
      divergence of their pooled labels from the target, in nats.
  """

  mediators: list[tuple[int, ...]]
  kl_divergence: np.ndarray


class Mediators:
  """The mediators of a run: one schedule for all rounds, or one for each.

  What a round draws depends on the run's seed and the round's number alone.
  """

  def __init__(
      self,
      settings: settings_lib.Settings,
      counts: np.ndarray,
      seed: int,
      folder: pathlib.Path,
  ):
    """Schedules the clients, and writes the schedule to `folder`."""
    self._settings = settings
    self._counts = counts
    self._seed = seed
    self._folder = folder
    self._static_schedule = None
    if settings.schedule == 'static':
      self._static_schedule = self._group_clients(round_num=0)
      folder_lib.write_atomically(
          folder / 'schedule.json', self._static_schedule.to_json()
      )
    else:
      (folder / 'schedules').mkdir(exist_ok=True)

  @property
  def kl_divergence(self) -> np.ndarray:
    """float64 [M]; of all mediators, or of the first round's."""
    schedule = self._static_schedule or self._schedule_round(1)
    return schedule.kl_divergence

  def of_round(self, round_num: int) -> Round:
    """Returns the mediators that train in a round."""
    if self._static_schedule is None:
      schedule = self._schedule_round(round_num)
      sampled = range(schedule.num_mediators)
    else:
      schedule = self._static_schedule
      sampled = schedule.sample(
          self._settings.models_per_round,
          seed=self._seed,
          round_num=round_num,
      )
    mediators = [
        sampling.available_clients(
            schedule.mediators[mediator],
            self._settings.drop_probability,
            seed=self._seed,
            round_num=round_num,
        )
        for mediator in sampled
    ]
    return Round(mediators, self._measure(schedule, mediators))

  def _measure(
      self, schedule: schedule_lib.Schedule, mediators
  ) -> np.ndarray:
    """Divergences of the mediators as they are after clients dropped out."""
    scheduled = self._counts[np.concatenate(schedule.mediators)]
    target = None if self._settings.target == 'uniform' else 'pooled'
    pooled = [self._counts[list(m)].sum(axis=0) for m in mediators if m]
    if not pooled:
      return np.zeros(0)
    return divergence.kl_divergence(
        np.stack(pooled), grouping.resolve_target(target, scheduled)
    )

  def _schedule_round(self, round_num: int) -> schedule_lib.Schedule:
    """Returns the schedule of the clients sampled for a round; writes it."""
    sampled = sampling.sample_clients(
        len(self._counts),
        self._settings.clients_per_round,
        seed=self._seed,
        round_num=round_num,
    )
    schedule = self._group_clients(round_num, sampled)
    path = self._folder / 'schedules' / f'round_{round_num:06d}.json'
    folder_lib.write_atomically(path, schedule.to_json())
    return schedule

  def _group_clients(
      self, round_num: int, clients: Optional[Sequence[int]] = None
  ) -> schedule_lib.Schedule:
    return group_clients(
        self._counts,
        self._settings,
        seed=randomness.grouping_seed(self._seed, round_num),
        clients=clients,
    )
