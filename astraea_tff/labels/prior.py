"""The label prior of a calibrated loss, and how a client's dataset gets it.

A client whose labels are skewed teaches a model its skew. In training its
logits therefore get `log((p + e) / (1 + e N))`, where p is the share of each
class to expect,

    p = (1 - prior_share) * P_client + prior_share * P_global,

after augmentation, and e = 1e-3 keeps the classes finite that nobody has. With
`prior_share=0` that is balanced softmax with the client's own counts (Ren et
al. 2020), with 1 it is logit adjustment (Menon et al. 2021).

P_client a client counts where its data are; P_global is N numbers that the
server sends.
"""

import collections
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.labels import counts as counts_lib

_SMOOTHING = 1e-3
# Enough to make counting a few steps, and little in memory.
_EXAMPLES_PER_COUNT = 256
# More counts than there are; with the int64's largest TensorFlow aborts.
_ALL = 2**31 - 1


class LabelPrior:
  """The prior that a client puts into its batches."""

  def __init__(
      self, global_counts: Any, prior_share: float, copies: Optional[Any] = None
  ):
    """Initializes the prior.

    Args:
      global_counts: Numbers `[N]`, the examples of each class over all clients,
        or `[K, N]` of each client, which are added up. Negative ones count as
        0: noise for privacy may leave such.
      prior_share: The share of P_global in the prior, in [0, 1].
      copies: Numbers above 0, `[N]`, by which a client's counts are multiplied.

    Raises:
      TypeError: An argument holds no numbers.
      ValueError: A number is out of its range, or a shape is another.
    """
    counts = _check_global_counts(global_counts)
    self._num_classes = len(counts)
    self._global_shares = counts / counts.sum()
    self._prior_share = arguments.check_number(
        prior_share, '`prior_share`', 0, 1
    )
    self._copies = _check_copies(copies, len(counts))

  def add(
      self,
      dataset: tf.data.Dataset,
      counted: tf.data.Dataset,
      copies: Optional[tf.Tensor] = None,
  ) -> tf.data.Dataset:
    """Returns the dataset with the prior; counts as soon as it is called.

    Args:
      dataset: Elements `(x, y)` or mappings of 'x' and 'y', batches or not.
      counted: The client's examples, in such elements, of which the labels are
        counted. Labels below 0, which a loss may ignore, do not count.
      copies: The copies that training makes of a sample of each class, [N],
        instead of the prior's own; None for the prior's.

    Raises:
      TypeError: The labels are no integers.
      ValueError: The elements, or the labels' shape, are not as above.
      tf.errors.InvalidArgumentError: A label is not below N.
    """
    check_elements(dataset.element_spec)
    check_elements(counted.element_spec)
    counts = _batched(counted).with_options(_quick_start()).reduce(
        tf.zeros([self._num_classes], tf.int64),
        lambda counts, element: counts + self._count(element),
    )
    log_prior = self._log_prior(counts, copies)
    return dataset.map(
        lambda *parts: self._with_prior(parts, log_prior)
    )

  def add_when_read(
      self, dataset: tf.data.Dataset, counted: tf.data.Dataset
  ) -> tf.data.Dataset:
    """As `add`, but counts at every reading of the result.

    It consists of datasets alone, so that it can be sent to a worker, which
    then counts. (A `reduce` within a dataset is refused as having state.)

    Args:
      dataset: Elements `(x, y)` or mappings of 'x' and 'y', batches or not.
      counted: The client's examples, in such elements, of which the labels are
        counted. Labels below 0, which a loss may ignore, do not count.

    Returns:
      The dataset with the prior.

    Raises:
      TypeError: The labels are no integers.
      ValueError: The elements, or the labels' shape, are not as above.
      tf.errors.InvalidArgumentError: When the result is read, if a label is not
        below N.
    """
    check_elements(dataset.element_spec)
    check_elements(counted.element_spec)
    all_counts = _batched(counted).map(lambda *parts: self._count(parts))
    # The result has one element, or none for a client without examples.
    # `enumerate` stands between `map` and `batch`, which TensorFlow would fuse
    # to one operation that takes the memory of a full batch.
    log_priors = all_counts.enumerate().batch(_ALL).flat_map(
        lambda _, counts: tf.data.Dataset.from_tensors(
            self._log_prior(tf.reduce_sum(counts, axis=0))
        ).repeat()
    )
    # `zip` opens the dataset whenever the result is opened: what shuffles anew
    # draws another order whenever it is opened.
    return tf.data.Dataset.zip(dataset, log_priors).map(
        lambda element, log_prior: self._with_prior((element,), log_prior)
    )

  def _count(self, batch: Any) -> tf.Tensor:
    """Returns how many labels of each class are in a batch, int64 [N]."""
    labels = tf.cast(tf.reshape(_label(batch), [-1]), tf.int64)
    # Negative ones are left to the loss, which may be told to ignore them.
    largest = tf.reduce_max(labels)
    known = tf.raw_ops.Assert(
        condition=largest < self._num_classes,
        data=[
            f'`global_counts` has {self._num_classes} classes, so a label must '
            f'be below {self._num_classes}, got',
            largest,
        ],
    )
    with tf.control_dependencies([known]):
      return tf.math.unsorted_segment_sum(
          tf.ones_like(labels), labels, self._num_classes
      )

  def _log_prior(
      self, counts: tf.Tensor, copies: Optional[tf.Tensor] = None
  ) -> tf.Tensor:
    """Returns the prior of a client with these counts, float32 [N]."""
    counts = tf.cast(counts, tf.float64)
    if copies is not None:
      counts *= tf.cast(copies, tf.float64)
    elif self._copies is not None:
      counts *= self._copies
    # A client without examples has no batches either.
    shares = tf.math.divide_no_nan(counts, tf.reduce_sum(counts))
    shares += self._prior_share * (self._global_shares - shares)
    smoothed = (shares + _SMOOTHING) / (1 + _SMOOTHING * self._num_classes)
    return tf.cast(tf.math.log(smoothed), tf.float32)

  def _with_prior(self, parts: Sequence[Any], log_prior: tf.Tensor) -> Any:
    """Returns an element with the prior beside x, for each of its examples."""
    features, label = _features_and_label(parts)
    batch_size = [tf.shape(label)[0]] if label.shape.rank else []
    prior = tf.ensure_shape(
        tf.broadcast_to(log_prior, [*batch_size, self._num_classes]),
        [*label.shape[:1], self._num_classes],
    )
    if len(parts) == 1 and isinstance(parts[0], Mapping):
      return collections.OrderedDict(x=(features, prior), y=label)
    return (features, prior), label


