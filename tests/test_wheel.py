"""The wheel holds all that a user needs, and nothing of the experiments."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import forked_program
import patience
import pytest

_ROOT = pathlib.Path(__file__).parents[1]


def _run(command):
  result = subprocess.run(
      command, capture_output=True, text=True, timeout=patience.SECONDS,
      check=False,
  )
  assert not result.returncode, result.stdout + result.stderr


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


@pytest.fixture(name='run_elsewhere')
def fixture_run_elsewhere(tmp_path, installed, monkeypatch):
  """Runs a program which has the installed package, not the tree."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

  def run(code, arguments=()):
    before = (
        f'{forked_program.FORGET_OUR_MODULES}\n'
        f'import os; os.chdir({str(tmp_path)!r})\n'
        f'sys.path[0] = {str(installed)!r}\n'
    )
    result = forked_program.run(
        patience.SECONDS, code=before + code, arguments=arguments
    )
    assert not result.returncode, result.stdout + result.stderr
    return result.stdout

  return run


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


def test_readmes_program_runs_from_the_wheel(run_elsewhere, installed):
  block = re.search(
      r'## Use\n.*?```python\n(.*?)```', (_ROOT / 'README.md').read_text(),
      re.DOTALL,
  )
  where = '\nprint(astraea_tff.__file__, "experiment" in sys.modules)'
  output = run_elsewhere(block[1] + where).splitlines()
  assert output[-1] == f'{installed}/astraea_tff/__init__.py False'
  rounds = [line for line in output if 'num_examples' in line]
  assert len(rounds) == 5


def test_the_wheel_brings_the_command_of_a_worker(run_elsewhere, installed):
  (command,) = (installed / 'bin').iterdir()
  assert command.name == 'astraea-worker'
  assert os.access(command, os.X_OK)
  assert command.read_text().startswith(f'#!{sys.executable}')
  output = run_elsewhere(f"""
import runpy
sys.argv[0] = {str(command)!r}
try:
  runpy.run_path(sys.argv[0], run_name='__main__')
except SystemExit:
  pass  # So ends absl's help.
from astraea_tff.runtime import serve
print(serve.__file__)
""", ['--helpfull'])
  assert '--bind_address' in output
  assert output.splitlines()[-1] == f'{installed}/astraea_tff/runtime/serve.py'
