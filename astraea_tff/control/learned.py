"""Mediators as cooperating agents with one shared network and one price.

Each mediator values its own numbers of passes from its own observations, by a
network that all of them share. The price, the same for all, rations the round's
budget: an agent needs the network, its row and the price, and nothing of the
others (decentralised execution). The server fits the network on every
mediator's own credit, which is its part of the gain of the whole
(centralised, cooperative training). The values of a team add up, so that the
agents' own best answers at the price are the team's best for what they spend.
What that leaves of the budget goes to the next steps, of those that fit.
"""

from collections.abc import Sequence
import os
from typing import Any, Optional, Union

import numpy as np

from astraea_tff import arguments
from astraea_tff import randomness
from astraea_tff.control import allocation
from astraea_tff.control import history
from astraea_tff.control import policies
from astraea_tff.control import policy_file
from astraea_tff.control import value_network

_NUM_FEATURES = len(history.OBSERVATIONS)
_BATCH_SIZE = 64
_LARGEST_TARGET = 5.0
# Uses of a round's stream. The bandit, which is never beside it, has 0 too.
_EXPLORE, _FIT = 0, 1


class LearnedPasses(history.ArrayState):
  """Values passes by a shared network, and divides the budget by a price.

  It is a contextual bandit: a round's effect on later rounds goes through the
  model, which no observation describes.
  """

  def __init__(
      self,
      *,
      seed: int,
      passes: Sequence[int] = (1, 2),
      hidden: int = 32,
      learning_rate: float = 1e-2,
      explore: float = 0.02,
      warm_up: int = 3,
      fit_steps: int = 24,
      memory: int = 500,
      learns: bool = True,
  ):
    """Begins with a random network.

    Args:
      seed: The seed of the network and of all draws, at least 0.
      passes: The numbers of passes that a mediator may be given, beside 0.
      hidden: Hidden units, at least 1.
      learning_rate: Adam's learning rate, above 0.
      explore: The probability that a mediator is valued at random, in [0, 1].
      warm_up: Up to this round all mediators are valued at random.
      fit_steps: Minibatches of 64 after a round, at least 1.
      memory: How many of the last rows the network is fitted on, one row for
        each mediator of a round; at least 1.
      learns: Whether it explores and learns.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: An argument is out of its range.
    """
    check_integer = arguments.check_integer
    self._seed = check_integer(seed, 'seed', 0)
    self.passes = policies.check_passes(passes)
    self._learning_rate = arguments.check_number(
        learning_rate, 'learning_rate', 0, ends='()'
    )
    self._explore = arguments.check_number(explore, 'explore', 0, 1)
    self._warm_up = check_integer(warm_up, 'warm_up', 0)
    self._fit_steps = check_integer(fit_steps, 'fit_steps', 1)
    rows = check_integer(memory, 'memory', 1)
    arguments.check_type(learns, 'learns', bool)
    self._learns = learns
    self._shape = value_network.Shape(
        _NUM_FEATURES, check_integer(hidden, 'hidden', 1), len(self.passes)
    )
    weights = value_network.initial_weights(self._shape, self._seed)
    self._arrays = {
        'weights': weights,
        'first_moment': np.zeros_like(weights),
        'second_moment': np.zeros_like(weights),
        'step': np.zeros((), np.int64),
        'scale': np.zeros(()),
        'seen': np.zeros((), np.int64),
        'observations': np.zeros((rows, _NUM_FEATURES)),
        'targets': np.zeros((rows, len(self.passes))),
        'known': np.zeros((rows, len(self.passes))),
    }

  @classmethod
  def frozen(cls, path: Union[str, os.PathLike[str]]) -> 'LearnedPasses':
    """Returns the policy of a file, which learns and explores no more.

    Args:
      path: A file that `save` wrote.

    Returns:
      The policy.

    Raises:
      ValueError: The file holds something else, or is damaged.
      OSError: The file cannot be read.
    """
    return cls.pretrained(path, seed=0, learns=False)

  @classmethod
  def pretrained(
      cls, path: Union[str, os.PathLike[str]], *, seed: int, **options: Any
  ) -> 'LearnedPasses':
    """Returns a policy that begins with the network of a file.

    Args:
      path: A file that `save` wrote.
      seed: See the constructor.
      **options: Those of the constructor but for `passes` and `hidden`, which
        are the file's. There is no warm-up unless it is asked for.

    Returns:
      The policy.

    Raises:
      TypeError: An option has a wrong type.
      ValueError: An option is out of its range, or the file holds something
        else or is damaged.
      OSError: The file cannot be read.
    """
    passes, hidden, weights = policy_file.read(path, _NUM_FEATURES)
    options = {'warm_up': 0} | options
    policy = cls(seed=seed, passes=passes, hidden=hidden, **options)
    policy._arrays['weights'] = weights
    return policy

  def save(self, path: Union[str, os.PathLike[str]]) -> None:
    """Writes the network as `.npz`, without the rows it learned from.

    Args:
      path: The file, which `frozen` reads.

    Raises:
      OSError: The file cannot be written.
    """
    weights = self._arrays['weights']
    policy_file.write(path, self.passes, self._shape.hidden, weights)

  def values(self, observations: np.ndarray) -> np.ndarray:
    """Returns what each number of passes is worth, float64 [R, A].

    Args:
      observations: float64 [R, 12].

    Returns:
      Credits in units of the mean |credit|; sitting out is worth 0.
    """
    return value_network.values(
        self._arrays['weights'], self._shape, observations
    )

  def decide(
      self,
      round_num: int,
      observations: np.ndarray,
      budget: allocation.Budget,
      *,
      mediators: Optional[Sequence[int]] = None,
  ) -> policies.Decision:
    """See `MediatorPolicy.decide`."""
    mediators = policies.check_offer(
        self.passes, observations, budget, mediators
    )
    values = self.values(observations)
    if self._learns:
      values = self._explored(round_num, values, mediators)
    choice, price = budget.clear(values)
    return policies.to_decision(self.passes, choice, values, budget, price)

  def _explored(
      self, round_num: int, values: np.ndarray, mediators: np.ndarray
  ) -> np.ndarray:
    """Returns values in which some mediators' are random."""
    # The draws are by mediator, so that it does not matter who else is
    # considered.
    draws = self._generator(round_num, _EXPLORE).random(
        (mediators.max(initial=-1) + 1, 2 + len(self.passes))
    )[mediators]
    is_random = draws[:, 0] < (
        1.0 if round_num <= self._warm_up else self._explore
    )
    # More passes are worth more, but not in proportion.
    random = draws[:, 1:2] * np.sqrt(self.passes) * (0.3 + 1.4 * draws[:, 2:])
    random *= max(values.max(), 1.0)
    return np.where(is_random[:, np.newaxis], random, values)

  def learn(self, report: policies.RoundReport) -> None:
    """See `MediatorPolicy.learn`; nothing if the policy does not learn."""
    credits = np.asarray(report.credits, np.float64)
    # The network would not get over the credits of a model that diverged.
    known = np.asarray(report.known, bool) & np.isfinite(credits)
    if not self._learns or not known.any():
      return
    now = self.state
    now['scale'] = history.moving_scale(now['scale'], credits[known])
    targets = credits / (now['scale'] + 1e-12)
    rows = len(now['observations'])
    at = (int(now['seen']) + np.arange(len(credits))) % rows
    now['observations'][at] = report.observations
    now['targets'][at] = np.where(
        known, np.clip(targets, -_LARGEST_TARGET, _LARGEST_TARGET), 0
    )
    now['known'][at] = known
    now['seen'] += len(credits)
    self._fit(now, report.round_num)
    self._arrays = now

  def _fit(self, now: dict[str, np.ndarray], round_num: int) -> None:
    """Fits the network in `now` on rows of the memory."""
    generator = self._generator(round_num, _FIT)
    size = min(int(now['seen']), len(now['observations']))
    weights = now['weights']
    adam = value_network.Adam(
        now['first_moment'], now['second_moment'], now['step']
    )
    for _ in range(self._fit_steps):
      rows = generator.integers(size, size=min(_BATCH_SIZE, size))
      slope = value_network.gradient(
          weights,
          self._shape,
          now['observations'][rows],
          now['targets'][rows],
          now['known'][rows],
      )
      weights, adam = value_network.adam_step(
          weights, adam, slope, self._learning_rate
      )
    now['weights'] = weights
    now['first_moment'], now['second_moment'], now['step'] = adam

  def _generator(self, round_num: int, use: int) -> np.random.Generator:
    return randomness.round_generator(
        self._seed, round_num, randomness.POLICY_STREAM, use
    )
