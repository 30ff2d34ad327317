"""Data sets prepared once on disk: divided among clients, a file a client.

`prepare` does what `load` does and writes the result to a cache, from where it
is opened the next time without the pool of examples. In the cache a data set
has a folder named after the hash of what is in it, and a request (a name with a
seed and a division, and the state of the source that it is answered from) a
file that says which folder answers it.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any, Optional, Union
import zlib

import numpy as np
import tensorflow as tf

from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets import kinds
from astraea_tff.datasets.sources import loading
from astraea_tff.datasets.sources import presets
from astraea_tff.datasets.storage import atomic_file
from astraea_tff.datasets.storage import cache_entries
from astraea_tff.datasets.storage import cache_folders
from astraea_tff.datasets.storage import checked_json
from astraea_tff.datasets.storage import client_store
from astraea_tff.datasets.storage import preparation_requests as requests

# Change this whenever other files are written, or a seed gives another
# partition.
_FORMAT = 'astraea_tff prepared data set 3'
_DESCRIPTION_FILE = 'dataset.json'
_TEST_FEATURES_FILE = 'test_features.npy'
_TEST_LABELS_FILE = 'test_labels.npy'
_PARTITION_FILE = 'partition.npz'
_Folder = Optional[Union[str, os.PathLike]]


@dataclasses.dataclass(frozen=True, eq=False)
class PreparedDataset:
  """A data set on disk.

  Attributes:
    name: The data set's name.
    class_names: N names; labels are indices into them.
    clients: The clients' examples and label counts.
    test_features: `[m, ...]`, mapped from the disk.
    test_labels: `int32 [m]`.
    num_pool_examples: The examples that were there to be divided.
    partition_hash: `Partition.hash` of the division.
    content_hash: SHA-256 of all that is kept: of the names, of the partition
      and of the examples.
    feature_names: As in `LabelledExamples`.
  """

  name: str
  class_names: tuple[str, ...]
  clients: client_store.ClientStore
  test_features: np.ndarray
  test_labels: np.ndarray
  num_pool_examples: int
  partition_hash: str
  content_hash: str
  feature_names: Optional[tuple[str, ...]] = None

  @property
  def num_classes(self) -> int:
    """The number of classes, N."""
    return len(self.class_names)

  @property
  def feature_spec(self) -> tf.TensorSpec:
    """The dtype and the shape of one example's features."""
    return self.clients.feature_spec

  @property
  def kind(self) -> str:
    """'image', 'table' or 'text'; see `LabelledExamples.features`."""
    return kinds.find_kind(self.feature_spec)

  @property
  def label_counts(self) -> np.ndarray:
    """Read-only `int64 [K, N]`, each client's examples of each class."""
    return self.clients.label_counts


def prepare(
    name: str,
    *,
    num_clients: Optional[int] = None,
    seed: int,
    data_dir: _Folder = None,
    cache_dir: _Folder = None,
    fraction: Optional[float] = None,
    test_per_class: Optional[int] = None,
    **partition_arguments: Any,
) -> PreparedDataset:
  """Divides a data set among clients on disk, or opens it if that is done.

  An interrupted preparation leaves nothing behind that would be taken for a
  whole one, and a damaged data set is made again: all of it is read once when
  it is opened. So is one whose source TFDS has in another version, or prepared
  anew, since. Where the source is neither there any more nor can be had, what
  was prepared from them last is opened, with a warning.

  Args:
    name: As for `load`.
    num_clients: As for `load`.
    seed: As for `load`.
    data_dir: As for `load`.
    cache_dir: Where prepared data sets are; by default `astraea_tff` in the
      user's folder for caches, XDG_CACHE_HOME. What is in it can be deleted at
      any time.
    fraction: As for `load`.
    test_per_class: As for `load`.
    **partition_arguments: As for `load`.

  Returns:
    The data set.

  Raises:
    TypeError: As for `load`.
    ValueError: As for `load`.
    RuntimeError: As for `load`.
    OSError: The cache cannot be written to, for want of space for example.
  """
  preset = presets.find_preset(name, fraction, test_per_class)
  source = preset.source_state(data_dir)
  folder = cache_folders.dataset_folder(name, cache_dir)
  request = requests.digest_request(
      _FORMAT, name, num_clients, seed, data_dir, partition_arguments,
      fraction, test_per_class,
  )
  prepared = None
  if source is not None:
    prepared = _open_answer(folder, request, source)
  if prepared is not None:
    return prepared
  try:
    data = loading.load(
        name, num_clients=num_clients, seed=seed, data_dir=data_dir,
        fraction=fraction, test_per_class=test_per_class,
        **partition_arguments,
    )
  except RuntimeError:
    prepared = _open_answer(folder, request, None) if source is None else None
    if prepared is None:
      raise
    return prepared
  prepared = store(data, cache_dir)
  # Data that were just downloaded had no state before.
  source = source or preset.source_state(data_dir)
  with cache_folders.explained_errors(folder):
    path = folder / requests.request_file(request, source)
    if path.is_symlink():
      # Somebody's, to a file that is not the cache's.
      path.unlink()
    with atomic_file.replace_atomically(path) as file:
      file.write(prepared.clients.folder.name.encode())
  return prepared


