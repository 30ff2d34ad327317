"""The mediators that train in a round, and their clients."""

from collections.abc import Callable, Mapping
import pathlib
import types
from typing import Any, NamedTuple, Optional

import numpy as np

from astraea_tff.control import mediator_control
from astraea_tff.labels import divergence
from astraea_tff import randomness
from astraea_tff.scheduling import approximate
from astraea_tff.scheduling import assignment
from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import grouping
from astraea_tff.scheduling import refinement
from astraea_tff.scheduling import rounds as rounds_lib
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib
from experiment.runs import folder as folder_lib
from experiment.runs import settings as settings_lib


def _seedless(group: Callable[..., schedule_lib.Schedule]):
  """Returns a way to group that takes a seed and does not use it."""
  return lambda *arguments, seed, **options: group(*arguments, **options)


def _refined(
    counts: np.ndarray, max_clients: int, *, target: Any, clients: Any
) -> schedule_lib.Schedule:
  schedule = greedy.reschedule(
      counts, max_clients, target=target, clients=clients
  )
  return refinement.refine(schedule, counts, target=target)


def _consecutive(
    counts: np.ndarray, max_clients: int, *, target: Any, clients: Any
) -> schedule_lib.Schedule:
  """Groups clients by their numbers, as if by place."""
  return grouping.group(
      counts,
      max_clients,
      target,
      clients,
      lambda counts, _: grouping.cut(np.arange(len(counts)), max_clients),
  )


# Functions of counts, gamma, and by keyword target, clients and seed, by name.
GROUPINGS: Mapping[str, Callable[..., schedule_lib.Schedule]] = (
    types.MappingProxyType({
        'greedy': _seedless(greedy.reschedule),
        'refined': _seedless(_refined),
        'assignment': _seedless(assignment.reschedule_by_assignment),
        'random': greedy.random_schedule,
        'approximate': approximate.reschedule_approximately,
        'consecutive': _seedless(_consecutive),
    })
)


def schedule_of_round(
    settings: settings_lib.Settings,
    counts: np.ndarray,
    seed: int,
    round_num: int,
    weights: Any = None,
) -> schedule_lib.Schedule:
  """Groups the clients that are sampled for a round; all in round 0.

  Args:
    settings: The settings.
    counts: int64 [K, N]; the label counts of all clients.
    seed: The run's seed.
    round_num: The number of the round.
    weights: The clients' priorities in the draw, [K]; None for none.

  Returns:
    The schedule, which depends on the arguments alone.
  """
  clients = None
  if round_num:
    clients = sampling.sample_clients(
        len(counts),
        settings.clients_per_round,
        seed=seed,
        round_num=round_num,
        weights=weights,
    )
  return GROUPINGS[settings.grouping](
      counts,
      settings.max_clients,
      target=_target(settings),
      clients=clients,
      seed=randomness.grouping_seed(seed, round_num),
  )


def client_divergences(
    settings: settings_lib.Settings, counts: np.ndarray
) -> np.ndarray:
  """Returns the divergence of each client from the target, float64 [K]."""
  return divergence.kl_divergence(
      counts, grouping.resolve_target(_target(settings), counts)
  )


def _target(settings: settings_lib.Settings) -> Optional[str]:
  return None if settings.target == 'uniform' else settings.target


class Round(NamedTuple):
  """The mediators of a round.

  Attributes:
    visits: The clients that each mediator visits, in the order of the visits.
    kl_divergence: float64 [any]; of those mediators that have clients, the
      divergence of their pooled labels from the target, in nats.
    passes: How many passes each makes over its clients.
    numbers: Their indices among the schedule's mediators, where a control chose
      them; None where they were drawn.
  """

  visits: rounds_lib.Visits
  kl_divergence: np.ndarray
  passes: tuple[int, ...]
  numbers: Optional[tuple[int, ...]] = None

  @property
  def mediators(self) -> list[tuple[int, ...]]:
    """The clients of each mediator in training order, of some none."""
    return list(self.visits.mediators)


