"""Checks of arguments: each names the argument, its value and what would do."""

from collections.abc import Iterable, Sequence
import dataclasses
import math
import numbers
import os
from typing import Any, Optional

import numpy as np

# A value in a message is cut to so many characters.
_LONGEST_TEXT = 300
# What messages call a class whose own name nobody writes.
_KNOWN_AS = {'DatasetV2': 'tf.data.Dataset'}


def check_integer(
    value: Any, name: str, minimum: int, maximum: Optional[int] = None
) -> int:
  """Checks that an argument is an integer in a range.

  Args:
    value: The argument.
    name: What messages call it.
    minimum: The smallest value that will do.
    maximum: The largest one; None for no limit.

  Returns:
    The value as an `int`.

  Raises:
    TypeError: `value` is no integer; a bool is none.
    ValueError: `value` is out of range.
  """
  if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
    raise TypeError(f'{name} must be an int, got {shorten(repr(value))}.')
  if value < minimum:
    raise ValueError(f'{name} must be at least {minimum}, got {value}.')
  if maximum is not None and value > maximum:
    raise ValueError(f'{name} must be at most {maximum}, got {value}.')
  return int(value)


def check_integers(
    values: Any, name: str, minimum: int, maximum: Optional[int] = None
) -> tuple[int, ...]:
  """Checks that an argument is a sequence of integers.

  Args:
    values: The argument, an array or a sequence; it may be empty.
    name: What messages call it, and each of its integers.
    minimum: The smallest integer it may hold.
    maximum: The largest one; None for no limit.

  Returns:
    The integers.

  Raises:
    TypeError: `values` is no sequence, or holds something else than integers.
    ValueError: An integer is out of range.
  """
  if not isinstance(values, (Sequence, np.ndarray)):
    raise TypeError(
        f'{name} must be a sequence of ints, got {shorten(repr(values))}.'
    )
  return tuple(
      check_integer(value, name, minimum, maximum) for value in values
  )


def check_number(
    value: Any,
    name: str,
    low: float,
    high: float = math.inf,
    *,
    ends: str = '[]',
    advice: str = '',
) -> float:
  """Checks that an argument is a real number in an interval.

  Args:
    value: The argument. NaN is in no interval.
    name: What messages call it.
    low: The lower end of the interval.
    high: The upper end.
    ends: How the interval is written: '[' and ']' include an end, '(' and ')'
      exclude it. So '[)' with an infinite `high` takes finite numbers only.
    advice: What a message about the range adds to the interval.

  Returns:
    The value as a `float`.

  Raises:
    TypeError: `value` is no real number; a bool is none.
    ValueError: `value` is outside the interval.
  """
  if isinstance(value, bool) or not isinstance(value, numbers.Real):
    raise TypeError(
        f'{name} must be a number, got {shorten(repr(value))} of type '
        f'{type(value).__name__}.'
    )
  try:
    number = float(value)
  except OverflowError:
    number = math.inf if value > 0 else -math.inf
  is_above = number >= low if ends[0] == '[' else number > low
  is_below = number <= high if ends[1] == ']' else number < high
  if not (is_above and is_below):
    if high == math.inf and ends[1] == ')':
      least = 'at least' if ends[0] == '[' else 'above'
      interval = f'finite and {least} {low:g}'
    else:
      interval = f'in {ends[0]}{low:g}, {high:g}{ends[1]}'
    advice = f'; {advice}' if advice else ''
    raise ValueError(f'{name} must be {interval}, got {value}{advice}.')
  return number


def check_choice(value: Any, name: str, choices: Iterable[str]) -> None:
  """Checks that an argument is one of some texts.

  Args:
    value: The argument.
    name: What messages call it.
    choices: What would do.

  Raises:
    ValueError: `value` is something else.
  """
  choices = tuple(choices)
  if not isinstance(value, str) or value not in choices:
    raise ValueError(
        f'{name} must be one of {", ".join(choices)}, got'
        f' {shorten(repr(value))}.'
    )


def check_list(values: Any, name: str, kind: str = 'names') -> list[Any]:
  """Checks that an argument is an iterable, and no text.

  Args:
    values: The argument, such as an index of pandas or a generator.
    name: What messages call it.
    kind: What messages call its elements.

  Returns:
    Its elements.

  Raises:
    TypeError: `values` is something else, or an element is not hashable.
  """
  message = f'{name} must be a sequence of {kind}, got {shorten(repr(values))}.'
  if isinstance(values, (str, bytes)):
    raise TypeError(message)
  try:
    values = list(values)
    hash(tuple(values))
  except TypeError as error:
    raise TypeError(message) from error
  return values


