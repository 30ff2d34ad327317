"""Files and folders that are there as a whole, or as they were before.

What is being written has a name of its own beside its place:
`<name>.incomplete-<boot>-<random>`. Its writer holds a lock on it, so that
whoever comes next can tell what a killed writer left from what another thread,
container or machine is still writing.
"""

from collections.abc import Iterator
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import pathlib
import re
import secrets
import shutil
from typing import BinaryIO

_BOOT_ID_FILE = pathlib.Path('/proc/sys/kernel/random/boot_id')
_INCOMPLETE = re.compile(r'(.+)\.incomplete-([0-9a-f]{8})-[0-9a-f]{16}', re.S)
_C_LIBRARY = ctypes.CDLL(None, use_errno=True)
_LONGEST_NAME_BYTES = 200
# Other machines' locks may be invisible here. A file that nobody has written to
# for so long is taken for abandoned.
_ABANDONED_AFTER_SECONDS = 7 * 24 * 3600
# A file system without such locks fails with one of these.
_NO_LOCKS = (
    errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP,
)


@contextlib.contextmanager
def replace_atomically(path: pathlib.Path) -> Iterator[BinaryIO]:
  """Opens a file that takes the place of `path` when the block ends well.

  A new file has the mode that the umask says, one that replaces another has
  the other's. A link stays a link; the file that it leads to is replaced.

  Args:
    path: The file; its folder must exist.

  Yields:
    The new file, open for writing bytes.

  Raises:
    OSError: The file cannot be written; what was there before is still there,
      unless all that failed was to make the new one outlive a power cut.
  """
  path = pathlib.Path(os.path.realpath(path))
  _remove_abandoned(path)
  temporary, handle = _create(path, _open_new_file)
  try:
    with os.fdopen(handle, 'wb') as file:
      with contextlib.suppress(FileNotFoundError, PermissionError):
        os.fchmod(handle, path.stat().st_mode & 0o7777)
      yield file
      file.flush()
      os.fsync(handle)
      # Renamed within the block, as closing the file gives up the lock.
      os.replace(temporary, path)
    _fsync_folder(path.parent)
  except BaseException as error:
    temporary.unlink(missing_ok=True)
    if isinstance(error, OSError) and error.errno and error.filename is None:
      # The system names no file in an error of writing.
      raise type(error)(error.errno, error.strerror, str(path)) from error
    raise


