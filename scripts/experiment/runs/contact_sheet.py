"""Samples of each class beside their augmented copies, for a contact sheet.

What Algorithm 2 does to the examples is best judged by eye. The copies are made
by the very pipeline that augments clients, with the server's plan: a sample of
a class that has, say, 1.3 copies has an augmented one beside it in three cases
of ten.
"""

from collections.abc import Sequence
import itertools
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.augmentation import one_client
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff import datasets
from astraea_tff.datasets import kinds

# A sample's features and those of an augmented copy of it, if it has one.
SampleAndCopy = tuple[np.ndarray, Optional[np.ndarray]]

_PADDING = 2
_PAPER, _NO_COPY = 255, 225


def draw_samples(
    data: datasets.PreparedDataset,
    plan: plan_lib.AugmentationPlan,
    samples_per_class: int,
    *,
    seed: int,
    transform: Optional[one_client.Transform] = None,
) -> list[list[SampleAndCopy]]:
  """Draws samples of the clients, and augments them.

  Args:
    data: The clients' examples.
    plan: The server's plan.
    samples_per_class: How many to draw of a class, at least 1; fewer where the
      clients have fewer.
    seed: The seed of the draw and of the augmentation, at least 0.
    transform: As for `datasets.prepare_augmented`. The neighbours of a
      `TabularTransform` are those among the samples.

  Returns:
    For each of the N classes, its samples, each with the first of its
    augmented copies, or None where the plan left it without.

  Raises:
    TypeError: `samples_per_class` or `seed` is not an int.
    ValueError: `samples_per_class` or `seed` is out of its range, or `plan` is
      for another number of classes.
  """
  check_integer = arguments.check_integer
  samples_per_class = check_integer(samples_per_class, 'samples_per_class', 1)
  seed = check_integer(seed, 'seed', 0)
  if len(plan.counts) != data.num_classes:
    raise ValueError(
        f'plan must be for the {data.num_classes} classes of data, got one for'
        f' {len(plan.counts)}.'
    )
  if transform is None:
    transform = kinds.transform_of(data.kind)
  features, labels = _draw_examples(data.clients, samples_per_class, seed)
  copies = _first_copies(features, labels, plan, seed, transform)
  samples = [[] for _ in range(data.num_classes)]
  for position, label in enumerate(labels):
    samples[label].append((features[position], copies.get(position)))
  return samples


def compose(
    samples: Sequence[Sequence[SampleAndCopy]], samples_per_class: int
) -> np.ndarray:
  """Lays images out in one picture, a row for each class.

  On the left stand the samples, on the right, in the same order, their
  augmented copies, with light grey where there is none. White separates them.

  Args:
    samples: As `draw_samples` returns them; at least one in all.
    samples_per_class: The places in a row on either side.

  Returns:
    `uint8 [N * (H + 2), (2 * samples_per_class + 1) * (W + 2), 3]`; the column
    in the middle is empty.
  """
  first, _ = next(itertools.chain.from_iterable(samples))
  height, width, _ = first.shape
  shape = (len(samples), 2 * samples_per_class + 1)
  cells = np.full(
      (*shape, height + _PADDING, width + _PADDING, 3), _PAPER, np.uint8
  )
  # A gray image's one channel is broadcast to all three.
  inner = cells[:, :, : -_PADDING, : -_PADDING]
  for row, pairs in enumerate(samples):
    for column, (sample, copy) in enumerate(pairs):
      inner[row, column] = sample
      inner[row, samples_per_class + 1 + column] = (
          _NO_COPY if copy is None else copy
      )
  picture = cells.swapaxes(1, 2)
  return picture.reshape(
      shape[0] * (height + _PADDING), shape[1] * (width + _PADDING), 3
  )


def _draw_examples(
    clients: datasets.ClientStore, samples_per_class: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the examples of each class that come first in a random order.

  Reads clients only until there are enough of every class.
  """
  rng = np.random.default_rng(seed)
  missing = np.minimum(clients.label_counts.sum(axis=0), samples_per_class)
  features, labels = [], []
  for client in rng.permutation(len(clients)):
    if not (missing * clients.label_counts[client]).any():
      continue
    client_features, client_labels = clients.load(client)
    for index in rng.permutation(len(client_labels)):
      label = client_labels[index]
      if missing[label]:
        missing[label] -= 1
        features.append(client_features[index])
        labels.append(label)
  order = np.argsort(labels, kind='stable')
  return np.array(features)[order], np.array(labels)[order]


def _first_copies(
    features: np.ndarray,
    labels: np.ndarray,
    plan: plan_lib.AugmentationPlan,
    seed: int,
    transform: Any,
) -> dict[int, np.ndarray]:
  """Returns the first copy of each example that has one, by its position.

  How many copies an example has is drawn from the seed and the label alone. So
  augmenting the positions in the examples' stead, with nothing done to them,
  tells whose copy each augmented example is.
  """
  positions = np.arange(len(features), dtype=np.float32).reshape(-1, 1, 1, 1)
  owners, augmented = (
      one_client.augment(
          tf.data.Dataset.from_tensor_slices((values, labels)),
          plan,
          seed=seed,
          transform=applied,
      )
      for values, applied in (
          (positions, lambda values, _: values),
          (features, transform),
      )
  )
  seen, copies = set(), {}
  for (owner, _), (example, _) in zip(
      owners.as_numpy_iterator(), augmented.as_numpy_iterator()
  ):
    position = int(owner.item())
    # An example itself comes out before its copies.
    if position in seen:
      copies.setdefault(position, example)
    seen.add(position)
  return copies
