"""The loop of control: pure choices, a kept budget, and its state."""

import types

import numpy as np
import pytest

from astraea_tff.control import bandit
from astraea_tff.control import feedback
from astraea_tff.control import history
from astraea_tff.control import learned
from astraea_tff.control import mediator_control
from astraea_tff.control import policies
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib

SCHEDULE = schedule_lib.Schedule(
    tuple((3 * m, 3 * m + 1, 3 * m + 2) for m in range(7)) + ((21,),),
    np.linspace(0.1, 0.8, 8),
    3,
)
COUNTS = np.random.default_rng(0).integers(1, 9, (22, 4))
# What each mediator's update does to a model that should come to 1.
GOOD = np.array([1, 1, 1, -1, -1, -1, 0, 0.5])


class Quadratic:
  """A utility of which path credits are exact, in the place of a model's."""

  def vector(self, weights):
    return weights

  def utility(self, weights):
    return -((weights - 1) ** 2).sum() / 2

  def gradient(self, weights):
    return 1 - weights

  def recall(self, weights):
    return np.clip(weights + [0.1, 0.2, 0.3, 0.4], 0, 1)


def build(policy, **options):
  options = dict(seed=5, round_budget=6) | options
  return mediator_control.MediatorControl(SCHEDULE, COUNTS, policy, **options)


def play(control, weights, first, last):
  """Trains rounds as a process would; returns choices and the weights."""
  seen = []
  for round_num in range(first, last + 1):
    choice = control.choose(round_num)
    trained = [m for m, e in zip(choice.mediators, choice.passes) if e]
    # In no certain order, and in TFF's sign.
    trained.reverse()
    updates = np.stack([0.1 * GOOD[m] * (1 - weights) for m in trained])
    report = dict(
        mediator=np.array(trained, np.int32),
        weight=np.array([2.0 + m for m in trained], np.float32),
        update=-updates,
    )
    after = weights + np.average(updates, axis=0, weights=report['weight'])
    lesson = control.learn(round_num, Quadratic(), weights, after, report)
    gain = Quadratic().utility(after) - Quadratic().utility(weights)
    assert lesson.mediators.tolist() == sorted(trained)
    assert lesson.credits.sum() == pytest.approx(gain, abs=1e-12)
    assert lesson.choice.passes == choice.passes
    weights = after
    seen.append((choice.mediators, choice.passes, choice.price))
  return seen, weights


POLICIES = {
    'kl': policies.KlPasses,
    'credit': lambda: bandit.CreditBandit(8, seed=1),
    'learned': lambda: learned.LearnedPasses(seed=1),
}


@pytest.mark.parametrize('policy', POLICIES)
def test_the_budget_is_kept_in_every_round(policy):
  control = build(POLICIES[policy]())
  assert control.considered == 4
  seen, _ = play(control, np.zeros(4), 1, 25)
  for mediators, passes, _ in seen:
    sizes = [len(SCHEDULE.mediators[m]) for m in mediators]
    # Two visits a full mediator of three, or six visits: 2 * (1 + 3).
    spent = sum(1 + n * e for n, e in zip(sizes, passes) if e)
    assert 0 < spent <= 8
    assert mediators == SCHEDULE.sample(4, seed=5, round_num=len(seen) and (
        seen.index((mediators, passes, _)) + 1
    ))


@pytest.mark.parametrize('policy', ['credit', 'learned'])
def test_those_that_help_come_to_be_chosen(policy):
  control = build(POLICIES[policy](), considered=8)
  # Not so far that there is nothing left to gain.
  seen, _ = play(control, np.full(4, -20.0), 1, 60)
  chosen = [m for ms, es, _ in seen[30:] for m, e in zip(ms, es) if e]
  assert np.mean(GOOD[chosen] > 0) > 0.9


@pytest.mark.parametrize('policy', POLICIES)
def test_choosing_changes_nothing_and_a_restored_state_goes_on(policy):
  def new():
    return build(
        POLICIES[policy](),
        by_rarity=True,
        feedback=feedback.ClassFeedback(4, priorities={1: 2.0}),
        samples_by_feedback=True,
    )

  unbroken, weights = new(), np.zeros(4)
  first, weights = play(unbroken, weights, 1, 9)
  saved = unbroken.state
  rest, _ = play(unbroken, weights, 10, 20)
  resumed = new()
  resumed.choose(10)
  resumed.state = {name: array.copy() for name, array in saved.items()}
  again, _ = play(resumed, weights, 10, 20)
  assert again == rest and len(first) == 9
  assert resumed.state.keys() == unbroken.state.keys()
  for name, array in resumed.state.items():
    np.testing.assert_array_equal(array, unbroken.state[name])


