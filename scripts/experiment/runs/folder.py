"""The folder of a run: which flags it was started with, and what it wrote.

A run's folder belongs to one set of flags. The same command on the same folder
goes on where it stopped; another set of flags is refused, so that a folder
never holds half of one experiment and half of another.
"""

import json
import os
import pathlib
from typing import Any, Optional

from astraea_tff.datasets.storage import atomic_file

_FLAGS_FILE = 'flags.json'


def write_atomically(path: pathlib.Path, text: str) -> None:
  """Writes `text` so that `path` holds either all of it or what it held."""
  with atomic_file.replace_atomically(path) as file:
    file.write(text.encode())


def open_run_folder(
    path: str, flag_values: dict[str, Any]
) -> pathlib.Path:
  """Makes the folder of a run, or opens it again, and records its flags.

  Args:
    path: The folder.
    flag_values: What the run's results depend on, by flag name; values that
      JSON can hold.

  Returns:
    The folder.

  Raises:
    ValueError: If the folder holds a run with other flags, or files that are
      not a run's.
    OSError: If the folder cannot be made or written to.
  """
  folder = pathlib.Path(path)
  flags_file = folder / _FLAGS_FILE
  recorded = read_flags(folder)
  others = [] if not folder.is_dir() else sorted(folder.iterdir())
  if recorded is None and others:
    raise ValueError(
        f'--output_dir={path} holds files but no {_FLAGS_FILE}, so it is no'
        " run's folder; name an empty or a new one."
    )
  if others in ([], [flags_file]):
    # New, or of a run that failed before it had any result.
    text = json.dumps(flag_values, indent=2, sort_keys=True) + '\n'
    try:
      folder.mkdir(parents=True, exist_ok=True)
      write_atomically(flags_file, text)
    except OSError as error:
      raise OSError(
          f'--output_dir={path} cannot be made or written to ({error}); name'
          ' another folder.'
      ) from error
    return folder
  # Through JSON, as the recorded ones went: tuples became lists.
  wanted = json.loads(json.dumps(flag_values))
  differing = [
      f'--{name}={wanted.get(name)} (was {recorded.get(name)})'
      for name in sorted(wanted.keys() | recorded.keys())
      if wanted.get(name) != recorded.get(name)
  ]
  if differing:
    raise ValueError(
        f'--output_dir={path} holds a run with other flags:'
        f' {", ".join(differing)}. Use the same flags to resume it, or another'
        ' folder.'
    )
  if not os.access(folder, os.W_OK):
    raise PermissionError(f'--output_dir={path} cannot be written to.')
  return folder


def read_flags(folder: pathlib.Path) -> Optional[dict[str, Any]]:
  """Returns the flags recorded in a run's folder; None if there are none.

  Raises:
    ValueError: If the record cannot be read as JSON.
  """
  flags_file = folder / _FLAGS_FILE
  if not flags_file.is_file():
    return None
  try:
    return json.loads(flags_file.read_text())
  except ValueError as error:
    raise ValueError(
        f'{flags_file} is damaged ({error}); remove the folder to start the run'
        ' again.'
    ) from error
