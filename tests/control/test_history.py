"""Observations against what was recorded, by hand."""

import numpy as np
import pytest

from astraea_tff.control import history


def make():
  return history.MediatorHistory([100, 50, 150], [0.1, 0.0, 0.4], [1, 0.5, 1])


def named(row):
  return dict(zip(history.OBSERVATIONS, row))


def test_before_training_only_what_is_known_is_there():
  table = make().observe([2, 0], 1)
  assert table.shape == (2, 12)
  assert len(history.OBSERVATIONS) == 12
  assert named(table[0]) == pytest.approx(
      dict.fromkeys(history.OBSERVATIONS, 0)
      | dict(log_size=np.log(1.5), divergence=0.4, fullness=1)
  )


def test_a_recorded_round_is_observed():
  known = make()
  updates = np.array([[3.0, 0.0], [0.0, 4.0]])
  known.record(
      2, [0, 2], [1.0, 3.0], updates, [0.2, -0.6],
      losses=[[2.0, 1.5], [np.nan, np.nan]], seconds=[2.0, 6.0],
  )
  mean = np.array([0.75, 3.0])
  norm = np.linalg.norm(mean)
  seen = named(known.observe([0], 5, spent=0.25)[0])
  assert seen == pytest.approx(
      dict(
          log_size=0,
          divergence=0.1,
          fullness=1,
          log_update=np.log(3 / norm),
          alignment=0.75 / norm,
          loss=2.0,
          loss_fall=0.5,
          staleness=np.log(3),
          spent=0.25,
          credit=0.2 / 0.4,
          experience=np.log(2),
          log_seconds=np.log(0.5),
      )
  )
  other = named(known.observe([2], 3)[0])
  assert other['alignment'] == pytest.approx(3.0 / norm)
  assert other['loss'] == 0 and other['staleness'] == 0
  assert other['log_seconds'] == pytest.approx(np.log(1.5))
  untouched = named(known.observe([1], 3)[0])
  assert untouched['experience'] == 0 and untouched['log_seconds'] == 0
  assert untouched['staleness'] == pytest.approx(np.log(3))


def test_credits_are_averaged_and_measured_by_their_mean_size():
  known = make()
  for round_num, credit in ((1, 4.0), (2, -1.0)):
    known.record(round_num, [1], [1.0], np.ones((1, 2)), [credit])
  expected = (0.8 * 4 - 0.2) / (0.8 * 4 + 0.2)
  assert named(known.observe([1], 3)[0])['credit'] == pytest.approx(expected)


def test_an_update_of_zero_and_large_values_stay_finite():
  known = make()
  known.record(
      1, [0, 1], [0.0, 0.0], np.zeros((2, 3)), [0, 0],
      losses=[[1e9, 0], [3, 3]],
  )
  table = known.observe([0, 1, 2], 10**9)
  assert np.isfinite(table).all() and np.abs(table).max() <= 5


def test_a_restored_history_goes_on_as_the_unbroken_one():
  rng = np.random.default_rng(0)
  rounds = [
      (r, rng.permutation(3)[:2], rng.random(2), rng.normal(size=(2, 4)),
       rng.normal(size=2))
      for r in range(1, 9)
  ]
  unbroken, resumed = make(), make()
  for arguments in rounds:
    unbroken.record(*arguments)
  for arguments in rounds[:3]:
    resumed.record(*arguments)
  saved, resumed = resumed.state, make()
  resumed.state = saved
  for arguments in rounds[3:]:
    resumed.record(*arguments)
  np.testing.assert_array_equal(
      resumed.observe(range(3), 9), unbroken.observe(range(3), 9)
  )


def test_bad_arguments_are_refused_by_name():
  with pytest.raises(ValueError, match='divergences must be one number for'):
    history.MediatorHistory([1, 2], [0.1], [1, 1])
  with pytest.raises(ValueError, match='sizes must be zero or more'):
    history.MediatorHistory([1, -2], [0.1, 0.1], [1, 1])
  with pytest.raises(ValueError, match='decay must be in'):
    history.MediatorHistory([1], [0.1], [1], decay=1)
  with pytest.raises(ValueError, match='state must have the arrays'):
    make().state = {}