def test_the_policy_sees_losses_and_seconds_of_those_that_took_part():
  control = build(
      POLICIES['credit'](), considered=8,
      seconds=lambda clients, passes: passes * (1.0 + max(clients)),
  )
  weights = np.full(4, -0.5)
  ((mediators, passes, _),), _ = play(control, weights, 1, 1)
  trained = sorted(m for m, number in zip(mediators, passes) if number)
  choice = control.choose(2)
  # By mediator, of which all eight are considered.
  observed = choice.observations[np.argsort(choice.mediators)]
  column = dict(zip(history.OBSERVATIONS, observed.T))
  took_part = np.isin(np.arange(8), trained)
  np.testing.assert_allclose(column['loss'], np.where(took_part, 4.5, 0))
  # The mean gradient from w to w + A times each one's own update.
  updates = 0.1 * np.outer(GOOD[trained], 1 - weights)
  mean = np.average(updates, axis=0, weights=2.0 + np.array(trained))
  falls = np.zeros(8)
  falls[trained] = updates @ (1 - weights - mean / 2)
  np.testing.assert_allclose(column['loss_fall'], falls, atol=1e-12)
  seconds = 1.0 + np.array([max(m) for m in SCHEDULE.mediators])
  ratios = np.log(seconds / seconds[trained].mean())
  np.testing.assert_allclose(
      column['log_seconds'], np.where(took_part, ratios, 0)
  )


@pytest.mark.parametrize('credit', ['removal', 'zeroing', 'alone'])
def test_other_credits_rank_as_path_credits_do(credit):
  control = build(POLICIES['credit'](), credit=credit, considered=8)
  updates = 0.01 * GOOD[:3, np.newaxis] * np.ones(4)
  updates[1] = 0
  choice = control.choose(1)
  trained = [m for m, e in zip(choice.mediators, choice.passes) if e]
  report = dict(
      mediator=np.array(trained, np.int32),
      weight=np.ones(len(trained)),
      update=-updates[: len(trained)],
  )
  lesson = control.learn(1, Quadratic(), np.zeros(4), np.ones(4), report)
  by_number = dict(zip(lesson.mediators.tolist(), lesson.credits))
  assert by_number[trained[0]] > by_number[trained[1]]


class Listening(policies.FixedPasses):
  """Remembers what it is to learn from."""

  def __init__(self):
    super().__init__()
    self.reports = []

  def learn(self, report):
    self.reports.append((report.round_num, report.mediators))


def test_nothing_is_learned_of_mediators_whose_clients_all_dropped_out():
  policy = Listening()
  control = build(policy, round_budget=100, considered=8, drop_probability=0.7)
  expected = []
  for round_num in range(1, 9):
    present = [
        m
        for m, clients in enumerate(SCHEDULE.mediators)
        if sampling.available_clients(
            clients, 0.7, seed=5, round_num=round_num
        )
    ]
    report = dict(
        mediator=np.arange(8)[::-1],
        # What trained without a result has weight 0 as well, and is known.
        weight=np.where(np.isin(np.arange(8)[::-1], present[1:]), 2.0, 0.0),
        update=np.zeros((8, 4)),
    )
    lesson = control.learn(
        round_num, Quadratic(), np.zeros(4), np.zeros(4), report
    )
    assert lesson.mediators.tolist() == present
    expected.append((round_num, tuple(present)))
  assert any(len(present) < 8 for _, present in expected)
  assert policy.reports == expected


def test_a_round_of_nobody_teaches_nothing():
  control = build(bandit.CreditBandit(8, seed=1), drop_probability=1.0)
  before = control.state
  choice = control.choose(1)
  trained = [m for m, e in zip(choice.mediators, choice.passes) if e]
  report = dict(
      mediator=np.array(trained),
      weight=np.zeros(len(trained)),
      update=np.zeros((len(trained), 4)),
  )
  lesson = control.learn(1, Quadratic(), np.zeros(4), np.zeros(4), report)
  assert not lesson.mediators.size and not lesson.credits.size
  for name, array in control.state.items():
    np.testing.assert_array_equal(array, before[name], name)


