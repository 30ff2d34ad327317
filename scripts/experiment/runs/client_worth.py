"""Clients whose data are worth unequally much, to see who finds out.

What the simulated clients hold says nothing of it: a wrong label looks like any
other.
"""

from collections.abc import Sequence
from typing import Optional, Union

import numpy as np

from astraea_tff import datasets
from astraea_tff import randomness

# The share of clients with wrong labels under --client_worth=wrong_labels.
_WRONG_CLIENTS = 0.2
# The mediators' kinds in this order; with more mediators it begins again.
KINDS = (
    'balanced', 'one class', 'wrong labels', 'rare', 'balanced',
    'tiny', 'one class', 'wrong labels', 'rare', 'balanced',
)
_GOOD_KINDS = ('balanced', 'rare')
# How many classes only the rare mediators have, the last ones.
_RARE_CLASSES = 2
_WRONG_LABELS = 0.7
# Examples of a mediator, of ten, by the size of the smallest class.
_SIZE = 0.8
_SIZES = {'one class': 0.4, 'tiny': 0.1}


def change_worth(
    data: datasets.PreparedDataset,
    worth: str,
    max_clients: int,
    *,
    seed: int,
    cache_dir: Optional[str] = None,
) -> datasets.PreparedDataset:
  """Returns clients of unequal worth, of the same pool and with the test set.

  Args:
    data: The clients as they are divided.
    worth: 'equal' leaves them. 'wrong_labels' draws all labels of a fifth of
      them at random. 'unequal' deals all examples anew, to mediators of
      `max_clients` clients that follow one another, each of one of `KINDS`.
      'unequal_good' keeps only the clients of balanced and rare mediators among
      these: the result of somebody who knows which mediators are good.
    max_clients: gamma.
    seed: The run's seed.
    cache_dir: Where prepared data are kept.

  Raises:
    ValueError: 'unequal' or 'unequal_good' of too few clients or classes.
  """
  if worth == 'equal':
    return data
  clients = [data.clients.load(client) for client in range(len(data.clients))]
  generator = randomness.round_generator(seed, 0, randomness.WORTH_STREAM)
  if worth == 'wrong_labels':
    num_wrong = round(_WRONG_CLIENTS * len(clients))
    if not num_wrong:
      raise ValueError(
          f'client_worth={worth} is for 3 clients or more, got {len(clients)}:'
          ' a fifth of fewer is none.'
      )
    for client in generator.permutation(len(clients))[:num_wrong]:
      images, labels = clients[client]
      clients[client] = images, generator.integers(
          data.num_classes, size=len(labels), dtype=np.int32
      )
  else:
    if len(clients) < max_clients or data.num_classes <= _RARE_CLASSES:
      raise ValueError(
          f'client_worth={worth} needs max_clients={max_clients} clients or'
          f' more and {_RARE_CLASSES + 1} classes or more, got {len(clients)}'
          f' clients and {data.num_classes} classes.'
      )
    clients = _deal(
        np.concatenate([images for images, _ in clients]),
        np.concatenate([labels for _, labels in clients]),
        data.num_classes,
        len(clients) // max_clients,
        max_clients,
        generator,
        _GOOD_KINDS if worth == 'unequal_good' else KINDS,
    )
  return with_clients(data, clients, cache_dir)


def _deal(
    images: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    num_mediators: int,
    max_clients: int,
    generator: np.random.Generator,
    kinds: Sequence[str],
) -> list[tuple[np.ndarray, np.ndarray]]:
  """Returns the examples of the clients of mediators of `kinds`."""
  order = generator.permutation(len(labels))
  left = {c: order[labels[order] == c].tolist() for c in range(num_classes)}
  lacking = [c for c, of_class in left.items() if not of_class]
  if lacking:
    raise ValueError(
        'client_worth with unequal mediators needs examples of every class, got'
        f' none of class {lacking[0]}; raise num_examples.'
    )
  size = _SIZE * min(map(len, left.values())) * len(KINDS) / num_mediators
  common = num_classes - _RARE_CLASSES
  clients = []
  for mediator in range(num_mediators):
    kind = KINDS[mediator % len(KINDS)]
    shares = np.zeros(num_classes)
    shares[:common] = 1 / common
    if kind == 'rare':
      shares *= 0.5
      shares[common:] = 0.5 / _RARE_CLASSES
    elif kind == 'one class':
      shares = np.eye(num_classes)[mediator % common]
    # All mediators draw, so that a good one has the same examples whichever
    # others are left out.
    taken = []
    for label, share in enumerate(shares):
      wanted = round(share * size * _SIZES.get(kind, 1.0))
      taken += left[label][:wanted]
      del left[label][:wanted]
    taken = generator.permutation(np.array(taken, np.int64))
    given = labels[taken].copy()
    if kind == 'wrong labels':
      is_wrong = generator.random(len(given)) < _WRONG_LABELS
      others = generator.integers(1, num_classes, len(given), np.int32)
      given = np.where(is_wrong, (given + others) % num_classes, given)
    if kind in kinds:
      parts = np.array_split(np.arange(len(taken)), max_clients)
      clients += [(images[taken[part]], given[part]) for part in parts]
  return clients


def with_clients(
    data: Union[datasets.FederatedDataset, datasets.PreparedDataset],
    clients: Sequence[tuple[np.ndarray, np.ndarray]],
    cache_dir: Optional[str],
) -> datasets.PreparedDataset:
  """Returns a data set with other clients, each its features and labels."""
  features = np.concatenate([of_client for of_client, _ in clients])
  labels = np.concatenate([labels for _, labels in clients]).astype(np.int32)
  ends = np.cumsum([len(of_client) for _, of_client in clients])
  partition = datasets.Partition.from_labels(
      np.split(np.arange(len(labels)), ends[:-1]), labels, data.num_classes
  )
  return datasets.store(
      datasets.FederatedDataset(
          class_names=data.class_names,
          features=features,
          labels=labels,
          test_features=np.array(data.test_features),
          test_labels=np.array(data.test_labels),
          name=data.name,
          feature_names=data.feature_names,
          partition=partition,
      ),
      cache_dir,
  )
