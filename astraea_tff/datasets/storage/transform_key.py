"""A key that tells a transform from every other one, in any program."""

import collections
from collections.abc import Iterator, Mapping
import dataclasses
import enum
import functools
import logging
import pathlib
import re
import types
from typing import Any

import numpy as np
from scipy import special
import tensorflow as tf

from astraea_tff.datasets.storage import instructions
from astraea_tff.datasets.storage import user_modules

# Values must be of exactly these types; a subclass may do something else.
_PLAIN = (type(None), bool, int, float, str, bytes)
_MAPPINGS = (
    dict, collections.OrderedDict, collections.Counter, types.MappingProxyType
)
# The `repr` of these says all, unless their type is a user's.
_SHOWN = (
    complex, logging.Logger, np.dtype, pathlib.PurePath, range, re.Pattern,
    slice,
)
# What Python and dataclasses make of fields, which are described themselves.
_OF_FIELDS = frozenset({
    '__init__', '__repr__', '__eq__', '__lt__', '__le__', '__gt__', '__ge__',
    '__hash__', '__setattr__', '__delattr__', '__getstate__', '__setstate__',
})
# What Python, `dataclasses` and `typing` note of a class.
_NOTES = frozenset({
    '__abstractmethods__', '__annotations__', '__dataclass_fields__',
    '__dataclass_params__', '__dict__', '__doc__', '__match_args__',
    '__module__', '__orig_bases__', '__parameters__', '__qualname__',
    '__slots__', '__weakref__',
})
# Through these a function reads what its instructions do not name.
_HIDING = frozenset({'eval', 'exec', 'globals'})
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
  cls = type(value)
  kind = cls.__name__
  if cls in _PLAIN:
    return kind, value
  if cls in (list, tuple):
    return kind, [_describe(entry, seen) for entry in value]
  if cls in (set, frozenset):
    return kind, sorted(repr(_describe(entry, seen)) for entry in value)
  if cls in _MAPPINGS:
    return kind, [
        (_describe(k, seen), _describe(v, seen)) for k, v in value.items()
    ]
  is_library = user_modules.is_library(cls.__module__)
  if cls in (np.ndarray, np.memmap) or is_library and isinstance(
      value, (np.generic, tf.Tensor)
  ):
    array = np.asarray(value)
    if array.dtype != object:
      return kind, str(array.dtype), array.shape, array.tobytes()
  if isinstance(value, tf.DType):
    return kind, value.name
  if cls is collections.defaultdict:
    made = _describe_used(value.default_factory, '', seen)
    return kind, made, _describe(dict(value), seen)
  if isinstance(value, enum.Enum):
    meant = _describe_used(value.value, cls.__module__, seen)
    return kind, value.name, meant, _methods(cls, seen)
  if is_library and isinstance(value, _SHOWN):
    return kind, repr(value)
  if isinstance(value, tuple) and hasattr(cls, '_fields'):
    return kind, cls._fields, [
        _describe(entry, seen) for entry in tuple.__iter__(value)
    ], _methods(cls, seen)
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    names = [field.name for field in dataclasses.fields(value)]
    # Attributes that a method has set are part of it too, fields or not.
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
  members = [
      (base.__qualname__, key, _describe_used(member, base.__module__, seen))
      for base in _bases(cls)
      for key, member in sorted(vars(base).items())
      if _is_own(key, member)
  ]
  if not user_modules.is_library(type(cls).__module__):
    members.append(_describe_class(type(cls), seen))
  return name, members


def _bases(cls: type[Any]) -> list[type[Any]]:
  """Returns the class and those it inherits from, but for libraries'."""
  return [
      base for base in cls.__mro__
      if base.__module__ == cls.__module__
      or not user_modules.is_library(base.__module__)
  ]


def _methods(cls: type[Any], seen: set[int]) -> Any:
  """Returns what the author of an enumeration or named tuple has values do."""
  return [
      (key, _describe_used(member, base.__module__, seen))
      for base in _bases(cls)
      if not user_modules.is_library(base.__module__)
      for key, member in sorted(vars(base).items())
      if _function_of(member) is not None
  ]


def _is_own(name: str, member: Any) -> bool:
  """Whether a class's author put a member there that the results depend on."""
  if name.startswith('__'):
    return name not in _OF_FIELDS | _NOTES
  return name != '_abc_impl' and not isinstance(member, _SLOTS)


