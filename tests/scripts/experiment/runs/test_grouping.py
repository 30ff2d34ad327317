"""Which mediators a round has: grouping, sampling, and who drops out."""

from unittest import mock

import numpy as np
import pytest

import astraea_tff
from astraea_tff import randomness
from experiment.runs import grouping as mediators_lib
from experiment.runs import settings as settings_lib

COUNTS = np.random.default_rng(0).multinomial(50, [0.4, 0.3, 0.2, 0.1], size=12)


def make_settings(**values):
  return settings_lib.Settings(
      num_clients=12, clients_per_round=6, max_clients=3, **values
  )


def make(folder, **values):
  return mediators_lib.Mediators(make_settings(**values), COUNTS, 7, folder)


def expected_groups(target):
  greedy = astraea_tff.reschedule(COUNTS, 3, target=target)
  arguments = dict(target=target)
  seed = randomness.grouping_seed(5, 0)
  return {
      'greedy': greedy,
      'refined': astraea_tff.refine(greedy, COUNTS, **arguments),
      'assignment': astraea_tff.reschedule_by_assignment(
          COUNTS, 3, **arguments
      ),
      'random': astraea_tff.random_schedule(COUNTS, 3, seed=seed, **arguments),
      'approximate': astraea_tff.reschedule_approximately(
          COUNTS, 3, seed=seed, **arguments
      ),
  }


@pytest.mark.parametrize('target', ['uniform', 'pooled'])
@pytest.mark.parametrize(
    'grouping', ['greedy', 'refined', 'assignment', 'random', 'approximate']
)
def test_groups_are_those_of_the_function_of_that_name(grouping, target):
  settings = make_settings(grouping=grouping, target=target)
  schedule = mediators_lib.schedule_of_round(settings, COUNTS, 5, 0)
  expected = expected_groups(None if target == 'uniform' else target)
  assert schedule == expected[grouping]


def test_the_first_divergences_are_those_of_the_round_that_trains(tmp_path):
  settings = make_settings(schedule='per_round', sampling_weights='rarity')
  mediators = mediators_lib.Mediators(settings, COUNTS, 7, tmp_path)
  control = mock.Mock()
  control.weights = lambda round_num: np.arange(12) ** 4.0 * round_num
  before = mediators.first_divergences(control)
  # What is looked at alone is not a round that was trained.
  assert not [*(tmp_path / 'schedules').iterdir()]
  np.testing.assert_array_equal(
      before, mediators.of_round(1, control).kl_divergence
  )
  (path,) = (tmp_path / 'schedules').iterdir()
  written = path.read_bytes()
  assert set(before) != set(mediators.first_divergences())
  assert path.read_bytes() == written


@pytest.mark.parametrize('schedule', ['static', 'per_round'])
@pytest.mark.parametrize('target', ['uniform', 'pooled'])
def test_a_round_depends_on_its_number_alone_and_is_measured(
    tmp_path, schedule, target
):
  mediators = make(tmp_path, schedule=schedule, target=target)
  drawn = {r: mediators.of_round(r) for r in (1, 2, 3)}
  again = make(tmp_path, schedule=schedule, target=target).of_round(3)
  assert again.mediators == drawn[3].mediators
  assert drawn[1].mediators != drawn[3].mediators
  for of_round in drawn.values():
    assert sorted(len(m) for m in of_round.mediators) == [3, 3]
    rows = [list(m) for m in of_round.mediators]
    scheduled = rows[0] + rows[1] if schedule == 'per_round' else range(12)
    pooled = COUNTS[list(scheduled)].sum(axis=0)
    np.testing.assert_allclose(
        of_round.kl_divergence,
        astraea_tff.kl_divergence(
            [COUNTS[row].sum(axis=0) for row in rows],
            pooled if target == 'pooled' else None,
        ),
    )


def test_clients_drop_out_of_their_mediators_and_of_the_measure(tmp_path):
  whole = make(tmp_path)
  thinned = make(tmp_path, drop_probability=0.5)
  num_dropped = 0
  for round_num in range(1, 20):
    before = whole.of_round(round_num).mediators
    after = thinned.of_round(round_num)
    assert after.mediators == [
        astraea_tff.available_clients(m, 0.5, seed=7, round_num=round_num)
        for m in before
    ]
    num_dropped += 6 - sum(map(len, after.mediators))
    np.testing.assert_allclose(
        after.kl_divergence,
        [
            astraea_tff.kl_divergence(COUNTS[list(m)].sum(axis=0))
            for m in after.mediators
            if m
        ],
    )
  # Binomial(19 * 6, 0.5), within three standard deviations.
  assert 41 <= num_dropped <= 73


def test_no_divergence_where_everybody_dropped_out(tmp_path):
  of_round = make(tmp_path, drop_probability=1.0).of_round(1)
  assert of_round.mediators == [(), ()]
  assert of_round.kl_divergence.shape == (0,)
