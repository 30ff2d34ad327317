"""Clients with elements of any structure on disk, a file each.

What `client_store` is for a named data set's clients, an array of features and
a class each, this is for all others: several inputs, sequences, labels that are
values or tags. A worker that shares the file system reads a client itself.
"""

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
from typing import Any, Optional, Union
import zlib

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
import tqdm

from astraea_tff import arguments
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.client_datasets import errors as client_errors
from astraea_tff.datasets.storage import atomic_file
from astraea_tff.datasets.storage import checked_json
from astraea_tff.datasets.storage import client_store
from astraea_tff.labels import reading

_FORMAT = 'astraea_tff clients of any structure 1'
_INDEX_FILE = 'clients.json'
_EXAMPLES_PER_READ = 1024
# What a protocol buffer can hold.
_MAX_FILE_BYTES = 2**31 - 1
# `tf.io.decode_raw` knows these dtypes.
_DTYPES = (
    tf.bool, tf.float16, tf.float32, tf.float64, tf.int8, tf.int16, tf.int32,
    tf.int64, tf.uint8, tf.uint16,
)


@dataclasses.dataclass(frozen=True, eq=False)
class StoredClients:
  """The clients in a folder.

  Attributes:
    folder: The folder.
    element_spec: One example's spec, a structure of `tf.TensorSpec`s.
    label_counts: Read-only `int64 [K, N]`, examples of each client and class.
  """

  folder: pathlib.Path
  element_spec: Any
  label_counts: np.ndarray

  def __len__(self) -> int:
    return len(self.label_counts)

  @functools.cached_property
  def client_data(self) -> tff.simulation.datasets.ClientData:
    """The clients as a `ClientData`; the k-th of its ids is client k."""
    # Taken apart from `self`, which the computation should not hold on to.
    folder, element_spec = os.fsencode(self.folder), self.element_spec

    def read_client(client_id):
      path = tf.strings.join([folder, client_id], separator=os.sep)
      return tf.data.Dataset.from_tensor_slices(_parse(path, element_spec))

    return tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
        client_store.client_ids(len(self)), read_client
    )


def store_clients(
    folder: Union[str, os.PathLike],
    clients: Any,
    num_classes: int,
    *,
    label_fn: Optional[Callable[[Any], Any]] = None,
) -> StoredClients:
  """Writes clients to a new folder, from where a worker reads them by id.

  Clients are read one after another and once, so that what is counted is what
  is written, also of a dataset that gives other examples every time. What
  `astraea_tff.augment_clients` returns of a `ClientData` is augmented once in
  this way, as in Algorithm 2, whatever its structure.

  Args:
    folder: The folder, which is not there yet; it appears when all is written.
    clients: A `tff.simulation.datasets.ClientData`, or a sequence of
      `tf.data.Dataset`s of single examples, not batches. Elements are a
      structure of tensors of numbers or truth values, of known sizes.
    num_classes: N, at least 2.
    label_fn: Gives the class that an example counts for; see
      `astraea_tff.label_counts`.

  Returns:
    The clients, in their order.

  Raises:
    TypeError: As `astraea_tff.label_counts`, or a tensor is of another dtype.
    ValueError: As `astraea_tff.label_counts`, a size is not known or zero,
      clients are not alike, or one has more than 2 GB.
    FileExistsError: The folder is there.
    OSError: The folder cannot be written to.
  """
  folder = pathlib.Path(arguments.expand_path(folder, 'folder'))
  # A link that leads nowhere is there too.
  if os.path.lexists(folder):
    raise FileExistsError(_there(folder))
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  clients, num_clients = reading.check_clients(clients)
  specs, counts, sizes, checksums = [], [], [], []
  with _new_folder(folder) as new_folder:
    progress = tqdm.tqdm(
        reading.named_datasets(clients),
        total=num_clients, desc='storing clients', unit='client', leave=False,
    )
    for client, (name, dataset) in enumerate(progress):
      specs.append((name, dataset.element_spec))
      if not client:
        element = _to_json(dataset.element_spec)
      # Against the first, so that an error comes before all are written.
      client_errors.check_alike([specs[0], specs[-1]])
      columns = _read(name, dataset)
      examples = tf.data.Dataset.from_tensor_slices(
          tf.nest.pack_sequence_as(dataset.element_spec, columns)
      )
      counts.append(
          reading.count_labels(name, examples, num_classes, label_fn).tolist()
      )
      content = _serialize(name, columns)
      try:
        file_name = client_store.client_id(client, num_clients)
        (new_folder / file_name).write_bytes(content)
      except OSError as error:
        raise OSError(
            error.errno, f'{folder} cannot be written: {error.strerror}'
        ) from error
      sizes.append(len(content))
      checksums.append(zlib.crc32(content))
    index = dict(
        format=_FORMAT,
        element=element,
        counts=counts,
        sizes=sizes,
        checksums=checksums,
    )
    (new_folder / _INDEX_FILE).write_text(
        json.dumps(checked_json.sealed(index))
    )
  return open_clients(folder)


