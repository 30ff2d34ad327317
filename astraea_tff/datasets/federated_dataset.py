"""Labelled images, divided among clients."""

import dataclasses
from typing import Optional

import numpy as np
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.clients import batches
from astraea_tff.datasets.partitioning import partitions


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
  """A pool of training images and a test set, as a loader returns them.

  Attributes:
    class_names: N names; labels are indices into them.
    images: `uint8 [n, H, W, C]`, the pool.
    labels: `int32 [n]`, in [0, N).
    test_images: `uint8 [m, H, W, C]`.
    test_labels: `int32 [m]`, in [0, N).
  """

  class_names: tuple[str, ...]
  images: np.ndarray
  labels: np.ndarray
  test_images: np.ndarray
  test_labels: np.ndarray

  def __post_init__(self):
    num_classes = len(self.class_names)
    if num_classes < 2:
      raise ValueError(
          f'class_names must name at least 2 classes, got {self.class_names}.'
      )
    for prefix in ('', 'test_'):
      images = getattr(self, f'{prefix}images')
      labels = getattr(self, f'{prefix}labels')
      _check_examples(prefix, images, labels, num_classes)
    if self.images.shape[1:] != self.test_images.shape[1:]:
      raise ValueError(
          'images and test_images must have one shape, got '
          f'{list(self.images.shape[1:])} and '
          f'{list(self.test_images.shape[1:])}.'
      )

  @property
  def num_classes(self) -> int:
    """N."""
    return len(self.class_names)


@dataclasses.dataclass(frozen=True, eq=False)
class FederatedDataset(ImageData):
  """A pool of training images that is divided among clients, and a test set.

  Attributes:
    name: Of the data set.
    partition: Which images of the pool each client has; some may be unused.
  """

  name: str
  partition: partitions.Partition

  def __post_init__(self):
    super().__post_init__()
    counts = self.partition.counts
    if counts.shape[1] != self.num_classes:
      raise ValueError(
          f'partition has {counts.shape[1]} classes, but class_names names '
          f'{self.num_classes}.'
      )
    indices = np.concatenate(self.partition.client_indices)
    if indices.size and indices.max() >= len(self.labels):
      raise ValueError(
          f'partition has index {indices.max()}, but there are only '
          f'{len(self.labels)} images.'
      )
    owners = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    found = np.zeros_like(counts)
    np.add.at(found, (owners, self.labels[indices]), 1)
    if not np.array_equal(found, counts):
      raise ValueError(
          'partition was made for other labels: its counts are not those of '
          'the images it refers to.'
      )

  @property
  def label_counts(self) -> np.ndarray:
    """Read-only `int64 [K, N]`, each client's examples of each class."""
    return self.partition.counts

  def client_datasets(self) -> list[tf.data.Dataset]:
    """Each client's own examples, one data set a client.

    Returns:
      K data sets of unbatched `(image uint8 [H, W, C], label int32 [])`, in the
      order of `partition.client_indices`.
    """
    return [
        tf.data.Dataset.from_tensor_slices(
            (self.images[indices], self.labels[indices])
        )
        for indices in self.partition.client_indices
    ]


def batch_client(
    dataset: tf.data.Dataset,
    batch_size: int,
    *,
    shuffle_seed: Optional[int] = None,
) -> tf.data.Dataset:
  """Turns a client's images into batches for a model that takes [0, 1].

  Args:
    dataset: `(image uint8 [H, W, C], label int32 [])`, unbatched.
    batch_size: B, at least 1. The last batch may be smaller.
    shuffle_seed: If given, the examples come in an order drawn from it, another
      one at each pass: over the whole client where its size is known, else
      within 10,000 examples.

  Returns:
    `(float32 [None, H, W, C] in [0, 1], int32 [None])`.

  Raises:
    TypeError: `dataset` has other elements, or a number is no int.
    ValueError: A number is out of range.
  """
  batch_size = arguments.check_integer(batch_size, 'batch_size', 1)
  spec = dataset.element_spec
  if not (isinstance(spec, tuple) and len(spec) == 2
          and spec[0].dtype == tf.uint8 and spec[0].shape.rank == 3
          and spec[1].dtype == tf.int32 and spec[1].shape.rank == 0):
    raise TypeError(
        'dataset must have elements (uint8 [H, W, C], int32 []), unbatched, '
        f'got {spec}.'
    )
  if shuffle_seed is not None:
    shuffle_seed = arguments.check_integer(shuffle_seed, 'shuffle_seed', 0)
  size = int(dataset.cardinality())
  return batches.batch_examples(
      dataset,
      batch_size,
      seed=shuffle_seed,
      shuffle_buffer=max(size, 1) if size >= 0 else 10_000,
  ).map(lambda images, labels: (tf.cast(images, tf.float32) / 255, labels))


def _check_examples(prefix, images, labels, num_classes) -> None:
  for name, value in (('images', images), ('labels', labels)):
    if not isinstance(value, np.ndarray):
      raise TypeError(
          f'{prefix}{name} must be a NumPy array, got a'
          f' {type(value).__name__}; np.asarray(value, dtype) makes one.'
      )
  if images.dtype != np.uint8 or images.ndim != 4:
    raise ValueError(
        f'{prefix}images must be uint8 [n, H, W, C], got {images.dtype} '
        f'{list(images.shape)}.'
    )
  if labels.dtype != np.int32 or labels.shape != images.shape[:1]:
    raise ValueError(
        f'{prefix}labels must be int32 [{len(images)}], a label for each of '
        f'{prefix}images, got {labels.dtype} {list(labels.shape)}.'
    )
  outside = labels[(labels < 0) | (labels >= num_classes)]
  if outside.size:
    raise ValueError(
        f'{prefix}labels must lie in [0, {num_classes}), got {outside[0]}.'
    )
