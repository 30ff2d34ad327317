"""What tells a transform from every other one, in any program."""

from collections.abc import Iterator, Mapping
import dataclasses
import dis
import enum
import functools
import inspect
import logging
import pathlib
import re
import types
from typing import Any

import numpy as np
import tensorflow as tf

from astraea_tff.datasets.storage import user_modules

# What their `repr` says wholly.
_SHOWN = (
    complex, enum.Enum, logging.Logger, np.dtype, pathlib.PurePath, range,
    re.Pattern, slice,
)
# What Python and dataclasses make of fields, which are described themselves.
_OF_FIELDS = frozenset({
    '__init__', '__repr__', '__eq__', '__lt__', '__le__', '__gt__', '__ge__',
    '__hash__', '__setattr__', '__delattr__', '__getstate__', '__setstate__',
})
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def describe_transform(transform: Any, name: str = 'transform') -> str:
  """Returns a text that no other transform has.

  Args:
    transform: A dataclass instance, of plain values, arrays, and other such
      instances; or a mapping of classes to such. Its class counts by its name,
      by what it holds, and by the instructions of its methods, with their
      default values and all that they use: what they took from a function
      around them, and the functions, classes and values of their module. Of
      other modules that are no libraries the whole text counts, and that of the
      modules that these import.
    name: What messages call it.

  Raises:
    TypeError: It is something else, such as a function, of which nothing says
      whether it is the same as in another program; or it uses such a thing.
  """
  is_instance = dataclasses.is_dataclass(transform) and not isinstance(
      transform, type
  )
  if not is_instance and not isinstance(transform, Mapping):
    raise TypeError(
        f'`{name}` must be an instance of a dataclass to be kept on disk,'
        ' since a run that comes later must know it again, got'
        f' {transform!r:.200}. Write it as one whose fields are all that it'
        ' depends on, or augment in memory with astraea_tff.augment_clients.'
    )
  return repr(_describe(transform, set()))


def _describe(value: Any, seen: set[int]) -> Any:
  """Returns plain values that say what a value is.

  Args:
    value: The value.
    seen: The functions and classes that are described already, by identity.
  """
  kind = type(value).__name__
  if value is None or isinstance(value, (bool, int, float, str, bytes)):
    return kind, value
  if isinstance(value, (list, tuple)):
    return kind, [_describe(entry, seen) for entry in value]
  if isinstance(value, (set, frozenset)):
    return kind, sorted(repr(_describe(entry, seen)) for entry in value)
  if isinstance(value, Mapping):
    return kind, [
        (_describe(k, seen), _describe(v, seen)) for k, v in value.items()
    ]
  if isinstance(value, (np.ndarray, np.generic, tf.Tensor)):
    array = np.asarray(value)
    if array.dtype != object:
      return kind, str(array.dtype), array.shape, array.tobytes()
  if isinstance(value, tf.DType):
    return kind, value.name
  if isinstance(value, _SHOWN):
    return kind, repr(value)
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    names = [field.name for field in dataclasses.fields(value)]
    # What a method set is part of it too, field or not.
    names += sorted(set(getattr(value, '__dict__', ())) - set(names))
    fields = [(name, _describe(getattr(value, name), seen)) for name in names]
    return _describe_class(type(value), seen), fields
  raise TypeError(
      'What `transform` depends on must be plain values, arrays or dataclasses'
      f' to be kept on disk, got {value!r:.200} of type {kind}.'
  )


def _describe_class(cls: type[Any], seen: set[int]) -> Any:
  """The class's name and what it holds and does, inherited or not."""
  name = cls.__module__, cls.__qualname__
  if id(cls) in seen:
    return name
  seen.add(id(cls))
  bases = [
      base for base in cls.__mro__
      if base.__module__ == cls.__module__
      or not user_modules.is_library(base.__module__)
  ]
  return name, [
      (base.__qualname__, key, _describe_used(member, base.__module__, seen))
      for base in bases
      for key, member in sorted(vars(base).items())
      if _is_own(key, member)
  ]


def _is_own(name: str, member: Any) -> bool:
  """Whether a class's author put a member there that the results depend on."""
  if name.startswith('__'):
    return name not in _OF_FIELDS and _function_of(member) is not None
  return name != '_abc_impl' and not isinstance(member, _SLOTS)


def _describe_used(value: Any, module: str, seen: set[int]) -> Any:
  """What a function of a module uses, or a class of it holds."""
  function = _function_of(value)
  if function is not None:
    value = function
  elif isinstance(value, types.ModuleType):
    return user_modules.describe(value.__name__)
  elif isinstance(value, functools.partial):
    parts = (value.func, *value.args, *value.keywords.values())
    return list(value.keywords), [
        _describe_used(part, module, seen) for part in parts
    ]
  elif isinstance(value, (types.BuiltinFunctionType, np.ufunc)) or (
      type(value).__module__ == 'typing'
  ):
    return repr(value).split(' at ')[0]
  elif not isinstance(value, type):
    return _describe(value, seen)
  if value.__module__ != module:
    return value.__qualname__, user_modules.describe(value.__module__)
  if function is not None:
    return _describe_function(function, seen)
  return _describe_class(value, seen)


def _function_of(member: Any) -> Any:
  """The Python function behind a method, a property or a `tf.function`."""
  if isinstance(member, functools.cached_property):
    member = member.func
  for attribute in ('__func__', 'fget', 'python_function'):
    member = getattr(member, attribute, member)
  try:
    member = inspect.unwrap(member)
  except ValueError:
    return None
  return member if isinstance(member, types.FunctionType) else None


def _describe_function(function: types.FunctionType, seen: set[int]) -> Any:
  """What a function says, and what it uses."""
  if id(function) in seen:
    return function.__qualname__
  seen.add(id(function))
  used = [
      (name, _describe_used(value, function.__module__, seen))
      for name, value in _uses(function)
  ]
  imported = user_modules.describe_all(_imported_names(function))
  parts = [_describe_code(function.__code__), used]
  return tuple(parts + [imported] if imported else parts)


def _uses(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
  """Yields the values behind the names of a function, but its own."""
  for place, value in enumerate(function.__defaults__ or ()):
    yield f'default {place}', value
  yield from (function.__kwdefaults__ or {}).items()
  code = function.__code__
  for name, cell in zip(code.co_freevars, function.__closure__ or ()):
    try:
      yield name, cell.cell_contents
    except ValueError:  # Empty as yet.
      pass
  for name in sorted(_global_names(code)):
    if name in function.__globals__:
      yield name, function.__globals__[name]


def _global_names(code: types.CodeType) -> set[str]:
  names = {
      instruction.argval
      for instruction in dis.get_instructions(code)
      if instruction.opname == 'LOAD_GLOBAL'
  }
  for constant in code.co_consts:
    if isinstance(constant, types.CodeType):
      names |= _global_names(constant)
  return names


def _imported_names(function: types.FunctionType) -> Iterator[str]:
  """Yields the names of the modules that a function may import as it runs."""
  package = function.__globals__.get('__package__') or ''
  waiting = [function.__code__]
  while waiting:
    code = waiting.pop()
    waiting += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    # How many dots, what from it, and what; as Python compiles an import.
    before = [None, None]
    for instruction in dis.get_instructions(code):
      if instruction.opname == 'IMPORT_NAME':
        level, members = before
        yield from user_modules.absolute_names(
            instruction.argval, level, members or (), package
        )
      if instruction.opname != 'EXTENDED_ARG':
        before = [before[1], instruction.argval]


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
