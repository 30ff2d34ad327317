import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest
import scipy.stats

from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import schedule as schedule_lib

_COUNTS = np.array([[4, 0, 0], [1, 2, 3], [0, 0, 0], [0, 5, 1], [2, 2, 2]])


# A round's mediators.


def _schedule_of(num_mediators):
  return schedule_lib.Schedule(
      [[k] for k in range(num_mediators)], np.zeros(num_mediators), 1
  )


def test_a_draw_has_distinct_mediators():
  schedule = _schedule_of(7)
  for size in range(1, 8):
    drawn = schedule.sample(size, seed=0, round_num=size)
    assert len(set(drawn)) == len(drawn) == size
    assert all(type(index) is int and 0 <= index < 7 for index in drawn)
  assert sorted(schedule.sample(7, seed=0, round_num=0)) == list(range(7))


def test_a_resumed_run_draws_what_the_unbroken_run_draws():
  schedule = _schedule_of(50)
  unbroken = [schedule.sample(10, seed=4, round_num=r) for r in range(20)]
  np.random.seed(99)
  resumed = schedule_lib.Schedule.from_json(schedule.to_json())
  assert unbroken[12:] == [
      resumed.sample(10, seed=4, round_num=r) for r in range(12, 20)
  ]
  assert len(set(unbroken)) == 20


def test_seed_and_round_number_are_not_interchangeable():
  schedule = _schedule_of(1000)
  draws = {
      schedule.sample(5, seed=seed, round_num=round_num)
      for seed, round_num in [
          (0, 0), (0, 1), (1, 0), (1, 1), (2**32, 0), (1, 2**32), (2**32 + 1, 0)
      ]
  }
  assert len(draws) == 7


def test_draws_are_uniform_in_every_position():
  schedule = _schedule_of(6)
  draws = np.array(
      [schedule.sample(3, seed=0, round_num=r) for r in range(1800)]
  )
  for position in draws.T:
    frequencies = np.bincount(position, minlength=6)
    assert scipy.stats.chisquare(frequencies).pvalue > 1e-3


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        ((4, 0, 0), ValueError, 'mediators_per_round must be at most 3'),
        ((0, 0, 0), ValueError, 'mediators_per_round must be at least 1'),
        ((1.0, 0, 0), TypeError, 'mediators_per_round must be an int'),
        ((1, -1, 0), ValueError, 'seed must be at least 0'),
        ((1, None, 0), TypeError, 'seed must be an int'),
        ((1, 0, -1), ValueError, 'round_num must be at least 0'),
        ((1, 0, True), TypeError, 'round_num must be an int'),
    ],
)
def test_a_wrong_draw_is_refused(arguments, error, message):
  size, seed, round_num = arguments
  with pytest.raises(error, match=message):
    _schedule_of(3).sample(size, seed=seed, round_num=round_num)


# The schedule as a value.


def test_schedules_are_equal_by_value_and_hash_so():
  schedule = schedule_lib.Schedule([[2, 0], [1]], [0.5, 0.25], 2)
  same = schedule_lib.Schedule(((2, 0), (1,)), np.array([0.5, 0.25]), 2)
  assert schedule == same and hash(schedule) == hash(same)
  for other in (
      schedule_lib.Schedule([[0, 2], [1]], [0.5, 0.25], 2),
      schedule_lib.Schedule([[2, 0], [1]], [0.5, 0.26], 2),
      schedule_lib.Schedule([[2, 0], [1]], [0.5, 0.25], 3),
      'schedule',
  ):
    assert schedule != other


@pytest.mark.parametrize(
    'remake',
    [
        lambda schedule: schedule,
        copy.copy,
        copy.deepcopy,
        lambda schedule: pickle.loads(pickle.dumps(schedule)),
        lambda schedule: type(schedule).from_json(schedule.to_json()),
    ],
    ids=['itself', 'copy', 'deepcopy', 'pickle', 'json'],
)
def test_a_schedule_cannot_be_changed(remake):
  divergences = np.array([0.5, 0.25])
  original = schedule_lib.Schedule([[2, 0], [1]], divergences, 2)
  divergences[0] = 9
  schedule = remake(original)
  assert schedule == original
  assert schedule.kl_divergence.tolist() == [0.5, 0.25]
  with pytest.raises(ValueError, match='read-only'):
    schedule.kl_divergence[0] = 0
  with pytest.raises(dataclasses.FrozenInstanceError):
    schedule.max_clients = 5
  with pytest.raises(TypeError):
    schedule.mediators[0][0] = 7


def test_a_schedule_holds_plain_ints():
  counts = np.array([[1, 0], [0, 1], [3, 3]], np.int32)
  schedule = greedy.reschedule(
      counts, np.int64(2), clients=np.array([2, 0])
  )
  assert schedule.mediators == ((2, 0),)
  assert all(type(client) is int for client in schedule.mediators[0])
  assert type(schedule.max_clients) is int
  assert type(schedule.mean_kl_divergence) is float


