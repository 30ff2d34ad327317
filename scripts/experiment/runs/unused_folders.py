"""Folders that a program makes, and that go again where it leaves no results.

A folder that stayed after a refused start would look like that of a run.
"""

from collections.abc import Collection, Iterator
import contextlib
import pathlib


@contextlib.contextmanager
def removed_if_unused(
    folder: pathlib.Path, own: Collection[str] = ()
) -> Iterator[None]:
  """Removes a folder, and its parents, if an error leaves nothing in them.

  What was there before stays, whatever it holds.

  Args:
    folder: The folder, which the block may make.
    own: The names of files that are no results.

  Yields:
    Nothing.
  """
  made = [path for path in (folder, *folder.parents) if not path.exists()]
  try:
    yield
  except BaseException:
    if made:
      _remove_files(folder, own)
    for path in made:
      try:
        path.rmdir()
      except FileNotFoundError:
        continue
      except OSError:
        break  # It is not empty.
    raise


def _remove_files(folder: pathlib.Path, own: Collection[str]) -> None:
  """Removes the files of a folder that holds no others."""
  with contextlib.suppress(OSError):
    paths = [*folder.iterdir()]
    if all(path.name in own for path in paths):
      for path in paths:
        path.unlink()
