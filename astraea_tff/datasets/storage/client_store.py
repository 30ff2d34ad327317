"""Clients on disk, a file each, which a TFF worker reads by client id.

A store is a folder. Its examples are in TFF's form of a file per user: a
worker that shares the file system (or has a copy under the same path) opens a
client's file itself, so that a round sends client ids from Python and no
examples, and a process holds no more of the clients than it trains at the
moment, however many there are.
"""

from collections.abc import Callable, Iterable
import dataclasses
import functools
import io
import os
import pathlib
from typing import Any
import zipfile
import zlib

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
import tqdm

from astraea_tff.datasets.storage import client_files

_FORMAT = 'astraea_tff client store 3'
_INDEX_FILE = 'clients.npz'
_CLIENTS_FOLDER = 'clients'


class DamagedStoreError(ValueError):
  """A folder does not hold what was written to it."""


@dataclasses.dataclass(frozen=True, eq=False)
class ClientStore:
  """The clients in a folder.

  Attributes:
    folder: The folder.
    feature_spec: The dtype and the shape of one example's features.
    label_counts: Read-only `int64 [K, N]`, examples of each client and class.
  """

  folder: pathlib.Path
  feature_spec: tf.TensorSpec
  label_counts: np.ndarray

  def __len__(self) -> int:
    return len(self.label_counts)

  @functools.cached_property
  def client_data(self) -> tff.simulation.datasets.ClientData:
    """The clients as a `ClientData` of `(features, label int32 [])`.

    The k-th of its `client_ids` is client k. Not a
    `tff.simulation.datasets.FilePerUserClientData`, though its
    `create_from_dir` can open the same folder: that one puts a table of all
    clients' paths into every computation.
    """
    # Taken apart from `self`, which the computation should not hold on to.
    # The path is in bytes, since it need not be text.
    folder = os.fsencode(self.folder / _CLIENTS_FOLDER)
    feature_spec = self.feature_spec

    def read_client(client_id):
      path = tf.strings.join([folder, client_id], separator=os.sep)
      return client_files.read_examples(path, feature_spec)

    return tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
        client_ids(len(self)), read_client
    )

  def load(self, client: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns a client's features `[n, ...]` and labels `int32 [n]`.

    Args:
      client: The client's index, in [0, K).

    Raises:
      IndexError: There is no such client.
    """
    name = client_id(range(len(self))[client], len(self))
    return client_files.load_examples(
        self.folder / _CLIENTS_FOLDER / name, self.feature_spec
    )


def write_store(
    folder: pathlib.Path,
    clients: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    num_clients: int,
    num_classes: int,
    feature_spec: tf.TensorSpec,
    description: str,
) -> None:
  """Writes clients to a folder, with a progress bar.

  Args:
    folder: An empty folder, best one of `atomic_file.make_folder_atomically`.
    clients: Features `[n, ...]` and labels `int32 [n]` of the clients, one
      after another; taken when they are written.
    num_clients: How many they are, K.
    num_classes: N.
    feature_spec: The dtype and the shape of one example's features.
    description: What the progress bar says.

  Raises:
    OSError: The folder cannot be written to, for want of space for example.
  """
  counts = np.zeros([num_clients, num_classes], np.int64)
  sizes = np.zeros(num_clients, np.int64)
  checksums = np.zeros(num_clients, np.uint32)
  (folder / _CLIENTS_FOLDER).mkdir()
  progress = tqdm.tqdm(
      zip(client_ids(num_clients), clients),
      total=num_clients, desc=description, unit='client', leave=False,
  )
  for client, (name, (features, labels)) in enumerate(progress):
    content = client_files.serialize_examples(features, labels)
    (folder / _CLIENTS_FOLDER / name).write_bytes(content)
    counts[client] = np.bincount(labels, minlength=num_classes)
    sizes[client] = len(content)
    checksums[client] = zlib.crc32(content)
  with open(folder / _INDEX_FILE, 'wb') as file:
    np.savez(
        file, format=_FORMAT, dtype=feature_spec.dtype.name,
        shape=np.array(feature_spec.shape, np.int64), counts=counts,
        sizes=sizes, checksums=checksums,
    )


def open_store(folder: pathlib.Path) -> ClientStore:
  """Opens what `write_store` wrote, and reads all of it once to check it.

  Args:
    folder: The folder.

  Returns:
    The store.

  Raises:
    DamagedStoreError: The folder is no store, or a file is missing or does not
      hold the bytes that were written.
    OSError: A file cannot be read at the moment; the data may be in order.
  """
  index = read_checked(folder / _INDEX_FILE, _parse_index)
  counts, sizes = index['counts'], index['sizes']
  parts = zip(client_ids(len(counts)), sizes, index['checksums'])
  for name, size, checksum in parts:
    check_file(folder / _CLIENTS_FOLDER / name, int(size), int(checksum))
  counts.flags.writeable = False
  return ClientStore(folder, index['feature_spec'], counts)


def check_file(path: pathlib.Path, size: int, checksum: int) -> None:
  """Checks that a file holds what was written to it.

  Args:
    path: The file.
    size: Its bytes.
    checksum: Their CRC-32.

  Raises:
    DamagedStoreError: It is missing, or holds something else.
    OSError: It cannot be read at the moment.
  """
  found = _unless_missing(os.stat, path).st_size
  if found != size:
    raise DamagedStoreError(f'{path} should have {size} bytes, got {found}.')
  if zlib.crc32(_read(path)) != checksum:
    raise DamagedStoreError(f'{path} does not hold what was written to it.')


def read_checked(
    path: pathlib.Path, parse: Callable[[bytes], Any]
) -> Any:
  """Reads a file of a store.

  Args:
    path: The file.
    parse: Takes its bytes; any exception but one for want of memory or files
      says that they are damaged.

  Returns:
    What `parse` returns.

  Raises:
    DamagedStoreError: It is missing or damaged.
    OSError: It cannot be read at the moment.
  """
  content = _read(path)
  try:
    return parse(content)
  except (MemoryError, OSError):
    raise
  except Exception as error:  # A damaged archive raises many kinds.
    raise DamagedStoreError(
        f'{path.parent} is no store of clients, or a damaged one ({error}).'
    ) from error


def _parse_index(content: bytes) -> dict[str, Any]:
  # NumPy would believe a damaged header, however much memory that asks for.
  if zipfile.ZipFile(io.BytesIO(content)).testzip() is not None:
    raise ValueError('its index has another checksum')
  with np.load(io.BytesIO(content), allow_pickle=False) as archive:
    index = dict(archive)
  if str(index['format']) != _FORMAT:
    raise ValueError(f'its format is {str(index["format"])!r}')
  num_clients = len(index['counts'])
  if not len(index['sizes']) == len(index['checksums']) == num_clients:
    raise ValueError('its index has another number of clients')
  index['feature_spec'] = tf.TensorSpec(
      index['shape'].tolist(), str(index['dtype'])
  )
  return index


def _read(path: pathlib.Path) -> bytes:
  return _unless_missing(pathlib.Path.read_bytes, path)


def _unless_missing(function: Callable[[Any], Any], path: pathlib.Path) -> Any:
  """Calls a function of a path; that there is no file counts as damage."""
  try:
    return function(path)
  except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
    raise DamagedStoreError(
        f'{path.parent} is no store of clients, or a damaged one: {path} cannot'
        f' be read ({error.strerror}).'
    ) from error


def client_id(client: int, num_clients: int) -> str:
  """A client's name; the names' alphabetical order is the clients' order."""
  return f'{client:0{len(str(num_clients - 1))}d}'


def client_ids(num_clients: int) -> list[str]:
  """The names of all clients, in their order."""
  return [client_id(client, num_clients) for client in range(num_clients)]
