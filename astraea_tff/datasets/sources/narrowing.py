"""Bringing numbers to the dtypes of clients, none of them to another number.

NumPy's casts wrap an integer around, and make an infinity of what is too large.
"""

from typing import Any

import numpy as np


def to_float32(array: np.ndarray, name: str) -> np.ndarray:
  """Returns finite numbers as float32.

  Args:
    array: Numbers of any dtype.
    name: What messages call them.

  Raises:
    ValueError: These are no numbers; or one is not finite, which no training
      survives, or beyond what float32 holds.
  """
  if not array.size:
    return array.astype(np.float32)
  if array.dtype.kind not in 'iufb':
    raise ValueError(f'{name} must hold numbers, got {array.flat[0]!r:.60}.')
  check_finite(array, name)
  with np.errstate(over='ignore'):
    narrow = array.astype(np.float32)
  _check(array, np.isfinite(narrow), name, narrow.dtype)
  return narrow


def check_finite(array: np.ndarray, name: str) -> None:
  """Raises a ValueError if a number is not finite; `name` is as above."""
  is_finite = np.isfinite(array)
  if not is_finite.all():
    raise ValueError(
        f'{name} must hold finite numbers, got {array[~is_finite].flat[0]}; fill'
        ' such values in, or leave out the examples.'
    )


def to_integers(array: np.ndarray, name: str, dtype: Any) -> np.ndarray:
  """Returns integers of a dtype.

  Args:
    array: Integers or truth values.
    name: What messages call them.
    dtype: The integer dtype.

  Raises:
    ValueError: A number is beyond what the dtype holds.
  """
  narrow = array.astype(dtype)
  # What wraps around may have the same bits, but not the same sign.
  _check(
      array, (narrow == array) & ((narrow < 0) == (array < 0)), name, dtype
  )
  return narrow


def _check(
    array: np.ndarray, is_held: np.ndarray, name: str, dtype: Any
) -> None:
  if not is_held.all():
    raise ValueError(
        f'{name} must hold numbers within {np.dtype(dtype).name}, got'
        f' {array[~is_held].flat[0]}; scale or map them.'
    )