_WRONG_SCHEDULES = [
    ([], [], 2, ValueError, 'at least one mediator'),
    ([[0], []], [0, 0], 2, ValueError, r'mediators\[1\] must have 1 to .* 0'),
    ([[0, 1, 2]], [0], 2, ValueError, r'1 to max_clients=2 clients, got 3'),
    ([[0, 1], [1]], [0, 0], 2, ValueError, r'client 1 of .*\[1\] is .*twice'),
    ([[3, 3]], [0], 2, ValueError, r'client 3 of .*\[0\] is .*twice'),
    ([[-1]], [0], 2, ValueError, r'a client of mediators\[0\] must be .*least'),
    ([[0.0]], [0], 2, TypeError, r'a client of mediators\[0\] must be an int'),
    ([[True]], [0], 2, TypeError, r'a client of mediators\[0\] must be an int'),
    ([0, 1], [0, 0], 2, TypeError, 'mediators must be tuples'),
    ('01', [0, 0], 2, TypeError, 'mediators must be tuples'),
    ([[0], [1]], [0], 2, ValueError, r'each of 2 mediators, got shape \[1\]'),
    ([[0]], 0.5, 2, ValueError, r'each of 1 mediators, got shape \[\]'),
    ([[0], [1]], [0, np.nan], 2, ValueError, r'kl_divergence\[1\] is nan'),
    ([[0]], [np.inf], 2, ValueError, r'kl_divergence\[0\] is inf'),
    ([[0]], [-0.5], 2, ValueError, r'kl_divergence\[0\] is -0.5'),
    ([[0]], ['a'], 2, TypeError, 'kl_divergence must hold integers or'),
    ([[0]], [True], 2, TypeError, 'kl_divergence must hold integers or'),
    ([[0]], [0], 0, ValueError, 'max_clients must be at least 1'),
    ([[0]], [0], 2.0, TypeError, 'max_clients must be an int'),
]


@pytest.mark.parametrize(
    'mediators, divergences, max_clients, error, message', _WRONG_SCHEDULES
)
def test_a_wrong_schedule_is_refused(
    mediators, divergences, max_clients, error, message
):
  with pytest.raises(error, match=message):
    schedule_lib.Schedule(mediators, divergences, max_clients)


@pytest.mark.parametrize(
    'mediators, divergences, max_clients, error, message', _WRONG_SCHEDULES
)
def test_a_wrong_schedule_in_json_is_refused(
    mediators, divergences, max_clients, error, message
):
  del error  # In a text, everything is a wrong value.
  text = json.dumps({
      'version': 1,
      'max_clients': max_clients,
      'mediators': mediators,
      'kl_divergence': divergences,
  })
  with pytest.raises(ValueError, match=f'not a valid schedule: .*{message}'):
    schedule_lib.Schedule.from_json(text)


def test_json_brings_every_schedule_back_exactly():
  generator = np.random.default_rng(0)
  for max_clients in (1, 3, 50):
    counts = generator.multinomial(30, np.ones(10) / 10, size=40)
    schedule = greedy.reschedule(counts, max_clients)
    back = schedule_lib.Schedule.from_json(schedule.to_json())
    assert back == schedule
    assert back.kl_divergence.tobytes() == schedule.kl_divergence.tobytes()
  odd = schedule_lib.Schedule(
      [[0], [1], [2]], [5e-324, 0.1 + 0.2, np.finfo(np.float64).max], 1
  )
  assert schedule_lib.Schedule.from_json(odd.to_json()) == odd


def test_json_is_what_other_programs_can_read():
  schedule = schedule_lib.Schedule([[2, 0], [1]], [0.5, 0.25], 2)
  assert json.loads(schedule.to_json()) == {
      'version': 1,
      'max_clients': 2,
      'mediators': [[2, 0], [1]],
      'kl_divergence': [0.5, 0.25],
  }


def _edited(**changes):
  fields = json.loads(_schedule_of(2).to_json())
  fields.update(changes)
  return json.dumps({k: v for k, v in fields.items() if v is not None})


@pytest.mark.parametrize(
    'text, message',
    [
        ('', 'not a schedule in JSON'),
        (_schedule_of(2).to_json()[:-9], 'not a schedule in JSON'),
        ('[' * 100_000, 'not a schedule in JSON'),
        ('[1, 2]', 'must be a JSON object, got list'),
        ('null', 'must be a JSON object, got NoneType'),
        ('{}', "missing keys are .*'kl_divergence', 'max_clients'"),
        (_edited(mediators=None), r"missing keys are \['mediators'\]"),
        (_edited(version=None), r"missing keys are \['version'\]"),
        (_edited(gamma=3), r"unknown ones \['gamma'\]"),
        (_edited(version=2), 'schedule version 2, only 1 is known'),
        (_edited(version='1'), "schedule version '1'"),
        (_edited(version=True), 'schedule version True'),
        (_edited(kl_divergence=[[0], [0, 1]]), 'not a valid schedule'),
        (_edited(kl_divergence={}), 'kl_divergence must hold integers or'),
        (_edited(kl_divergence=[10**400, 0]), 'kl_divergence must hold'),
    ],
)
def test_a_corrupt_text_is_refused(text, message):
  with pytest.raises(ValueError, match=message):
    schedule_lib.Schedule.from_json(text)


def test_a_text_cut_anywhere_is_refused():
  text = greedy.reschedule(_COUNTS, 2).to_json()
  for length in range(len(text)):
    with pytest.raises(ValueError, match='not a schedule'):
      schedule_lib.Schedule.from_json(text[:length])
