"""The time of a deployment, against rounds added up by hand."""

import numpy as np
import pytest

from astraea_tff import randomness
from astraea_tff.metrics import deployment_time

# Clients 0 to 4; a megabyte takes 1 s down, 4 s up, and 0.5 s at the edge.
MEGABYTE = 1_000_000
LINKS = dict(
    download_megabits_per_second=8,
    upload_megabits_per_second=2,
    edge_megabits_per_second=16,
)
SPEEDS = [0.5, 1.0, 2.0, 4.0, 8.0]


def deployment(place='server'):
  return deployment_time.Deployment(SPEEDS, mediator_place=place, **LINKS)


def test_speeds_are_lognormal_draws_of_the_seed():
  drawn = deployment_time.client_seconds_per_step(5, 0.2, 0.5, seed=7)
  generator = np.random.default_rng(
      np.random.SeedSequence(7, spawn_key=(0, randomness.SPEED_STREAM))
  )
  z = generator.standard_normal(5)
  np.testing.assert_allclose(drawn, 0.2 * np.exp(0.5 * z), rtol=1e-12)
  np.testing.assert_allclose(
      drawn,
      [0.21987006, 0.15877096, 0.30357007, 0.15755277, 0.16021816],
      rtol=1e-6,
  )
  many = np.log(
      deployment_time.client_seconds_per_step(20_000, 0.2, 0.5, seed=8)
  )
  assert many.mean() == pytest.approx(np.log(0.2), abs=0.01)
  assert many.std() == pytest.approx(0.5, abs=0.01)


def test_without_spread_all_clients_are_alike():
  drawn = deployment_time.client_seconds_per_step(3, 0.2, 0, seed=7)
  assert drawn.tolist() == [0.2] * 3


@pytest.mark.parametrize('place', deployment_time.MEDIATOR_PLACES)
def test_a_round_side_by_side_lasts_as_its_slowest_client(place):
  # Client 1 trains 10 s and client 4 8 s; the model takes 1 s and 4 s.
  seconds = deployment(place).side_by_side_seconds(
      [0, 1, 4], [6, 10, 1], MEGABYTE, MEGABYTE
  )
  assert seconds == pytest.approx(10 + 1 + 4)
  assert deployment().side_by_side_seconds(
      [0], [6], 3 * MEGABYTE, 2 * MEGABYTE
  ) == pytest.approx(3 + 3 + 8)
  assert deployment(place).side_by_side_seconds([], [], 1, 1) == 0


def test_a_round_of_chains_lasts_as_its_slowest_mediator():
  # Twice 3 + 10 s of training against once 8 s; four visits of 5 s against one.
  assert deployment().chain_seconds(
      [[0, 1], [4], []], [[6, 10], [1], []], [2, 1, 3], MEGABYTE
  ) == pytest.approx(2 * (3 + 10) + 4 * (1 + 4))
  # The slow client's mediator comes last when the others make one pass.
  assert deployment().chain_seconds(
      [[0, 1], [4]], [[6, 10], [5]], [1, 1], MEGABYTE
  ) == pytest.approx(5 * 8 + 5)


def test_a_chain_at_the_edge_crosses_the_wide_area_once():
  # Visits take 0.5 s there and 0.5 s back; the server 1 s and 4 s.
  assert deployment('edge').chain_seconds(
      [[0, 1, 2]], [[6, 10, 1]], [2], MEGABYTE
  ) == pytest.approx(2 * (3 + 10 + 2) + 6 * 1 + 5)


@pytest.mark.parametrize(
    'place, seconds',
    [
        # 4 visits of 5 s, 3 hand-overs of two models more; 7 s of training.
        ('server', 2 * (3 + 4) + 4 * 5 + 3 * 2 * 5),
        # The same at 1 s a model there and back; |w| + |z| to the server.
        ('edge', 2 * (3 + 4) + 4 * 1 + 3 * 2 * 1 + (1 + 3) * 5),
    ],
)
def test_states_go_with_the_model(place, seconds):
  assert deployment(place).chain_seconds(
      [[0, 2]],
      [[6, 2]],
      [2],
      MEGABYTE,
      carry_optimizer_state_bytes=2 * MEGABYTE,
      mediator_state_bytes=3 * MEGABYTE,
  ) == pytest.approx(seconds)


def test_nobody_takes_no_time():
  for mediators, passes in (([], []), ([[]], [1]), ([[0]], [0])):
    steps = [[5] * len(mediator) for mediator in mediators]
    seconds = deployment('edge').chain_seconds(mediators, steps, passes, 1)
    assert seconds == 0


@pytest.mark.parametrize('place', deployment_time.MEDIATOR_PLACES)
def test_random_rounds_are_sums_over_visits(place):
  generator = np.random.default_rng(0)
  speeds = generator.uniform(0.1, 1, 12)
  deployed = deployment_time.Deployment(speeds, 40, 8, place, 90)
  size, state, kept = 1_234_567, 765_432, 222_222
  down, up = (40e6, 8e6) if place == 'server' else (90e6, 90e6)
  for _ in range(20):
    mediators = np.split(generator.permutation(12), [5, 6])
    steps = [generator.integers(0, 9, len(m)) for m in mediators]
    passes = generator.integers(1, 4, 3)
    totals = []
    for m, s, p in zip(mediators, steps, passes):
      visits = [*zip(m, s)] * p
      total = 0
      for index, (client, number) in enumerate(visits):
        received = size + state * (index > 0)
        returned = size + state * (index < len(visits) - 1)
        total += 8 * received / down + number * speeds[client]
        total += 8 * returned / up
      if place == 'edge':
        total += 8 * (size + kept) * (1 / 40e6 + 1 / 8e6)
      totals.append(total)
    assert deployed.chain_seconds(
        [m.tolist() for m in mediators],
        [s.tolist() for s in steps],
        passes.tolist(),
        size,
        carry_optimizer_state_bytes=state,
        mediator_state_bytes=kept,
    ) == pytest.approx(max(totals))


@pytest.mark.parametrize(
    'call, match',
    [
        (
            lambda: deployment('cloud'),
            "mediator_place must be one of server, edge, got 'cloud'",
        ),
        (
            lambda: deployment_time.Deployment([1.0, 0.0]),
            'seconds_per_step must be a positive',
        ),
        (
            lambda: deployment_time.Deployment([1.0], 0.0),
            'download_megabits_per_second must be finite and above 0',
        ),
        (
            lambda: deployment_time.client_seconds_per_step(1, 0.0, 1, seed=0),
            'median must be finite and above 0',
        ),
        (
            lambda: deployment_time.client_seconds_per_step(1, 1, -1, seed=0),
            'spread must be finite and at least 0',
        ),
        (
            lambda: deployment().side_by_side_seconds([5], [1], 1, 1),
            'clients must be below 5, got 5',
        ),
        (
            lambda: deployment().side_by_side_seconds([1, 2], [1], 1, 1),
            'steps must be one for each of 2 clients, got 1',
        ),
        (
            lambda: deployment().chain_seconds([[1]], [[1]], [1, 2], 1),
            'of one length, got 1, 1 and 2',
        ),
    ],
)
def test_bad_arguments_are_refused(call, match):
  with pytest.raises(ValueError, match=match):
    call()
