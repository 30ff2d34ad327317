"""Augmentation that is computed once and kept on disk (Algorithm 2, line 8)."""

import hashlib
from typing import Optional

import numpy as np

from astraea_tff import arguments
from astraea_tff.augmentation import all_clients
from astraea_tff.augmentation import elements
from astraea_tff.augmentation import one_client
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.datasets import kinds
from astraea_tff.datasets.storage import cache_entries
from astraea_tff.datasets.storage import client_store
from astraea_tff.datasets.storage import preparation
from astraea_tff.datasets.storage import transform_key

# Change this whenever the same plan and seed give other augmented examples.
_FORMAT = 'astraea_tff augmented clients 2'


def prepare_augmented(
    data: preparation.PreparedDataset,
    plan: plan_lib.AugmentationPlan,
    *,
    seed: int,
    transform: Optional[one_client.Transform] = None,
    label_fn: Optional[elements.LabelFn] = None,
) -> client_store.ClientStore:
  """Augments all clients on disk, or opens them if that is done.

  The examples are those of `astraea_tff.augment_clients`. They are kept beside
  `data` in the cache, by the data, the plan, the seed and the transform.

  Args:
    data: The clients before augmentation.
    plan: The server's plan.
    seed: The run's seed.
    transform: The random transform of the copies, as for `augment_clients`; an
      instance of a dataclass, whose fields and methods tell it from others.
      None takes that of the data's kind: an `AffineTransform` for images, a
      `TabularTransform` for rows of a table, a `TextTransform` for texts.
    label_fn: Gives the plan's class that an example `(features, label)` counts
      for, as for `augment_clients`; an instance of a dataclass as `transform`
      is. None takes the label.

  Returns:
    The augmented clients.

  Raises:
    TypeError: `data` or `plan` is of another type, or nothing tells `transform`
      or `label_fn` from others.
    ValueError: The plan is of another number of classes.
    OSError: The cache cannot be written to, for want of space for example.
  """
  arguments.check_type(data, 'data', preparation.PreparedDataset)
  arguments.check_type(plan, 'plan', plan_lib.AugmentationPlan)
  # The classes that `label_fn` gives are of the plan alone, not of the data.
  if label_fn is None and len(plan.counts) != data.num_classes:
    raise ValueError(
        f'plan must be of the {data.num_classes} classes of {data.name}, got'
        f' one of {len(plan.counts)}.'
    )
  if transform is None:
    transform = kinds.transform_of(data.kind)
  digest = hashlib.sha256(
      f'{_FORMAT} {data.content_hash} {seed} '
      f'{transform_key.describe_transform(transform)}'.encode()
  )
  if label_fn is not None:
    digest.update(
        transform_key.describe_transform(label_fn, 'label_fn').encode()
    )
  # A class that is thinned out has a multiple below 1.
  digest.update(np.ascontiguousarray(plan.multiples))
  original = data.clients.folder
  folder = original.with_name(
      f'{original.name}-augmented-{digest.hexdigest()[:16]}'
  )
  client_data = data.clients.client_data

  def write(new_folder):
    datasets = map(
        client_data.create_tf_dataset_for_client, client_data.client_ids
    )
    client_store.write_store(
        new_folder,
        all_clients.augmented_examples(
            datasets, plan, seed=seed, transform=transform, label_fn=label_fn
        ),
        num_clients=len(data.clients),
        num_classes=data.num_classes,
        feature_spec=data.feature_spec,
        description=f'augmenting {data.name}',
    )

  return cache_entries.open_or_make(folder, client_store.open_store, write)
