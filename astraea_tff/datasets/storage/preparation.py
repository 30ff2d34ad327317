"""Data sets prepared once on disk: divided among clients, a file a client.

`prepare` does what `load` does and writes the result to a cache, from where it
is opened the next time without the pool of images. In the cache a data set has
a folder named after the hash of its partition and that of its images, and a
request (a name with a seed and a division) a file that says which folder
answers it.
"""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from typing import Any, Optional, Union

from absl import logging
import numpy as np

from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets.sources import loading
from astraea_tff.datasets.sources import presets
from astraea_tff.datasets.storage import atomic_file
from astraea_tff.datasets.storage import client_store

# To be changed with what is written, or with what a seed's partition is.
_FORMAT = 'astraea_tff prepared data set 1'
_DESCRIPTION_FILE = 'dataset.json'
_TEST_IMAGES_FILE = 'test_images.npy'
_TEST_LABELS_FILE = 'test_labels.npy'
_Folder = Optional[Union[str, os.PathLike]]


@dataclasses.dataclass(frozen=True, eq=False)
class PreparedDataset:
  """A data set on disk.

  Attributes:
    name: Of the data set.
    class_names: N names; labels are indices into them.
    clients: The clients' examples and label counts.
    test_images: `uint8 [m, H, W, C]`, mapped from the disk.
    test_labels: `int32 [m]`.
    num_pool_examples: The examples that were there to be divided.
    partition_hash: `Partition.hash` of the division.
    content_hash: SHA-256 of what the clients' examples are: of their partition
      and of the images.
  """

  name: str
  class_names: tuple[str, ...]
  clients: client_store.ClientStore
  test_images: np.ndarray
  test_labels: np.ndarray
  num_pool_examples: int
  partition_hash: str
  content_hash: str

  @property
  def num_classes(self) -> int:
    """N."""
    return len(self.class_names)

  @property
  def image_shape(self) -> tuple[int, int, int]:
    """`(H, W, C)`."""
    return self.clients.image_shape

  @property
  def label_counts(self) -> np.ndarray:
    """Read-only `int64 [K, N]`, each client's examples of each class."""
    return self.clients.label_counts


def default_cache_dir() -> pathlib.Path:
  """`astraea_tff` in the user's folder for caches, XDG_CACHE_HOME."""
  root = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  return pathlib.Path(root).expanduser() / 'astraea_tff'


def prepare(
    name: str,
    *,
    num_clients: Optional[int] = None,
    seed: int,
    data_dir: _Folder = None,
    cache_dir: _Folder = None,
    **partition_arguments: Any,
) -> PreparedDataset:
  """Divides a data set among clients on disk, or opens it if that is done.

  An interrupted preparation leaves nothing behind that would be taken for a
  whole one, and a damaged data set is made again.

  Args:
    name: As for `load`.
    num_clients: As for `load`.
    seed: As for `load`.
    data_dir: As for `load`.
    cache_dir: Where prepared data sets are; by default `default_cache_dir()`.
      What is in it can be deleted at any time.
    **partition_arguments: As for `load`.

  Returns:
    The data set.

  Raises:
    TypeError: As for `load`.
    ValueError: As for `load`.
    RuntimeError: As for `load`.
    OSError: The cache cannot be written to, for want of space for example.
  """
  presets.find_preset(name)  # Refuses what is no name.
  folder = _dataset_folder(name, cache_dir)
  request = folder / (_digest_request(
      name, num_clients, seed, data_dir, partition_arguments
  ) + '.request')
  if request.is_file():
    prepared = open_or_delete(folder / request.read_text(), _open)
    if prepared is not None:
      return prepared
  data = loading.load(
      name, num_clients=num_clients, seed=seed, data_dir=data_dir,
      **partition_arguments,
  )
  prepared = store(data, cache_dir)
  with explained_errors(folder):
    with atomic_file.replace_atomically(request) as file:
      file.write(prepared.clients.folder.name.encode())
  return prepared