def _open_answer(
    folder: pathlib.Path, request: str, source: Optional[str]
) -> Optional[PreparedDataset]:
  with cache_folders.explained_errors(folder, 'read from'):
    answer = requests.find_answer(folder, request, source)
    return answer and cache_entries.open_or_delete(folder / answer, _open)


def store(
    data: federated_dataset.FederatedDataset, cache_dir: _Folder = None
) -> PreparedDataset:
  """Writes a data set in memory to the cache, or opens it if it is there.

  Args:
    data: The examples and their partition, for instance of NumPy arrays.
    cache_dir: As for `prepare`.

  Returns:
    The data set.

  Raises:
    OSError: The cache cannot be written to, for want of space for example.
  """
  folder = cache_folders.dataset_folder(data.name, cache_dir)
  content_hash = _hash_content(data)
  target = folder / content_hash[:16]
  return cache_entries.open_or_make(
      target, _open, lambda new_folder: _write(new_folder, data, content_hash)
  )


def _hash_content(data: federated_dataset.FederatedDataset) -> str:
  arrays = (data.features, data.labels, data.test_features, data.test_labels)
  head = [
      _FORMAT, data.name, data.class_names, data.feature_names,
      data.partition.hash,
      [(str(array.dtype), array.shape) for array in arrays],
  ]
  digest = hashlib.sha256(json.dumps(head).encode())
  for array in arrays:
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
          (data.features[indices], data.labels[indices])
          for indices in data.partition.client_indices
      ),
      num_clients=len(data.label_counts),
      num_classes=data.num_classes,
      feature_spec=data.feature_spec,
      description=f'preparing {data.name}',
  )
  np.save(folder / _TEST_FEATURES_FILE, data.test_features)
  np.save(folder / _TEST_LABELS_FILE, data.test_labels)
  data.partition.save(folder / _PARTITION_FILE)
  description = dict(
      format=_FORMAT,
      name=data.name,
      class_names=data.class_names,
      feature_names=data.feature_names,
      num_pool_examples=len(data.labels),
      partition_hash=data.partition.hash,
      content_hash=content_hash,
      files={
          name: [(folder / name).stat().st_size,
                 zlib.crc32((folder / name).read_bytes())]
          for name in (_TEST_FEATURES_FILE, _TEST_LABELS_FILE, _PARTITION_FILE)
      },
  )
  (folder / _DESCRIPTION_FILE).write_text(
      json.dumps(checked_json.sealed(description), indent=2)
  )


def _open(folder: pathlib.Path) -> PreparedDataset:
  clients = client_store.open_store(folder)
  description = client_store.read_checked(
      folder / _DESCRIPTION_FILE, _parse_description
  )
  if description['content_hash'][:16] != folder.name:
    raise client_store.DamagedStoreError(
        f'{folder} holds another data set than its name says.'
    )
  for name, (size, checksum) in description.pop('files').items():
    client_store.check_file(folder / name, size, checksum)
  return PreparedDataset(
      clients=clients,
      test_features=np.load(folder / _TEST_FEATURES_FILE, mmap_mode='r'),
      test_labels=np.load(folder / _TEST_LABELS_FILE),
      **description,
  )


def _parse_description(content: bytes) -> dict[str, Any]:
  description = checked_json.parse(content, _FORMAT, 'description')
  for key in ('class_names', 'feature_names'):
    if description[key] is not None:
      description[key] = tuple(description[key])
  return description
