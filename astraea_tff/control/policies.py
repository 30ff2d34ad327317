"""What decides how often each mediator runs its chain in a round.

A policy sees the mediators that are considered for a round and what their
passes would cost, and gives each a number of passes within the budget; 0 lets a
mediator sit out. After the round it learns from what the updates were worth.
All that it knows is in `state`, arrays of fixed shapes, and what it draws
depends on its seed and the round alone: a run that is resumed with the saved
state goes on as the unbroken one.

`FixedPasses` and `KlPasses` know nothing but their rule. `CreditBandit` and
`LearnedPasses` have modules of their own.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any, NamedTuple, Optional, Protocol

import numpy as np

from astraea_tff import arguments
from astraea_tff.control import allocation
from astraea_tff.control import history


class Decision(NamedTuple):
  """What a policy decides for a round.

  Attributes:
    passes: int64 [R], the passes of each mediator that was considered.
    price: What was left out, or what the budget was spent at, in the policy's
      own unit of value: for `LearnedPasses` the value per unit of the budget,
      see `Budget.clear`; for `CreditBandit` the bound of a mediator; 0 for one
      that values nothing.
  """

  passes: np.ndarray
  price: float


@dataclasses.dataclass(frozen=True)
class RoundReport:
  """What a policy learns from: the mediators that took part in a round.

  Attributes:
    round_num: The number of the round.
    mediators: The indices of the R mediators.
    observations: float64 [R, 12], what was known of them before the round.
    credits: float64 [R, A], what each number of passes was worth, or would have
      been; one that is not finite is not known.
    known: bool [R, A], which of the credits are known: of the passes that were
      run, and of others where they were measured too.
  """

  round_num: int
  mediators: tuple[int, ...]
  observations: np.ndarray
  credits: np.ndarray
  known: np.ndarray


class MediatorPolicy(Protocol):
  """How a round's passes are decided, and what is learned from them.

  Attributes:
    passes: The A numbers of passes a mediator may be given, rising.
  """

  passes: tuple[int, ...]

  @property
  def state(self) -> dict[str, np.ndarray]:
    """All that the policy knows; may be set to what it was."""

  def decide(
      self,
      round_num: int,
      observations: np.ndarray,
      budget: allocation.Budget,
      *,
      mediators: Optional[Sequence[int]] = None,
  ) -> Decision:
    """Decides for a round; changes no state.

    Args:
      round_num: The number of the round.
      observations: float64 [R, 12]; see `history.OBSERVATIONS`.
      budget: What each of the A numbers of passes of the R mediators costs, and
        what may be spent.
      mediators: The indices of the mediators that are considered; by default 0
        to R - 1.

    Returns:
      The decision. At least one mediator makes a pass.

    Raises:
      ValueError: The budget allows nobody a pass, or shapes do not go together.
    """

  def learn(self, report: RoundReport) -> None:
    """Takes in what a round's updates were worth."""


class FixedPasses:
  """All mediators that are considered make the same number of passes.

  They are served in the order given, as long as they fit into the budget.
  """

  def __init__(self, passes: int = 1):
    """Takes the number of passes.

    Args:
      passes: E_m, at least 1.

    Raises:
      TypeError: `passes` is no int.
      ValueError: `passes` is below 1.
    """
    self.passes = (arguments.check_integer(passes, 'passes', 1),)
    self.state = {}

  def decide(
      self,
      round_num: int,
      observations: np.ndarray,
      budget: allocation.Budget,
      *,
      mediators: Optional[Sequence[int]] = None,
  ) -> Decision:
    """See `MediatorPolicy.decide`."""
    del round_num
    mediators = check_offer(self.passes, observations, budget, mediators)
    choice = allocation.fill(budget, range(len(mediators)))
    return to_decision(self.passes, choice, np.zeros(budget.shape), budget, 0.0)

  def learn(self, report: RoundReport) -> None:
    """Learns nothing."""