@contextlib.contextmanager
def make_folder_atomically(
    path: pathlib.Path, may_exist: bool = True
) -> Iterator[pathlib.Path]:
  """Makes a folder that appears at `path` when the block ends well.

  Until then its files are in a folder beside it, which goes when the block is
  left otherwise. What a process left that was killed goes the next time. Should
  somebody else have made `path` meanwhile, that folder stays, and this one
  goes.

  Args:
    path: The folder, which is not there yet; its parents are made.
    may_exist: Whether somebody else's folder will do.

  Yields:
    The folder to write to.

  Raises:
    FileExistsError: Somebody else has made it, whose folder will not do.
    OSError: The folder cannot be made.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  _remove_abandoned(path)
  temporary, handle = _create(path, _open_new_folder)
  try:
    yield temporary
    _sync_file_system(temporary)
    try:
      os.rename(temporary, path)
    except OSError as error:
      if not path.is_dir():
        raise
      if not may_exist:
        raise FileExistsError(f'{path} was made meanwhile.') from error
    _fsync_folder(path.parent)
  finally:
    shutil.rmtree(temporary, ignore_errors=True)
    os.close(handle)


def remove_folder(path: pathlib.Path) -> None:
  """Removes a folder: first all of it from its place, then its files.

  Args:
    path: The folder; no link to one.

  Raises:
    OSError: The folder cannot be removed.
  """
  if path.is_symlink():
    raise NotADirectoryError(f'{path} is a link, which is not followed.')
  aside = _incomplete_name(path)
  os.rename(path, aside)
  shutil.rmtree(aside)


def is_incomplete(path: pathlib.Path) -> bool:
  """Whether the name is one of something that this module had not finished."""
  return _INCOMPLETE.fullmatch(path.name) is not None


@contextlib.contextmanager
def locked_folder(path: pathlib.Path, waits: bool = True) -> Iterator[None]:
  """Keeps other programs out that ask for the same, where there are locks.

  Args:
    path: The folder.
    waits: Whether to wait until no other program has it locked.

  Raises:
    BlockingIOError: Another program has it locked, and this one does not wait.
  """
  handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
  try:
    _lock(handle, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield
  finally:
    os.close(handle)


def _open_new_file(path: pathlib.Path) -> int:
  # Python's mode of 0666, from which the system takes the umask.
  return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)


def _open_new_folder(path: pathlib.Path) -> int:
  path.mkdir()
  return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def _create(path, open_new) -> tuple[pathlib.Path, int]:
  """Makes something beside `path` under a name of its own, and locks it."""
  while True:
    temporary = _incomplete_name(path)
    try:
      handle = open_new(temporary)
    except FileNotFoundError:
      if not path.parent.is_dir():
        raise
      continue  # Taken for abandoned before it could be opened.
    try:
      _lock(handle)
    except OSError:
      os.close(handle)
      raise
    # Somebody may have taken it for abandoned before it was locked.
    if os.path.exists(temporary):
      return temporary, handle
    os.close(handle)


def _lock(handle: int, operation: int = fcntl.LOCK_EX) -> bool:
  """Locks an open file; returns whether the file system has locks."""
  try:
    fcntl.flock(handle, operation)
  except BlockingIOError:
    raise
  except OSError as error:
    if error.errno not in _NO_LOCKS:
      raise
    return False
  return True


def _incomplete_name(path: pathlib.Path) -> pathlib.Path:
  name = f'{_stem(path)}.incomplete-{_boot()}-{secrets.token_hex(8)}'
  return path.with_name(name)


def _stem(path: pathlib.Path) -> str:
  """The name, or its hash where nothing can be added to the name."""
  name = os.fsencode(path.name)
  if len(name) <= _LONGEST_NAME_BYTES:
    return path.name
  return hashlib.sha256(name).hexdigest()


def _boot() -> str:
  """Tells apart machines, and one machine before and after it was started."""
  try:
    boot_id = _BOOT_ID_FILE.read_bytes()
  except OSError:
    boot_id = os.uname().nodename.encode()
  return hashlib.sha256(boot_id).hexdigest()[:8]


def _remove_abandoned(path: pathlib.Path) -> None:
  """Removes what killed processes left of their attempts to make `path`."""
  try:
    names = os.listdir(path.parent)
  except OSError:
    return
  for name in names:
    match = _INCOMPLETE.fullmatch(name)
    if match and match[1] == _stem(path):
      with contextlib.suppress(OSError):
        _remove_if_abandoned(path.with_name(name), match[2] == _boot())


def _remove_if_abandoned(path: pathlib.Path, is_of_this_machine: bool) -> None:
  """Removes something incomplete unless it may be somebody's work."""
  handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
  try:
    has_locks = _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if not (has_locks and is_of_this_machine):
      if _seconds_since_last_write(path) < _ABANDONED_AFTER_SECONDS:
        return
    if path.is_dir():
      shutil.rmtree(path, ignore_errors=True)
    else:
      path.unlink()
  finally:
    os.close(handle)


def _seconds_since_last_write(path: pathlib.Path) -> float:
  """Asks the clock of the file system, which need not be this machine's."""
  written = [path, *path.rglob('*')] if path.is_dir() else [path]
  probe = _incomplete_name(path.with_name('clock'))
  try:
    probe.touch()
    now = probe.stat().st_mtime
  finally:
    probe.unlink(missing_ok=True)
  return now - max(entry.lstat().st_mtime for entry in written)


def _sync_file_system(folder: pathlib.Path) -> None:
  """Brings all that was written to a folder's file system to the disk.

  A call for each of a thousand files takes some forty times as long.
  """
  handle = os.open(folder, os.O_RDONLY)
  try:
    if _C_LIBRARY.syncfs(handle):
      number = ctypes.get_errno()
      raise OSError(number, os.strerror(number), str(folder))
  finally:
    os.close(handle)


def _fsync_folder(folder: pathlib.Path) -> None:
  handle = os.open(folder, os.O_RDONLY)
  try:
    os.fsync(handle)
  except OSError as error:
    # Not every file system of another machine knows this for folders.
    if error.errno not in (errno.EBADF, errno.EINVAL):
      raise
  finally:
    os.close(handle)
