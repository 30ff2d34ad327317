"""Checks of arguments: each names the argument, what it got and what would do."""

from typing import Any

import numpy as np


def check_integer(value: Any, name: str, minimum: int) -> int:
  """Checks that an argument is an integer of at least `minimum`; returns it."""
  if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
    raise TypeError(f'{name} must be an int, got {value!r}.')
  if value < minimum:
    raise ValueError(f'{name} must be at least {minimum}, got {value}.')
  return int(value)


def check_type(name: str, value: Any, expected: type[Any]) -> None:
  """Raises a TypeError that names the argument if it has another type."""
  if not isinstance(value, expected):
    raise TypeError(
        f'`{name}` must be a {expected.__module__}.{expected.__qualname__}, got'
        f' {value!r} of type {type(value).__name__}.'
    )
