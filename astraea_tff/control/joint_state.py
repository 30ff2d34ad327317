"""The states of several parts as one, arrays by name."""

import collections
from collections.abc import Mapping
from typing import Any

import numpy as np


def join(parts: Mapping[str, Any]) -> collections.OrderedDict[str, np.ndarray]:
  """Returns the arrays of all parts, each under `part/array`.

  Args:
    parts: By name, objects whose `state`, arrays by name, may be set.
  """
  return collections.OrderedDict(
      (f'{name}/{key}', array)
      for name, part in parts.items()
      for key, array in part.state.items()
  )


def restore(
    parts: Mapping[str, Any], state: Mapping[str, np.ndarray]
) -> None:
  """Sets the states of all parts, or of none.

  Args:
    parts: As for `join`.
    state: What `join` returned.

  Raises:
    TypeError: A part refuses its arrays.
    ValueError: A part refuses its arrays, or `state` has arrays of another.
  """
  states = {name: {} for name in parts}
  for key, array in state.items():
    name, _, of_part = key.partition('/')
    if name not in states:
      raise ValueError(f'state must be of {sorted(states)}, got {key!r}.')
    states[name][of_part] = np.asarray(array)
  before = {name: part.state for name, part in parts.items()}
  try:
    _set_states(parts, states)
  except (ValueError, TypeError):
    _set_states(parts, before)
    raise


def _set_states(
    parts: Mapping[str, Any], states: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
  for name, part in parts.items():
    part.state = states[name]
