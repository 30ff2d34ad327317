"""Labelled examples, divided among clients."""

import dataclasses
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.clients import batches
from astraea_tff.datasets import kinds
from astraea_tff.datasets.partitioning import partitions
from astraea_tff.labels import counts as counts_lib


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledExamples:
  """A pool of training examples and a test set, as a loader returns them.

  Attributes:
    class_names: N names; labels are indices into them.
    features: The pool, one of
      `uint8 [n, H, W, C]`, images;
      `float32 [n, D]`, rows of a table, best with a mean near 0 and a
      deviation near 1 in every column;
      `int32 [n, L]`, texts as token ids, 0 for padding and 1 for words that are
      not in the vocabulary.
    labels: `int32 [n]`, in [0, N).
    test_features: As `features`, `[m, ...]`.
    test_labels: `int32 [m]`, in [0, N).
    feature_names: A table's D columns, if they have names. The vocabulary of
      texts, of which a token id is the index. None for images.
  """

  class_names: tuple[str, ...]
  features: np.ndarray
  labels: np.ndarray
  test_features: np.ndarray
  test_labels: np.ndarray
  feature_names: Optional[tuple[str, ...]] = dataclasses.field(
      default=None, kw_only=True
  )

  def __post_init__(self):
    num_classes = len(self.class_names)
    if num_classes < 2:
      raise ValueError(
          f'class_names must name at least 2 classes, got {self.class_names}.'
      )
    for prefix in ('', 'test_'):
      features = getattr(self, f'{prefix}features')
      labels = getattr(self, f'{prefix}labels')
      _check_examples(prefix, features, labels, num_classes)
    pool, test = self.features, self.test_features
    if (pool.dtype, pool.shape[1:]) != (test.dtype, test.shape[1:]):
      raise ValueError(
          'features and test_features must have one shape and one dtype, got '
          f'{pool.dtype} {list(pool.shape[1:])} and '
          f'{test.dtype} {list(test.shape[1:])}.'
      )
    self._check_feature_names()

  @property
  def num_classes(self) -> int:
    """The number of classes, N."""
    return len(self.class_names)

  @property
  def feature_spec(self) -> tf.TensorSpec:
    """The dtype and the shape of one example's features."""
    return tf.TensorSpec(self.features.shape[1:], self.features.dtype)

  @property
  def kind(self) -> str:
    """'image', 'table' or 'text'; see `features`."""
    return kinds.find_kind(self.feature_spec)

  def _check_feature_names(self) -> None:
    names, kind = self.feature_names, self.kind
    if kind == kinds.TEXT:
      for prefix in ('', 'test_'):
        _check_tokens(f'{prefix}features', self, names)
    elif names is None:
      return
    elif kind == kinds.IMAGE:
      raise ValueError(f'feature_names must be None for images, got {names}.')
    elif len(names) != self.features.shape[1]:
      raise ValueError(
          f'feature_names must name the {self.features.shape[1]} columns of'
          f' features, got {len(names)}.'
      )
    object.__setattr__(self, 'feature_names', tuple(names))


@dataclasses.dataclass(frozen=True, eq=False)
class FederatedDataset(LabelledExamples):
  """A pool of examples that is divided among clients, and a test set.

  Attributes:
    name: The data set's name.
    partition: The examples of the pool that each client has; some may be
      unused.
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
          f'{len(self.labels)} examples.'
      )
    owners = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    found = np.zeros_like(counts)
    np.add.at(found, (owners, self.labels[indices]), 1)
    if not np.array_equal(found, counts):
      raise ValueError(
          'partition was made for other labels: its counts are not those of '
          'the examples it refers to.'
      )

  @property
  def label_counts(self) -> np.ndarray:
    """Read-only `int64 [K, N]`, each client's examples of each class."""
    return self.partition.counts

  def client_datasets(self) -> list[tf.data.Dataset]:
    """Each client's own examples, one data set a client.

    Returns:
      K data sets of unbatched `(features [...], label int32 [])`, in the order
      of `partition.client_indices`.
    """
    return [
        tf.data.Dataset.from_tensor_slices(
            (self.features[indices], self.labels[indices])
        )
        for indices in self.partition.client_indices
    ]