def test_without_a_policy_it_weighs_the_draw_by_rarity_and_feedback():
  counts = np.repeat(np.eye(4, dtype=int)[[0, 1, 1, 1, 2, 2, 3, 3]], 3, 0)[:22]
  options = dict(seed=5, feedback=feedback.ClassFeedback(4))
  control = mediator_control.MediatorControl(
      SCHEDULE, counts, by_rarity=True, **options
  )
  weights = control.weights(1)
  assert weights[0] > weights[4] > weights[1]
  lesson = control.learn(2, Quadratic(), np.zeros(4), np.zeros(4))
  np.testing.assert_array_equal(control.weights(3), weights)
  recall = np.array([0.1, 0.2, 0.3, 0.4])
  expected = (1.15 - recall) / (1.15 - recall).mean()
  np.testing.assert_allclose(lesson.class_weights, expected)
  assert lesson.choice is None and not lesson.credits.size
  following = mediator_control.MediatorControl(
      SCHEDULE, counts, samples_by_feedback=True, **options
  )
  ratio = following.weights(3) / weights
  assert ratio[0] == pytest.approx((expected[0]) ** 2)
  plain = mediator_control.MediatorControl(SCHEDULE, counts, seed=5)
  assert plain.weights(1) is None and not plain.state


def test_feedback_is_updated_every_so_many_rounds():
  control = mediator_control.MediatorControl(
      SCHEDULE, COUNTS, seed=0, feedback=feedback.ClassFeedback(4),
      rounds_per_feedback=3,
  )
  never = types.SimpleNamespace()
  for round_num in (1, 2, 4):
    lesson = control.learn(round_num, never, None, np.zeros(4))
    np.testing.assert_array_equal(lesson.class_weights, np.ones(4))
  lesson = control.learn(3, Quadratic(), None, np.zeros(4))
  assert lesson.class_weights[0] > lesson.class_weights[3]


def test_passes_are_those_chosen_for_the_drawn():
  control = build(POLICIES['learned']())
  choice = control.choose(4)
  assert control.passes(4, choice.mediators) == choice.passes
  with pytest.raises(ValueError, match='mediators must be those considered'):
    control.passes(4, choice.mediators[:-1])


@pytest.mark.parametrize(
    'policy, error, message',
    [
        ('credit', TypeError, "policy must decide passes, .*, got 'credit'"),
        (
            bandit.CreditBandit(2, seed=1), ValueError,
            'policy must know the 8 mediators of `schedule`, got one for 2',
        ),
    ],
)
def test_what_is_no_policy_of_the_schedule_is_refused(policy, error, message):
  with pytest.raises(error, match=message):
    build(policy)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(round_budget=2), 'round_budget must be finite and at least 3'),
        (dict(considered=9), 'considered must be at most 8'),
        (dict(objective='bytes'), 'objective must be one of traffic, seconds'),
        (dict(credit='loss'), 'credit must be one of path, removal, zeroing'),
        (dict(samples_by_feedback=True), 'samples_by_feedback needs feedback'),
        (dict(samples_by_feedback='no'), 'samples_by_feedback must be .*bool'),
        (dict(by_rarity='no'), 'by_rarity must be a builtins.bool, got'),
        (dict(feedback='x'), "feedback must be a .*ClassFeedback, got 'x'"),
        (dict(seconds='x'), "seconds must be a function, got 'x'"),
        (dict(cost='x'), "cost must be a function, got 'x'"),
        (
            dict(objective='seconds', round_budget=1.5, considered=2),
            'round_budget must allow one of 2 mediators one pass',
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
  with pytest.raises((TypeError, ValueError), match=message):
    build(policies.KlPasses(), **options)


def test_a_state_of_something_else_is_refused():
  with pytest.raises(ValueError, match=r"got 'feedback/recall'"):
    build(policies.KlPasses()).state = {'feedback/recall': np.ones(4)}


def test_a_round_before_the_first_is_refused():
  with pytest.raises(ValueError, match='round_num must be at least 1, got 0'):
    build(policies.KlPasses()).choose(0)


def test_without_a_policy_rounds_say_what_to_do():
  control = mediator_control.MediatorControl(SCHEDULE, COUNTS, seed=5)
  with pytest.raises(ValueError, match='weights=control.weights'):
    control.rounds([])


def test_without_a_policy_nothing_is_chosen():
  control = mediator_control.MediatorControl(SCHEDULE, COUNTS, seed=5)
  for choose in (control.choose, lambda r: control.passes(r, [0])):
    with pytest.raises(ValueError, match='policy must decide the passes'):
      choose(1)
