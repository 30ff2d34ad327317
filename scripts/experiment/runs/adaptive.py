"""What a run decides anew while it trains, and its state beside TFF's."""

import collections
from collections.abc import Callable
from typing import Any, NamedTuple, Optional

import numpy as np
import tensorflow_federated as tff

from astraea_tff.control import bandit
from astraea_tff.control import feedback as feedback_lib
from astraea_tff.control import learned
from astraea_tff.control import mediator_control
from astraea_tff.control import policies
from astraea_tff.control import round_budget
from astraea_tff.control import validation as validation_lib
from astraea_tff.scheduling import schedule as schedule_lib
from experiment.runs import adaptive_settings
from experiment.runs import highest_loss
from experiment.runs import settings as settings_lib

SeeModel = Callable[[tff.learning.models.ModelWeights], None]


def build_feedback(
    settings: settings_lib.Settings, num_classes: int
) -> Optional[feedback_lib.ClassFeedback]:
  """Returns the weights of the classes, or None if nothing follows them."""
  if settings.class_feedback == 'none':
    return None
  return feedback_lib.ClassFeedback(
      num_classes,
      priorities=adaptive_settings.priorities(settings.class_priorities),
  )


def build_policy(
    settings: settings_lib.Settings,
    schedule: Optional[schedule_lib.Schedule],
    seed: int,
) -> Optional[policies.MediatorPolicy]:
  """Returns what decides the passes, or None if nothing does."""
  if settings.mediator_policy == 'fixed':
    return None
  considered, there_are = settings.mediators_considered, schedule.num_mediators
  if considered is not None and considered > there_are:
    raise ValueError(
        f'mediators_considered={considered} must be at most the {there_are}'
        ' mediators of the schedule.'
    )
  if settings.mediator_policy == 'kl':
    return policies.KlPasses()
  if settings.mediator_policy == 'credit':
    options = dict(num_passes=settings.credit_passes)
    if settings.credit_exploration is not None:
      options['exploration'] = settings.credit_exploration
    return bandit.CreditBandit(schedule.num_mediators, seed=seed, **options)
  if settings.mediator_policy == 'highest_loss':
    return highest_loss.HighestLoss(schedule.num_mediators, seed=seed)
  if settings.policy_file is not None:
    return learned.LearnedPasses.frozen(settings.policy_file)
  return learned.LearnedPasses(seed=seed)


def copies_bytes(population: Any) -> int:
  """Returns what sending the copies of a round to a client takes.

  Args:
    population: The clients, of `experiment.runs.population`.
  """
  copies = population.clients.for_round(0).nobody.get('copies')
  return 0 if copies is None else copies.nbytes


def reports_mediators(settings: settings_lib.Settings) -> bool:
  """Whether the server must see the mediators' updates."""
  return settings.mediator_policy in adaptive_settings.LEARNING


def build_control(
    settings: settings_lib.Settings,
    counts: np.ndarray,
    schedule: Optional[schedule_lib.Schedule],
    *,
    seed: int,
    feedback: Optional[feedback_lib.ClassFeedback] = None,
    policy: Optional[policies.MediatorPolicy] = None,
    cost: round_budget.Cost = round_budget.models_sent,
    seconds: Optional[round_budget.Cost] = None,
) -> Optional[mediator_control.MediatorControl]:
  """Returns what decides a run's rounds, or None if nothing adapts.

  Args:
    settings: The settings.
    counts: int64 [K, N]; the label counts of all clients.
    schedule: The clients of each mediator; None where clients are drawn, each
      of which then stands for a mediator.
    seed: The run's seed.
    feedback: The classes' weights.
    policy: What decides the passes.
    cost: What is rationed; see `RoundBudget`.
    seconds: How long a mediator trains; see `MediatorControl`.
  """
  by_rarity = settings.sampling_weights == 'rarity'
  if policy is None and feedback is None and not by_rarity:
    return None
  if schedule is None:
    clients = tuple((client,) for client in range(len(counts)))
    schedule = schedule_lib.Schedule(clients, np.zeros(len(counts)), 1)
  budget = settings.round_budget
  if budget is None and settings.policy_objective == 'traffic':
    # A budget is for one full mediator at least.
    budget = max(settings.clients_per_round, settings.max_clients)
  return mediator_control.MediatorControl(
      schedule,
      counts,
      policy,
      seed=seed,
      round_budget=budget,
      considered=settings.mediators_considered,
      objective=settings.policy_objective,
      cost=cost,
      seconds=seconds,
      credit=settings.mediator_credit,
      by_rarity=by_rarity,
      feedback=feedback,
      samples_by_feedback=settings.class_feedback in ('sampling', 'both'),
      drop_probability=settings.drop_probability,
  )


class AdaptiveState(NamedTuple):
  """The state of a run that adapts: one program state, in one checkpoint.

  Attributes:
    training: The state of TFF's process.
    control: The state of the control.
    round_num: int64 [], the last round.
  """

  training: tff.learning.templates.LearningAlgorithmState
  control: collections.OrderedDict[str, np.ndarray]
  round_num: np.ndarray

  @property
  def global_model_weights(self) -> tff.learning.models.ModelWeights:
    """The model weights of TFF's state."""
    return self.training.global_model_weights


class AdaptiveProcess:
  """A learning process that lets the control learn from each of its rounds.

  Its metrics have `control`, the `mediator_control.Lesson` of the round, in the
  place of the mediators' updates.
  """

  def __init__(
      self,
      process: tff.learning.templates.LearningProcess,
      control: mediator_control.MediatorControl,
      validation: Optional[validation_lib.Validation],
      see_model: Optional[SeeModel] = None,
  ):
    """Takes the process, and what learns from what.

    Args:
      process: TFF's learning process.
      control: What decides the rounds.
      validation: The server's examples; None if nothing is learned from them.
      see_model: What else gets the model after every round.
    """
    self._process = process
    self._control = control
    self._validation = validation
    self._see_model = see_model
    self._first = control.state

  def initialize(self) -> AdaptiveState:
    """Returns the state before the first round."""
    return AdaptiveState(
        self._process.initialize(), self._first, np.array(0, np.int64)
    )

  def restore(self, state: AdaptiveState) -> None:
    """Goes on from a state that was saved."""
    self._control.state = state.control

  def next(
      self, state: AdaptiveState, data: Any
  ) -> tff.learning.templates.LearningProcessOutput:
    """Trains a round, and learns from it."""
    output = self._process.next(state.training, data)
    metrics = collections.OrderedDict(output.metrics)
    work = collections.OrderedDict(metrics['client_work'])
    report = work.pop('mediators', None)
    metrics['client_work'] = work
    round_num = int(state.round_num) + 1
    metrics['control'] = self._control.learn(
        round_num,
        self._validation,
        state.training.global_model_weights,
        output.state.global_model_weights,
        report,
    )
    if self._see_model is not None:
      self._see_model(output.state.global_model_weights)
    return tff.learning.templates.LearningProcessOutput(
        AdaptiveState(
            output.state, self._control.state, np.array(round_num, np.int64)
        ),
        metrics,
    )
