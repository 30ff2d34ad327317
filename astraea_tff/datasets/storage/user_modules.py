"""The text of users' modules: what tells code from other code of its name."""

import ast
from collections.abc import Iterable, Iterator
import hashlib
import importlib.util
import pathlib
import sys
import sysconfig
from typing import Any, Optional

# A module of these folders is described by its name alone.
_LIBRARIES = tuple(
    pathlib.Path(sysconfig.get_path(name)).resolve()
    for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')
) + (pathlib.Path(__file__).resolve().parents[2],)


def is_library(name: Any) -> bool:
  """Whether a module comes from a library, or from no file at all."""
  file = getattr(sys.modules.get(name), '__file__', None)
  return name != '__main__' if file is None else _is_of_library(file)


def describe(name: str) -> Any:
  """Returns a module's name; with the texts that it runs, if it is a user's.

  These are its own and those of all users' modules that it imports, and so on.

  Args:
    name: The full name of a module that is imported, or `__main__`.
  """
  if name == '__main__' or is_library(name):
    return name
  return name, describe_all([name])


def describe_all(names: Iterable[str]) -> list[tuple[str, str]]:
  """Returns users' modules, and those that they import, with their hashes.

  Args:
    names: Full names, of modules or of what is in one; others than users'
      modules are passed over.
  """
  digests = {}
  waiting = list(names)
  while waiting:
    name = waiting.pop()
    file = None if name in digests else _users_file(name)
    if file is None:
      continue
    content = pathlib.Path(file).read_bytes()
    digests[name] = hashlib.sha256(content).hexdigest()
    if file.endswith('.py'):
      is_package = pathlib.Path(file).stem == '__init__'
      package = name if is_package else name.rpartition('.')[0]
      waiting += _imports(ast.parse(content), package)
  return sorted(digests.items())


def absolute_names(
    name: str, level: int, members: Iterable[str], package: str
) -> Iterator[str]:
  """Yields the names of all modules that an import may run.

  Args:
    name: What is imported, or imported from.
    level: The number of dots before it.
    members: What is imported from it, which may be modules.
    package: The package of the module with the import.
  """
  if level:
    try:
      name = importlib.util.resolve_name('.' * level + name, package)
    except ImportError:  # Beyond the outermost package; it would fail.
      return
  parts = name.split('.')
  for number in range(1, len(parts) + 1):
    yield '.'.join(parts[:number])
  for member in members:
    yield f'{name}.{member}'


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
  """Yields the names of what a module imports, anywhere in its text."""
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      for alias in node.names:
        yield from absolute_names(alias.name, 0, (), package)
    elif isinstance(node, ast.ImportFrom):
      members = [alias.name for alias in node.names]
      yield from absolute_names(node.module or '', node.level, members, package)


def _users_file(name: str) -> Optional[str]:
  """Returns the file of a module, None if it is no user's or no module."""
  top = name.partition('.')[0]
  file, folders = _find(top)
  if all(map(_is_of_library, folders if file is None else [file])):
    return None
  return file if name == top else _find(name)[0]


def _find(name: str) -> tuple[Optional[str], list[str]]:
  """Returns a module's file, and the folders of one that is a package."""
  module = sys.modules.get(name)
  if module is not None:
    file = getattr(module, '__file__', None)
    return file, list(getattr(module, '__path__', ()))
  try:
    spec = importlib.util.find_spec(name)
  except (ImportError, ValueError):
    return None, []
  if spec is None:
    return None, []
  file = spec.origin if spec.has_location else None
  return file, list(spec.submodule_search_locations or ())


def _is_of_library(file: str) -> bool:
  path = pathlib.Path(file).resolve()
  return any(path.is_relative_to(library) for library in _LIBRARIES)
