"""Files and folders that are there as a whole, or as they were before."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import shutil
import tempfile
from typing import BinaryIO

_INCOMPLETE = '.incomplete-'


@contextlib.contextmanager
def replace_atomically(path: pathlib.Path) -> Iterator[BinaryIO]:
  """Opens a file that takes the place of `path` when the block ends well.

  Args:
    path: The file; its folder must exist.

  Yields:
    The new file, open for writing bytes.

  Raises:
    OSError: The file cannot be written; what was there before is still there.
  """
  handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
  try:
    with os.fdopen(handle, 'wb') as file:
      yield file
    os.replace(temporary, path)
  except BaseException:
    os.unlink(temporary)
    raise


@contextlib.contextmanager
def make_folder_atomically(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Makes a folder that appears at `path` when the block ends well.

  Until then its files are in a folder beside it, which goes when the block is
  left otherwise. What a process left that was killed goes the next time. Should
  another process have made `path` meanwhile, its folder stays, and this one
  goes.

  Args:
    path: The folder, which is not there yet; its parents are made.

  Yields:
    The folder to write to.

  Raises:
    OSError: The folder cannot be made.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  _remove_abandoned(path)
  temporary = path.with_name(f'{path.name}{_INCOMPLETE}{os.getpid()}')
  temporary.mkdir()
  try:
    yield temporary
    try:
      temporary.rename(path)
    except OSError:
      if not path.is_dir():
        raise
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(path: pathlib.Path) -> None:
  """Removes what killed processes left of their attempts to make `path`."""
  for abandoned in path.parent.glob(f'{path.name}{_INCOMPLETE}*'):
    process_id = int(abandoned.name.rpartition('-')[2])
    try:
      os.kill(process_id, 0)
      is_running = process_id != os.getpid()
    except ProcessLookupError:
      is_running = False
    except PermissionError:  # It runs, as another user.
      is_running = True
    if not is_running:
      shutil.rmtree(abandoned, ignore_errors=True)