def _describe_used(value: Any, module: str, seen: set[int]) -> Any:
  """What a function of a module uses, or a class of it holds."""
  if isinstance(value, types.MethodType):
    return [
        _describe_used(part, module, seen)
        for part in (value.__func__, value.__self__)
    ]
  function = _function_of(value)
  if function is not None:
    return _describe_function(function, module, seen)
  if isinstance(value, types.ModuleType):
    return user_modules.describe(value.__name__)
  if isinstance(value, (functools.partial, functools.partialmethod)):
    parts = (value.func, *value.args, *value.keywords.values())
    return list(value.keywords), [
        _describe_used(part, module, seen) for part in parts
    ]
  if isinstance(value, types.BuiltinFunctionType):
    owner = value.__self__
    if owner is None or isinstance(owner, (types.ModuleType, type)):
      return repr(value).split(' at ')[0]
    return value.__name__, _describe_used(owner, module, seen)
  if type(value).__module__ == 'typing' or _is_known_ufunc(value):
    return repr(value)
  if not isinstance(value, type):
    return _describe(value, seen)
  if value.__module__ != module:
    return value.__qualname__, user_modules.describe(value.__module__)
  return _describe_class(value, seen)


def _is_known_ufunc(value: Any) -> bool:
  """Whether it is NumPy's or SciPy's, and not made of a Python function."""
  return isinstance(value, np.ufunc) and any(
      getattr(library, value.__name__, None) is value
      for library in (np, special)
  )


def _function_of(member: Any) -> Any:
  """The Python function behind a method, a property or a `tf.function`."""
  if isinstance(member, functools.cached_property):
    member = member.func
  for attribute in ('__func__', 'fget', 'python_function'):
    member = getattr(member, attribute, member)
  # `functools.lru_cache`, for example, makes what wraps a function.
  while not isinstance(member, types.FunctionType):
    if not hasattr(member, '__wrapped__'):
      return None
    member = member.__wrapped__
  return member


def _describe_function(
    function: types.FunctionType, module: str, seen: set[int]
) -> Any:
  """What a function says, and what it uses.

  Args:
    function: The function.
    module: The name of the module that uses it. Of a function of another one
      the text of that module is told, beside what is the function's alone.
    seen: See `_describe`.
  """
  if id(function) in seen:
    return function.__qualname__
  seen.add(id(function))
  # A decorator gives what it makes the module of what it decorates.
  own_module = function.__globals__.get('__name__', function.__module__)
  if user_modules.is_library(own_module) and own_module != module:
    name = own_module, function.__code__.co_name
    if not hasattr(function, '__wrapped__'):
      return name
    if hasattr(function, 'registry'):
      raise TypeError(
          'What `transform` depends on must be plain functions to be kept on'
          f' disk, got {function.__qualname__} of functools.singledispatch.'
      )
    return name, _describe_used(function.__wrapped__, module, seen)
  # The file of `__main__` cannot be told.
  has_text = own_module not in (module, '__main__')
  used = [
      # A decorated function is of the module that uses the decorator.
      (name, _describe_used(value, module if has_text else own_module, seen))
      for name, value in _uses_of_its_own(function)
  ]
  if has_text:
    text = function.__qualname__, user_modules.describe(own_module)
    return (*text, used) if used else text
  names = instructions.global_names(function.__code__)
  hiding = sorted(names & _HIDING - function.__globals__.keys())
  if hiding:
    raise TypeError(
        'What `transform` depends on must be named in its methods to be kept on'
        f' disk, but {function.__qualname__} calls {hiding[0]}.'
    )
  used += [
      (name, _describe_used(function.__globals__[name], own_module, seen))
      for name in sorted(names & function.__globals__.keys())
  ]
  imported = user_modules.describe_all(instructions.imported_names(function))
  parts = [instructions.describe_code(function.__code__), used]
  return tuple(parts + [imported] if imported else parts)


def _uses_of_its_own(
    function: types.FunctionType,
) -> Iterator[tuple[str, Any]]:
  """Yields the values that a function has, and others of its code have not."""
  for place, value in enumerate(function.__defaults__ or ()):
    yield f'default {place}', value
  yield from (function.__kwdefaults__ or {}).items()
  code = function.__code__
  for name, cell in zip(code.co_freevars, function.__closure__ or ()):
    try:
      yield name, cell.cell_contents
    except ValueError:  # Empty as yet.
      pass
  yield from sorted(vars(function).items())