def _features_and_label(element: Any) -> tuple[Any, Any]:
  """Returns x and y of an element, of its spec, or of what `map` passes on."""
  if isinstance(element, tuple) and len(element) == 1:
    (element,) = element
  if isinstance(element, Mapping):
    return element['x'], element['y']
  return element


def _label(element: Any) -> Any:
  return _features_and_label(element)[1]


def _batched(dataset: tf.data.Dataset) -> tf.data.Dataset:
  """Returns batches of a client's labels, with or without its features.

  Batches of whole examples cost least, where their parts have one shape.
  """
  structure = dataset.element_spec
  if _label(structure).shape.rank:
    return dataset
  if not all(
      isinstance(spec, tf.TensorSpec) and spec.shape.is_fully_defined()
      for spec in tf.nest.flatten(structure)
  ):
    dataset = dataset.map(lambda *parts: (0, _label(parts)))
  return dataset.batch(_EXAMPLES_PER_COUNT)


def _quick_start() -> tf.data.Options:
  """Returns options that start a short pipeline in a fraction of the time."""
  options = tf.data.Options()
  options.autotune.enabled = False
  options.experimental_optimization.apply_default_optimizations = False
  return options


def check_elements(structure: Any, owner: str = 'A client') -> None:
  """Raises unless elements are `(x, y)`, or 'x' and 'y', with class labels.

  Args:
    structure: An `element_spec`.
    owner: What messages call the client.

  Raises:
    TypeError: The labels are no integers.
    ValueError: The elements, or the labels' shape, are not as above.
  """
  if isinstance(structure, Mapping):
    known = set(structure) == {'x', 'y'}
  else:
    known = isinstance(structure, tuple) and len(structure) == 2
  if not known:
    raise ValueError(
        f"{owner} must have elements (x, y), or mappings of 'x' and 'y', as "
        f'TFF trains on, got {arguments.shorten(str(structure))}; bring them to'
        ' this with `map()`.'
    )
  label = _label(structure)
  if not isinstance(label, tf.TensorSpec) or not label.dtype.is_integer:
    raise TypeError(
        f'{owner} must have labels that are a tensor of integers, got {label}.'
    )
  rank = label.shape.rank
  if rank is None or rank > 2 or (rank == 2 and label.shape[1] != 1):
    raise ValueError(
        f'{owner} must have labels of one integer for each example, [] or in'
        f' batches [B] or [B, 1], got shape {label.shape}.'
    )


def _check_global_counts(counts: Any) -> np.ndarray:
  """Returns `[N]` or `[K, N]` counts as float64 `[N]`, over all clients."""
  counts = arguments.check_finite(counts, '`global_counts`')
  counts = counts_lib.scaled(counts.astype(np.float64))
  if counts.ndim == 2:
    counts = counts.sum(axis=0)
  if counts.ndim != 1 or len(counts) < 2:
    raise ValueError(
        '`global_counts` must be [N] or [K, N], for at least 2 classes, got '
        f'shape {list(counts.shape)}.'
    )
  counts = np.maximum(counts, 0)
  if not counts.sum() > 0:
    raise ValueError(
        '`global_counts` must have a class with examples, got none above 0.'
    )
  return counts


def _check_copies(copies: Any, num_classes: int) -> Optional[np.ndarray]:
  """Returns `copies` as float64 `[N]`, or None."""
  if copies is None:
    return None
  copies = arguments.check_finite(copies, '`copies`').astype(np.float64)
  if copies.shape != (num_classes,) or not (copies > 0).all():
    raise ValueError(
        f'`copies` must be a number above 0 for each of the {num_classes} '
        f'classes of `global_counts`, got {arguments.shorten(str(copies))}.'
    )
  return counts_lib.scaled(copies)
