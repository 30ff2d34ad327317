"""Checks of arguments that are arrays, and sums of large numbers."""

import math
from typing import Any, Optional

import numpy as np


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


def check_labels(
    labels: Any,
    num_classes: Optional[int],
    name: str = 'labels',
    *,
    length: Optional[int] = None,
) -> np.ndarray:
  """Checks that an argument is a vector of labels, at least one.

  Args:
    labels: The argument.
    num_classes: N; labels lie in [0, N). None for no limit.
    name: What messages call it.
    length: How many examples there are; None for any number.

  Returns:
    The labels as an array, of their dtype.

  Raises:
    TypeError: `labels` are no integers.
    ValueError: They have another shape, or one is outside [0, N).
  """
  labels = np.asarray(labels)
  if labels.dtype.kind not in 'iu':
    raise TypeError(f'{name} must be integers, got dtype {labels.dtype}.')
  shape = (labels.size if length is None else length,)
  if not labels.size or labels.shape != shape:
    examples = '' if length is None else f' for {length} examples'
    raise ValueError(
        f'{name} must have a label for each of at least one example, got shape'
        f' {list(labels.shape)}{examples}.'
    )
  limit = math.inf if num_classes is None else num_classes
  outside = (labels < 0) | (labels >= limit)
  refuse_entries(labels, outside, name, f'lie in [0, {limit})')
  return labels


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


def scaled(values: np.ndarray) -> np.ndarray:
  """Divides numbers by a power of two, so that their sums stay finite.

  Their shares are the same to the bit.

  Args:
    values: Finite numbers of any shape.

  Returns:
    Floats of the same shape, none beyond 1.
  """
  _, exponent = np.frexp(np.abs(values).max(initial=0.0))
  return np.ldexp(values, -exponent)
