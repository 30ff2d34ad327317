"""Where the cache of prepared data sets is, and what its folders are called."""

from collections.abc import Iterator
import contextlib
import hashlib
import os
import pathlib
import re
from typing import Optional, Union

from astraea_tff import arguments

# The names that `store` gives to folders of the cache, and those that `store`
# and `prepare_augmented` give.
STORE_NAME = re.compile(r'[0-9a-f]{16}')
FOLDER_NAME = re.compile(r'[0-9a-f]{16}(-augmented-[0-9a-f]{16})?')
_PLAIN_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_-]{0,63}')


def default_cache_dir() -> pathlib.Path:
  """Returns `astraea_tff` in the user's folder for caches, XDG_CACHE_HOME.

  Raises:
    ValueError: There is no home folder for it.
  """
  root = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  try:
    return pathlib.Path(root).expanduser() / 'astraea_tff'
  except RuntimeError as error:
    raise ValueError(
        'There is no home folder to keep prepared data in; name a folder with'
        ' --cache_dir (cache_dir).'
    ) from error


def dataset_folder(
    name: str, cache_dir: Optional[Union[str, os.PathLike]]
) -> pathlib.Path:
  """Returns the folder of a data set in the cache.

  Args:
    name: The data set's, which may be any text.
    cache_dir: The cache; `default_cache_dir()` if None.

  Raises:
    TypeError: `cache_dir` is no path.
    ValueError: `cache_dir` holds a NUL, or there is no home folder for its ~ or
      for the default.
  """
  if cache_dir is None:
    root = default_cache_dir()
  else:
    # An absolute path, as the program may change its folder, and a worker stays
    # in its own.
    root = arguments.expand_path(cache_dir, 'cache_dir')
    root = pathlib.Path(root).absolute()
  plain = name.replace('/', '_').replace(':', '_')
  if not _PLAIN_NAME.fullmatch(plain):
    # A name may be any text, and a folder's name may not.
    digest = hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()
    plain = re.sub(r'[^A-Za-z0-9_-]', '_', f'n{name}')[:40] + f'-{digest[:16]}'
  return root / plain


@contextlib.contextmanager
def explained_errors(
    cache_dir: pathlib.Path, action: str = 'written to'
) -> Iterator[None]:
  """Turns an `OSError` of the cache into one that says what to do.

  Args:
    cache_dir: The folder that is used.
    action: What fails, 'written to' or 'read from'.

  Raises:
    OSError: An `OSError` came from inside; the new message names the cache.
  """
  try:
    yield
  except OSError as error:
    mend = (
        'Nothing half-made was kept: free some space, or name another folder'
        if action == 'written to'
        else 'Nothing was deleted: name another folder'
    )
    raise OSError(
        f'The prepared data cannot be {action} {cache_dir} ({error}). {mend}'
        ' with --cache_dir (cache_dir), and run the same again.'
    ) from error
