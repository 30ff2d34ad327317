"""A policy at work on a schedule: what it sees, may spend and is told.

It sees what is remembered of the mediators (`history`), spends what a round may
cost (`round_budget`), and is told what their updates were worth (`credits`).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Optional

import numpy as np

from astraea_tff.control import credits as credits_lib
from astraea_tff.control import history as history_lib
from astraea_tff.control import policies
from astraea_tff.control import round_budget as round_budget_lib
from astraea_tff.control import validation as validation_lib
from astraea_tff.scheduling import schedule as schedule_lib


class Choice(NamedTuple):
  """What is chosen for a round.

  Attributes:
    mediators: The R mediators that were considered.
    passes: The passes of each of them; 0 for one that sits out.
    price: See `policies.Decision`.
    observations: float64 [R, 12], what was known of them.
  """

  mediators: tuple[int, ...]
  passes: tuple[int, ...]
  price: float
  observations: np.ndarray


class Updates(NamedTuple):
  """What the mediators of a round made of its model.

  Attributes:
    mediators: int64 [T], those that trained, ascending.
    weights: float64 [T], the weight of each one's update.
    updates: float64 [T, P], what each adds to the model.
  """

  mediators: np.ndarray
  weights: np.ndarray
  updates: np.ndarray


def read_report(
    report: Mapping[str, np.ndarray],
    round_num: int,
    choice: Choice,
    have_clients: Callable[[np.ndarray], np.ndarray],
) -> Updates:
  """Reads what a learning process reported of the mediators of a round.

  Args:
    report: `mediators` of the metrics' `client_work`.
    round_num: The number of the round.
    choice: What had been chosen for it.
    have_clients: Of which mediators, int64 [T], not all clients dropped out,
      bool [T].

  Raises:
    ValueError: A mediator trained that had no passes.
  """
  reported = np.asarray(report['mediator'], np.int64)
  order = np.argsort(reported)
  order = order[have_clients(reported[order])]
  chosen = {m for m, number in zip(choice.mediators, choice.passes) if number}
  if strange := set(reported.tolist()) - chosen:
    raise ValueError(
        f'round_num must be the round that `report` is of, got {round_num},'
        f' which has passes for mediators {sorted(chosen)}, but mediator'
        f' {min(strange)} trained. Learn each round once, and before the next'
        ' is asked for; the first is 1.'
    )
  return Updates(
      reported[order],
      np.asarray(report['weight'], np.float64)[order],
      # TFF's mediators return what is to be subtracted.
      -np.asarray(report['update'], np.float64)[order],
  )


class PolicyAtWork:
  """A policy, with what is remembered for it.

  Attributes:
    parts: By name, what has learned and has a `state`.
  """

  def __init__(
      self,
      policy: policies.MediatorPolicy,
      schedule: schedule_lib.Schedule,
      num_examples: np.ndarray,
      budget: round_budget_lib.RoundBudget,
      *,
      credit: str,
      seconds: Optional[round_budget_lib.Cost],
  ):
    """Begins before the first round.

    Args:
      policy: What decides the passes.
      schedule: Which clients train in which of M mediators.
      num_examples: int64 [M], the examples of each mediator.
      budget: What a round may spend.
      credit: See `MediatorControl`.
      seconds: See `MediatorControl`.
    """
    self._policy, self._budget = policy, budget
    self._credit, self._seconds = credit, seconds
    self._mediators = schedule.mediators
    self._history = history_lib.MediatorHistory.of_schedule(
        schedule, num_examples
    )
    self.parts = {'history': self._history, 'policy': policy}

  def choose(self, round_num: int, mediators: tuple[int, ...]) -> Choice:
    """Gives passes to the mediators that are considered; changes nothing."""
    observations = self._history.observe(mediators, round_num)
    passes, price = self._policy.decide(
        round_num, observations, self._budget.of(mediators), mediators=mediators
    )
    return Choice(mediators, tuple(passes.tolist()), price, observations)

  def learn(
      self,
      round_num: int,
      choice: Choice,
      updates: Updates,
      validation: validation_lib.Validation,
      before: Any,
  ) -> np.ndarray:
    """Takes in a round, and returns the credits of those that trained.

    Args:
      round_num: The number of the round.
      choice: What had been chosen for it.
      updates: What came of it.
      validation: Examples of the server.
      before: The `ModelWeights` that the round began with.

    Returns:
      float64 [T], what each one's update was worth, in nats.
    """
    trained = updates.mediators
    if not trained.size:
      return np.zeros(0)
    credits, losses = credits_lib.measure(
        self._credit,
        validation,
        validation.vector(before),
        updates.weights,
        updates.updates,
    )
    places = [choice.mediators.index(mediator) for mediator in trained]
    known = np.array(choice.passes)[places, np.newaxis] == self._policy.passes
    self._policy.learn(
        policies.RoundReport(
            round_num,
            tuple(trained.tolist()),
            choice.observations[places],
            np.where(known, credits[:, np.newaxis], 0.0),
            known,
        )
    )
    self._history.record(
        round_num,
        trained,
        updates.weights,
        updates.updates,
        credits,
        losses=losses,
        seconds=self._seconds and [
            self._seconds(self._mediators[mediator], 1) for mediator in trained
        ],
    )
    return credits
