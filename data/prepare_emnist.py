"""Prepares EMNIST for TensorFlow Datasets from files that a user downloaded.

  python -m astraea_tff.data.prepare_emnist --archives=~/Downloads/gzip.zip \
      --data_dir=~/tensorflow_datasets

The files are NIST's, of `gzip.zip`, as a whole or unpacked; each must have its
SHA-256 in emnist_sha256.csv. TensorFlow Datasets' own builder reads them, so
that what it would have downloaded itself is in --data_dir afterwards.
"""

import argparse
from collections.abc import Mapping, Sequence
import csv
import hashlib
import importlib.resources
import os
import pathlib
import shutil
import sys
import tempfile
from typing import Any, Optional, Union
import zipfile

import tensorflow_datasets as tfds

CONFIGS = ('balanced', 'byclass', 'bymerge', 'digits', 'letters', 'mnist')
_FOLDER = 'gzip'
_PAGE = 'https://www.nist.gov/itl/products-and-services/emnist-dataset'
_CHUNK_BYTES = 1 << 20


def official_sums() -> dict[str, str]:
  """Returns the SHA-256 of NIST's files, hexadecimal, by name."""
  table = importlib.resources.files('astraea_tff.data').joinpath(
      'emnist_sha256.csv'
  )
  lines = csv.DictReader(table.read_text('utf-8').splitlines())
  return {line['file']: line['sha256'] for line in lines}


def prepare(
    archives: Union[str, os.PathLike],
    data_dir: Union[str, os.PathLike],
    config: str = 'bymerge',
    sums: Optional[Mapping[str, str]] = None,
) -> pathlib.Path:
  """Prepares a set of EMNIST, unless it is prepared already.

  Args:
    archives: NIST's `gzip.zip`, or a folder with the set's four files, which
      may be in a folder `gzip` there.
    data_dir: Where TensorFlow Datasets keeps its data.
    config: One of `CONFIGS`; Table I is made from 'bymerge'.
    sums: SHA-256 of each file by name; the official ones by default.

  Returns:
    The folder of the prepared set.

  Raises:
    ValueError: There is no such set, a file is missing, or one has another
      checksum.
    OSError: A file cannot be read, or the data not be written.
  """
  if config not in CONFIGS:
    raise ValueError(
        f'config must be one of {", ".join(CONFIGS)}, got {config!r}.'
    )
  archives = pathlib.Path(archives).expanduser()
  data_dir = pathlib.Path(data_dir).expanduser()
  sums = official_sums() if sums is None else sums
  names = [
      f'emnist-{config}-{part}-{kind}-ubyte.gz'
      for part in ('train', 'test')
      for kind in ('images-idx3', 'labels-idx1')
  ]
  data_dir.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(dir=data_dir, prefix='emnist') as folder:
    folder = pathlib.Path(folder)
    (folder / _FOLDER).mkdir()
    for name in names:
      target = folder / _FOLDER / name
      _fetch(archives, name, target)
      _check_sum(target, sums[name])
    builder = _builder_class(folder)(config=config, data_dir=data_dir)
    builder.download_and_prepare(download_dir=folder / 'downloads')
  return pathlib.Path(builder.data_dir)


def _fetch(
    archives: pathlib.Path, name: str, target: pathlib.Path
) -> None:
  """Puts a file of the archive or the folder in a place."""
  if archives.is_dir():
    for path in (archives / name, archives / _FOLDER / name):
      if path.is_file():
        target.symlink_to(path.resolve())
        return
    raise ValueError(
        f'{archives} must hold {name}, or have it in a folder {_FOLDER}; it is'
        f' in the gzip.zip of {_PAGE}.'
    )
  try:
    with zipfile.ZipFile(archives) as file:
      with file.open(f'{_FOLDER}/{name}') as member, target.open('wb') as copy:
        shutil.copyfileobj(member, copy)
  except (KeyError, zipfile.BadZipFile) as error:
    raise ValueError(
        f'{archives} must be the gzip.zip of {_PAGE}, with {_FOLDER}/{name} in'
        f' it ({error}).'
    ) from error


def _check_sum(path: pathlib.Path, expected: str) -> None:
  digest = hashlib.sha256()
  with path.open('rb') as file:
    while chunk := file.read(_CHUNK_BYTES):
      digest.update(chunk)
  if digest.hexdigest() != expected:
    raise ValueError(
        f'{path.name} is not the official file, or was cut off: its SHA-256 is'
        f' {digest.hexdigest()} and must be {expected}. Download it again from'
        f' {_PAGE}.'
    )


class _DownloadedAlready:
  """TFDS's download manager, with a folder in the place of the download."""

  def __init__(self, manager: Any, folder: pathlib.Path):
    self._manager = manager
    self._folder = folder

  def download_and_extract(self, url: str) -> str:
    del url  # It is what the user downloaded.
    return str(self._folder)

  def extract(self, paths: Any) -> Any:
    return self._manager.extract(paths)


def _builder_class(folder: pathlib.Path) -> type[tfds.core.DatasetBuilder]:
  """Returns TFDS's builder of EMNIST, which reads files of a folder."""

  # Two builders of a name cannot both be registered.
  class EmnistOfFiles(tfds.builder_cls('emnist'), skip_registration=True):
    """EMNIST, from files that are there."""

    name = 'emnist'

    def _split_generators(self, dl_manager):
      return super()._split_generators(_DownloadedAlready(dl_manager, folder))

  return EmnistOfFiles


def main(arguments: Optional[Sequence[str]] = None) -> None:
  """Prepares what the command line says."""
  parser = argparse.ArgumentParser(
      prog='prepare_emnist',
      description='Prepares EMNIST for TensorFlow Datasets from downloaded'
      ' files.',
  )
  parser.add_argument(
      '--archives', required=True,
      help="NIST's gzip.zip, or the folder of its files.",
  )
  parser.add_argument(
      '--data_dir', required=True,
      help='Where TensorFlow Datasets keeps its data.',
  )
  parser.add_argument(
      '--config', default='bymerge', choices=CONFIGS,
      help="Which set; Table I's are made from bymerge.",
  )
  given = parser.parse_args(arguments)
  try:
    print(prepare(given.archives, given.data_dir, given.config))
  except (ValueError, OSError, RuntimeError) as error:
    sys.exit(f'prepare_emnist: {" ".join(str(error).split())}')


if __name__ == '__main__':
  main()
