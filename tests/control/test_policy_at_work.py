"""What is read of a round's report, before anything is learned of it."""

import numpy as np
import pytest

from astraea_tff.control import policy_at_work

# In no certain order, and in TFF's sign.
REPORT = dict(
    mediator=np.array([6, 2, 4], np.int32),
    weight=np.array([3, 1, 2], np.float32),
    update=np.array([[-3, 6], [-1, 2], [-2, 4]], np.float32),
)


def read(passes, have_clients=lambda mediators: np.full(len(mediators), True)):
  choice = policy_at_work.Choice((4, 6, 2, 5), passes, 0.0, np.zeros((4, 12)))
  return policy_at_work.read_report(REPORT, 3, choice, have_clients)


def test_updates_are_what_is_added_and_in_the_order_of_the_mediators():
  updates = read((1, 2, 1, 0))
  np.testing.assert_array_equal(updates.mediators, [2, 4, 6])
  np.testing.assert_array_equal(updates.weights, [1, 2, 3])
  np.testing.assert_array_equal(updates.updates, [[1, -2], [2, -4], [3, -6]])
  assert updates.updates.dtype == np.float64


def test_mediators_of_nobody_are_left_out():
  updates = read((1, 1, 1, 0), lambda mediators: mediators != 4)
  np.testing.assert_array_equal(updates.mediators, [2, 6])
  np.testing.assert_array_equal(updates.updates, [[1, -2], [3, -6]])
  nobody = read((1, 1, 1, 0), lambda mediators: mediators < 0)
  assert not nobody.mediators.size and nobody.updates.shape == (0, 2)


def test_the_report_of_another_round_is_refused():
  with pytest.raises(ValueError, match='got 3, .* but mediator 6 trained'):
    read((1, 0, 1, 1))
