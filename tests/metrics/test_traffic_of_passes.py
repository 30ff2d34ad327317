"""Traffic of mediators with passes of their own, added up hop by hop."""

import pytest

from astraea_tff.metrics import traffic


def by_hand(size, state, clients, passes, kept=0):
  """The model goes there and back at every hop, the state between visits."""
  total = 0
  for num_clients, num_passes in zip(clients, passes):
    visits = num_clients * num_passes
    if visits:
      total += 2 * (size + kept)  # Server to mediator and back.
      total += 2 * size * visits
      total += 2 * state * (visits - 1)
  return total


@pytest.mark.parametrize('state', [0, 9])
@pytest.mark.parametrize(
    'passes', [[1, 2, 4], [0, 3, 1], [2, 0, 0], [0, 0, 0], [1, 1, 1]]
)
def test_traffic_of_three_mediators_of_5_3_and_1_clients(passes, state):
  assert traffic.astraea_round_bytes(
      7, 9, 5, passes, carry_optimizer_state_bytes=state,
      mediator_state_bytes=11, clients_per_mediator=[5, 3, 1],
  ) == by_hand(7, state, [5, 3, 1], passes, kept=11)


def test_a_mediator_without_clients_costs_nothing():
  assert traffic.astraea_round_bytes(
      7, 6, 5, [2, 2, 2], clients_per_mediator=[5, 0, 1]
  ) == by_hand(7, 0, [5, 1], [2, 2])


def test_equal_passes_cost_what_their_number_costs():
  for passes in (1, 3):
    options = dict(carry_optimizer_state_bytes=9)
    expected = traffic.astraea_round_bytes(7, 11, 4, passes, **options)
    for given in (passes, [passes] * 3):
      assert traffic.astraea_round_bytes(
          7, 11, 4, given, clients_per_mediator=[4, 4, 3], **options
      ) == expected


@pytest.mark.parametrize(
    'passes, options, error, message',
    [
        ([1, 2], {}, TypeError, 'mediator_epochs must be an int'),
        ([1, 2], dict(clients_per_mediator=[4, 3, 2]), ValueError, 'each of 3'),
        ([1, -2], dict(clients_per_mediator=[5, 4]), ValueError, 'at least 0'),
        (1, dict(clients_per_mediator=[5, 3]), ValueError, 'num_clients=9'),
        (1, dict(clients_per_mediator=[6, 3]), ValueError, 'at most 5'),
        (0, dict(clients_per_mediator=[5, 4]), ValueError, 'at least 1'),
        (
            1,
            dict(clients_per_mediator=[5, 4], num_mediators=2),
            ValueError,
            'num_mediators must be None',
        ),
    ],
)
def test_bad_arguments_are_refused(passes, options, error, message):
  with pytest.raises(error, match=message):
    traffic.astraea_round_bytes(7, 9, 5, passes, **options)
