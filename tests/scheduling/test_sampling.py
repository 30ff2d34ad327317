"""Who drops out of a round, and the order of a mediator's clients."""

import numpy as np
import pytest

from astraea_tff import randomness
from astraea_tff.scheduling import sampling


def available(clients, probability, seed=0, round_num=1):
  return sampling.available_clients(
      clients, probability, seed=seed, round_num=round_num
  )


def test_each_client_is_dropped_with_the_probability():
  left = [len(available(range(500), 0.3, round_num=r)) for r in range(40)]
  # 20,000 draws: 5 standard deviations of the share are 0.016.
  assert abs(np.mean(left) / 500 - 0.7) < 0.016
  clients = [k for r in range(400) for k in available(range(5), 0.3, 7, r)]
  shares = np.bincount(clients, minlength=5) / 400
  np.testing.assert_allclose(shares, 0.7, atol=5 * np.sqrt(0.21 / 400))


def test_zero_drops_none_and_one_drops_all():
  assert available([3, 1, 2], 0.0) == (3, 1, 2)
  assert available([3, 1, 2], 1.0) == ()
  assert available([], 0.5) == ()


def test_who_draws_the_probability_itself_stays():
  draw, = randomness.round_generator(
      0, 1, randomness.AVAILABILITY_STREAM).random(1)
  assert available([0], draw) == (0,)
  assert available([0], np.nextafter(draw, 1)) == ()


def test_a_client_drops_out_whoever_is_asked_about_with_it():
  together = set(available(range(60), 0.5))
  assert 0 < len(together) < 60
  for client in range(60):
    assert bool(available([client], 0.5)) == (client in together)
  backwards = available(range(59, -1, -1), 0.5)
  assert backwards == tuple(sorted(together, reverse=True))


def test_dropping_out_depends_on_seed_and_round_alone():
  drawn = {
      (seed, round_num): available(range(60), 0.5, seed, round_num)
      for seed in range(3)
      for round_num in range(4)
  }
  assert len(set(drawn.values())) == len(drawn)
  assert drawn[2, 3] == available(range(60), 0.5, 2, 3)


@pytest.mark.parametrize(
    'probability, error',
    [(-0.1, ValueError), (1.1, ValueError), (float('nan'), ValueError),
     ('0.5', TypeError), (True, TypeError), (None, TypeError)],
)
def test_what_is_no_probability_is_refused(probability, error):
  with pytest.raises(error, match='drop_probability must be'):
    available([0], probability)


@pytest.mark.parametrize(
    'clients, error',
    [([-1], ValueError), ([1.5], TypeError), ([2**33], ValueError)],
)
def test_what_is_no_client_is_refused(clients, error):
  with pytest.raises(error, match='a client must be'):
    available(clients, 0.5)


def orders_of(num_clients, epochs=2, seed=0, round_num=1):
  return sampling.reshuffled_orders(
      num_clients, 4, epochs, seed=seed, round_num=round_num
  )


def test_orders_are_permutations_with_the_empty_places_behind():
  orders = orders_of([4, 3, 0], epochs=5)
  assert orders.shape == (3, 5, 4)
  assert orders.dtype == np.int32
  for num, order in zip([4, 3, 0], orders):
    np.testing.assert_array_equal(
        np.sort(order[:, :num]), np.tile(np.arange(num), (5, 1))
    )
    np.testing.assert_array_equal(
        order[:, num:], np.tile(np.arange(num, 4), (5, 1))
    )


def test_every_order_of_three_clients_is_equally_likely():
  orders = orders_of([3] * 1000, epochs=6)[:, :, :3].reshape(-1, 3)
  _, counts = np.unique(orders, axis=0, return_counts=True)
  assert len(counts) == 6
  # 1,000 each expected; 5 standard deviations of a binomial count.
  np.testing.assert_allclose(counts, 1000, atol=5 * np.sqrt(6000 * 5 / 36))


def test_orders_differ_by_pass_mediator_seed_and_round_and_can_be_repeated():
  wide = dict(seed=0, round_num=1)
  orders = sampling.reshuffled_orders([20, 20], 20, 2, **wide)
  assert len(np.unique(orders.reshape(4, 20), axis=0)) == 4
  again = sampling.reshuffled_orders([20, 20], 20, 2, **wide)
  np.testing.assert_array_equal(orders, again)
  for other in (dict(seed=1, round_num=1), dict(seed=0, round_num=2)):
    drawn = sampling.reshuffled_orders([20, 20], 20, 2, **other)
    assert (drawn != orders).any(axis=2).all()


def test_more_clients_than_places_are_refused():
  with pytest.raises(ValueError, match=r'num_clients\[1\] must be at most 4, got 5'):
    orders_of([4, 5])
  with pytest.raises(ValueError, match='mediator_epochs must be at least 1'):
    orders_of([4], epochs=0)


@pytest.mark.parametrize(
    'seed, error', [(-1, ValueError), (2**32, ValueError), (1.0, TypeError)]
)
def test_a_seed_that_tff_does_not_sample_with_is_refused(seed, error):
  assert sampling.sample_clients(9, 9, seed=2**32 - 1, round_num=1)
  with pytest.raises(error, match='^seed must be .* got'):
    sampling.sample_clients(9, 3, seed=seed, round_num=1)


@pytest.mark.parametrize('changed, error', [
    (dict(round_num=-3), ValueError), (dict(round_num=True), TypeError),
    (dict(num_clients=2**63), ValueError), (dict(num_clients=2.5), TypeError),
    (dict(num_clients=None), TypeError),
])
def test_what_is_no_round_or_no_population_is_refused(changed, error):
  given = dict(num_clients=9, clients_per_round=3, seed=0, round_num=1)
  (name,) = changed
  with pytest.raises(error, match=f'^`?{name}`? must be'):
    sampling.sample_clients(**(given | changed))
