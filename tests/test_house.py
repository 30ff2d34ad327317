"""The rooms of the house: who imports whom, and what the wheel is made of."""

import configparser
import graphlib
import pathlib
import re
import subprocess

import pytest
import source_imports

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGE = source_imports.modules_under(_ROOT, 'astraea_tff') | {
    f'astraea_tff.{name}': path
    for name, path in source_imports.modules_under(_ROOT, 'data').items()
}
_HARNESS = {
    **source_imports.modules_under(_ROOT / 'scripts', 'experiment'),
    **{path.stem: path for path in sorted((_ROOT / 'scripts').glob('*.py'))},
}
_EVERYTHING = {**_PACKAGE, **_HARNESS}


def find_circle(graph):
  """Returns the modules of a circle in order, the first one twice; or None."""
  try:
    graphlib.TopologicalSorter(graph).prepare()
  except graphlib.CycleError as error:
    return error.args[1]
  return None


def unexplained_imports(text):
  """Returns the lines of imports in functions with no comment above them."""
  lines = text.splitlines()
  imports = source_imports.imports_of(text)
  import_lines = {found.line for found in imports}
  unexplained = []
  for found in imports:
    line = found.line
    while line - 1 in import_lines:
      line -= 1
    explained = line > 1 and lines[line - 2].lstrip().startswith('#')
    if found.is_inside_function and not explained:
      unexplained.append(found.line)
  return unexplained


def unexported_uses(text):
  """Returns what a source uses of TFF that TFF does not export, with lines."""
  imported = [
      (found.line, found.name)
      for found in source_imports.imports_of(text)
      if found.name.startswith('tensorflow_federated.python')
  ]
  return imported + [
      (line, name)
      for line, name in source_imports.attribute_chains(
          text, 'tensorflow_federated'
      )
      if name.startswith('tensorflow_federated.python')
      or any(part.startswith('_') or part == '*' for part in name.split('.'))
  ]


def room_of(name):
  """Returns `scheduling` for `astraea_tff.scheduling.greedy`."""
  return name.split('.')[1] if '.' in name else name


def test_no_module_imports_itself_by_way_of_others():
  assert len(_PACKAGE) > 40 and len(_HARNESS) > 40
  assert find_circle(source_imports.module_graph(_EVERYTHING)) is None


@pytest.mark.parametrize(
    'sources, circle',
    [
        ({'a.b': 'from p.a import c', 'a.c': 'import p.d', 'd': ''}, None),
        (
            {'b': 'from p import c', 'c': 'def f():\n  from p.b import x'},
            {'p.b', 'p.c'},
        ),
        # The submodule brings its package's `__init__`, which asks for `b`.
        (
            {'a.__init__': 'import p.b', 'a.c': '', 'b': 'import p.a.c'},
            {'p.a', 'p.b'},
        ),
        # `b` has begun to load `p.a` when it loads `c` of the same package.
        (
            {'a.__init__': 'import p.a.b', 'a.b': 'import p.a.c', 'a.c': ''},
            None,
        ),
        (
            {
                'b': 'from p import c',
                'c': 'import importlib\nimportlib.import_module("p.b")',
            },
            {'p.b', 'p.c'},
        ),
        # A name that `__init__` makes, asked for from inside.
        (
            {'a.__init__': 'from p.a.b import x', 'a.b': 'from p.a import x'},
            {'p.a', 'p.a.b'},
        ),
    ],
)
def test_circles_are_found(sources, circle, tmp_path):
  for name in ('__init__', 'a.__init__', *sources):
    path = tmp_path.joinpath('p', *name.split('.')).with_suffix('.py')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sources.get(name, ''))
  modules = source_imports.modules_under(tmp_path, 'p')
  found = find_circle(source_imports.module_graph(modules))
  assert (None if found is None else set(found)) == circle


def test_imports_inside_functions_say_why():
  found = {
      name: lines
      for name, path in _EVERYTHING.items()
      if (lines := unexplained_imports(path.read_text()))
  }
  assert not found


