"""Several writers of one place, and what killed ones left."""

import fcntl
import os
import stat
import threading
import time

import forked_program
import patience
import pytest

from astraea_tff.datasets.storage import atomic_file

_PREAMBLE = """
import os, pathlib, signal, sys
from astraea_tff.datasets.storage import atomic_file
path = pathlib.Path(sys.argv[1])
"""
_WEEK_AND_MORE = 8 * 24 * 3600


def _run(program, path):
  return forked_program.start(code=_PREAMBLE + program, arguments=[path])


def _names(folder):
  return sorted(path.name for path in folder.iterdir())


@pytest.fixture(name='umask', params=[0o022, 0o002, 0o077])
def fixture_umask(request):
  before = os.umask(request.param)
  yield request.param
  os.umask(before)


def _mode(path):
  return stat.S_IMODE(path.stat().st_mode)


def test_new_files_and_folders_have_the_mode_of_the_umask(tmp_path, umask):
  with atomic_file.replace_atomically(tmp_path / 'file') as file:
    file.write(b'content')
  with atomic_file.make_folder_atomically(tmp_path / 'folder') as folder:
    (folder / 'file').write_text('content')
  assert _mode(tmp_path / 'file') == 0o666 & ~umask
  assert _mode(tmp_path / 'folder') == 0o777 & ~umask
  assert _mode(tmp_path / 'folder' / 'file') == 0o666 & ~umask


def test_a_replaced_file_keeps_its_mode_and_a_link_leads_on(tmp_path):
  (tmp_path / 'target').write_text('before')
  (tmp_path / 'target').chmod(0o664)
  (tmp_path / 'link').symlink_to('target')
  with atomic_file.replace_atomically(tmp_path / 'link') as file:
    file.write(b'after')
  assert (tmp_path / 'link').is_symlink()
  assert (tmp_path / 'target').read_bytes() == b'after'
  assert _mode(tmp_path / 'target') == 0o664


def test_what_is_written_is_on_the_disk_before_it_has_its_name(
    tmp_path, monkeypatch
):
  events, fsync = [], os.fsync

  def recorded_fsync(handle):
    events.append(os.readlink(f'/proc/self/fd/{handle}'))
    fsync(handle)

  def recorded(move):
    def call(source, target):
      events.append('moved')
      move(source, target)
    return call

  def recorded_sync(folder):
    assert (folder / 'inner' / 'file').read_text() == 'content'
    events.append(folder)
    sync(folder)

  sync = atomic_file._sync_file_system
  monkeypatch.setattr(atomic_file, '_sync_file_system', recorded_sync)
  monkeypatch.setattr(os, 'fsync', recorded_fsync)
  monkeypatch.setattr(os, 'replace', recorded(os.replace))
  monkeypatch.setattr(os, 'rename', recorded(os.rename))
  with atomic_file.replace_atomically(tmp_path / 'file') as file:
    file.write(b'content')
  assert [os.path.basename(event)[:16] for event in events] == [
      'file.incomplete-', 'moved', tmp_path.name[:16]
  ]
  events.clear()
  with atomic_file.make_folder_atomically(tmp_path / 'folder') as folder:
    (folder / 'inner').mkdir()
    (folder / 'inner' / 'file').write_text('content')
  assert events == [folder, 'moved', str(tmp_path)]


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(b'0' * 100_000)
  # With a second name its inode number stays taken.
  first = tmp_path / 'first'
  os.link(path, first)
  seen, done = set(), threading.Event()

  def read():
    while not done.is_set():
      content = path.read_bytes()
      seen.add((len(content), content[:1], content[-1:]))

  reader = threading.Thread(target=read)
  reader.start()
  try:
    for digit in b'123456789' * 20:
      with atomic_file.replace_atomically(path) as file:
        for _ in range(100):
          file.write(bytes([digit]) * 1000)
  finally:
    done.set()
    reader.join()
  assert all(size == 100_000 and a == b for size, a, b in seen)
  assert first.read_bytes() == b'0' * 100_000
  assert not path.samefile(first)


def test_ctrl_c_just_after_the_replacement_is_only_that(tmp_path, monkeypatch):
  replace = os.replace

  def interrupted(source, target):
    replace(source, target)
    raise KeyboardInterrupt

  monkeypatch.setattr(os, 'replace', interrupted)
  with pytest.raises(KeyboardInterrupt):
    with atomic_file.replace_atomically(tmp_path / 'file') as file:
      file.write(b'content')
  assert _names(tmp_path) == ['file']


