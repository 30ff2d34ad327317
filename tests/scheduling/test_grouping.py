"""Tests of the frame that all ways of grouping share."""

import numpy as np
import pytest

from astraea_tff.scheduling import grouping

COUNTS = np.array([[4, 0], [0, 4], [3, 1], [9, 9], [0, 2]])


def test_an_arrangement_becomes_a_measured_schedule():
  seen = []

  def arrange(counts, surprisals):
    seen.append((counts, surprisals))
    return [[2, 0], [1]]

  schedule = grouping.group(COUNTS, 2, None, [4, 0, 1], arrange)
  (counts, surprisals), = seen
  np.testing.assert_array_equal(counts, COUNTS[[0, 1, 4]])
  np.testing.assert_allclose(surprisals, [np.log(2)] * 2)
  assert schedule.mediators == ((4, 0), (1,))
  assert schedule.max_clients == 2
  shares = np.array([4, 2]) / 6
  np.testing.assert_allclose(
      schedule.kl_divergence, [(shares * np.log(2 * shares)).sum(), np.log(2)]
  )


def test_the_pooled_target_is_that_of_the_grouped_clients():
  schedule = grouping.group(
      COUNTS, 3, 'pooled', [0, 1, 4], lambda *_: [[0, 1, 2]]
  )
  np.testing.assert_allclose(schedule.kl_divergence, [0], atol=1e-12)


def test_an_arrangement_that_no_schedule_may_have_is_refused():
  with pytest.raises(ValueError, match='twice'):
    grouping.group(COUNTS, 2, None, None, lambda *_: [[0, 1], [1]])
  with pytest.raises(ValueError, match='1 to max_clients=2 clients, got 3'):
    grouping.group(COUNTS, 2, None, None, lambda *_: [[0, 1, 2]])


def test_arguments_are_checked_before_anything_is_arranged():
  def arrange(*_):
    raise AssertionError('arranged')

  with pytest.raises(ValueError, match='max_clients must be at least 1'):
    grouping.group(COUNTS, 0, None, None, arrange)
  with pytest.raises(ValueError, match='clients must be distinct'):
    grouping.group(COUNTS, 2, None, [1, 1], arrange)
  with pytest.raises(ValueError, match="target must be None, 'pooled'"):
    grouping.group(COUNTS, 2, 'even', None, arrange)


def test_mediators_pool_the_counts_of_their_clients():
  pooled = grouping.mediator_counts([(2, 0), (), (3, 4)], COUNTS)
  np.testing.assert_array_equal(pooled, [[7, 1], [0, 0], [9, 11]])
  assert pooled.dtype == np.int64
  for client, error in ((5, ValueError), (-1, ValueError), (1.0, TypeError)):
    with pytest.raises(error, match='a client of mediators must'):
      grouping.mediator_counts([[0, client]], COUNTS)