def test_imports_inside_functions_without_a_reason_are_found():
  text = (
      'import a\n'
      'def f():\n'
      '  # Heavy, and seldom wanted.\n'
      '  import b\n'
      '  from c import d\n'
      '  class C:\n'
      '    def g(self):\n'
      '      import e\n'
      '      # No reason: it stands below.\n'
  )
  assert unexplained_imports(text) == [8]


def test_a_module_that_only_a_run_knows_is_refused():
  with pytest.raises(ValueError, match='Line 2: which module'):
    source_imports.imports_of('import importlib as i\ni.import_module(name)')


def test_what_few_programs_need_is_imported_where_it_is_used():
  """The import of TFDS would lengthen every start."""
  found = [
      (name, each.is_inside_function)
      for name, path in _PACKAGE.items()
      for each in source_imports.imports_of(path.read_text())
      if each.name.split('.')[0] == 'tensorflow_datasets'
      and room_of(name) != 'data'
  ]
  assert found and all(is_inside for _, is_inside in found)


def test_rooms_import_only_what_stands_before_them():
  """And none stands outside: the list is what CONTRIBUTING.md says."""
  text = (_ROOT / 'CONTRIBUTING.md').read_text()
  said = text[text.index('Every module belongs to one folder') :]
  said = said[: said.index('`training` knows')]
  order = re.findall('`([a-z_]+)`', said)
  rooms = {room_of(name) for name in _PACKAGE} - {'astraea_tff'}
  assert sorted(order) == sorted(rooms)
  found = {
      (room_of(name), room_of(imported))
      for name, imports in source_imports.module_graph(_PACKAGE).items()
      for imported in imports
  }
  assert ('control', 'scheduling') in found
  assert not [
      (room, imported)
      for room, imported in found
      if room in order and order.index(imported) > order.index(room)
  ]


@pytest.mark.parametrize('unknown', ['scheduling', 'labels', 'augmentation'])
def test_training_knows_nothing_of(unknown):
  """Neither itself nor by what it imports."""
  training = [name for name in _PACKAGE if room_of(name) == 'training']
  assert len(training) > 8
  graph = source_imports.module_graph(_PACKAGE)
  loaded = source_imports.reachable(graph, training)
  assert not [name for name in loaded if room_of(name) == unknown]


@pytest.mark.parametrize('room', ['labels', 'augmentation', 'runtime'])
def test_what_clients_are_made_of_knows_nothing_of_them(room):
  modules = [name for name in _PACKAGE if room_of(name) == room]
  assert len(modules) > 4
  graph = source_imports.module_graph(_PACKAGE)
  loaded = source_imports.reachable(graph, modules)
  assert not [name for name in loaded if room_of(name) == 'clients']


def test_only_the_runtime_touches_what_tff_does_not_export():
  found = {
      name: uses
      for name, path in _EVERYTHING.items()
      if (uses := unexported_uses(path.read_text()))
  }
  assert set(found) == {'astraea_tff.runtime.local_worker'}
  (use,) = found['astraea_tff.runtime.local_worker']
  assert use[1] == 'tensorflow_federated.__file__'


@pytest.mark.parametrize(
    'text',
    [
        'import tensorflow_federated.python.learning',
        'from tensorflow_federated.python import learning',
        'from tensorflow_federated import python as p',
        'import tensorflow_federated as tff\ntff.learning._private(1)',
        'import tensorflow_federated as tff\nprint(tff.__file__)',
        'from tensorflow_federated import learning as l\nl.models._x.y()',
        'from tensorflow_federated import *',
        'import tensorflow_federated as tff\npart = tff.learning\npart._x()',
        'import tensorflow_federated as tff\ngetattr(tff.learning, "_x")',
        'i.import_module("tensorflow_federated.python.learning")',
    ],
)
def test_uses_of_what_tff_does_not_export_are_found(text):
  assert unexported_uses(text)
  harmless = 'import tensorflow_federated as tff\ntff.learning.models()._own'
  assert not unexported_uses(harmless)


