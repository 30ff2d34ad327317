"""Bringing numbers to the dtypes of clients, where different ones stay so.

NumPy's casts wrap an integer around, make an infinity of what is too large, and
one float of integers that differ. Floats alone may be rounded to one.
"""

from typing import Any

import numpy as np

# From here on float32 does not hold every integer.
_FIRST_ROUNDED = 2**24


def to_float32(array: np.ndarray, name: str) -> np.ndarray:
  """Returns finite numbers as float32.

  Args:
    array: Numbers of any dtype.
    name: What messages call them.

  Raises:
    ValueError: These are no numbers; or one is not finite, which no training
      survives, or beyond what float32 holds; or different integers become one.
  """
  if not array.size:
    return array.astype(np.float32)
  if array.dtype.kind not in 'iufb':
    raise ValueError(f'{name} must hold numbers, got {array.flat[0]!r:.60}.')
  check_finite(array, name)
  with np.errstate(over='ignore'):
    narrow = array.astype(np.float32)
  _check(array, np.isfinite(narrow), name, narrow.dtype)
  if array.dtype.kind in 'iu':
    _check_distinct(array[np.abs(narrow) >= _FIRST_ROUNDED], name)
  return narrow


def _check_distinct(integers: np.ndarray, name: str) -> None:
  """Raises a ValueError if different integers are one float32."""
  integers = np.unique(integers)
  # Rounding keeps the order, so that those of one float32 are neighbors.
  is_same = np.diff(integers.astype(np.float32)) == 0
  if is_same.any():
    place = int(is_same.argmax())
    raise ValueError(
        f'{name} must hold integers that differ in float32, got'
        f' {integers[place]} and {integers[place + 1]}, which are one there;'
        ' subtract an offset, or give texts or categories if they are names, or'
        ' floats if they may be rounded.'
    )


def check_finite(array: np.ndarray, name: str) -> None:
  """Raises a ValueError if a number is not finite; `name` is as above."""
  is_finite = np.isfinite(array)
  if not is_finite.all():
    raise ValueError(
        f'{name} must hold finite numbers, got {array[~is_finite].flat[0]};'
        ' fill such values in, or leave out the examples.'
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
  # An integer that wraps around may compare equal, but has another sign.
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
