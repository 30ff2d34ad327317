import errno
import os

import forked_program
import patience
import pytest

from astraea_tff.datasets.storage import atomic_file


def _files(folder):
  return sorted(str(path.relative_to(folder)) for path in folder.rglob('*'))


def test_a_file_is_replaced_when_the_block_ends_well(tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(b'before')
  with atomic_file.replace_atomically(path) as file:
    file.write(b'after')
    file.flush()
    assert path.read_bytes() == b'before'
  assert path.read_bytes() == b'after'
  assert _files(tmp_path) == ['file']


def test_a_file_stays_when_the_block_fails(tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(b'before')
  with pytest.raises(KeyboardInterrupt):
    with atomic_file.replace_atomically(path) as file:
      file.write(b'half')
      raise KeyboardInterrupt
  assert path.read_bytes() == b'before'
  assert _files(tmp_path) == ['file']


def test_an_error_of_writing_names_the_file(tmp_path):
  path = tmp_path / 'file'
  with pytest.raises(OSError, match='No space left on device.*file') as error:
    with atomic_file.replace_atomically(path):
      # As the system says it of a file that is open.
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
  assert error.value.errno == errno.ENOSPC
  assert error.value.filename == str(path)
  assert _files(tmp_path) == []


def test_a_folder_appears_as_a_whole(tmp_path):
  path = tmp_path / 'parent' / 'folder'
  with atomic_file.make_folder_atomically(path) as folder:
    (folder / 'file').write_text('content')
    assert not path.exists()
  assert _files(path.parent) == ['folder', 'folder/file']
  assert (path / 'file').read_text() == 'content'


def test_of_an_interrupted_folder_nothing_is_left(tmp_path):
  path = tmp_path / 'folder'
  with pytest.raises(KeyboardInterrupt):
    with atomic_file.make_folder_atomically(path) as folder:
      (folder / 'file').write_text('half')
      raise KeyboardInterrupt
  assert _files(tmp_path) == []


def test_what_a_killed_process_left_goes_the_next_time(tmp_path):
  path = tmp_path / 'folder'
  program = (
      'import os, pathlib, signal\n'
      'from astraea_tff.datasets.storage import atomic_file\n'
      f'path = pathlib.Path({str(path)!r})\n'
      'with atomic_file.make_folder_atomically(path) as folder:\n'
      '  (folder / "file").write_text("half")\n'
      '  os.kill(os.getpid(), signal.SIGKILL)\n'
  )
  forked_program.run(patience.SECONDS, code=program)
  left = _files(tmp_path)
  assert len(left) == 2 and left[0].startswith('folder.incomplete-')
  with atomic_file.make_folder_atomically(path):
    pass
  assert _files(tmp_path) == ['folder']


def test_a_running_process_keeps_its_unfinished_folder(tmp_path):
  running = tmp_path / 'folder.incomplete-1'  # The system's first process.
  running.mkdir()
  with atomic_file.make_folder_atomically(tmp_path / 'folder'):
    pass
  assert running.is_dir()


def test_the_folder_that_was_there_first_stays(tmp_path):
  path = tmp_path / 'folder'
  with atomic_file.make_folder_atomically(path) as second:
    (second / 'file').write_text('second')
    path.mkdir()
    (path / 'file').write_text('first')
  assert (path / 'file').read_text() == 'first'
  assert _files(tmp_path) == ['folder', 'folder/file']
