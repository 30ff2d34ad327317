"""Augmentation that is computed once and kept on disk (Algorithm 2, line 8)."""

import hashlib

import numpy as np

from astraea_tff.augmentation import all_clients
from astraea_tff.augmentation import one_client
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.augmentation.transforms import affine
from astraea_tff.datasets.storage import atomic_file
from astraea_tff.datasets.storage import client_store
from astraea_tff.datasets.storage import preparation

# To be changed with what the same plan and seed augment to.
_FORMAT = 'astraea_tff augmented clients 1'


def prepare_augmented(
    data: preparation.PreparedDataset,
    plan: plan_lib.AugmentationPlan,
    *,
    seed: int,
    transform: affine.AffineTransform = one_client.DEFAULT_TRANSFORM,
) -> client_store.ClientStore:
  """Augments all clients on disk, or opens them if that is done.

  The examples are those of `astraea_tff.augment_clients`. They are kept beside
  `data` in the cache, by the data, the plan, the seed and the transform.

  Args:
    data: The clients before augmentation.
    plan: The server's plan.
    seed: The run's seed.
    transform: The random transform of the copies.

  Returns:
    The augmented clients.

  Raises:
    OSError: The cache cannot be written to, for want of space for example.
  """
  digest = hashlib.sha256(
      f'{_FORMAT} {data.content_hash} {seed} {transform}'.encode()
  )
  digest.update(np.ascontiguousarray(plan.copies))
  original = data.clients.folder
  folder = original.with_name(
      f'{original.name}-augmented-{digest.hexdigest()[:16]}'
  )
  store = preparation.open_or_delete(folder, client_store.open_store)
  if store is not None:
    return store
  client_data = data.clients.client_data
  datasets = map(
      client_data.create_tf_dataset_for_client, client_data.client_ids
  )
  with preparation.explained_errors(folder.parent):
    with atomic_file.make_folder_atomically(folder) as new_folder:
      client_store.write_store(
          new_folder,
          all_clients.augmented_examples(
              datasets, plan, seed=seed, transform=transform
          ),
          num_clients=len(data.clients),
          num_classes=data.num_classes,
          image_shape=data.image_shape,
          description=f'augmenting {data.name}',
      )
  return client_store.open_store(folder)
