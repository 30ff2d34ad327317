"""What a round of mediators may spend, of traffic or of seconds."""

from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.control import allocation
from astraea_tff.control import policies
from astraea_tff.scheduling import schedule as schedule_lib

OBJECTIVES = ('traffic', 'seconds')
# Returns what a mediator with these clients and passes costs.
Cost = Callable[[Sequence[int], int], float]


def models_sent(clients: Sequence[int], passes: int) -> float:
  """Returns how many models go to a mediator and on to its clients.

  Args:
    clients: The mediator's clients.
    passes: E_m, at least 1.
  """
  return 1 + len(clients) * passes


class RoundBudget:
  """The budget of every round, whichever mediators are considered.

  Attributes:
    amount: What may be spent, in the unit of the cost; of the default of
      'seconds', what it is before the first round.
    considered: How many mediators are worth considering by default.
  """

  def __init__(
      self,
      schedule: schedule_lib.Schedule,
      passes: Sequence[int],
      budget: Optional[float] = None,
      *,
      objective: str = 'traffic',
      cost: Cost = models_sent,
  ):
    """Measures what every number of passes of every mediator costs.

    Args:
      schedule: The clients of each of M mediators.
      passes: The A numbers of passes that a mediator may make, rising.
      budget: Under 'traffic' a number of visits of clients, at least gamma, its
        default; each is paid like those of a full mediator that makes one pass.
        Under 'seconds' a number of seconds, by default those of the slowest
        mediator with the fewest passes, in that round.
      objective: What is scarce: 'traffic', which adds up over mediators, or
        'seconds', those of the slowest; what is worth most per second is chosen
        then.
      cost: What a mediator costs, from its clients and its passes; by default
        the models that are sent. Rises with the passes.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: `passes`, `budget` or `objective` is not as above.
    """
    arguments.check_choice(objective, 'objective', OBJECTIVES)
    arguments.check_type(schedule, '`schedule`', schedule_lib.Schedule)
    arguments.check_function(cost, 'cost', is_optional=False)
    self._objective, self._cost = objective, cost
    self._passes = policies.check_passes(passes)
    self._mediators = schedule.mediators
    first_costs = self._costs(range(schedule.num_mediators))[:, 0]
    self._dearest_first = np.sort(first_costs)[::-1]
    self._is_default = budget is None
    if objective == 'seconds':
      self.considered = schedule.num_mediators
      self.amount = arguments.check_number(
          float(first_costs.max()) if budget is None else budget,
          'round_budget', 0, ends='()',
      )
      return
    gamma = schedule.max_clients
    visits = arguments.check_number(
        gamma if budget is None else budget,
        'round_budget', gamma, ends='[)',
        advice='a full mediator has so many visits',
    )
    full = max(schedule.mediators, key=len)
    # A schedule may have no full mediator.
    self.amount = visits / len(full) * cost(full, 1)
    self.considered = 2 * int(np.ceil(visits / gamma))

  def of(self, mediators: Sequence[int]) -> allocation.Budget:
    """Returns the budget of a round in which some mediators are considered.

    What they cost is asked anew, as copies that follow the classes' recall
    change how long a client trains.

    Args:
      mediators: Their R indices in [0, M).

    Returns:
      A budget of the shape [R, A].
    """
    if self._objective == 'traffic':
      return allocation.TrafficBudget(self._costs(mediators), self.amount)
    if not self._is_default:
      return allocation.SecondsBudget(self._costs(mediators), self.amount)
    of_all = self._costs(range(len(self._mediators)))
    slowest = float(of_all[:, 0].max())
    return allocation.SecondsBudget(of_all[list(mediators)], slowest)

  def check_allows_one_of(self, considered: int) -> None:
    """Refuses a budget that might not allow any mediator a single pass.

    Args:
      considered: How many mediators a round considers, in [1, M].

    Raises:
      ValueError: The `considered` dearest mediators are all too dear.
    """
    least = self._dearest_first[considered - 1]
    if least > self.amount:
      raise ValueError(
          f'round_budget must allow one of {considered} mediators one pass,'
          f' which may cost {least:g}; it allows {self.amount:g}.'
      )

  def _costs(self, mediators: Sequence[int]) -> np.ndarray:
    """Returns what the numbers of passes of some mediators cost, [R, A]."""
    return np.array(
        [
            [self._cost(self._mediators[m], e) for e in self._passes]
            for m in mediators
        ],
        np.float64,
    )