def test_streams_are_drawn_where_they_are_listed():
  """But for what belongs to the data, and games that a player seeds."""
  found = {
      name
      for name, path in _PACKAGE.items()
      if re.search('default_rng|SeedSequence|RandomState', path.read_text())
  }
  assert 'astraea_tff.randomness' in found
  others = found - {'astraea_tff.randomness', 'astraea_tff.control.environment'}
  assert others
  assert all(name.startswith('astraea_tff.datasets.sources') for name in others)


def test_the_package_does_not_know_the_scripts():
  scripts = {name.split('.')[0] for name in _HARNESS}
  assert {'experiment', 'train'} <= scripts
  for name, path in _PACKAGE.items():
    for found in source_imports.imports_of(path.read_text()):
      assert found.name.split('.')[0] not in scripts | {'scripts'}, name


def test_scripts_keep_tensorflow_quiet_before_they_import_it():
  heavy = ('tensorflow', 'tensorflow_federated', 'astraea_tff')
  for path in (_ROOT / 'scripts').glob('*.py'):
    text = path.read_text()
    names = [found.name.split('.')[0] for found in source_imports.imports_of(text)]
    first = next(name for name in names if name in (*heavy, 'experiment'))
    assert first == 'experiment' or 'TF_CPP_MIN_LOG_LEVEL' in text, path.name


def test_the_wheel_holds_every_package_there_is():
  config = configparser.ConfigParser()
  config.read(_ROOT / 'setup.cfg')
  listed = config['options']['packages'].split()
  on_disk = [
      '.'.join(path.parent.relative_to(_ROOT).parts)
      for path in (_ROOT / 'astraea_tff').rglob('__init__.py')
  ] + [
      '.'.join(('astraea_tff', *path.parent.relative_to(_ROOT).parts))
      for path in (_ROOT / 'data').rglob('__init__.py')
  ]
  assert listed == sorted(on_disk)
  folders = {path.parent for path in (_ROOT / 'astraea_tff').rglob('*.py')}
  assert all((folder / '__init__.py').is_file() for folder in folders)


def test_no_module_is_longer_than_contributing_says():
  text = (_ROOT / 'CONTRIBUTING.md').read_text()
  most = int(re.search(r'Modules of [^;]* (\d+) at the most;', text).group(1))
  found = {
      name: num_lines
      for name, path in _EVERYTHING.items()
      if (num_lines := len(path.read_text().splitlines())) > most
  }
  assert most < 400 and not found


# Spelled so that no line of this file matches.
_INDEX = re.compile(
    r'\b(?:(?:test\.|upload\.)?pyp[i]\.(?:org|python\.org)'
    r'|pythonhoste[d]\.org|anacond[a]\.(?:org|com)|conda-forg[e]\.org'
    r'|pyp[i]\.[a-z.]+/simple)|(?:extra-)?inde[x]-url'
)


def tracked_files():
  listed = subprocess.run(
      ['git', 'ls-files', '-z'], cwd=_ROOT, capture_output=True, check=False
  )
  if listed.returncode:
    pytest.skip('Which files are tracked, git alone knows.')
  return [_ROOT / name for name in listed.stdout.decode().split('\0') if name]


def test_no_file_names_the_host_of_a_package_index():
  for path in tracked_files():
    if path.is_file():
      match = _INDEX.search(path.read_bytes().decode(errors='replace'))
      assert match is None, (path, match)


def test_hosts_of_package_indices_are_found():
  dot = '.'
  for host in ('pypi', 'test' + dot + 'pypi', 'files' + dot + 'pythonhosted'):
    assert _INDEX.search(f'from https://{host}{dot}org/simple')
  assert _INDEX.search('--extra-' + 'index-' + 'url=somewhere')
  assert not _INDEX.search('The index of a package, and its host.')
