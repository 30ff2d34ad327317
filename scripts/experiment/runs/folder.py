"""The folder of a run: which flags it was started with, and who is at work.

A run's folder belongs to one set of flags. The same command on the same folder
goes on where it stopped; another set of flags is refused, so that a folder
never holds half of one experiment and half of another. One program at a time
works in a folder.
"""

from collections.abc import Collection, Iterator
import contextlib
import fcntl
import json
import pathlib
import tempfile
from typing import Any, Optional

from astraea_tff.datasets.storage import atomic_file

_FLAGS_FILE = 'flags.json'
LOCK_FILE = '.lock'
# What is open while this program holds a lock, by what is locked.
_locks: dict[Any, Any] = {}


def write_atomically(path: pathlib.Path, text: str) -> None:
  """Writes `text` so that `path` holds either all of it or what it held."""
  with atomic_file.replace_atomically(path) as file:
    # A name may hold what is no Unicode; tables are read in the same way.
    file.write(text.encode(errors='surrogatepass'))


def train_again(folder: pathlib.Path) -> str:
  """Says how to mend a run whose files are damaged or do not go together.

  Args:
    folder: That of one seed.
  """
  return (
      f'Remove the folder {folder}, and the same command trains this run again'
      ' from the beginning.'
  )


def lock(folder: pathlib.Path) -> None:
  """Keeps other programs out of a folder, until `unlock_all` or the end.

  The kernel releases the lock of a program that is killed.

  Args:
    folder: The folder; made if it is not there.

  Raises:
    RuntimeError: Another program is at work there.
    OSError: The folder cannot be made or written to.
  """
  folder.mkdir(parents=True, exist_ok=True)
  key = folder.resolve()
  if key in _locks:
    return
  file = (folder / LOCK_FILE).open('a')
  try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except (BlockingIOError, PermissionError) as error:
    file.close()
    raise _at_work(folder) from error
  _locks[key] = file


def _at_work(folder: pathlib.Path) -> RuntimeError:
  return RuntimeError(
      f'another program is at work in {folder}; wait for its end, or name'
      ' another folder.'
  )


def unlock_all() -> None:
  """Lets other programs into the folders that this one has locked."""
  while _locks:
    _, file = _locks.popitem()
    file.close()


@contextlib.contextmanager
def errors_that_name_the_flag(
    path: str, flag: str = 'output_dir', kind: str = 'folder'
) -> Iterator[None]:
  """Turns an OSError into one that says which flag to mend.

  Args:
    path: The value of the flag.
    flag: Its name.
    kind: What the path is of.
  """
  try:
    yield
  except OSError as error:
    raise type(error)(
        f'--{flag}={path} cannot be made or written to ({error}); name another'
        f' {kind}.'
    ) from error


def make_output_folder(path: str, flag: str = 'output_dir') -> pathlib.Path:
  """Makes the folder of results, before any is worked out.

  Args:
    path: The folder, which may be there.
    flag: The flag that names it.

  Returns:
    The folder.

  Raises:
    OSError: If the folder cannot be made or written to.
  """
  folder = pathlib.Path(path)
  with errors_that_name_the_flag(path, flag):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
      return folder


def take_output_folder(path: str) -> pathlib.Path:
  """Makes the folder of results, and keeps other programs from theirs there.

  Unlike a run's, it may be any folder, and is left without a lock file.

  Args:
    path: The folder, which may be there.

  Returns:
    The folder.

  Raises:
    RuntimeError: Another program is at work there.
    OSError: If the folder cannot be made or written to.
  """
  folder = make_output_folder(path)
  key = folder.resolve(), 'itself'
  if key not in _locks:
    lock_of_folder = contextlib.ExitStack()
    try:
      lock_of_folder.enter_context(
          atomic_file.locked_folder(folder, waits=False)
      )
    except BlockingIOError as error:
      raise _at_work(folder) from error
    _locks[key] = lock_of_folder
  return folder


def open_run_folder(
    path: str,
    flag_values: dict[str, Any],
    growing: Collection[str] = (),
    added: Collection[str] = (),
) -> pathlib.Path:
  """Makes the folder of a run, or opens it again, locks it, records its flags.

  Args:
    path: The folder.
    flag_values: What the run's results depend on, by flag name; values that
      JSON can hold.
    growing: The flags of which a run may be given more: integers that may be
      larger than those recorded, and lists with values added.
    added: The flags of lists whose values are added to those recorded.

  Returns:
    The folder.

  Raises:
    ValueError: If the folder holds a run with other flags, or files that are
      not a run's.
    RuntimeError: If another program is at work in the folder.
    OSError: If the folder cannot be made or written to.
  """
  folder = pathlib.Path(path)
  flags_file = folder / _FLAGS_FILE
  if any('\ud800' <= character <= '\udfff' for character in path):
    raise ValueError(
        f'--output_dir={path!r} must be a path in UTF-8, as TensorFlow takes no'
        ' other to write checkpoints to; name another folder.'
    )
  with errors_that_name_the_flag(path):
    if read_flags(folder) is None and _results(folder):
      raise ValueError(
          f'--output_dir={path} holds files but no {_FLAGS_FILE}, so it is no'
          " run's folder; name an empty or a new one."
      )
    lock(folder)
  recorded = read_flags(folder)
  # Through JSON, as the recorded ones went: tuples became lists.
  wanted = json.loads(json.dumps(flag_values))
  for name in added:
    before = (recorded or {}).get(name)
    if isinstance(before, list) and _results(folder):
      wanted[name] = before + [v for v in wanted[name] if v not in before]
  if recorded is not None and _results(folder):
    differing = [
        f'--{name}={wanted.get(name)} (was {recorded.get(name)})'
        for name in sorted(wanted.keys() | recorded.keys())
        if wanted.get(name) != recorded.get(name)
        and not (
            name in growing and _has_grown(wanted[name], recorded.get(name))
        )
    ]
    if differing:
      raise ValueError(
          f'--output_dir={path} holds a run with other flags:'
          f' {", ".join(differing)}. Use the same flags to resume it, or'
          ' another folder.'
      )
  if wanted != recorded:
    text = json.dumps(wanted, indent=2, sort_keys=True) + '\n'
    with errors_that_name_the_flag(path):
      write_atomically(flags_file, text)
  return folder


def _results(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns what a folder holds besides the flags and the lock."""
  if not folder.is_dir():
    return []
  own = (_FLAGS_FILE, LOCK_FILE)
  return [
      path for path in folder.iterdir()
      if path.name not in own and not atomic_file.is_incomplete(path)
  ]


def _has_grown(now: Any, before: Any) -> bool:
  """Whether a flag's value has all that it had, and more."""
  if isinstance(now, list):
    return isinstance(before, list) and all(value in now for value in before)
  return isinstance(before, int) and now >= before


def read_flags(folder: pathlib.Path) -> Optional[dict[str, Any]]:
  """Returns the flags recorded in a run's folder; None if there are none.

  Raises:
    ValueError: If the record is not one in JSON.
  """
  flags_file = folder / _FLAGS_FILE
  if not flags_file.is_file():
    return None
  try:
    recorded = json.loads(flags_file.read_text())
    if not isinstance(recorded, dict):
      raise ValueError('it holds no flags by name')
    return recorded
  except (ValueError, RecursionError) as error:
    raise ValueError(
        f'{flags_file} is damaged ({error}); remove the folder to start the run'
        ' again.'
    ) from error