def store(
    data: federated_dataset.FederatedDataset, cache_dir: _Folder = None
) -> PreparedDataset:
  """Writes a data set in memory to the cache, or opens it if it is there.

  Args:
    data: The images and their partition, for instance of NumPy arrays.
    cache_dir: As for `prepare`.

  Returns:
    The data set.

  Raises:
    OSError: The cache cannot be written to, for want of space for example.
  """
  folder = _dataset_folder(data.name, cache_dir)
  content_hash = _hash_content(data)
  target = folder / content_hash[:16]
  prepared = open_or_delete(target, _open)
  if prepared is None:
    with explained_errors(folder):
      with atomic_file.make_folder_atomically(target) as new_folder:
        _write(new_folder, data, content_hash)
    prepared = _open(target)
  return prepared


def _dataset_folder(name: str, cache_dir: _Folder) -> pathlib.Path:
  root = default_cache_dir() if cache_dir is None else pathlib.Path(cache_dir)
  return root / name.replace('/', '_').replace(':', '_')


@contextlib.contextmanager
def explained_errors(cache_dir: pathlib.Path) -> Iterator[None]:
  """Turns an `OSError` of writing to the cache into one that says what to do."""
  try:
    yield
  except OSError as error:
    raise OSError(
        f'The prepared data cannot be written to {cache_dir} ({error}). Nothing'
        ' half-made was kept: free some space, or name another folder with'
        ' --cache_dir (cache_dir), and run the same again.'
    ) from error


def _digest_request(
    name: str,
    num_clients: Optional[int],
    seed: int,
    data_dir: _Folder,
    partition_arguments: Mapping[str, Any],
) -> str:
  if data_dir is None:
    data_dir = os.environ.get('TFDS_DATA_DIR')
  folder = None if data_dir is None else str(pathlib.Path(data_dir).resolve())
  given = {k: v for k, v in partition_arguments.items() if v is not None}
  request = [_FORMAT, name, num_clients, seed, folder, given]
  # Sizes and counts may be given as arrays; their values are what counts.
  text = json.dumps(
      request, sort_keys=True, default=lambda value: np.asarray(value).tolist()
  )
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash_content(data: federated_dataset.FederatedDataset) -> str:
  digest = hashlib.sha256(f'{_FORMAT} {data.partition.hash}'.encode())
  for array in (data.images, data.labels, data.test_images, data.test_labels):
    digest.update(np.ascontiguousarray(array))
  return digest.hexdigest()


def _write(
    folder: pathlib.Path,
    data: federated_dataset.FederatedDataset,
    content_hash: str,
) -> None:
  client_store.write_store(
      folder,
      (
          (data.images[indices], data.labels[indices])
          for indices in data.partition.client_indices
      ),
      num_clients=len(data.label_counts),
      num_classes=data.num_classes,
      image_shape=data.images.shape[1:],
      description=f'preparing {data.name}',
  )
  np.save(folder / _TEST_IMAGES_FILE, data.test_images)
  np.save(folder / _TEST_LABELS_FILE, data.test_labels)
  data.partition.save(folder / 'partition.npz')
  description = dict(
      format=_FORMAT,
      name=data.name,
      class_names=data.class_names,
      num_pool_examples=len(data.labels),
      partition_hash=data.partition.hash,
      content_hash=content_hash,
  )
  (folder / _DESCRIPTION_FILE).write_text(json.dumps(description, indent=2))


def open_or_delete(
    folder: pathlib.Path, open_folder: Callable[[pathlib.Path], Any]
) -> Any:
  """Opens a folder of the cache, or deletes it if it is damaged.

  Args:
    folder: The folder, which need not be there.
    open_folder: Opens it, or raises a `client_store.DamagedStoreError`.

  Returns:
    What `open_folder` returns; None if there is no (longer a) folder.
  """
  if not folder.is_dir():
    return None
  try:
    return open_folder(folder)
  except client_store.DamagedStoreError as error:
    logging.warning('%s It is made again.', error)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _open(folder: pathlib.Path) -> PreparedDataset:
  clients = client_store.open_store(folder)
  try:
    description = json.loads((folder / _DESCRIPTION_FILE).read_text())
    if description.pop('format') != _FORMAT:
      raise ValueError('it has another format')
    description['class_names'] = tuple(description['class_names'])
    return PreparedDataset(
        clients=clients,
        test_images=np.load(folder / _TEST_IMAGES_FILE, mmap_mode='r'),
        test_labels=np.load(folder / _TEST_LABELS_FILE),
        **description,
    )
  except Exception as error:  # JSON, NumPy and the system raise many kinds.
    raise client_store.DamagedStoreError(
        f'{folder} is no prepared data set, or a damaged one ({error}).'
    ) from error