def batch_client(
    dataset: tf.data.Dataset,
    batch_size: int,
    *,
    shuffle_seed: Optional[int] = None,
) -> tf.data.Dataset:
  """Turns a client's examples into batches for a model.

  Args:
    dataset: `(features, label int32 [])`, unbatched: images uint8 `[H, W, C]`,
      rows of a table float32 `[D]` or token ids int32 `[L]`.
    batch_size: B, at least 1. The last batch may be smaller.
    shuffle_seed: If given, the examples come in an order drawn from it, another
      one at each pass: over the whole client where its size is known, else
      within 10,000 examples.

  Returns:
    `(features [None, ...], int32 [None])`; images are float32 in [0, 1], other
    features as they were.

  Raises:
    TypeError: `dataset` is none or has other elements, or a number is no int.
    ValueError: A number is out of range.
  """
  batch_size = arguments.check_integer(batch_size, 'batch_size', 1)
  arguments.check_type(dataset, 'dataset', tf.data.Dataset)
  spec = dataset.element_spec
  kind = None
  if isinstance(spec, tuple) and len(spec) == 2 and all(
      isinstance(part, tf.TensorSpec) for part in spec
  ):
    features, label = spec
    is_label = label.dtype == tf.int32 and label.shape.rank == 0
    kind = kinds.find_kind(features) if is_label else None
  if kind is None:
    raise TypeError(
        'dataset must have elements (features, int32 []), unbatched, with '
        'features uint8 [H, W, C], float32 [D] or int32 [L], got '
        f'{spec}.'
    )
  if shuffle_seed is not None:
    shuffle_seed = arguments.check_integer(shuffle_seed, 'shuffle_seed', 0)
  size = int(dataset.cardinality())
  batched = batches.batch_examples(
      dataset,
      batch_size,
      seed=shuffle_seed,
      shuffle_buffer=max(size, 1) if size >= 0 else 10_000,
  )
  if kind != kinds.IMAGE:
    return batched
  return batched.map(
      lambda images, labels: (tf.cast(images, tf.float32) / 255, labels)
  )


def _check_examples(
    prefix: str, features: Any, labels: Any, num_classes: int
) -> None:
  for name, value in (('features', features), ('labels', labels)):
    if not isinstance(value, np.ndarray) or isinstance(
        value, np.ma.MaskedArray
    ):
      raise TypeError(
          f'{prefix}{name} must be a NumPy array, got a'
          f' {type(value).__name__}; np.asarray(value, dtype) makes one.'
      )
  spec = tf.TensorSpec(features.shape[1:], features.dtype)
  if not features.ndim or kinds.find_kind(spec) is None:
    raise ValueError(
        f'{prefix}features must be uint8 images [n, H, W, C], float32 rows '
        '[n, D] or int32 token ids [n, L], got '
        f'{features.dtype} {list(features.shape)}.'
    )
  if labels.dtype != np.int32 or labels.shape != features.shape[:1]:
    raise ValueError(
        f'{prefix}labels must be int32 [{len(features)}], a label for each of '
        f'{prefix}features, got {labels.dtype} {list(labels.shape)}.'
    )
  if labels.size:
    counts_lib.check_labels(labels, num_classes, f'{prefix}labels')


def _check_tokens(name: str, data: LabelledExamples, names: Any) -> None:
  """Raises unless token ids are those of a vocabulary."""
  if names is None or len(names) < 2:
    raise ValueError(
        'feature_names must be the vocabulary of the token ids, at least what '
        f'stands for padding and for unknown words, got {names}.'
    )
  tokens = getattr(data, name)
  outside = tokens[(tokens < 0) | (tokens >= len(names))]
  if outside.size:
    raise ValueError(
        f'{name} must be token ids in [0, {len(names)}), the vocabulary of '
        f'feature_names, got {outside[0]}.'
    )
