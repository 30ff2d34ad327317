"""Augmentation of one client's minority classes: Algorithm 2, lines 9 to 12.

`augment` is a `tf.data` transform that follows the server's plan
(`astraea_tff.augmentation.plan`). A fractional number of copies is its whole
part, plus one more with the fraction's probability: right in expectation, and
the same for the same seed. Copies come out near their originals, so shuffle
after augmenting (line 13); `astraea_tff.BatchedClients` does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.augmentation import by_class
from astraea_tff.augmentation import copying
from astraea_tff.augmentation import elements
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.augmentation.transforms import affine
from astraea_tff import randomness

Transform = copying.Transform
# One number, or several that name the draw together: (run, client, round).
Seed = Union[int, Sequence[int]]

DEFAULT_TRANSFORM = affine.AffineTransform()
# Enough to vectorise well. Fewer where copies, as float32, take more memory.
_LARGEST_BATCH = 256
_BATCH_BYTES = 80_000_000


def augment(
    dataset: tf.data.Dataset,
    plan: plan_lib.AugmentationPlan,
    *,
    seed: Seed,
    transform: Optional[Transform] = None,
    fresh_every_epoch: bool = False,
    label_fn: Optional[elements.LabelFn] = None,
) -> tf.data.Dataset:
  """Augments one client's dataset: Algorithm 2, lines 9 to 12.

  Every sample stays as it is, once; its further copies are transformed. The
  pipeline holds no Python state, so that TFF can send it to a worker.

  What is drawn is keyed by a sample's position in `dataset`, which should
  therefore have an order that stays: shuffle afterwards.

  Where the plan keeps less than all samples of a class (`kept`), each of them
  is kept with that probability, drawn in the same way.

  Args:
    dataset: Single examples, not batches: `(features, label)`, or a mapping
      with the keys 'x' and 'y', or 'image' and 'label'. Features are a tensor
      or any structure of them, of known sizes; labels are integers `[]` in
      [0, N), unless there is a `label_fn`.
    plan: The server's plan.
    seed: An integer, or several that together name the client's draws, such as
      `(run seed, client index)`.
    transform: Takes features `[B, ...]` and a stateless seed `int64 [2]`, and
      returns as many of the same dtypes and sizes, each with its own draws. One
      with a method `copy_rows` is asked for the copies that way, as a
      `TabularTransform`, which needs the classes and the other examples too. A
      mapping `{label: transform}` has one for some classes; the others get that
      of None. None chooses by the features: an `AffineTransform` for images
      `[H, W, C]`, uint8 or float; a `TabularTransform` for vectors and numbers
      some of which are floats. Other features, such as token ids, need one that
      is given.
    fresh_every_epoch: False: every reading gives the same examples, in this
      process and in others. (A worker built with other processor instructions
      may round a rare pixel the other way.) True: every reading, and every
      epoch of a `repeat()`, draws copies and transforms anew, in a sequence
      that the seed determines. The sequence starts again wherever the dataset
      is sent to; see `FreshlyAugmentedClients` for draws that also differ
      between rounds.
    label_fn: Maps an element to the class in [0, N) that it counts for, an
      integer `[]`, in the dataset's graph: for labels that are no class, such
      as a value, several tags or the next words. Copies keep their labels.

  Returns:
    A dataset with the `element_spec` of `dataset`. Reading it fails with an
    `InvalidArgumentError` at a label outside [0, N).

  Raises:
    TypeError: An argument, the features or the label have a wrong type.
    ValueError: The elements of `dataset` have another structure or are batches,
      there is no default for their features, or `transform` changes the dtype
      or the size of features.
  """
  arguments.check_type(dataset, '`dataset`', tf.data.Dataset)
  elements.check_elements(dataset.element_spec, transform, label_fn)
  pair = randomness.seed_pair(randomness.check_seed(seed))
  return augment_dataset_fn(plan, transform, fresh_every_epoch, label_fn)(
      dataset, pair
  )


def augment_dataset_fn(
    plan: plan_lib.AugmentationPlan,
    transform: Optional[Transform],
    fresh_every_epoch: bool,
    label_fn: Optional[elements.LabelFn] = None,
) -> Callable[[tf.data.Dataset, Any], tf.data.Dataset]:
  """Returns a function that augments a checked dataset.

  Args:
    plan: The server's plan.
    transform: As for `augment`.
    fresh_every_epoch: As for `augment`.
    label_fn: As for `augment`.

  Returns:
    A `tf.function` of a dataset, the seed of its draws, int64 `[2]`, and, if
    others than the plan's are wanted, copies float32 `[N]`. Copies are data, so
    they may change without a new trace. Below 1 they are the probability with
    which a sample is kept. The datasets of all clients in all rounds share its
    one trace: a trace for each takes longer than to augment it, and TensorFlow
    never frees it.
  """
  arguments.check_type(fresh_every_epoch, '`fresh_every_epoch`', bool)
  augment_batch = augment_batch_fn(plan, transform)

  @tf.function(autograph=False)
  def augment_dataset(dataset, pair, copies=None):
    structure = dataset.element_spec
    if fresh_every_epoch:
      # The seed holds in this function's graph only; without it the keys would
      # depend on the program's `tf.random.set_seed`.
      tf.compat.v1.set_random_seed(0)
      keys = tf.data.Dataset.random(seed=1, rerandomize_each_iteration=True)
    else:
      keys = tf.data.Dataset.counter()

    draw = seed_draw(pair)

    def augment_element(key, batch):
      parts = [batch, None] if label_fn is None else batch
      augmented = augment_batch(draw, key, *parts, copies)
      return tf.data.Dataset.from_tensor_slices(
          tf.nest.pack_sequence_as(structure, augmented)
      )

    if label_fn is not None:
      dataset = elements.with_classes(dataset, label_fn)
    batches = dataset.batch(batch_size(plan, structure))
    return tf.data.Dataset.zip((keys, batches)).flat_map(augment_element)

  return augment_dataset


def batch_size(plan: plan_lib.AugmentationPlan, element_spec: Any) -> int:
  """Returns how many examples are augmented at once.

  Args:
    plan: The server's plan.
    element_spec: The spec of a checked dataset's elements.
  """
  features, _ = elements.features_and_label(element_spec)
  numbers = sum(
      leaf.shape.num_elements() for leaf in tf.nest.flatten(features)
  )
  most_bytes = 4 * numbers * plan.copies.max()
  return int(np.clip(_BATCH_BYTES / most_bytes, 1, _LARGEST_BATCH))


def seed_draw(pair: Any) -> tf.Tensor:
  """Returns what a dataset's seed, int64 `[2]`, gives to its batches' seeds.

  An int64 `[]`. It and a batch's key are `tf.random.fold_in` in two halves, so
  that this one is drawn once and not for every batch.
  """
  return tf.random.stateless_uniform([], pair, None, None, tf.int64)


def augment_batch_fn(
    plan: plan_lib.AugmentationPlan, transform: Optional[Transform]
) -> Callable[..., list[tf.Tensor]]:
  """Returns a function that augments a batch.

  Args:
    plan: The server's plan.
    transform: As for `augment`.

  Returns:
    A function of a dataset's `seed_draw` int64 `[]`, the batch's key int64
    `[]`, a batch of elements and, if these are not its labels, their classes
    `[B]`, and of copies, if they are not the plan's. It returns the parts of
    the batch, as `tf.nest.flatten` orders them, each followed by those of the
    copies.

  Raises:
    TypeError: `plan` is no plan, or `transform` is not callable.
  """
  _check_arguments(plan, transform)
  copy_rows_of = _copy_rows_of_fn(transform, len(plan.copies))
  draw_rows = _draw_rows_fn(plan)

  def augment_batch(draw, key, batch, classes=None, copies=None):
    features, label = elements.features_and_label(batch)
    classes = label if classes is None else classes
    # One constant for all operations: every one in a pipeline costs time at
    # each client that it is opened for.
    rows_axis = tf.constant(0)
    draw_seed, transform_seed = tf.unstack(
        tf.random.split(tf.stack([draw, key]))
    )
    rows, kept_rows = draw_rows(classes, draw_seed, rows_axis, copies)
    copied = copying.check_copies(
        copy_rows_of(features)(
            features, classes, rows, transform_seed, rows_axis
        ),
        features,
    )
    labels = tf.nest.flatten(label)
    copied += [tf.gather(part, rows, axis=rows_axis) for part in labels]
    parts = [*tf.nest.flatten(features), *labels]
    if kept_rows is not None:
      parts = [tf.gather(part, kept_rows, axis=rows_axis) for part in parts]
    return [
        tf.concat([part, more], axis=rows_axis)
        for part, more in zip(parts, copied)
    ]

  return augment_batch


def _copy_rows_of_fn(
    transform: Any, num_classes: int
) -> Callable[[Any], Callable[..., Any]]:
  """Returns what gives, for a batch's features, what copies its rows."""
  default = lambda features: elements.default_transform(
      copying.one_of(features)
  )
  if transform is None:
    return lambda features: copying.copy_rows_fn(default(features))
  if isinstance(transform, Mapping):
    copy_rows = by_class.copy_rows_fn(transform, default, num_classes)
  else:
    copy_rows = copying.copy_rows_fn(transform)
  return lambda features: copy_rows


