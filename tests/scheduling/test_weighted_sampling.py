"""Draws by priority against the exact probabilities of every outcome."""

import collections
import itertools

import chain_oracle
import numpy as np
import pytest
from scipy import stats

from astraea_tff.scheduling import data_source
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib

WEIGHTS = [1.0, 2.0, 3.0, 6.0, 0.5]
SCHEDULE = schedule_lib.Schedule(((0, 3), (1, 4), (2,)), [0.1, 0.2, 0.3], 2)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4, 9, 3)]


def probabilities(weights, num_drawn):
  """Of every ordered outcome of draws in proportion to the weights left."""
  exact = {}
  for outcome in itertools.permutations(range(len(weights)), num_drawn):
    left, probability = sum(weights), 1.0
    for drawn in outcome:
      probability *= weights[drawn] / left
      left -= weights[drawn]
    exact[outcome] = probability
  return exact


def p_value(draw, weights, num_drawn, num_rounds):
  exact = probabilities(weights, num_drawn)
  counts = collections.Counter(draw(r) for r in range(num_rounds))
  assert counts.keys() <= exact.keys()
  return stats.chisquare(
      [counts[outcome] for outcome in exact],
      [num_rounds * probability for probability in exact.values()],
  ).pvalue


def draw_mediators(num_drawn, weights, seed=0):
  return lambda round_num: sampling.sample_mediators(
      len(WEIGHTS), num_drawn, seed=seed, round_num=round_num, weights=weights
  )


@pytest.mark.parametrize('num_drawn', [1, 2, 3])
def test_mediators_are_drawn_with_the_exact_probabilities(num_drawn):
  draw = draw_mediators(num_drawn, WEIGHTS)
  assert p_value(draw, WEIGHTS, num_drawn, 12_000) > 1e-3


def test_clients_are_drawn_with_the_exact_probabilities():
  def draw(round_num):
    return tuple(
        sampling.sample_clients(
            5, 2, seed=3, round_num=round_num, weights=WEIGHTS
        )
    )

  assert p_value(draw, WEIGHTS, 2, 12_000) > 1e-3


def test_equal_weights_draw_uniformly_and_the_test_can_tell():
  draw = draw_mediators(2, [7] * 5)
  assert p_value(draw, [1.0] * 5, 2, 12_000) > 1e-3
  assert p_value(draw, WEIGHTS, 2, 12_000) < 1e-12


def test_weights_of_any_size_are_divided_by():
  tiny, huge = 5e-324, np.finfo(np.float64).max
  first = {draw_mediators(2, [tiny, tiny, 1.0, huge, 0])(r) for r in range(50)}
  assert first == {(3, 2)}


def test_zeros_come_last_in_random_order():
  drawn = [draw_mediators(5, [0, 1, 0, 1, 0])(r) for r in range(400)]
  assert {outcome[:2] for outcome in drawn} == {(1, 3), (3, 1)}
  assert len({outcome[2:] for outcome in drawn}) == 6


def test_a_draw_depends_on_seed_round_and_weights_alone():
  drawn = [draw_mediators(5, WEIGHTS, seed)(r) for seed in (0, 1)
           for r in range(20)]
  assert drawn == [draw_mediators(5, WEIGHTS, seed)(r) for seed in (0, 1)
                   for r in range(20)]
  assert len(set(drawn)) > 15
  scaled = [draw_mediators(5, np.multiply(WEIGHTS, 1024))(r)
            for r in range(20)]
  assert scaled == drawn[:20]


def test_without_weights_the_recorded_draws_stay():
  assert SCHEDULE.sample(2, seed=5, round_num=1, weights=None) == (
      SCHEDULE.sample(2, seed=5, round_num=1)
  )
  uniform = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(1,)))
  assert SCHEDULE.sample(2, seed=5, round_num=1) == tuple(
      uniform.choice(3, 2, replace=False).tolist()
  )


@pytest.mark.parametrize(
    'weights, error, message',
    [
        ([1, 2, 3, 4], ValueError, r'each of 5, got shape \[4\]'),
        ([[1, 2, 3, 4, 5]], ValueError, r'got shape \[1, 5\]'),
        ([1, 2, 3, 4, -5], ValueError, r'weights\[4\] is -5'),
        ([1, 2, 3, 4, np.nan], ValueError, r'weights\[4\] is nan'),
        ([1, 2, 3, 4, np.inf], ValueError, r'weights\[4\] is inf'),
        ([0, 0, 0, 0, 0], ValueError, 'a number above 0'),
        (['a'] * 5, TypeError, 'weights must hold'),
        ([[1], [1, 2]], ValueError, 'weights must be rows of one length'),
        ('rare', TypeError, 'weights must hold'),
    ],
)
def test_what_are_no_weights_is_refused(weights, error, message):
  with pytest.raises(error, match=message):
    draw_mediators(2, weights)(1)
  with pytest.raises(error, match=message):
    sampling.sample_clients(5, 2, seed=0, round_num=1, weights=weights)


def examples(mediators):
  return [
      [[x.numpy().tolist() for x, _ in client] for client in mediator]
      for mediator in mediators
  ]


def test_rounds_and_the_data_source_take_the_drawn_mediators():
  weights = [1, 5, 1]
  rounds = SCHEDULE.rounds(CLIENTS, 2, seed=4, weights=weights)
  iterator = data_source.MediatorDataSource(
      SCHEDULE, CLIENTS, seed=4, weights=weights
  ).iterator()
  for round_num in range(1, 6):
    sampled = SCHEDULE.sample(2, seed=4, round_num=round_num, weights=weights)
    expected = examples(
        [CLIENTS[client] for client in SCHEDULE.mediators[m]] for m in sampled
    )
    for data in (next(rounds), iterator.select(2)):
      assert [[c for c in mediator if c] for mediator in examples(data)] == (
          expected
      )


def test_weights_may_change_from_round_to_round():
  def only(round_num):
    return np.eye(3)[round_num % 3]

  rounds = SCHEDULE.rounds(CLIENTS, 1, seed=4, weights=only)
  for round_num in range(1, 6):
    first = CLIENTS[SCHEDULE.mediators[round_num % 3][0]]
    assert examples(next(rounds))[0][0] == examples([[first]])[0][0]


def test_a_data_source_of_other_weights_is_told_apart():
  def source(**options):
    return data_source.MediatorDataSource(
        SCHEDULE, CLIENTS, seed=4, **options
    )

  marks = {
      source().fingerprint,
      source(weights=[1, 1, 1]).fingerprint,
      source(weights=[1, 2, 1]).fingerprint,
  }
  assert len(marks) == 3
  assert source().fingerprint == source(weights=None).fingerprint
  saved = source(weights=[1, 2, 1]).iterator().to_bytes()
  with pytest.raises(ValueError, match='weights or passes'):
    type(source().iterator()).from_bytes(saved)
  with pytest.raises(ValueError, match='each of 3'):
    source(weights=[1, 2])
