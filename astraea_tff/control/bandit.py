"""Mediators chosen by the average of their own credits: no network.

Auer, Cesa-Bianchi and Fischer, "Finite-time analysis of the multiarmed bandit
problem" (2002), with a moving average, since what a mediator is worth changes
as the model learns.
"""

from collections.abc import Sequence
from typing import Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff import randomness
from astraea_tff.control import allocation
from astraea_tff.control import history
from astraea_tff.control import policies

# This is above any average of credits in units of their mean size.
_NOT_TRIED = 1e9


class CreditBandit(history.ArrayState):
  """Ranks mediators by average credit and an upper confidence bound.

  Mediators that have not been tried come first, in random order. The others
  follow by `credit / scale + exploration * sqrt(log(rounds) / n)`, with the
  moving average of a mediator's credits, that of all |credits|, and the rounds
  n in which it took part. They get `num_passes` passes each, while they fit
  into the budget. It only ranks, so that credits may sum to zero, as removal
  credits do. A budget of seconds is spent once, however many mediators train.
  Under such a budget the mediators of the highest sum of bounds per second take
  part.

  Attributes:
    num_mediators: M.
  """

  _finite = ('credit', 'scale')

  def __init__(
      self,
      num_mediators: int,
      *,
      seed: int,
      decay: float = 0.8,
      exploration: float = 0.3,
      num_passes: int = 1,
  ):
    """Begins without knowing any mediator.

    Args:
      num_mediators: M, at least 1.
      seed: The seed of the order of mediators that have not been tried, at
        least 0.
      decay: The part of a moving average that a round leaves, in [0, 1).
      exploration: How much an uncertain mediator is preferred, in units of the
        mean |credit|; at least 0.
      num_passes: At least 1. What each mediator that takes part makes: E_m,
        with which a budget suffices for fewer mediators.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: An argument is out of its range.
    """
    self.num_mediators = arguments.check_integer(
        num_mediators, 'num_mediators', 1
    )
    self._seed = arguments.check_integer(seed, 'seed', 0)
    self._decay = arguments.check_number(decay, 'decay', 0, 1, ends='[)')
    self._exploration = arguments.check_number(
        exploration, 'exploration', 0, ends='[)'
    )
    self.passes = (arguments.check_integer(num_passes, 'num_passes', 1),)
    self._arrays = {
        'credit': np.zeros(self.num_mediators),
        'rounds': np.zeros(self.num_mediators, np.int64),
        'scale': np.zeros(()),
        'seen': np.zeros((), np.int64),
    }

  def decide(
      self,
      round_num: int,
      observations: np.ndarray,
      budget: allocation.Budget,
      *,
      mediators: Optional[Sequence[int]] = None,
  ) -> policies.Decision:
    """See `MediatorPolicy.decide`; the price is the best bound left out.

    It is that of one mediator, in units of the mean |credit|.
    """
    mediators = policies.check_offer(
        self.passes, observations, budget, mediators
    )
    bounds = self._bounds(round_num)[mediators]
    if budget.adds_up:
      choice = allocation.fill(budget, np.argsort(-bounds, kind='stable'))
    else:
      # Whoever is quick enough would fit, whatever its credits.
      choice, _ = budget.clear(bounds[:, np.newaxis])
    left_out = bounds[(choice == 0) & (bounds < _NOT_TRIED)]
    return policies.to_decision(
        self.passes,
        choice,
        bounds[:, np.newaxis],
        budget,
        max(left_out.max(initial=0.0), 0.0),
    )

  def learn(self, report: policies.RoundReport) -> None:
    """See `MediatorPolicy.learn`."""
    credits = np.asarray(report.credits, np.float64)[:, 0]
    # The credits of a model that diverged would stay in the averages for ever.
    known = report.known[:, 0].astype(bool) & np.isfinite(credits)
    at, credits = np.array(report.mediators, np.int64)[known], credits[known]
    if not at.size:
      return
    now = self.state
    average = self._decay * now['credit'][at] + (1 - self._decay) * credits
    now['credit'][at] = np.where(now['rounds'][at] == 0, credits, average)
    now['scale'] = history.moving_scale(now['scale'], credits, self._decay)
    now['rounds'][at] += 1
    now['seen'] += 1
    self._arrays = now

  def _bounds(self, round_num: int) -> np.ndarray:
    """Returns each mediator's upper confidence bound, float64 [M]."""
    now = self._arrays
    rounds = np.maximum(now['rounds'], 1)
    scale = now['scale'] if now['scale'] > 0 else 1.0
    width = np.sqrt(np.log(np.maximum(now['seen'], 1)) / rounds)
    bounds = now['credit'] / scale + self._exploration * width
    # The draws are by mediator, so that it does not matter who else is
    # considered.
    order = randomness.round_generator(
        self._seed, round_num, randomness.POLICY_STREAM, 0
    ).random(len(rounds))
    return np.where(now['rounds'] == 0, _NOT_TRIED * (1 + order), bounds)
