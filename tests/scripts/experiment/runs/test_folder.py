"""A run's folder belongs to one set of flags."""

import json
import os

import pytest

from experiment.runs import folder as folder_lib

FLAGS = {'alpha': 0.5, 'seed': [0, 1], 'target': None}


def test_new_folder_records_its_flags(tmp_path):
  folder = folder_lib.open_run_folder(str(tmp_path / 'a' / 'b'), FLAGS)
  assert json.loads((folder / 'flags.json').read_text()) == FLAGS
  assert folder_lib.read_flags(folder) == FLAGS


def test_same_flags_open_the_folder_again(tmp_path):
  folder = folder_lib.open_run_folder(str(tmp_path / 'run'), FLAGS)
  (folder / 'metrics.csv').write_text('round\n')
  as_tuple = FLAGS | {'seed': (0, 1)}
  assert folder_lib.open_run_folder(str(folder), as_tuple) == folder


def test_other_flags_are_refused_by_name_and_nothing_is_changed(tmp_path):
  folder = folder_lib.open_run_folder(str(tmp_path / 'run'), FLAGS)
  (folder / 'metrics.csv').write_text('round\n')
  with pytest.raises(ValueError, match=r'--alpha=0.6 \(was 0.5\)'):
    folder_lib.open_run_folder(str(folder), FLAGS | {'alpha': 0.6})
  assert folder_lib.read_flags(folder) == FLAGS


def test_folder_of_a_run_that_failed_at_its_start_can_be_used_again(tmp_path):
  folder = folder_lib.open_run_folder(str(tmp_path / 'run'), FLAGS)
  other = FLAGS | {'alpha': 0.6}
  folder_lib.open_run_folder(str(folder), other)
  assert folder_lib.read_flags(folder) == other


def test_folder_with_other_files_is_refused(tmp_path):
  (tmp_path / 'thesis.tex').write_text('')
  with pytest.raises(ValueError, match="no run's folder"):
    folder_lib.open_run_folder(str(tmp_path), FLAGS)


@pytest.mark.parametrize(
    'text', ['{"alpha": ', '[1]', 'null', '[' * 100_000]
)
def test_damaged_record_is_an_error_that_says_what_to_do(tmp_path, text):
  (tmp_path / 'flags.json').write_text(text)
  with pytest.raises(ValueError, match='flags.json is damaged'):
    folder_lib.open_run_folder(str(tmp_path), FLAGS)


def test_folder_that_cannot_be_made_is_an_error_that_names_the_flag(tmp_path):
  path = tmp_path / 'file'
  path.write_text('')
  with pytest.raises(OSError, match='--output_dir=.*file/run cannot be made'):
    folder_lib.open_run_folder(str(path / 'run'), FLAGS)


def test_a_name_that_is_too_long_is_an_error_that_names_the_flag(tmp_path):
  with pytest.raises(OSError, match='^--output_dir=.*cannot be made .*too long'):
    folder_lib.open_run_folder(str(tmp_path / ('x' * 300)), FLAGS)


def test_atomic_write_leaves_the_old_text_when_it_fails(tmp_path, monkeypatch):
  path = tmp_path / 'schedule.json'
  path.write_text('old')

  def no_space(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(os, 'replace', no_space)
  with pytest.raises(OSError, match='No space left'):
    folder_lib.write_atomically(path, 'new')
  assert path.read_text() == 'old'
  assert os.listdir(tmp_path) == ['schedule.json']


@pytest.mark.parametrize('name', ['file', 'file/below', '/proc/new', '/proc'])
def test_an_output_folder_is_refused_before_there_is_output(tmp_path, name):
  (tmp_path / 'file').write_text('')
  path = str(tmp_path / name)
  with pytest.raises(OSError, match=f'--output_dir={path} cannot be made'):
    folder_lib.make_output_folder(path)


def test_an_output_folder_stays_as_it_is(tmp_path):
  (tmp_path / 'file').write_text('')
  assert folder_lib.make_output_folder(str(tmp_path)) == tmp_path
  assert [path.name for path in tmp_path.iterdir()] == ['file']
