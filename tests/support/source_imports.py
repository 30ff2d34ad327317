"""What Python sources import, read from their text by `ast`."""

import ast
from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import pathlib
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Import:
  """One module or name that a source asks for.

  Attributes:
    name: In full: `a.b` for `import a.b`, `a.b.c` for `from a.b import c`.
    line: Where it stands, from 1.
    is_inside_function: Whether it runs with a function, not with the module.
  """

  name: str
  line: int
  is_inside_function: bool


# Functions that import the module that they are given the name of.
_IMPORTERS = ('import_module', '__import__')


def _name_of(function: ast.expr) -> str:
  """Returns `c` for `a.b.c` and for `c`."""
  return getattr(function, 'attr', getattr(function, 'id', ''))


def imports_of(text: str) -> list[Import]:
  """Returns the imports in a source, from its first line to its last."""

  def walk(node: ast.AST, is_inside: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
      for alias in node.names:
        yield Import(alias.name, node.lineno, is_inside)
    elif isinstance(node, ast.Call) and _name_of(node.func) in _IMPORTERS:
      if not node.args or not isinstance(node.args[0], ast.Constant):
        raise ValueError(f'Line {node.lineno}: which module, only a run knows.')
      yield Import(node.args[0].value, node.lineno, is_inside)
    elif isinstance(node, ast.ImportFrom):
      if node.level:
        raise ValueError(f'Line {node.lineno}: no relative imports here.')
      for alias in node.names:
        yield Import(f'{node.module}.{alias.name}', node.lineno, is_inside)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    for child in ast.iter_child_nodes(node):
      yield from walk(child, is_inside or isinstance(node, functions))

  return list(walk(ast.parse(text), False))


def modules_under(root: pathlib.Path, package: str) -> dict[str, pathlib.Path]:
  """Returns the files of a package by module name; `root` holds the package."""
  found = {}
  for path in sorted((root / package).rglob('*.py')):
    parts = path.relative_to(root).with_suffix('').parts
    found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
  return found


def parents(name: str) -> set[str]:
  """Returns the packages around a module: `a` and `a.b` for `a.b.c`."""
  parts = name.split('.')
  return {'.'.join(parts[:end]) for end in range(1, len(parts))}


def module_graph(modules: Mapping[str, pathlib.Path]) -> dict[str, set[str]]:
  """Returns the modules that each module imports, of those given.

  A submodule's import runs the `__init__` of all packages around it first, so
  these count as imported as well; all but the importing module and the packages
  around it, which Python has begun to load before. A package that is named
  itself, as in `from a import something_of_its_init`, counts in any case.
  Imports inside functions count too: they hide a circle, they do not open it.
  """
  graph = {}
  for importer, path in modules.items():
    graph[importer] = set()
    for found in imports_of(path.read_text()):
      target = found.name
      if target not in modules:
        # A name inside a module; or none of ours.
        target = target.rpartition('.')[0]
      if target in modules:
        begun = parents(importer) | {importer}
        graph[importer] |= {target} | (parents(target) - begun)
    graph[importer] &= set(modules)
  return graph


def reachable(
    graph: Mapping[str, Iterable[str]], starts: Iterable[str]
) -> set[str]:
  """Returns the modules that are loaded with `starts`, which are included."""
  found, waiting = set(), list(starts)
  while waiting:
    name = waiting.pop()
    if name not in found:
      found.add(name)
      waiting.extend(graph[name])
  return found


def attribute_chains(text: str, module: str) -> Iterator[tuple[int, str]]:
  """Yields the line and the dotted name of what a source uses of a module.

  An alias is put back to the module's name, and so is a variable that holds a
  part of the module; `from module import name` and `getattr` with a constant
  count.
  """
  tree = ast.parse(text)
  aliases = {}
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      for alias in node.names:
        if alias.name.split('.')[0] == module:
          yield node.lineno, alias.name
          # `import a.b` binds `a`; `import a.b as c` binds `a.b`.
          aliases[alias.asname or module] = (
              alias.name if alias.asname else module
          )
    elif isinstance(node, ast.ImportFrom) and not node.level:
      for alias in node.names:
        name = f'{node.module}.{alias.name}'
        if name.split('.')[0] == module:
          yield node.lineno, name
          aliases[alias.asname or alias.name] = name
  for node in ast.walk(tree):
    if isinstance(node, ast.Assign) and (name := _dotted(node.value, aliases)):
      for target in node.targets:
        if isinstance(target, ast.Name):
          aliases[target.id] = name
  for node in ast.walk(tree):
    if isinstance(node, ast.Attribute) and (name := _dotted(node, aliases)):
      yield node.lineno, name
    elif isinstance(node, ast.Call) and _name_of(node.func) == 'getattr':
      of, attribute = node.args[:2]
      name = _dotted(of, aliases)
      if name and isinstance(attribute, ast.Constant):
        yield node.lineno, f'{name}.{attribute.value}'


def _dotted(node: ast.expr, aliases: Mapping[str, str]) -> Optional[str]:
  """Returns the full name of `a.b.c` where `a` is one of the aliases."""
  names = []
  while isinstance(node, ast.Attribute):
    names.append(node.attr)
    node = node.value
  if isinstance(node, ast.Name) and node.id in aliases:
    return '.'.join([aliases[node.id], *reversed(names)])
  return None
