"""What the instructions of a function say, and which names they read."""

from collections.abc import Iterator
import dis
import types
from typing import Any

from astraea_tff.datasets.storage import user_modules


def global_names(code: types.CodeType) -> set[str]:
  """Returns the names that code, and code within it, reads of its module."""
  names = {
      instruction.argval
      for instruction in dis.get_instructions(code)
      if instruction.opname in ('LOAD_GLOBAL', 'LOAD_NAME')
  }
  for constant in code.co_consts:
    if isinstance(constant, types.CodeType):
      names |= global_names(constant)
  return names


def imported_names(function: types.FunctionType) -> Iterator[str]:
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


def describe_code(code: types.CodeType) -> Any:
  """Returns plain values that say what code does, in any program."""
  constants = [
      describe_code(constant)
      if isinstance(constant, types.CodeType) else _constant(constant)
      for constant in code.co_consts
  ]
  return code.co_code, code.co_names, code.co_varnames, constants


def _constant(value: Any) -> Any:
  # A set has another order in every program.
  if isinstance(value, frozenset):
    return sorted(map(repr, value))
  return repr(value)