def check_function(value: Any, name: str, is_optional: bool = True) -> None:
  """Checks that an argument is a function.

  Args:
    value: The argument.
    name: What messages call it.
    is_optional: Whether it may be None.

  Raises:
    TypeError: `value` is something else.
  """
  if not callable(value) and not (is_optional and value is None):
    raise TypeError(
        f'{name} must be a function, got {shorten(repr(value))} of type'
        f' {type(value).__name__}.'
    )


def expand_path(value: Any, name: str) -> str:
  """Returns a path in which ~ means the user's home.

  Args:
    value: The argument.
    name: What messages call it.

  Raises:
    TypeError: `value` is no path.
    ValueError: It holds a NUL, or there is no home that its ~ could mean.
  """
  if not isinstance(value, (str, bytes, os.PathLike)):
    raise TypeError(
        f'{name} must be a path, got {shorten(repr(value))} of type'
        f' {type(value).__name__}.'
    )
  path = os.path.expanduser(os.fsdecode(value))
  if '\0' in path:
    raise ValueError(
        f'{name} must be a path without NUL, got {shorten(repr(path))}.'
    )
  if path.startswith('~'):
    raise ValueError(
        f'{name} must be a path, got {shorten(repr(path))}, and there is no'
        ' home that its ~ could mean; give the whole path.'
    )
  return path


def check_type(value: Any, name: str, expected: type[Any]) -> None:
  """Checks that an argument is of a type.

  Args:
    value: The argument.
    name: What messages call it.
    expected: The type.

  Raises:
    TypeError: `value` is of another type.
  """
  if not isinstance(value, expected):
    known_as = _KNOWN_AS.get(
        expected.__name__, f'{expected.__module__}.{expected.__qualname__}'
    )
    raise TypeError(
        f'{name} must be a {known_as}, got {shorten(repr(value))} of type'
        f' {type(value).__name__}.'
    )


def check_numbers(values: Any, name: str) -> np.ndarray:
  """Returns finite real numbers of at least 0 as an array.

  Args:
    values: Numbers of any shape.
    name: What messages call them.

  Returns:
    The array, of integers or floats of at most 64 bits.

  Raises:
    TypeError: They are numbers of another kind, or none.
    ValueError: One is negative or not finite, or rows differ in length.
  """
  values = check_finite(values, name)
  refuse_entries(values, values < 0, name, 'be zero or more')
  return values


def check_finite(values: Any, name: str) -> np.ndarray:
  """Returns finite real numbers as an array.

  Args:
    values: Numbers of any shape.
    name: What messages call them.

  Returns:
    The array, of integers or floats of at most 64 bits.

  Raises:
    TypeError: They are numbers of another kind, or none.
    ValueError: One is not finite, or rows differ in length.
  """
  try:
    values = np.asarray(values)
  except ValueError as error:
    raise ValueError(f'{name} must be rows of one length: {error}') from error
  if values.dtype.kind not in 'iuf':
    raise TypeError(
        f'{name} must hold integers or floats of at most 64 bits, got dtype '
        f'{values.dtype}.'
    )
  refuse_entries(values, ~np.isfinite(values), name, 'be finite')
  return values


def refuse_entries(
    values: np.ndarray, refused: np.ndarray, name: str, rule: str
) -> None:
  """Refuses an array with entries that will not do.

  Args:
    values: The array.
    refused: bool, of the same shape; which entries will not do.
    name: What messages call the array.
    rule: What the entries must, such as 'be finite'.

  Raises:
    ValueError: An entry is refused; the message names the first.
  """
  if refused.any():
    first = tuple(np.argwhere(refused)[0].tolist())
    raise ValueError(
        f'{name} must {rule}, but {name}{list(first)} is {values[first]}.'
    )


def shorten(text: str) -> str:
  """Returns a text for a message: on one line, and cut where it is long."""
  text = ' '.join(text.split())
  return text if len(text) <= _LONGEST_TEXT else f'{text[:_LONGEST_TEXT]} ...'


class CopiedByConstructor:
  """A base of frozen dataclasses whose constructor makes arrays read-only.

  Copies and unpickled instances go through the constructor too.
  """

  __slots__ = ()

  def __reduce__(self):
    fields = dataclasses.fields(self)
    return type(self), tuple(getattr(self, field.name) for field in fields)
