"""Folders of the cache, opened if they are whole and made again if not."""

from collections.abc import Callable
import os
import pathlib
from typing import Any

from absl import logging

from astraea_tff.datasets.storage import atomic_file
from astraea_tff.datasets.storage import cache_folders
from astraea_tff.datasets.storage import client_store


def open_or_make(
    folder: pathlib.Path,
    open_folder: Callable[[pathlib.Path], Any],
    write: Callable[[pathlib.Path], None],
) -> Any:
  """Opens a folder of the cache; makes it if it is missing or damaged.

  Args:
    folder: The folder.
    open_folder: Opens it, or raises a `client_store.DamagedStoreError`.
    write: Writes to the empty folder that takes its place when it is whole.

  Returns:
    What `open_folder` returns.

  Raises:
    OSError: The cache cannot be read or written to.
  """
  with cache_folders.explained_errors(folder.parent, 'read from'):
    opened = open_or_delete(folder, open_folder)
  if opened is not None:
    return opened
  with cache_folders.explained_errors(folder.parent):
    with atomic_file.make_folder_atomically(folder) as new_folder:
      write(new_folder)
  with cache_folders.explained_errors(folder.parent, 'read from'):
    return open_folder(folder)


def open_or_delete(
    folder: pathlib.Path, open_folder: Callable[[pathlib.Path], Any]
) -> Any:
  """Opens a folder of the cache, or deletes it if it is damaged.

  Args:
    folder: The folder, which need not be there.
    open_folder: Opens it, or raises a `client_store.DamagedStoreError`.

  Returns:
    What `open_folder` returns; None if there is no (longer a) folder.

  Raises:
    ValueError: The folder has no name that this module gives.
    OSError: It cannot be read at the moment, or is damaged and cannot be
      deleted; or something else is in its place, such as a link that leads
      nowhere. Nothing was deleted.
  """
  if not cache_folders.FOLDER_NAME.fullmatch(folder.name):
    raise ValueError(f'folder must be one of the cache, got {folder}.')
  if not folder.is_dir():
    if os.path.lexists(folder):
      # Refused now: what is prepared could not take its name in the end.
      raise NotADirectoryError(
          f'{folder} is no folder and leads to none; remove it'
      )
    return None
  try:
    return open_folder(folder)
  except client_store.DamagedStoreError:
    pass
  # It is opened once more under the lock: another program may just have made it
  # again.
  with atomic_file.locked_folder(folder.parent):
    if not folder.is_dir():
      return None
    try:
      return open_folder(folder)
    except client_store.DamagedStoreError as error:
      logging.warning('%s It is made again.', error)
      atomic_file.remove_folder(folder)
      return None
