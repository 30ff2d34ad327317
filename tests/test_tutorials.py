"""The notebooks of docs/tutorials run as they stand, and show what they print."""

import os
import pathlib
import re
import sys

import nbclient
import nbformat
import patience
import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_FOLDER = _ROOT / 'docs' / 'tutorials'
_NAMES = (
    'from_fedavg_to_astraea.ipynb',
    'your_own_data.ipynb',
    'choosing_and_watching.ipynb',
)


def code_cells(notebook):
  return [cell for cell in notebook.cells if cell.cell_type == 'code']


def texts(cell):
  """Returns what a cell printed or returned, with every number as #."""
  shown = []
  for output in cell.outputs:
    if output.output_type == 'stream':
      shown.append(output.text)
    else:
      shown.append(output.data.get('text/plain', ''))
  # How wide a table is depends on its numbers.
  return re.sub(r'[-\d.e]*\d[\d.]*|[ \n]+', '#', ''.join(shown))


def num_pictures(cell):
  return sum('image/png' in output.get('data', {}) for output in cell.outputs)


def test_the_index_names_every_notebook_in_order():
  assert {path.name for path in _FOLDER.iterdir()} == set(_NAMES)
  index = (_ROOT / 'docs' / 'README.md').read_text()
  places = [index.index(f'(tutorials/{name})') for name in _NAMES]
  assert places == sorted(places)


@pytest.fixture(name='executed', scope='module')
def fixture_executed(tmp_path_factory):
  """By name, the notebooks after a run, one after another in one kernel.

  To import TensorFlow takes as long as to run a notebook. What one defines is
  forgotten before the next begins.
  """
  notebooks = {name: nbformat.read(_FOLDER / name, 4) for name in _NAMES}
  cells = []
  for notebook in notebooks.values():
    cells += [nbformat.v4.new_code_cell('%reset -f'), *code_cells(notebook)]
  for cell in cells:
    cell.outputs = []
  folder = tmp_path_factory.mktemp('jupyter')
  with pytest.MonkeyPatch.context() as patched:
    for variable in ('IPYTHONDIR', 'JUPYTER_RUNTIME_DIR'):
      patched.setenv(variable, str(folder / variable))
    nbclient.NotebookClient(
        nbformat.v4.new_notebook(cells=cells),
        timeout=patience.SECONDS,
        kernel_name='python3',
        resources={'metadata': {'path': str(_FOLDER)}},
    ).execute()
  return notebooks


@pytest.mark.parametrize('name', _NAMES)
def test_a_notebook_runs_and_gives_what_it_shows(name, executed):
  shown = code_cells(nbformat.read(_FOLDER / name, 4))
  assert [cell.execution_count for cell in shown] == [
      number + 1 for number in range(len(shown))
  ]
  for cell, again in zip(shown, code_cells(executed[name])):
    assert texts(again) == texts(cell), cell.source
    assert num_pictures(again) == num_pictures(cell), cell.source
  assert sum(map(num_pictures, shown)) >= 2
  printed = ''.join(map(texts, shown))
  assert 'Error' not in printed and 'WARNING' not in printed
  assert not re.search('/tmp|/home|/root|/work', printed)


@pytest.mark.parametrize('name', _NAMES)
def test_the_first_cell_installs_the_pinned_packages_where_they_are_not(
    name, monkeypatch
):
  notebook = nbformat.read(_FOLDER / name, 4)
  source = code_cells(notebook)[0].source
  commands = []
  monkeypatch.setattr(
      'subprocess.run', lambda command, check: commands.append(command)
  )
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  monkeypatch.chdir(_FOLDER)
  exec(source, {})
  pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps']
  assert commands == [
      [*pip, '-r', str(_ROOT / 'requirements.txt')],
      [*pip, str(_ROOT)],
  ]
  # Somewhere else it says where to go.
  monkeypatch.chdir(os.sep)
  with pytest.raises(RuntimeError, match='in a checkout of the repository'):
    exec(source, {})
  monkeypatch.setattr('sys.version_info', (3, 12, 0))
  with pytest.raises(RuntimeError, match='Python 3.11 or 3.10'):
    exec(source, {})
