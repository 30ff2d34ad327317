"""A division of a pool among clients, as a value that can be kept.

"Note that there is no identical sample between any clients" (Duan et al. 2019,
section II-B): a `Partition` in which two clients share an example is refused.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import hashlib
import io
import json
import os
import pathlib
from typing import Any, Optional, Union

import numpy as np

from astraea_tff import arguments
from astraea_tff.datasets.storage import atomic_file
from astraea_tff.labels import counts as counts_lib

_FORMAT = 'astraea_tff partition 1'


@dataclasses.dataclass(frozen=True, eq=False)
class Partition(arguments.CopiedByConstructor):
  """The examples of a pool that each client has.

  Attributes:
    client_indices: K read-only `int64` arrays, client k's pool indices in the
      order of its data set. No index occurs twice, in a client or in two.
    counts: Read-only `int64 [K, N]`, client k's examples of each class.
    parameters: How the partition was made, values as JSON has them; empty if it
      was made otherwise. No part of the hash.
  """

  client_indices: tuple[np.ndarray, ...]
  counts: np.ndarray
  parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    counts = counts_lib.check_counts(self.counts).copy()
    sizes = np.array([np.size(row) for row in self.client_indices], np.int64)
    if not np.array_equal(counts.sum(axis=1), sizes):
      raise ValueError(
          'counts must have a row for each client that sums to its number of '
          f'indices: got sums {counts.sum(axis=1).tolist()!r:.60} and sizes '
          f'{sizes.tolist()!r:.60}.'
      )
    for client, row in enumerate(self.client_indices):
      _check_indices(client, row)
    flat = np.concatenate(self.client_indices).astype(np.int64)
    ordered = np.sort(flat)
    if ordered.size and ordered[0] < 0:
      raise ValueError(
          f'client_indices must not be negative, got {ordered[0]}.'
      )
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
      raise ValueError(
          f'client_indices must not repeat an index, but {repeated[0]} occurs '
          'more than once.'
      )
    flat.flags.writeable = False
    counts.flags.writeable = False
    ends = np.cumsum(sizes)
    object.__setattr__(
        self,
        'client_indices',
        tuple(flat[end - size : end] for end, size in zip(ends, sizes)),
    )
    object.__setattr__(self, 'counts', counts)
    object.__setattr__(self, 'parameters', dict(self.parameters))

  @classmethod
  def from_labels(
      cls,
      client_indices: Sequence[Any],
      labels: Any,
      num_classes: Optional[int] = None,
  ) -> 'Partition':
    """Makes a partition of a division that exists already.

    Args:
      client_indices: K sequences of integers, each client's pool indices.
      labels: Integers `[n]`, the whole pool's labels, in [0, N).
      num_classes: N, at least 2. By default one more than the largest label, or
        2.

    Returns:
      The partition, with the counts of the labels.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: An argument is out of range, or an index occurs twice.
    """
    if num_classes is not None:
      num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
    labels = counts_lib.check_labels(labels, num_classes).astype(np.int64)
    if num_classes is None:
      num_classes = max(int(labels.max()) + 1, 2)
    rows = [_check_indices(k, row) for k, row in enumerate(client_indices)]
    for client, row in enumerate(rows):
      if row.size and not 0 <= row.min() <= row.max() < len(labels):
        wrong = row[(row < 0) | (row >= len(labels))][0]
        raise ValueError(
            f'client_indices[{client}] must lie in [0, {len(labels)}), as there'
            f' are {len(labels)} labels, got {wrong}.'
        )
    counts = [np.bincount(labels[row], minlength=num_classes) for row in rows]
    return cls(tuple(rows), np.array(counts).reshape(-1, num_classes))

  @functools.cached_property
  def hash(self) -> str:
    """SHA-256 of who has what: 64 hexadecimal digits, the same everywhere."""
    digest = hashlib.sha256(_FORMAT.encode())
    for array in (np.array(self.counts.shape), self.counts,
                  *self.client_indices):
      digest.update(np.ascontiguousarray(array, '<i8'))
    return digest.hexdigest()

  def save(self, path: Union[str, os.PathLike]) -> None:
    """Writes the partition to an `.npz` file, all of it or nothing.

    Args:
      path: The file; replaced if it exists. Its folder must exist.

    Raises:
      OSError: The file cannot be written; what was there before is still there.
    """
    path = pathlib.Path(arguments.expand_path(path, 'path'))
    with atomic_file.replace_atomically(path) as file:
      np.savez(
          file,
          format=_FORMAT,
          hash=self.hash,
          indices=np.concatenate(self.client_indices),
          counts=self.counts,
          parameters=json.dumps(self.parameters),
      )

  @classmethod
  def load(cls, path: Union[str, os.PathLike]) -> 'Partition':
    """Reads what `save` wrote.

    Args:
      path: The file.

    Returns:
      The partition, with the hash it had.

    Raises:
      OSError: The file cannot be read.
      ValueError: The file is damaged, or no partition.
    """
    path = pathlib.Path(arguments.expand_path(path, 'path'))
    # Read outside of the `try`, so that an error of the system is not taken for
    # a damaged file.
    content = io.BytesIO(path.read_bytes())
    try:
      with np.load(content, allow_pickle=False) as arrays:
        if str(arrays['format']) != _FORMAT:
          raise ValueError(f'its format is {str(arrays["format"])!r}')
        ends = np.cumsum(arrays['counts'].sum(axis=1))
        loaded = cls(
            tuple(np.split(arrays['indices'], ends)[:-1]),
            arrays['counts'],
            json.loads(str(arrays['parameters'])),
        )
        if loaded.hash != str(arrays['hash']):
          raise ValueError('its hash does not match its content')
    except MemoryError:
      raise
    except Exception as error:  # A damaged archive raises many kinds.
      raise ValueError(
          f'{path} is no partition file, or a damaged one ({error}); delete '
          'it and make the partition again.'
      ) from error
    return loaded


def _check_indices(client: int, row: Any) -> np.ndarray:
  row = np.asarray(row)
  if row.ndim != 1 or (row.size and row.dtype.kind not in 'iu'):
    raise TypeError(
        f'client_indices[{client}] must be a vector of integers, got dtype '
        f'{row.dtype} and shape {list(row.shape)}.'
    )
  return row.astype(np.int64)
