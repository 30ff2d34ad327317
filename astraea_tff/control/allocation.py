"""Dividing a round's budget among mediators, by what their passes are worth.

A budget knows what every number of passes of every mediator would cost, and
finds the choice of most value within it. A choice is int [R]: 0 for sitting
out, a for the a-th of A numbers of passes. No choice spends more than the
budget.
"""

import dataclasses
from typing import Any, ClassVar, Protocol

import numpy as np

from astraea_tff import arguments

# Costs are sums of floats; this much of the budget is rounding.
_ROUNDING = 1e-9


class Budget(Protocol):
  """What mediators may spend in a round.

  Attributes:
    shape: The numbers of mediators, R, and of choices of passes, A.
    amount: What may be spent.
    adds_up: Whether what one mediator does not spend is left for others.
  """

  shape: tuple[int, int]
  amount: float
  adds_up: bool

  def spent(self, choice: np.ndarray) -> float:
    """Returns what a choice costs.

    Args:
      choice: int64 [R]; 0 for sitting out, or a for the a-th number of passes.
    """

  def allows(self, choice: np.ndarray) -> bool:
    """Returns whether a choice is within the budget.

    Args:
      choice: int64 [R], as for `spent`.
    """
    return self.spent(choice) <= self.amount * (1 + _ROUNDING)

  def clear(self, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns a choice of most value, and the price.

    Args:
      values: float64 [R, A], what each number of passes is worth.

    Returns:
      The choice, int64 [R], as for `spent`, and the value per unit of the
      budget at which it is spent.
    """


@dataclasses.dataclass(frozen=True)
class TrafficBudget(arguments.CopiedByConstructor, Budget):
  """A budget of costs that add up, such as bytes.

  Attributes:
    costs: float64 [R, A], rising along A and above 0.
    amount: What may be spent.

  Raises:
    TypeError: A value is no number.
    ValueError: `costs` are no such array.
  """

  costs: np.ndarray
  amount: float
  adds_up: ClassVar[bool] = True

  def __post_init__(self):
    _set_costs(self, 'costs')
    arguments.check_number(self.amount, 'amount', 0)

  @property
  def shape(self) -> tuple[int, int]:
    """The numbers of mediators, R, and of choices of passes, A."""
    return self.costs.shape

  def spent(self, choice: np.ndarray) -> float:
    """See `Budget`."""
    taken = np.flatnonzero(choice)
    return float(self.costs[taken, choice[taken] - 1].sum())

  def clear(self, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Finds the most valuable choice, but for one step of one mediator.

    Each mediator's values over costs have a concave hull. Its steps are taken
    in the order of value per cost, those that no longer fit left out. Without
    them this would be the optimum of the linear program.

    Args:
      values: float64 [R, A]; sitting out is worth 0.

    Returns:
      The choice, and the price: the highest value per cost that was left out,
      0 if all that is worth anything fits. At that price, mediators would
      choose the same for themselves, but for steps that filled what was left.
    """
    choice = np.zeros(len(self.costs), np.int64)
    price, closed = 0.0, set()
    steps = [
        (-rate, m, a)
        for m, value in enumerate(values)
        for rate, a in _hull(value, self.costs[m])
    ]
    for negative_rate, m, a in sorted(steps):
      if m in closed:
        continue
      before, choice[m] = choice[m], a
      if not self.allows(choice):
        choice[m] = before
        closed.add(m)
        price = max(price, -negative_rate)
    return choice, price


@dataclasses.dataclass(frozen=True)
class SecondsBudget(arguments.CopiedByConstructor, Budget):
  """A budget of time, where mediators train at once.

  A round lasts as long as its slowest mediator.

  Attributes:
    seconds: float64 [R, A], rising along A and above 0: what each number of
      passes takes.
    amount: How long the round may last.

  Raises:
    TypeError: A value is no number.
    ValueError: A value is out of its range.
  """

  seconds: np.ndarray
  amount: float
  adds_up: ClassVar[bool] = False

  def __post_init__(self):
    _set_costs(self, 'seconds')
    arguments.check_number(self.amount, 'amount', 0)

  @property
  def shape(self) -> tuple[int, int]:
    """The numbers of mediators, R, and of choices of passes, A."""
    return self.seconds.shape

  def spent(self, choice: np.ndarray) -> float:
    """See `Budget`."""
    taken = np.flatnonzero(choice)
    if not taken.size:
      return 0.0
    return float(self.seconds[taken, choice[taken] - 1].max())

  def clear(self, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Finds the choice of most value per second, exactly.

    Every number of seconds is tried as a deadline. Within it a mediator's best
    choice costs no time of its own, so that the best k mediators are those of
    the k highest values.

    Args:
      values: float64 [R, A]; sitting out is worth 0.

    Returns:
      The choice, which is worth most per second of those within the budget,
      and the price: its value per second, 0 if nothing is worth anything.
    """
    best, best_rate = np.zeros(len(self.seconds), np.int64), 0.0
    for deadline in np.unique(self.seconds):
      in_time = np.where(self.seconds <= deadline, values, -np.inf)
      actions = in_time.argmax(axis=1)
      worth = in_time[np.arange(len(actions)), actions]
      choice, total = np.zeros_like(best), 0.0
      for m in np.argsort(-worth, kind='stable'):
        if worth[m] <= 0:
          break
        choice[m] = actions[m] + 1
        if not self.allows(choice):
          break
        total += worth[m]
        rate = total / self.spent(choice)
        if rate > best_rate:
          best, best_rate = choice.copy(), rate
    return best, best_rate


def fill(budget: Budget, ranking: Any, actions: Any = 1) -> np.ndarray:
  """Gives mediators their passes in the order of a ranking while they fit.

  Args:
    budget: What may be spent.
    ranking: Mediators in [0, R), the first served first.
    actions: The index of the number of passes that a mediator gets, in [1, A];
      one for all, or int [R].

  Returns:
    The choice, int64 [R]. A mediator that does not fit is passed over; where
    costs do not add up it gets the most passes that fit, which takes nothing
    from others.
  """
  choice = np.zeros(budget.shape[0], np.int64)
  actions = np.broadcast_to(actions, choice.shape)
  for m in ranking:
    choice[m] = actions[m]
    while choice[m] and not budget.allows(choice):
      choice[m] = 0 if budget.adds_up else choice[m] - 1
  return choice


def at_least_one(
    choice: np.ndarray, values: np.ndarray, budget: Budget
) -> np.ndarray:
  """Returns the choice, or the best single one where all would sit out.

  A round must train somebody.

  Args:
    choice: int64 [R].
    values: float64 [R, A].
    budget: What may be spent.

  Returns:
    int64 [R], not all zero.

  Raises:
    ValueError: The budget allows nobody a single pass.
  """
  if choice.any():
    return choice
  for place in np.argsort(-values, axis=None, kind='stable'):
    m, a = np.unravel_index(place, values.shape)
    alone = np.zeros_like(choice)
    alone[m] = a + 1
    if budget.allows(alone):
      return alone
  raise ValueError(
      f'The budget of a round, {budget.amount:g}, must allow at least one'
      f' mediator one pass, which takes {_cheapest(budget):g} or more.'
  )


def _cheapest(budget: Budget) -> float:
  """Returns what one pass of the cheapest mediator would spend."""
  return min(
      budget.spent(alone) for alone in np.eye(budget.shape[0], dtype=int)
  )


def _hull(values: np.ndarray, costs: np.ndarray) -> list[tuple[float, int]]:
  """Returns the rising steps of a mediator's concave hull: rate and action."""
  values, costs = np.append(0.0, values), np.append(0.0, costs)
  steps, at, last = [], 0, np.inf
  while at < len(values) - 1:
    rates = (values[at + 1 :] - values[at]) / (costs[at + 1 :] - costs[at])
    best = int(np.argmax(rates))
    if not rates[best] > 0:
      break
    at += 1 + best
    # Equal rates must not change places by rounding: 1 pass is before 2.
    last = min(last, float(rates[best]))
    steps.append((last, at))
  return steps


def _set_costs(budget: Any, name: str) -> None:
  """Makes a budget's field a read-only float64 [R, A], or raises."""
  costs = arguments.check_numbers(getattr(budget, name), name)
  costs = costs.astype(np.float64)
  if costs.ndim != 2 or not costs.size:
    raise ValueError(
        f'{name} must be [R, A], one for each number of passes of each'
        f' mediator, got shape {list(costs.shape)}.'
    )
  if (np.diff(costs, axis=1, prepend=0) <= 0).any():
    raise ValueError(f'{name} must be above 0 and rise with the passes.')
  costs.setflags(write=False)
  object.__setattr__(budget, name, costs)
