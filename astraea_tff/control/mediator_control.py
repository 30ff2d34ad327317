"""Who trains in a round, and how often: all that a run learns, in one object.

`MediatorControl` puts the parts of this package together for one schedule:
which mediators are considered (`priority`), how many passes each makes within a
budget and what is learned of it (`policy_at_work`), and the weights of classes
(`feedback`). A loop with it:

    control = MediatorControl(schedule, counts, policy, seed=1, round_budget=10)
    validation = Validation(model, images, labels, num_classes)
    rounds = control.rounds(clients)
    for round_num, data in zip(range(1, 101), rounds):
      before = process.get_model_weights(state)
      state, metrics = process.next(state, data)
      after = process.get_model_weights(state)
      report = metrics['client_work']['mediators']
      control.learn(round_num, validation, before, after, report)

of a process with `mediator_epochs=None` and `report_mediators=True`. What it
chooses depends on its arguments, its `state` and the round's number alone.
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.control import credits as credits_lib
from astraea_tff.control import feedback as feedback_lib
from astraea_tff.control import joint_state
from astraea_tff.control import policies
from astraea_tff.control import policy_at_work
from astraea_tff.control import priority
from astraea_tff.control import round_budget as round_budget_lib
from astraea_tff.control import validation as validation_lib
from astraea_tff.scheduling import grouping
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib


class Lesson(NamedTuple):
  """What a round was worth.

  Attributes:
    choice: What had been chosen for the round; None without a policy.
    mediators: int64 [T], the mediators that trained, ascending: those with
      passes and with a client that did not drop out.
    credits: float64 [T], what each one's update was worth, in nats.
    class_weights: float64 [N], the classes' weights after the round; None
      without feedback.
  """

  choice: Optional[policy_at_work.Choice]
  mediators: np.ndarray
  credits: np.ndarray
  class_weights: Optional[np.ndarray]


class MediatorControl:
  """Chooses a round's mediators and passes, and learns from what came of it.

  Attributes:
    considered: R, how many mediators the policy chooses from in a round; None
      without a policy.
  """

  def __init__(
      self,
      schedule: schedule_lib.Schedule,
      label_counts: Any,
      policy: Optional[policies.MediatorPolicy] = None,
      *,
      seed: int,
      round_budget: Optional[float] = None,
      considered: Optional[int] = None,
      objective: str = 'traffic',
      cost: round_budget_lib.Cost = round_budget_lib.models_sent,
      seconds: Optional[round_budget_lib.Cost] = None,
      credit: str = 'path',
      by_rarity: bool = False,
      feedback: Optional[feedback_lib.ClassFeedback] = None,
      samples_by_feedback: bool = False,
      rounds_per_feedback: int = 2,
      drop_probability: float = 0.0,
  ):
    """Begins before the first round.

    Args:
      schedule: Which clients train in which of M mediators.
      label_counts: Integers [K, N], the label counts of all clients.
      policy: What decides the passes; None for a learning process of a fixed
        `mediator_epochs`, whose mediators are all that is drawn.
      seed: At least 0. Of the whole run.
      round_budget: What a round may spend; see `RoundBudget`.
      considered: R, how many mediators are drawn for the policy to choose from;
        by default those `RoundBudget` says, or the M there are.
      objective: See `RoundBudget`.
      cost: See `RoundBudget`.
      seconds: How long a mediator trains, from its clients and its passes; None
        if that is not known. The policy sees it once the mediator took part.
      credit: One of `KINDS` of `astraea_tff.control.credits`.
      by_rarity: Whether mediators are drawn by `rarity_weights`.
      feedback: The classes' weights, which are updated.
      samples_by_feedback: Whether mediators are drawn by rarity and by the
        classes' weights.
      rounds_per_feedback: Rounds between evaluations for the feedback.
      drop_probability: With which a client drops out of a round; see
        `Schedule.rounds`. Of a mediator that nobody was left for nothing is
        learned.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: An argument is out of its range, or the budget may allow
        nobody a pass.
    """
    check_integer = arguments.check_integer
    arguments.check_type(schedule, '`schedule`', schedule_lib.Schedule)
    arguments.check_choice(credit, 'credit', credits_lib.KINDS)
    arguments.check_type(by_rarity, 'by_rarity', bool)
    arguments.check_type(samples_by_feedback, 'samples_by_feedback', bool)
    if feedback is not None:
      arguments.check_type(feedback, 'feedback', feedback_lib.ClassFeedback)
    arguments.check_function(seconds, 'seconds')
    if samples_by_feedback and feedback is None:
      raise ValueError('samples_by_feedback needs feedback.')
    self._schedule, self._feedback = schedule, feedback
    self._seed = check_integer(seed, 'seed', 0)
    self._counts = grouping.mediator_counts(schedule.mediators, label_counts)
    self._drop_probability = arguments.check_number(
        drop_probability, 'drop_probability', 0, 1
    )
    self._by_rarity = by_rarity
    self._samples_by_feedback = samples_by_feedback
    self._rounds_per_feedback = check_integer(
        rounds_per_feedback, 'rounds_per_feedback', 1
    )
    self.considered: Optional[int] = None
    self._policy: Optional[policy_at_work.PolicyAtWork] = None
    if policy is None:
      return
    policies.check_policy(policy, schedule.num_mediators)
    budget = round_budget_lib.RoundBudget(
        schedule, policy.passes, round_budget, objective=objective, cost=cost
    )
    if considered is None:
      considered = min(budget.considered, schedule.num_mediators)
    self.considered = check_integer(
        considered, 'considered', 1, schedule.num_mediators
    )
    budget.check_allows_one_of(self.considered)
    self._policy = policy_at_work.PolicyAtWork(
        policy,
        schedule,
        self._counts.sum(axis=1),
        budget,
        credit=credit,
        seconds=seconds,
    )

  def weights(self, round_num: int) -> Optional[np.ndarray]:
    """Returns the mediators' priorities in a round, [M]; None for none."""
    del round_num
    if not (self._by_rarity or self._samples_by_feedback):
      return None
    return priority.rarity_weights(
        self._counts,
        class_weights=(
            self._feedback.weights if self._samples_by_feedback else None
        ),
    )

  def choose(self, round_num: int) -> policy_at_work.Choice:
    """Draws the mediators of a round and gives them passes; needs a policy.

    Args:
      round_num: The number of the round, at least 1: the one after that of
        which was last learned.

    Returns:
      The choice. At least one mediator makes a pass, and the budget is kept.

    Raises:
      TypeError: `round_num` is no int.
      ValueError: `round_num` is below 1, the control has no policy, or the
        budget allows nobody a pass any more, as copies that follow the classes'
        recall have grown.
    """
    if self._policy is None:
      raise ValueError('policy must decide the passes, got None.')
    arguments.check_integer(round_num, 'round_num', 1)
    mediators = self._schedule.sample(
        self.considered,
        seed=self._seed,
        round_num=round_num,
        weights=self.weights(round_num),
    )
    return self._policy.choose(round_num, mediators)

  def passes(
      self, round_num: int, mediators: Sequence[int]
  ) -> tuple[int, ...]:
    """Returns the passes of a round, as `Schedule.rounds` asks for them.

    Args:
      round_num: The number of the round.
      mediators: Those that were drawn with `weights` and the same seed.
    """
    choice = self.choose(round_num)
    if choice.mediators != tuple(mediators):
      raise ValueError(
          f'mediators must be those considered, {choice.mediators}, got'
          f' {tuple(mediators)}.'
      )
    return choice.passes

  def rounds(
      self, clients: Any, *, first_round: int = 1, **options: Any
  ) -> Iterator[Any]:
    """Yields `Schedule.rounds` of the chosen mediators and passes.

    A round's data are made when they are asked for, so ask after the round
    before was learned.

    Args:
      clients: See `Schedule.rounds`.
      first_round: The number of the first round.
      **options: Others of `Schedule.rounds`, such as `reshuffled`.

    Raises:
      TypeError: An option is one that the control has.
      ValueError: The control has no policy.
    """
    if self._policy is None:
      raise ValueError(
          'policy must decide the passes, got None; without one use'
          ' Schedule.rounds(weights=control.weights).'
      )
    return self._schedule.rounds(
        clients, self.considered, seed=self._seed, first_round=first_round,
        weights=self.weights, passes=self.passes, report_mediators=True,
        drop_probability=self._drop_probability, **options,
    )

  def learn(
      self,
      round_num: int,
      validation: validation_lib.Validation,
      before: Any,
      after: Any,
      report: Optional[Mapping[str, np.ndarray]] = None,
  ) -> Lesson:
    """Takes in a round; called once for each, in their order.

    Args:
      round_num: The number of the round.
      validation: Examples of the server.
      before: The `ModelWeights` that the round began with.
      after: Those that it ended with.
      report: What the process reported of the mediators, `mediators` of the
        metrics' `client_work`; None without a policy, or with one that does not
        learn (of which nothing is remembered then).

    Returns:
      What was learned.
    """
    choice, trained, credits = None, np.zeros(0, np.int64), np.zeros(0)
    if self._policy is not None:
      choice = self.choose(round_num)
      if report is not None:
        updates = policy_at_work.read_report(
            report,
            round_num,
            choice,
            lambda mediators: self._have_clients(mediators, round_num),
        )
        trained = updates.mediators
        credits = self._policy.learn(
            round_num, choice, updates, validation, before
        )
    if self._feedback is None:
      return Lesson(choice, trained, credits, None)
    if round_num % self._rounds_per_feedback == 0:
      self._feedback.update(validation.recall(after))
    return Lesson(choice, trained, credits, self._feedback.weights)

  def _have_clients(self, mediators: np.ndarray, round_num: int) -> np.ndarray:
    """Returns bool [R], of which mediators not all clients dropped out."""
    clients = [self._schedule.mediators[mediator] for mediator in mediators]
    available = sampling.available_clients(
        [client for of_one in clients for client in of_one],
        self._drop_probability,
        seed=self._seed,
        round_num=round_num,
    )
    is_available = set(available).__contains__
    return np.array(
        [any(map(is_available, of_one)) for of_one in clients], bool
    )

  @property
  def state(self) -> collections.OrderedDict[str, np.ndarray]:
    """All that was learned, arrays by name; may be set to what it was."""
    return joint_state.join(self._parts())

  @state.setter
  def state(self, state: Mapping[str, np.ndarray]) -> None:
    joint_state.restore(self._parts(), state)

  def _parts(self) -> dict[str, Any]:
    parts = {}
    if self._policy is not None:
      parts |= self._policy.parts
    if self._feedback is not None:
      parts['feedback'] = self._feedback
    return parts
