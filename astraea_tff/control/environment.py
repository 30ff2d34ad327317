"""Mediators as the agents of an environment, for any multi-agent learner.

The shape is that of PettingZoo's parallel API, which this module does not need:
`reset` and `step` with dictionaries by agent. Libraries that want the spaces of
gymnasium are given them by `spaces=gymnasium.spaces`.
"""

from typing import Any, NamedTuple, Optional, Protocol

import numpy as np

from astraea_tff import arguments
from astraea_tff.control import allocation
from astraea_tff.control import history


class Outcome(NamedTuple):
  """What a round of a game came to.

  Attributes:
    gain: By how much the server's utility rose.
    credits: float64 [M], each mediator's share of it; 0 if it sat out.
  """

  gain: float
  credits: np.ndarray


class Game(Protocol):
  """Federated training, a round at a time.

  Attributes:
    num_mediators: M.
    passes: The A numbers of passes a mediator may choose, beside 0.
  """

  num_mediators: int
  passes: tuple[int, ...]

  def reset(self, seed: Optional[int]) -> None:
    """Starts the training anew.

    Args:
      seed: The seed of all that is drawn; None as the game likes.
    """

  def observe(self) -> np.ndarray:
    """Returns float64 [M, 12], see `history.OBSERVATIONS`."""

  def budget(self) -> allocation.Budget:
    """Returns what the coming round's passes cost, and what may be spent."""

  def play(self, passes: np.ndarray) -> Outcome:
    """Trains a round.

    Args:
      passes: int [M], the passes of each mediator; 0 for one that sits out.
    """


class Discrete:
  """The numbers 0 to n - 1."""

  def __init__(self, n: int):
    """Takes the number of elements.

    Args:
      n: At least 1.
    """
    self.n = n
    self.shape, self.dtype = (), np.dtype(np.int64)
    self._generator = np.random.default_rng()

  def seed(self, seed: Optional[int] = None) -> None:
    """Starts the samples anew."""
    self._generator = np.random.default_rng(seed)

  def sample(self) -> np.int64:
    """Returns a random element."""
    return self._generator.integers(self.n)

  def contains(self, value: Any) -> bool:
    """Whether a value is an element."""
    array = np.asarray(value)
    return array.shape == () and array.dtype.kind in 'iu' and (
        0 <= int(array) < self.n
    )


class Box:
  """Arrays of a shape, within bounds."""

  def __init__(self, low: float, high: float, shape: tuple[int, ...], dtype):
    """Takes the bounds of all elements.

    Args:
      low: The least value of every element.
      high: The largest value of every element.
      shape: The shape of the arrays.
      dtype: Their dtype, floating.
    """
    self.shape, self.dtype = shape, np.dtype(dtype)
    self.low = np.full(shape, low, dtype)
    self.high = np.full(shape, high, dtype)
    self._generator = np.random.default_rng()

  def seed(self, seed: Optional[int] = None) -> None:
    """Starts the samples anew."""
    self._generator = np.random.default_rng(seed)

  def sample(self) -> np.ndarray:
    """Returns a random element."""
    return self._generator.uniform(self.low, self.high).astype(self.dtype)

  def contains(self, value: Any) -> bool:
    """Whether a value is an element."""
    value = np.asarray(value)
    return (
        value.shape == self.shape
        and np.can_cast(value.dtype, self.dtype)
        and bool((self.low <= value).all() and (value <= self.high).all())
    )


class _OwnSpaces:
  """The part of `gymnasium.spaces` that is used."""

  Discrete = Discrete
  Box = Box


