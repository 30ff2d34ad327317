"""Orders of mediators that make different numbers of passes."""

import chain_oracle
import numpy as np
import pytest

from astraea_tff.scheduling import rounds
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib

ROUND = dict(seed=3, round_num=2)
CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4, 9, 3)]
SCHEDULE = schedule_lib.Schedule(((0, 3), (1, 4), (2,)), [0.1, 0.2, 0.3], 2)


def orders_of(passes, num_clients=(8, 8, 5), reshuffled=True):
  return sampling.mediator_orders(
      num_clients, 8, passes, reshuffled=reshuffled, **ROUND
  )


def test_orders_are_permutations_with_the_empty_places_behind():
  for num, order in zip((8, 8, 5), orders_of([3, 0, 2])):
    assert order.dtype == np.int32
    np.testing.assert_array_equal(
        np.sort(order[:, :num]), np.tile(np.arange(num), (len(order), 1))
    )
    np.testing.assert_array_equal(
        order[:, num:], np.tile(np.arange(num, 8), (len(order), 1))
    )
  assert [order.shape for order in orders_of([3, 0, 2])] == [
      (3, 8), (0, 8), (2, 8)
  ]


def test_a_mediator_s_orders_do_not_depend_on_the_others():
  alone = orders_of([0, 4, 0])[1]
  np.testing.assert_array_equal(orders_of([7, 4, 1])[1], alone)
  np.testing.assert_array_equal(
      orders_of([7, 4, 1], num_clients=(2, 8, 0))[1], alone
  )


def test_more_passes_begin_as_fewer():
  np.testing.assert_array_equal(
      orders_of([5, 5, 5])[0][:2], orders_of([2, 2, 2])[0]
  )


def test_orders_differ_by_pass_and_mediator_and_can_be_repeated():
  orders = np.concatenate(orders_of([3, 3, 0]))
  assert len(np.unique(orders, axis=0)) == 6
  np.testing.assert_array_equal(np.concatenate(orders_of([3, 3, 0])), orders)


def test_scheduled_orders_go_through_the_clients_as_they_stand():
  for order in orders_of([2, 1, 0], reshuffled=False):
    np.testing.assert_array_equal(order, np.tile(np.arange(8), (len(order), 1)))


def test_whoever_sits_out_is_left_out_unless_all_do():
  def visits(passes):
    return rounds.visits_of_round(
        [(4, 2), (7,), (1, 3)], 2, passes=passes, **ROUND
    )

  some = visits([2, 0, 1])
  assert some.mediators == ((4, 2), (1, 3)) and some.places == (0, 2)
  assert [len(order) for order in some.orders] == [2, 1]
  nobody = visits([0, 0, 0])
  assert nobody.places == (0, 1, 2)
  assert [len(order) for order in nobody.orders] == [0, 0, 0]


def test_without_passes_all_are_visited_as_before():
  visits = rounds.visits_of_round([(4, 2), (7,)], 2, **ROUND)
  assert visits == rounds.Visits(((4, 2), (7,)), None, (0, 1))


@pytest.mark.parametrize(
    'options, error, message',
    [
        (dict(passes=[1, 1]), ValueError, 'passes must be one number for each'),
        (dict(passes=[1, 1, -1]), ValueError, r'passes\[2\] must be at least'),
        (dict(passes=[1, 1.5, 1]), TypeError, r'passes\[1\] must be an int'),
        (dict(reshuffled=True), ValueError, 'reshuffled needs passes'),
        (dict(reshuffled='no'), TypeError, '`reshuffled` must be .*bool'),
        (
            dict(passes=[1, 1, 1], reshuffled_epochs=2),
            ValueError,
            'give one of them',
        ),
    ],
)
def test_bad_passes_are_refused(options, error, message):
  with pytest.raises(error, match=message):
    rounds.visits_of_round([(4, 2), (7,), (1, 3)], 2, **ROUND, **options)


def test_bad_passes_of_a_schedule_are_refused():
  with pytest.raises(ValueError, match=r'passes\[0\] must be at least 0'):
    next(SCHEDULE.rounds(CLIENTS, 2, seed=0, passes=-1))
  with pytest.raises(ValueError, match='one number for each of 2 mediators'):
    next(SCHEDULE.rounds(CLIENTS, 2, seed=0, passes=lambda r, mediators: [1]))
