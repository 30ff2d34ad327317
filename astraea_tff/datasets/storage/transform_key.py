"""What tells a transform from every other one, in this program and in others."""

from collections.abc import Mapping
import dataclasses
import inspect
import types
from typing import Any

import numpy as np
import tensorflow as tf

from astraea_tff.augmentation import one_client


def describe_transform(transform: one_client.Transform) -> str:
  """Returns a text that no other transform has.

  Args:
    transform: A dataclass instance, of plain values, arrays, and other such
      instances; or a mapping of classes to such. Its class counts by its name and by the instructions of its
      methods, with the functions and values of the module that they use.

  Raises:
    TypeError: It is something else, such as a function, of which nothing says
      whether it is the same as in another program.
  """
  is_instance = dataclasses.is_dataclass(transform) and not isinstance(
      transform, type
  )
  if not is_instance and not isinstance(transform, Mapping):
    raise TypeError(
        '`transform` must be an instance of a dataclass to be kept on disk,'
        ' since a run that comes later must know it again, got'
        f' {transform!r:.200}. Write it as one whose fields are all that it'
        ' depends on, or augment in memory with astraea_tff.augment_clients.'
    )
  return repr(_describe(transform))


def _describe(value: Any) -> Any:
  """Returns plain values that say what a value is."""
  kind = type(value).__name__
  if value is None or isinstance(value, (bool, int, float, str, bytes)):
    return kind, value
  if isinstance(value, (list, tuple)):
    return kind, [_describe(entry) for entry in value]
  if isinstance(value, (set, frozenset)):
    return kind, sorted(repr(_describe(entry)) for entry in value)
  if isinstance(value, Mapping):
    return kind, [(_describe(k), _describe(v)) for k, v in value.items()]
  if isinstance(value, (np.ndarray, np.generic, tf.Tensor)):
    array = np.asarray(value)
    if array.dtype != object:
      return kind, str(array.dtype), array.shape, array.tobytes()
  if isinstance(value, tf.DType):
    return kind, value.name
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    fields = [
        (field.name, _describe(getattr(value, field.name)))
        for field in dataclasses.fields(value)
    ]
    return _describe_class(type(value)), fields
  raise TypeError(
      'What `transform` depends on must be plain values, arrays or dataclasses'
      f' to be kept on disk, got {value!r:.200} of type {kind}.'
  )


def _describe_class(cls: type[Any]) -> Any:
  """The class's name, and what its own and inherited methods do."""
  methods = [
      (base.__qualname__, name, _describe_function(function, set()))
      for base in cls.__mro__ if base is not object
      for name, member in sorted(vars(base).items())
      if (function := _function_of(member)) is not None
  ]
  return cls.__module__, cls.__qualname__, methods


def _function_of(member: Any) -> Any:
  """The Python function behind a method, a property or a `tf.function`."""
  for attribute in ('__func__', 'fget', 'python_function'):
    member = getattr(member, attribute, member)
  try:
    member = inspect.unwrap(member)
  except ValueError:
    return None
  return member if isinstance(member, types.FunctionType) else None


def _describe_function(function: types.FunctionType, seen: set[int]) -> Any:
  """What a function says, and what it uses of its module."""
  if id(function) in seen:
    return function.__qualname__
  seen.add(id(function))
  used = []
  for name in _names(function.__code__):
    value = function.__globals__.get(name)
    inner = _function_of(value)
    if inner is not None and inner.__module__ == function.__module__:
      used.append((name, _describe_function(inner, seen)))
    elif isinstance(value, (bool, int, float, str, bytes, list, tuple, dict,
                            np.ndarray, np.generic)):
      used.append((name, _describe(value)))
  return _describe_code(function.__code__), used


def _names(code: types.CodeType) -> list[str]:
  inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
  names = [*code.co_names, *(name for c in inner for name in _names(c))]
  return sorted(set(names))


def _describe_code(code: types.CodeType) -> Any:
  constants = [
      _describe_code(constant)
      if isinstance(constant, types.CodeType) else _constant(constant)
      for constant in code.co_consts
  ]
  return code.co_code, code.co_names, code.co_varnames, constants


def _constant(value: Any) -> Any:
  # A set has another order in every program.
  if isinstance(value, frozenset):
    return sorted(map(repr, value))
  return repr(value)