@contextlib.contextmanager
def _new_folder(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  try:
    with atomic_file.make_folder_atomically(folder, may_exist=False) as new:
      yield new
  except FileExistsError as error:
    if os.path.lexists(folder):  # Another program was quicker.
      raise FileExistsError(_there(folder)) from error
    raise


def _there(folder: pathlib.Path) -> str:
  return (
      f'`folder` must be a new one, but {folder} is there; open it with'
      ' open_clients, or remove it.'
  )


def open_clients(folder: Union[str, os.PathLike]) -> StoredClients:
  """Opens what `store_clients` wrote, and reads all of it once to check it.

  Args:
    folder: The folder.

  Returns:
    The clients.

  Raises:
    client_store.DamagedStoreError: A `ValueError`: the folder is none of
      `store_clients`, or a file does not hold what was written.
    OSError: A file cannot be read at the moment.
  """
  folder = pathlib.Path(arguments.expand_path(folder, 'folder')).resolve()
  index = client_store.read_checked(
      folder / _INDEX_FILE,
      lambda content: checked_json.parse(content, _FORMAT, 'index'),
  )
  counts = np.array(index['counts'], np.int64)
  counts.flags.writeable = False
  parts = zip(
      client_store.client_ids(len(counts)),
      index['sizes'],
      index['checksums'],
      strict=True,
  )
  for name, size, checksum in parts:
    client_store.check_file(folder / name, size, checksum)
  return StoredClients(folder, _from_json(index['element']), counts)


def _read(client: str, dataset: tf.data.Dataset) -> list[np.ndarray]:
  """Returns all examples of a client, the parts of one after another."""
  specs = tf.nest.flatten(dataset.element_spec)
  for spec in specs:
    if not isinstance(spec, tf.TensorSpec) or spec.dtype not in _DTYPES:
      raise TypeError(
          f'{client} must have dense tensors of numbers or truth values, got'
          f' {client_errors.describe(dataset.element_spec)}; encode texts as'
          ' token ids, and cast what is of another dtype, with map().'
      )
    if not spec.shape.is_fully_defined() or not spec.shape.num_elements():
      raise ValueError(
          f'{client} must have tensors of known sizes above 0, got'
          f' {client_errors.describe(dataset.element_spec)}; unbatch() batches,'
          ' and pad what differs.'
      )
  # The empty arrays are for a client that has no examples.
  columns = [
      [np.zeros([0, *spec.shape], spec.dtype.as_numpy_dtype)] for spec in specs
  ]
  limit = client_endings.ExampleLimit(client, dataset)
  with client_errors.named_errors(client, dataset, 'read'):
    for batch in dataset.batch(_EXAMPLES_PER_READ):
      parts = tf.nest.flatten(batch)
      limit.add(len(parts[0]))
      for column, part in zip(columns, parts):
        column.append(part.numpy())
  return [np.concatenate(column) for column in columns]


def _serialize(client: str, columns: Sequence[np.ndarray]) -> bytes:
  """Returns the content of a client's file."""
  feature = {}
  for place, part in enumerate(columns):
    little_endian = part.astype(part.dtype.newbyteorder('<'), copy=False)
    feature[_part_name(place)] = tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[little_endian.tobytes()])
    )
  num_bytes = sum(len(part.bytes_list.value[0]) for part in feature.values())
  if num_bytes > _MAX_FILE_BYTES - 1024 * len(feature):
    raise ValueError(
        f'{client} must have less than 2 GB, got {num_bytes:,} bytes; divide'
        ' it among more clients.'
    )
  example = tf.train.Example(features=tf.train.Features(feature=feature))
  return example.SerializeToString()


def _parse(path: tf.Tensor, element_spec: Any) -> Any:
  """Returns all examples of a file, a structure of tensors `[n, ...]`."""
  specs = tf.nest.flatten(element_spec)
  parsed = tf.io.parse_single_example(
      tf.io.read_file(path),
      {
          _part_name(place): tf.io.FixedLenFeature([], tf.string)
          for place in range(len(specs))
      },
  )
  parts = []
  for place, spec in enumerate(specs):
    numbers = tf.io.decode_raw(parsed[_part_name(place)], spec.dtype)
    parts.append(tf.reshape(numbers, [-1, *spec.shape]))
  return tf.nest.pack_sequence_as(element_spec, parts)


def _part_name(place: int) -> str:
  return f'part_{place}'


def _to_json(spec: Any) -> Any:
  """Returns an `element_spec` as JSON can hold it."""
  if isinstance(spec, Mapping):
    parts = [[name, _to_json(part)] for name, part in spec.items()]
    return {'mapping': parts}
  if isinstance(spec, tuple):
    return {'tuple': [_to_json(part) for part in spec]}
  if not isinstance(spec, tf.TensorSpec):
    raise TypeError(
        'Elements must be tensors, in tuples or mappings, got'
        f' {type(spec).__name__}; bring them to this with map().'
    )
  return {'dtype': spec.dtype.name, 'shape': spec.shape.as_list()}


def _from_json(plain: Any) -> Any:
  if 'mapping' in plain:
    return collections.OrderedDict(
        (name, _from_json(part)) for name, part in plain['mapping']
    )
  if 'tuple' in plain:
    return tuple(_from_json(part) for part in plain['tuple'])
  return tf.TensorSpec(plain['shape'], plain['dtype'])
