"""The wheel holds all that a user needs, and nothing of the experiments."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import patience
import pytest

_ROOT = pathlib.Path(__file__).parents[1]


def _run(command, **kwargs):
  result = subprocess.run(
      command, capture_output=True, text=True, timeout=patience.SECONDS,
      check=False, **kwargs,
  )
  assert not result.returncode, result.stdout + result.stderr
  return result.stdout


@pytest.fixture(name='wheel', scope='module')
def fixture_wheel(tmp_path_factory):
  """Builds the wheel from a copy, as building leaves files in the tree."""
  source = tmp_path_factory.mktemp('source') / 'tree'
  shutil.copytree(
      _ROOT, source,
      ignore=lambda folder, names: [
          name for name in names
          if name.startswith('.') or name.endswith('.egg-info')
          or name in ('__pycache__', 'build', 'dist', 'runs', 'run')
      ],
  )
  target = tmp_path_factory.mktemp('wheel')
  _run([
      sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-index',
      '--no-build-isolation', '--quiet', '--wheel-dir', str(target),
      str(source),
  ])
  (wheel,) = target.iterdir()
  return wheel


@pytest.fixture(name='installed', scope='module')
def fixture_installed(wheel, tmp_path_factory):
  target = tmp_path_factory.mktemp('installed')
  _run([
      sys.executable, '-m', 'pip', 'install', '--no-deps', '--no-index',
      '--quiet', '--target', str(target), str(wheel),
  ])
  return target


@pytest.fixture(name='elsewhere')
def fixture_elsewhere(tmp_path, installed):
  """Arguments of a process which has the installed package, not the tree."""
  environment = {
      name: value for name, value in os.environ.items()
      if not name.startswith('PYTHON')
  }
  environment |= {
      'PYTHONPATH': str(installed),
      'TF_CPP_MIN_LOG_LEVEL': '3',
      'XDG_CACHE_HOME': str(tmp_path / 'cache'),
  }
  return {'cwd': tmp_path, 'env': environment}


def test_the_wheel_holds_every_module_and_nothing_else(wheel):
  names = {
      name for name in zipfile.ZipFile(wheel).namelist()
      if '.dist-info/' not in name
  }
  package = {
      str(path.relative_to(_ROOT))
      for path in (_ROOT / 'astraea_tff').rglob('*.py')
  }
  data = {
      f'astraea_tff/{path.relative_to(_ROOT)}'
      for path in (_ROOT / 'data').rglob('*')
      if path.suffix in ('.py', '.csv')
  }
  assert package | data <= names
  assert all(name.startswith('astraea_tff/') for name in names)
  assert not any('experiment' in name or 'scripts' in name for name in names)
  others = names - package - data
  assert {pathlib.PurePath(name).parent.name for name in others} <= {'cinic10'}


def test_readmes_program_runs_from_the_wheel(elsewhere, installed):
  block = re.search(
      r'## Use\n.*?```python\n(.*?)```', (_ROOT / 'README.md').read_text(),
      re.DOTALL,
  )
  where = '\nimport sys\nprint(astraea_tff.__file__, "experiment" in sys.modules)'
  output = _run(
      [sys.executable, '-c', block[1] + where], **elsewhere
  ).splitlines()
  assert output[-1] == f'{installed}/astraea_tff/__init__.py False'
  rounds = [line for line in output if 'num_examples' in line]
  assert len(rounds) == 5


def test_the_wheel_brings_the_command_of_a_worker(elsewhere, installed):
  commands = [path.name for path in (installed / 'bin').iterdir()]
  assert commands == ['astraea-worker']
  command = subprocess.run(
      [installed / 'bin' / 'astraea-worker', '--helpfull'],
      capture_output=True, text=True, timeout=patience.SECONDS,
      check=False, **elsewhere,
  )
  assert '--bind_address' in command.stdout + command.stderr
  assert str(installed) in _run(
      [sys.executable, '-c', 'from astraea_tff.runtime import serve;'
       'print(serve.__file__)'], **elsewhere,
  )
