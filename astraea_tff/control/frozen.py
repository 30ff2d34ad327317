"""A policy that decides passes and learns no more.

For training loops that do not let it learn, as that of
`tff.learning.programs.train_model`, whose metrics come a round late. Without
reports of the rounds it sees of a mediator only what is known before the first
one: its size, its divergence, and how full it is.
"""

from collections.abc import Sequence
import hashlib
from typing import Any, Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.control import history as history_lib
from astraea_tff.control import policies
from astraea_tff.control import round_budget as round_budget_lib
from astraea_tff.scheduling import grouping
from astraea_tff.scheduling import schedule as schedule_lib


class FrozenPasses:
  """The passes that a policy gives, as `Schedule.rounds` takes them."""

  def __init__(
      self,
      schedule: schedule_lib.Schedule,
      label_counts: Any,
      policy: policies.MediatorPolicy,
      *,
      round_budget: Optional[float] = None,
      objective: str = 'traffic',
      cost: round_budget_lib.Cost = round_budget_lib.models_sent,
  ):
    """Takes the policy with what it has learned.

    Args:
      schedule: The clients of each mediator.
      label_counts: Integers [K, N], the label counts of all clients.
      policy: Such as `LearnedPasses.frozen` returns.
      round_budget: What a round may spend; see `RoundBudget`.
      objective: See `RoundBudget`.
      cost: See `RoundBudget`.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: An argument is out of its range.
    """
    arguments.check_type(schedule, '`schedule`', schedule_lib.Schedule)
    policies.check_policy(policy, schedule.num_mediators)
    counts = grouping.mediator_counts(schedule.mediators, label_counts)
    history = history_lib.MediatorHistory.of_schedule(
        schedule, counts.sum(axis=1)
    )
    self._observations = history.observe(range(schedule.num_mediators), 1)
    self._policy = policy
    self._budget = round_budget_lib.RoundBudget(
        schedule, policy.passes, round_budget, objective=objective, cost=cost
    )

  def __call__(
      self, round_num: int, mediators: Sequence[int]
  ) -> tuple[int, ...]:
    """Returns the passes of each of a round's mediators.

    Args:
      round_num: The number of the round.
      mediators: Those that are considered.

    Raises:
      ValueError: The budget allows none of them a pass.
    """
    return tuple(
        self._policy.decide(
            round_num,
            self._observations[list(mediators)],
            self._budget.of(mediators),
            mediators=mediators,
        ).passes.tolist()
    )

  @property
  def fingerprint(self) -> str:
    """Differs between objects that give other passes."""
    everybody = self._budget.of(range(len(self._observations)))
    kinds = [type(part).__name__ for part in (self._policy, everybody)]
    # The policy was made with these, such as its seed.
    plain = {
        name: value
        for name, value in vars(self._policy).items()
        if isinstance(value, (bool, int, float, str))
    }
    digest = hashlib.sha256(
        repr((kinds, self._policy.passes, sorted(plain.items()))).encode()
    )
    for value in vars(everybody).values():
      digest.update(np.ascontiguousarray(value, np.float64))
    for name, array in sorted(self._policy.state.items()):
      digest.update(f'{name} {array.dtype} {array.shape}'.encode())
      digest.update(np.ascontiguousarray(array))
    digest.update(np.ascontiguousarray(self._observations))
    return digest.hexdigest()
