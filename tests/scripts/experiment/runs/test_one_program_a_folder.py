"""A run's folder is one program's at a time, and may be given more to do."""

import os

import forked_program
import pytest
import script_runner

from experiment.runs import folder as folder_lib

FLAGS = {'alpha': 0.5, 'seed': [0], 'rounds': 4}


@pytest.fixture(autouse=True)
def nothing_stays_locked():
  yield
  folder_lib.unlock_all()


def start_program(folder, call=f'open_run_folder(path, {FLAGS!r})'):
  """Starts a program that opens the folder, says so and waits."""
  program = (
      f'import sys; sys.path.insert(0, {str(script_runner.SCRIPTS)!r})\n'
      'from experiment.runs import folder\n'
      f'path = {str(folder)!r}\n'
      f'folder.{call}\n'
      'print("open", flush=True); sys.stdin.read()\n'
  )
  process = forked_program.start(program)
  assert process.stdout.readline() == 'open\n'
  return process


def test_a_second_program_is_refused_until_the_first_is_killed(tmp_path):
  folder = tmp_path / 'run'
  first = start_program(folder)
  try:
    for flags in (FLAGS, FLAGS | {'alpha': 0.0}):
      with pytest.raises(RuntimeError, match='another program is at work'):
        folder_lib.open_run_folder(str(folder), flags)
    assert folder_lib.read_flags(folder) == FLAGS
  finally:
    first.kill()
    first.wait()
  assert folder_lib.open_run_folder(str(folder), FLAGS) == folder


def test_results_of_two_programs_do_not_mix(tmp_path):
  folder = tmp_path / 'results'
  first = start_program(folder, 'take_output_folder(path)')
  try:
    with pytest.raises(RuntimeError, match='another program is at work in .*res'):
      folder_lib.take_output_folder(str(folder))
    # Reading goes on, and so does what locks each of its files itself.
    folder_lib.make_output_folder(str(folder))
  finally:
    first.kill()
    first.wait()
  for _ in range(2):
    assert folder_lib.take_output_folder(str(folder)) == folder
  assert not [*folder.iterdir()]


def test_more_rounds_and_seeds_go_on_and_fewer_are_refused(tmp_path):
  growing = ('rounds', 'seed')
  folder = folder_lib.open_run_folder(str(tmp_path / 'run'), FLAGS, growing)
  (folder / 'seed_0').mkdir()
  more = FLAGS | {'rounds': 6, 'seed': [0, 2]}
  folder_lib.open_run_folder(str(folder), more, growing)
  assert folder_lib.read_flags(folder) == more
  # What is asked for is added to what there is.
  for seeds in ([2, 0], [2], [0]):
    folder_lib.open_run_folder(
        str(folder), more | {'seed': seeds}, ('rounds',), added=('seed',)
    )
    assert folder_lib.read_flags(folder) == more
  for refused in ({'rounds': 5}, {'seed': [0]}, {'alpha': 0.6}):
    with pytest.raises(ValueError, match='with other flags'):
      folder_lib.open_run_folder(str(folder), more | refused, growing)
  with pytest.raises(ValueError, match=r'--rounds=7 \(was 6\)'):
    folder_lib.open_run_folder(str(folder), more | {'rounds': 7}, ('seed',))
  assert folder_lib.read_flags(folder) == more


def test_a_folder_of_other_files_is_left_as_it_was(tmp_path):
  (tmp_path / 'thesis.tex').write_text('')
  with pytest.raises(ValueError, match="no run's folder"):
    folder_lib.open_run_folder(str(tmp_path), FLAGS)
  assert os.listdir(tmp_path) == ['thesis.tex']
