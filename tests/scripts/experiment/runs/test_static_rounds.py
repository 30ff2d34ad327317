"""A round of the static schedule trains as many clients as the flag says."""

import numpy as np
import pytest

from experiment.runs import grouping
from experiment.runs import settings as settings_lib


@pytest.mark.parametrize(
    'num_clients, c, gamma',
    [
        (100, 10, 5), (100, 12, 10), (100, 5, 10), (100, 50, 20), (100, 6, 5),
        # The last mediator is a small one.
        (12, 10, 5), (11, 11, 4), (11, 9, 4), (7, 1, 3),
    ],
)
def test_a_static_round_has_c_clients_of_its_mediators(
    tmp_path, num_clients, c, gamma
):
  counts = np.random.default_rng(0).multinomial(50, [0.25] * 4, num_clients)
  settings = settings_lib.Settings(
      num_clients=num_clients, clients_per_round=c, max_clients=gamma
  )
  mediators = grouping.Mediators(settings, counts, 3, tmp_path)
  scheduled = grouping.schedule_of_round(settings, counts, 3, 0).mediators
  for round_num in range(1, 30):
    drawn = mediators.of_round(round_num).mediators
    assert sum(map(len, drawn)) == c and all(drawn)
    whole = [next(m for m in scheduled if m[0] == d[0]) for d in drawn]
    assert len(set(whole)) == len(drawn)
    # All but the last one are whole.
    assert drawn[:-1] == whole[:-1]
    assert drawn[-1] == whole[-1][: len(drawn[-1])]


def test_whole_mediators_are_drawn_as_the_schedule_samples_them(tmp_path):
  counts = np.random.default_rng(0).multinomial(50, [0.25] * 4, 20)
  settings = settings_lib.Settings(
      num_clients=20, clients_per_round=10, max_clients=5
  )
  mediators = grouping.Mediators(settings, counts, 3, tmp_path)
  schedule = grouping.schedule_of_round(settings, counts, 3, 0)
  for round_num in (1, 2, 3):
    sampled = schedule.sample(2, seed=3, round_num=round_num)
    assert mediators.of_round(round_num).mediators == [
        schedule.mediators[mediator] for mediator in sampled
    ]