class KlPasses:
  """The half of the mediators of lowest divergence make more passes.

  A natural rule and a trap: clients with wrong labels look uniform, so that
  mediators of low divergence may be those whose labels are worth nothing.
  """

  def __init__(self, passes: tuple[int, int] = (1, 2)):
    """Takes the numbers of passes.

    Args:
      passes: The passes of the half of high divergence, then those of the half
        of low divergence; at least 1, rising.

    Raises:
      TypeError: `passes` is no tuple or list, or a number is no int.
      ValueError: `passes` are not two, do not rise, or one is below 1.
    """
    self.passes = check_passes(passes)
    if len(self.passes) != 2:
      raise ValueError(f'passes must be two numbers, got {passes}.')
    self.state = {}

  def decide(
      self,
      round_num: int,
      observations: np.ndarray,
      budget: allocation.Budget,
      *,
      mediators: Optional[Sequence[int]] = None,
  ) -> Decision:
    """See `MediatorPolicy.decide`."""
    del round_num
    mediators = check_offer(self.passes, observations, budget, mediators)
    divergences = observations[:, history.OBSERVATIONS.index('divergence')]
    is_low = np.zeros(len(mediators), bool)
    lowest = np.argsort(divergences, kind='stable')[: len(mediators) // 2]
    is_low[lowest] = True
    choice = allocation.fill(
        budget, range(len(mediators)), np.where(is_low, 2, 1)
    )
    return to_decision(self.passes, choice, np.zeros(budget.shape), budget, 0.0)

  def learn(self, report: RoundReport) -> None:
    """Learns nothing."""


def check_policy(policy: Any, num_mediators: int) -> None:
  """Refuses what is no policy, or one for another number of mediators.

  Args:
    policy: What should be a `MediatorPolicy`.
    num_mediators: M.

  Raises:
    TypeError: `policy` lacks `passes`, `decide` or `learn`.
    ValueError: `policy` knows another number of mediators.
  """
  if not all(hasattr(policy, name) for name in ('passes', 'decide', 'learn')):
    raise TypeError(
        'policy must decide passes, such as bandit.CreditBandit(num_mediators,'
        f' seed=1), got {arguments.shorten(repr(policy))}.'
    )
  known = getattr(policy, 'num_mediators', num_mediators)
  if known != num_mediators:
    raise ValueError(
        f'policy must know the {num_mediators} mediators of `schedule`, got one'
        f' for {known}.'
    )


def check_passes(passes: Sequence[int]) -> tuple[int, ...]:
  """Returns the numbers of passes of a policy, checked.

  Args:
    passes: A tuple or list of ints of at least 1, rising.

  Raises:
    TypeError: `passes` is no tuple or list, or empty, or a number is no int.
    ValueError: `passes` do not rise, or one is below 1.
  """
  if not isinstance(passes, (tuple, list)) or not passes:
    raise TypeError(
        f'passes must be numbers of passes, such as (1, 2), got {passes!r}.'
    )
  passes = tuple(
      arguments.check_integer(number, 'a number of passes', 1)
      for number in passes
  )
  if any(more <= fewer for fewer, more in zip(passes, passes[1:])):
    raise ValueError(f'passes must rise, got {passes}.')
  return passes


def check_offer(
    passes: tuple[int, ...],
    observations: np.ndarray,
    budget: allocation.Budget,
    mediators: Optional[Sequence[int]],
) -> np.ndarray:
  """Checks the arguments of `MediatorPolicy.decide`.

  Args:
    passes: The A numbers of passes of the policy.
    observations: float64 [R, 12].
    budget: The costs, [R, A], and what may be spent.
    mediators: R indices of mediators; None for 0 to R - 1.

  Returns:
    The indices of the mediators considered, int64 [R].

  Raises:
    ValueError: The budget or the mediators do not go with the observations.
  """
  num_mediators = len(observations)
  if budget.shape != (num_mediators, len(passes)):
    raise ValueError(
        f'budget must have a cost of each of {len(passes)} numbers of passes of'
        f' {num_mediators} mediators, got shape {list(budget.shape)}.'
    )
  if mediators is None:
    mediators = range(num_mediators)
  if len(mediators) != num_mediators:
    raise ValueError(
        f'mediators must be one index for each of {num_mediators} observations,'
        f' got {len(mediators)}.'
    )
  return np.array(mediators, np.int64)


def to_decision(
    passes: tuple[int, ...],
    choice: np.ndarray,
    values: np.ndarray,
    budget: allocation.Budget,
    price: float,
) -> Decision:
  """Returns a choice as passes; at least the best mediator trains.

  Args:
    passes: The A numbers of passes of the policy.
    choice: int64 [R]; 0 for sitting out, or a for `passes[a - 1]`.
    values: float64 [R, A]. If all would sit out, the largest value that the
      budget allows says who trains.
    budget: What may be spent.
    price: See `Decision`.

  Raises:
    ValueError: The budget allows nobody a single pass.
  """
  choice = allocation.at_least_one(choice, values, budget)
  return Decision(np.array([0, *passes])[choice], float(price))