def _draw_rows_fn(plan: plan_lib.AugmentationPlan) -> Callable[..., Any]:
  """Returns a function that draws which rows of a batch are copied.

  It takes labels int `[B]`, a seed int64 `[2]`, the axis 0 and copies `[N]`, or
  None for the plan's. It returns row numbers int64 `[n]`, each as often as the
  row has copies besides itself, and those of the rows that are kept, or None
  where all are.
  """
  further_of_plan = plan.copies[:, np.newaxis] - 1
  kept_of_plan = plan.kept if (plan.kept < 1).any() else None
  # A row is to have k + p further copies, 0 <= p < 1. Of the numbers 0, 1, ...
  # k are below k + p less a draw from [0, 1), and one more with probability p.
  nth_of_plan = np.arange(np.ceil(further_of_plan.max()))

  def draw_rows(labels, seed, rows_axis, copies):
    if labels.dtype not in (tf.int32, tf.int64):
      labels = tf.cast(labels, tf.int64)
    further, nth, kept = further_of_plan, nth_of_plan, kept_of_plan
    if copies is not None:
      copies = tf.cast(copies, tf.float64)
      further = tf.maximum(copies, 1)[:, tf.newaxis] - 1
      nth = tf.range(tf.math.ceil(tf.reduce_max(further)))
      kept = tf.minimum(copies, 1)
    # On a CPU this checks the labels too, and the operation's name tells it in
    # the message. An assertion would be an operation with state, and a dataset
    # with one is not sent without complaint.
    wanted = tf.gather(
        further,
        labels,
        axis=rows_axis,
        name='labels_must_be_classes_of_the_plan',
    )
    draws = randomness.uniform(tf.shape(wanted), seed, wanted.dtype)
    rows, _ = tf.unstack(tf.where(nth < wanted - draws), axis=1)
    if kept is None:
      return rows, None
    share = tf.gather(kept, labels, axis=rows_axis)
    keep_seed = tf.random.experimental.stateless_fold_in(seed, 1)
    keeps = randomness.uniform(tf.shape(share), keep_seed, share.dtype)
    return rows, tf.where(keeps < share)[:, 0]

  return draw_rows


def _check_arguments(plan: Any, transform: Any) -> None:
  if not isinstance(plan, plan_lib.AugmentationPlan):
    raise TypeError(
        '`plan` must be an AugmentationPlan, as `augmentation_plan` returns, '
        f'got {type(plan).__name__}.'
    )
  if isinstance(transform, Mapping):
    by_class.check_transforms(transform, len(plan.copies))
  elif transform is not None and not callable(transform):
    raise TypeError(
        '`transform` must be a function of features and a seed, got '
        f'{transform!r}.'
    )