class MediatorEnvironment:
  """The parallel environment of a game; all agents live until its end.

  An agent's observation is its own row of 12 numbers. Its action is 0 for
  sitting out or a for the a-th number of passes. Actions that do not fit into
  the round's budget are not granted: agents are served in turn, beginning with
  another one in every round, and `infos[agent]['passes']` says what each got.

  Attributes:
    possible_agents: 'mediator_0', 'mediator_1' and so on.
    agents: The same, or none after the last round.
    metadata: The environment's name.
  """

  metadata = {'name': 'astraea_mediators_v0', 'render_modes': []}
  render_mode = None

  def __init__(
      self,
      game: Game,
      *,
      num_rounds: int,
      reward: str = 'credit',
      price: float = 0.0,
      spaces: Any = _OwnSpaces,
  ):
    """Initializes the environment; `reset` starts it.

    Args:
      game: What is played.
      num_rounds: How long an episode is, at least 1.
      reward: 'credit': an agent's own credit less the price times what it
        spent. 'team': the gain less the price times what all spent, the same
        for every agent.
      price: What a unit of the budget costs, at least 0. Under 'credit' an
        agent pays what the round would cost if it trained alone.
      spaces: A module with `Discrete` and `Box`, such as `gymnasium.spaces`.

    Raises:
      TypeError: A number has a wrong type.
      ValueError: An argument is out of its range.
    """
    self._game = game
    self._num_rounds = arguments.check_integer(num_rounds, 'num_rounds', 1)
    arguments.check_choice(reward, 'reward', ('credit', 'team'))
    self._reward = reward
    self._price = arguments.check_number(price, 'price', 0, ends='[)')
    self.possible_agents = [
        f'mediator_{index}' for index in range(game.num_mediators)
    ]
    self.agents = []
    self._observation_spaces = {
        agent: spaces.Box(
            -history.LARGEST,
            history.LARGEST,
            (len(history.OBSERVATIONS),),
            np.float32,
        )
        for agent in self.possible_agents
    }
    self._action_spaces = {
        agent: spaces.Discrete(1 + len(game.passes))
        for agent in self.possible_agents
    }
    self._round = 0

  @property
  def unwrapped(self) -> 'MediatorEnvironment':
    """The environment itself."""
    return self

  @property
  def num_agents(self) -> int:
    """How many agents there are now."""
    return len(self.agents)

  @property
  def max_num_agents(self) -> int:
    """How many agents there can be."""
    return len(self.possible_agents)

  def observation_space(self, agent: str) -> Any:
    """Returns what an agent may observe, the same object each time."""
    return self._observation_spaces[agent]

  def action_space(self, agent: str) -> Any:
    """Returns what an agent may do, the same object each time."""
    return self._action_spaces[agent]

  def reset(
      self,
      seed: Optional[int] = None,
      options: Optional[dict[str, Any]] = None,
  ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
    """Starts an episode.

    Args:
      seed: Goes to the game.
      options: Not used.

    Returns:
      Observations float32 [12] and infos, by agent.
    """
    del options
    self._game.reset(seed)
    self._round = 0
    self.agents = list(self.possible_agents)
    return self._observe(), {agent: {} for agent in self.agents}

  def step(self, actions: dict[str, int]) -> tuple[dict[str, Any], ...]:
    """Plays a round.

    Args:
      actions: By agent, in [0, A].

    Returns:
      Observations float32 [12], rewards, terminations, truncations and infos,
      by agent. An info has the `passes` that were granted.

    Raises:
      ValueError: The episode is over, or an action is missing or unknown.
    """
    if not self.agents:
      raise ValueError('The episode is over or has not begun: call reset.')
    agents, wanted = self.agents, self._to_choice(actions)
    budget = self._game.budget()
    ranking = np.roll(np.arange(len(agents)), -self._round)
    choice = allocation.fill(budget, ranking, wanted)
    passes = np.array([0, *self._game.passes])[choice]
    outcome = Outcome(0.0, np.zeros(len(agents)))
    if passes.any():
      outcome = self._game.play(passes)
    rewards = self._rewards(outcome, budget, choice)
    self._round += 1
    is_over = self._round == self._num_rounds
    results = (
        self._observe(),
        dict(zip(agents, rewards.tolist())),
        dict.fromkeys(agents, False),
        dict.fromkeys(agents, is_over),
        {agent: {'passes': int(n)} for agent, n in zip(agents, passes)},
    )
    if is_over:
      self.agents = []
    return results

  def state(self) -> np.ndarray:
    """Returns float32 [12 M], all agents' observations, for central critics."""
    return self._game.observe().astype(np.float32).ravel()

  def render(self) -> None:
    """Shows nothing."""

  def close(self) -> None:
    """Releases nothing."""

  def _to_choice(self, actions: dict[str, int]) -> np.ndarray:
    """Returns the agents' actions as a choice, int64 [M], or raises."""
    if set(actions) != set(self.agents):
      raise ValueError(
          f'actions must be of the agents {self.agents}, got those of'
          f' {sorted(actions)}.'
      )
    for agent, action in actions.items():
      if not self._action_spaces[agent].contains(action):
        raise ValueError(
            f"actions[{agent!r}] must be in [0, {len(self._game.passes)}], got"
            f' {action!r}.'
        )
    return np.array([int(actions[agent]) for agent in self.agents])

  def _rewards(
      self, outcome: Outcome, budget: allocation.Budget, choice: np.ndarray
  ) -> np.ndarray:
    """Returns the agents' rewards, float64 [M]."""
    if self._reward == 'team':
      reward = outcome.gain - self._price * budget.spent(choice)
      return np.full(len(choice), float(reward))
    own = choice * np.eye(len(choice), dtype=np.int64)
    spent = np.array([budget.spent(alone) for alone in own])
    return outcome.credits - self._price * spent

  def _observe(self) -> dict[str, np.ndarray]:
    rows = self._game.observe().astype(np.float32)
    return dict(zip(self.possible_agents, rows))