class Mediators:
  """The mediators of a run: one schedule for all rounds, or one for each.

  What a round draws depends on the run's seed and the round's number alone.

  Attributes:
    static_schedule: The schedule for all rounds; None if each has its own.
    max_clients: The places of a mediator: gamma, or the number of clients if
      that is smaller. More places would train the same, and each empty place
      costs.
  """

  def __init__(
      self,
      settings: settings_lib.Settings,
      counts: np.ndarray,
      seed: int,
      folder: pathlib.Path,
      schedule: Optional[schedule_lib.Schedule] = None,
  ):
    """Schedules the clients, and writes the schedule to `folder`.

    Args:
      settings: The settings.
      counts: int64 [K, N]; the label counts of all clients.
      seed: The run's seed.
      folder: The run's folder.
      schedule: The schedule for all rounds, if it is made already.
    """
    self._settings = settings
    self._counts = counts
    self._seed = seed
    self._folder = folder
    self.static_schedule = schedule
    self.max_clients = min(settings.max_clients, len(counts))
    if settings.schedule == 'per_round':
      (folder / 'schedules').mkdir(exist_ok=True)
      return
    if schedule is None:
      self.static_schedule = schedule_of_round(settings, counts, seed, 0)
    folder_lib.write_atomically(
        folder / 'schedule.json', self.static_schedule.to_json()
    )

  def first_divergences(
      self, control: Optional[mediator_control.MediatorControl] = None
  ) -> np.ndarray:
    """Returns float64 [M]; of all mediators, or of the first round's.

    Args:
      control: As in `of_round`, before it has learned of a round.
    """
    schedule = self.static_schedule or self._schedule_round(1, control)
    return schedule.kl_divergence

  def of_round(
      self,
      round_num: int,
      control: Optional[mediator_control.MediatorControl] = None,
  ) -> Round:
    """Returns the mediators that train in a round.

    Args:
      round_num: The number of the round.
      control: What weighs the draw, and chooses mediators and passes where the
        settings have a policy; None for a uniform draw.
    """
    settings = self._settings
    choice, passes = None, None
    schedule = self.static_schedule
    if schedule is None:
      schedule = self._schedule_round(round_num, control)
      path = self._folder / 'schedules' / f'round_{round_num:06d}.json'
      folder_lib.write_atomically(path, schedule.to_json())
      scheduled = schedule.mediators
    elif settings.mediator_policy == 'fixed':
      scheduled = self._draw(round_num, _weights(control, round_num))
    else:
      choice = control.choose(round_num)
      scheduled = [schedule.mediators[m] for m in choice.mediators]
      passes = choice.passes
    is_reshuffled = settings.client_order == 'reshuffled'
    visits = rounds_lib.visits_of_round(
        scheduled,
        self.max_clients,
        seed=self._seed,
        round_num=round_num,
        drop_probability=settings.drop_probability,
        reshuffled_epochs=(
            settings.mediator_epochs
            if is_reshuffled and choice is None
            else None
        ),
        passes=passes,
        reshuffled=is_reshuffled and choice is not None,
    )
    if passes is None:
      passes = [settings.mediator_epochs] * len(scheduled)
    return Round(
        visits,
        self._measure(schedule, visits.mediators),
        tuple(passes[place] for place in visits.places),
        choice and choice.mediators,
    )

  def _draw(self, round_num: int, weights: Any) -> list[tuple[int, ...]]:
    """Draws mediators of c clients together.

    Where they have more, the last one trains the first of its clients alone;
    where a small one leaves them with fewer, one more is drawn.
    """
    schedule, num_clients = self.static_schedule, 0
    num_drawn = self._settings.models_per_round
    while num_clients < self._settings.clients_per_round:
      drawn = [
          schedule.mediators[mediator]
          for mediator in schedule.sample(
              num_drawn,
              seed=self._seed,
              round_num=round_num,
              weights=weights,
          )
      ]
      num_clients = sum(map(len, drawn))
      num_drawn += 1
    # With one more drawn, more than one may be left without a client.
    excess = num_clients - self._settings.clients_per_round
    while excess >= len(drawn[-1]):
      excess -= len(drawn.pop())
    return [*drawn[:-1], drawn[-1][: len(drawn[-1]) - excess]]

  def _measure(
      self, schedule: schedule_lib.Schedule, mediators
  ) -> np.ndarray:
    """Divergences of the mediators as they are after clients dropped out."""
    scheduled = self._counts[np.concatenate(schedule.mediators)]
    trained = [mediator for mediator in mediators if mediator]
    if not trained:
      return np.zeros(0)
    return divergence.kl_divergence(
        grouping.mediator_counts(trained, self._counts),
        grouping.resolve_target(_target(self._settings), scheduled),
    )

  def _schedule_round(
      self, round_num: int, control: Optional[mediator_control.MediatorControl]
  ) -> schedule_lib.Schedule:
    return schedule_of_round(
        self._settings,
        self._counts,
        self._seed,
        round_num,
        _weights(control, round_num),
    )


def _weights(control: Any, round_num: int) -> Optional[np.ndarray]:
  return None if control is None else control.weights(round_num)