def test_what_a_killed_process_left_of_a_file_goes_the_next_time(tmp_path):
  path = tmp_path / 'file [1]*?'
  _run("""
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with atomic_file.replace_atomically(path) as file:
  file.write(b'half')
""", path).wait()
  (left,) = tmp_path.iterdir()
  assert atomic_file.is_incomplete(left)
  with atomic_file.replace_atomically(path) as file:
    file.write(b'whole')
  assert _names(tmp_path) == [path.name]


def test_threads_that_make_one_folder_both_end_well(tmp_path):
  path, errors = tmp_path / 'folder', []
  barrier = threading.Barrier(4)

  def make(name):
    try:
      with atomic_file.make_folder_atomically(path) as folder:
        (folder / f'{name}0').write_text('x')
        barrier.wait(60)
        (folder / f'{name}1').write_text('x')
    except BaseException as error:
      errors.append(error)

  threads = [threading.Thread(target=make, args=(name,)) for name in 'abcd']
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert not errors
  assert _names(tmp_path) == ['folder']
  first, second = _names(path)
  assert (first[1], second[1]) == ('0', '1') and first[0] == second[0]


def test_a_process_whose_id_says_nothing_here_keeps_its_work(
    tmp_path, monkeypatch
):
  path = tmp_path / 'folder'
  writer = _run("""
with atomic_file.make_folder_atomically(path) as folder:
  (folder / 'file').write_text('first half')
  print('half', flush=True)
  sys.stdin.readline()
  (folder / 'file').write_text('whole')
print('whole')
""", path)
  assert writer.stdout.readline() == 'half\n'
  (unfinished,) = tmp_path.iterdir()
  # As in another container, where the id is nobody's.
  monkeypatch.setattr(os, 'kill', None)
  with atomic_file.make_folder_atomically(path):
    pass
  path.rmdir()
  assert _names(tmp_path) == [unfinished.name]
  print('go on', file=writer.stdin, flush=True)
  output, _ = writer.communicate(patience.SECONDS)
  assert output == 'whole\n'
  assert (path / 'file').read_text() == 'whole'


@pytest.mark.parametrize('kind', ['file', 'folder'])
@pytest.mark.parametrize('has_locks', [True, False])
def test_another_machines_work_goes_when_it_is_a_week_old(
    tmp_path, monkeypatch, kind, has_locks
):
  path = tmp_path / 'name'
  other = tmp_path / f'name.incomplete-{"0" * 8}-{"1" * 16}'
  inner = other
  if kind == 'folder':
    other.mkdir()
    inner = other / 'file'
  inner.write_text('half')
  if not has_locks:
    def fail(handle, operation):
      raise OSError(9, 'Bad file descriptor')
    monkeypatch.setattr(fcntl, 'flock', fail)

  def write():
    with atomic_file.replace_atomically(path) as file:
      file.write(b'content')

  write()
  assert _names(tmp_path) == ['name', other.name]
  old = time.time() - _WEEK_AND_MORE
  os.utime(other, (old, old))
  if kind == 'folder':
    write()
    assert other.is_dir()  # Somebody wrote to its file not long ago.
    os.utime(inner, (old, old))
  write()
  assert _names(tmp_path) == ['name']


@pytest.mark.parametrize('name', [
    'store.incomplete-old', 'store.incomplete-', 'store.incomplete-1',
    'store.incomplete-12345678-abc', 'other.incomplete-1',
    f'storeroom.incomplete-{"0" * 8}-{"0" * 16}',
])
def test_what_is_named_otherwise_stays(tmp_path, name):
  (tmp_path / name).mkdir()
  # So that it is not its age alone that keeps it.
  old = time.time() - _WEEK_AND_MORE
  os.utime(tmp_path / name, (old, old))
  with atomic_file.make_folder_atomically(tmp_path / 'store'):
    pass
  assert _names(tmp_path) == sorted(['store', name])


@pytest.mark.parametrize('name', ['n' * 255, 'é' * 127, '猫', os.fsdecode(b'\xff')])
def test_names_of_any_length_and_text(tmp_path, name):
  with atomic_file.make_folder_atomically(tmp_path / name) as folder:
    with atomic_file.replace_atomically(folder / name) as file:
      file.write(b'content')
  assert (tmp_path / name / name).read_bytes() == b'content'
  assert _names(tmp_path) == [name]


def test_a_link_to_a_folder_is_not_removed(tmp_path):
  (tmp_path / 'target').mkdir()
  (tmp_path / 'link').symlink_to('target')
  with pytest.raises(NotADirectoryError, match='is a link'):
    atomic_file.remove_folder(tmp_path / 'link')
  assert _names(tmp_path) == ['link', 'target']
  atomic_file.remove_folder(tmp_path / 'target')
  assert _names(tmp_path) == ['link']
