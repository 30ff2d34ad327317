"""What a round draws, against NumPy's streams of its seed and number."""

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.scheduling import rounds
from astraea_tff.scheduling import schedule as schedule_lib

SEED, ROUND_NUM = 3, 2
MEDIATORS = ((4, 2, 0), (7, 1), (5, 6, 3))
DROP_OUTS, ORDERS = 1, 2  # Streams, as `astraea_tff.randomness` numbers them.


def generator(*stream):
  return np.random.default_rng(
      np.random.SeedSequence(SEED, spawn_key=(ROUND_NUM, *stream))
  )


def visits(**options):
  return rounds.visits_of_round(
      MEDIATORS, 3, seed=SEED, round_num=ROUND_NUM, **options
  )


def left_of_mediators():
  draws = generator(DROP_OUTS).random(8)
  return tuple(
      tuple(client for client in mediator if draws[client] >= 0.4)
      for mediator in MEDIATORS
  )


def order_of(num_clients, draw):
  return [*draw.permutation(num_clients), *range(num_clients, 3)]


def test_who_drops_out_is_drawn_from_a_stream_of_the_round():
  left = left_of_mediators()
  assert 2 < sum(map(len, left)) < 8
  assert visits(drop_probability=0.4).mediators == left


def test_reshuffled_orders_are_drawn_from_a_stream_of_the_round():
  draw = generator(ORDERS)
  expected = [
      [order_of(len(mediator), draw) for _ in range(4)]
      for mediator in left_of_mediators()
  ]
  drawn = visits(drop_probability=0.4, reshuffled_epochs=4)
  np.testing.assert_array_equal(drawn.orders, expected)


def test_orders_of_passes_are_drawn_from_a_stream_of_the_mediator():
  drawn = visits(passes=[2, 0, 3], reshuffled=True)
  assert drawn.places == (0, 2)
  for order, place, num_passes in zip(drawn.orders, drawn.places, (2, 3)):
    draw = generator(ORDERS, place)
    expected = [order_of(3, draw) for _ in range(num_passes)]
    np.testing.assert_array_equal(order, expected)


@pytest.mark.parametrize('first_round', [1, 5])
def test_what_depends_on_the_round_is_asked_for_its_number(first_round):
  asked = []

  def weights(round_num):
    asked.append(('weights', round_num))
    return [1, 1, 1]

  def passes(round_num, mediators):
    asked.append(('passes', round_num))
    return [1] * len(mediators)

  class Clients(list):

    def for_round(self, round_num):
      asked.append(('clients', round_num))
      return self

  schedule = schedule_lib.Schedule(MEDIATORS, [0.1, 0.2, 0.3], 3)
  data = schedule.rounds(
      Clients([tf.data.Dataset.range(2).batch(1)] * 8),
      2,
      seed=SEED,
      first_round=first_round,
      weights=weights,
      passes=passes,
  )
  for _ in range(3):
    next(data)
  assert asked == [
      (what, round_num)
      for round_num in range(first_round, first_round + 3)
      for what in ('weights', 'passes', 'clients')
  ]


@pytest.mark.parametrize('options, message', [
    (dict(passes=lambda r, m: None), 'one number for each .*None in round'),
    (dict(passes=lambda r, m: 2), '`passes` must return one number for each'),
    (dict(reshuffled='no'), "`reshuffled` must be a builtins.bool, got 'no'"),
    (dict(report_mediators='no'), '`report_mediators` must be a builtins.bool'),
])
def test_what_is_no_passes_or_truth_value_is_refused(options, message):
  schedule = schedule_lib.Schedule(((0,), (1,)), [0.1, 0.2], 1)
  with pytest.raises(TypeError, match=message):
    next(schedule.rounds([[], []], 1, seed=0, **options))


def test_who_sits_out_does_not_give_its_number_to_another():
  drawn = generator().choice(3, 3, replace=False)
  schedule = schedule_lib.Schedule(MEDIATORS, [0.1, 0.2, 0.3], 3)
  data = next(
      schedule.rounds(
          [tf.data.Dataset.range(2).batch(1)] * 8,
          3,
          seed=SEED,
          first_round=ROUND_NUM,
          passes=lambda round_num, mediators: [0, 2, 1],
          report_mediators=True,
      )
  )
  assert [mediator['mediator'] for mediator in data] == [[drawn[1]], [drawn[2]]]
  assert [len(mediator['order']) for mediator in data] == [2, 1]
