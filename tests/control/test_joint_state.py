"""The states of several parts under one roof."""

import numpy as np
import pytest

from astraea_tff.control import feedback
from astraea_tff.control import joint_state


def parts_after(recall):
  parts = {'first': feedback.ClassFeedback(2), 'other': feedback.ClassFeedback(3)}
  for part in parts.values():
    part.update(np.full(len(part.weights), recall))
  return parts


def assert_equal(state, expected):
  assert list(state) == list(expected)
  for name, array in state.items():
    np.testing.assert_array_equal(array, expected[name], name)


def test_states_are_joined_under_the_names_of_the_parts_and_restored():
  parts = parts_after(0.5)
  state = joint_state.join(parts)
  np.testing.assert_array_equal(
      state['other/recall'], parts['other'].state['recall']
  )
  others = parts_after(0.9)
  joint_state.restore(others, state)
  assert_equal(joint_state.join(others), state)


def test_a_state_that_one_part_refuses_changes_none():
  parts = parts_after(0.5)
  before = joint_state.join(parts)
  state = joint_state.join(parts_after(0.9))
  state['other/recall'] = np.ones(4)
  with pytest.raises(ValueError, match='for each of 3 classes, got shape'):
    joint_state.restore(parts, state)
  assert_equal(joint_state.join(parts), before)


def test_arrays_of_another_part_are_refused():
  with pytest.raises(ValueError, match=r"of \['first', 'other'\], got 'x/y'"):
    joint_state.restore(parts_after(0.5), {'x/y': np.ones(2)})
