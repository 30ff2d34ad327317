"""Augmentation of all clients: Algorithm 2, line 8.

The paper augments once, at initialisation, and stores the result. So does
`augment_clients` by default; with `fresh_every_epoch` the copies are drawn anew
in every epoch and nothing is stored.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import copy
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff import randomness
from astraea_tff.augmentation import elements
from astraea_tff.augmentation import one_client
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.client_datasets import errors as client_errors
from astraea_tff.client_datasets import names as client_names


class FreshlyAugmentedClients(Sequence):
  """Clients augmented anew in every round, and in every epoch of it.

  A dataset sent to a TFF worker starts anew there, so a client's seed has to
  change with the round: it is `(seed, client index, round)`. Nothing is stored,
  and datasets are made when they are asked for. `clients[k]` is client k in
  round 0.
  """

  def __init__(
      self,
      clients: Sequence[tf.data.Dataset],
      plan: plan_lib.AugmentationPlan,
      *,
      seed: one_client.Seed,
      transform: Optional[one_client.Transform] = None,
      label_fn: Optional[elements.LabelFn] = None,
  ):
    """Initializes the clients; see `augment` for what is raised.

    Args:
      clients: The clients' datasets, as for `augment`.
      plan: The server's plan.
      seed: The run's seed.
      transform: As for `augment`.
      label_fn: As for `augment`.
    """
    _check_clients(clients, transform, label_fn)
    self._clients = clients
    self._augment_dataset = one_client.augment_dataset_fn(
        plan, transform, True, label_fn
    )
    self._calls_users_code = _calls_users_code(transform, label_fn)
    self._seed = randomness.check_seed(seed)
    self._round_num = 0

  def __len__(self) -> int:
    return len(self._clients)

  def __getitem__(self, index: int) -> tf.data.Dataset:
    # Counted from the front, so that client -1 has the draws of the last one.
    client = range(len(self))[index]
    pair = randomness.seed_pair((*self._seed, client, self._round_num))
    dataset = self._clients[client]
    augmented = self._augment_dataset(dataset, pair)
    client_names.remember_sources(
        augmented, dataset, calls_users_code=self._calls_users_code
    )
    return augmented

  @property
  def unaugmented(self) -> Sequence[tf.data.Dataset]:
    """The clients' datasets before augmentation."""
    return self._clients

  def for_round(self, round_num: int) -> 'FreshlyAugmentedClients':
    """Returns the clients as they are in a round.

    Args:
      round_num: The number of the round, at least 0.

    Returns:
      A sequence like this one, with the draws of that round.

    Raises:
      TypeError: `round_num` is not an int.
      ValueError: `round_num` is negative.
    """
    clients = copy.copy(self)
    clients._round_num = arguments.check_integer(
        round_num, 'round_num', 0
    )
    return clients


def augment_clients(
    clients: Union[
        Sequence[tf.data.Dataset], tff.simulation.datasets.ClientData
    ],
    plan: plan_lib.AugmentationPlan,
    *,
    seed: one_client.Seed,
    transform: Optional[one_client.Transform] = None,
    fresh_every_epoch: bool = False,
    label_fn: Optional[elements.LabelFn] = None,
) -> Union[
    list[tf.data.Dataset],
    FreshlyAugmentedClients,
    tff.simulation.datasets.ClientData,
]:
  """Augments every client: Algorithm 2, lines 8 to 12.

  The form follows that of `clients`:

  * A sequence becomes a list of datasets that were computed once and are kept
    in memory, which is the paper's form; client k's seed is `(seed, k)`. With
    `fresh_every_epoch` it becomes a `FreshlyAugmentedClients`.
  * A `ClientData` becomes a `ClientData` of the same ids; a client's seed comes
    from `seed` and a strong hash of its id. The same examples are computed
    again at each reading rather than stored. With `fresh_every_epoch` the
    draws differ between readings and epochs, but a round that is computed from
    client ids in a TFF worker starts the sequence again.

  Args:
    clients: The clients' data, with elements as for `augment`.
    plan: The server's plan.
    seed: The run's seed.
    transform: As for `augment`.
    fresh_every_epoch: As for `augment`.
    label_fn: As for `augment`.

  Returns:
    The augmented clients, with the elements' structure unchanged.

  Raises:
    TypeError: `clients` is neither form, or as for `augment`.
    ValueError: As for `augment`; or a client's elements are not like those of
      the others, or it never ends. One of a sequence that does not say how
      many examples it has is taken for endless beyond 100,000; a larger one
      says it with `tf.data.experimental.assert_cardinality`. The message names
      the client.
    tf.errors.OpError: A client of a sequence cannot be read, or has a label
      outside [0, N). The message names it, and the file where it is known.
  """
  arguments.check_type(fresh_every_epoch, '`fresh_every_epoch`', bool)
  if isinstance(clients, tff.simulation.datasets.ClientData):
    elements.check_elements(
        clients.element_type_structure, transform, label_fn
    )
    return _augment_client_data(
        clients,
        one_client.augment_dataset_fn(
            plan, transform, fresh_every_epoch, label_fn
        ),
        randomness.seed_pair(randomness.check_seed(seed)),
        _calls_users_code(transform, label_fn),
    )
  if fresh_every_epoch:
    return FreshlyAugmentedClients(
        clients, plan, seed=seed, transform=transform, label_fn=label_fn
    )
  _check_clients(clients, transform, label_fn)
  examples = augmented_examples(
      clients, plan, seed=seed, transform=transform, label_fn=label_fn
  )
  return [
      tf.data.Dataset.from_tensor_slices(
          tf.nest.pack_sequence_as(dataset.element_spec, columns)
      )
      for dataset, columns in zip(clients, examples)
  ]


def augmented_examples(
    clients: Iterable[tf.data.Dataset],
    plan: plan_lib.AugmentationPlan,
    *,
    seed: one_client.Seed,
    transform: Optional[one_client.Transform] = None,
    label_fn: Optional[elements.LabelFn] = None,
) -> Iterator[list[np.ndarray]]:
  """Augments one client after another, to be stored: Algorithm 2, lines 8-12.

  Client k, by its place in `clients`, has the seed `(seed, k)`.

  Args:
    clients: The clients' datasets, with elements as for `augment`.
    plan: The server's plan.
    seed: The run's seed.
    transform: As for `augment`.
    label_fn: As for `augment`.

  Yields:
    The parts of a client's examples `[n, ...]`, as `tf.nest.flatten` orders
    them, copies included: for images `[n, H, W, C]` and labels `[n]`.
  """
  seed = randomness.check_seed(seed)
  # Batches of many sizes come from the clients; one trace is for all of them.
  augment_batch = tf.function(
      one_client.augment_batch_fn(plan, transform),
      autograph=False,
      reduce_retracing=True,
  )
  for client, dataset in enumerate(clients):
    pair = randomness.seed_pair((*seed, client))
    yield _augment_now(
        f'clients[{client}]', dataset, plan, augment_batch, pair, label_fn
    )


def _calls_users_code(transform: Any, label_fn: Any) -> bool:
  """Whether augmentation calls what is not of this library."""
  if label_fn is not None:
    return True
  given = transform.values() if isinstance(transform, Mapping) else [transform]
  return any(
      one is not None and not type(one).__module__.startswith('astraea_tff.')
      for one in given
  )


def _augment_client_data(clients, augment_dataset, pair, calls_users_code):
  """Returns a `ClientData` whose datasets are augmented as they are read."""

  def augmented_dataset(client_id):
    if isinstance(client_id, str):
      client_id = client_names.id_in_bytes(client_id)
    dataset = clients.serializable_dataset_fn(client_id)
    augmented = augment_dataset(
        dataset, randomness.client_id_pair(pair, client_id)
    )
    client_names.remember_sources(
        augmented, dataset, calls_users_code=calls_users_code
    )
    return augmented

  return tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
      clients.client_ids, augmented_dataset
  )


def _augment_now(
    client: str,
    dataset: tf.data.Dataset,
    plan: plan_lib.AugmentationPlan,
    augment_batch: Callable[..., Any],
    pair: np.ndarray,
    label_fn: Optional[elements.LabelFn],
) -> list[np.ndarray]:
  """Returns the parts of what `augment` gives, computed now.

  Not by reading what `augment` returns, as starting that pipeline takes several
  times as long as augmenting one client.
  """
  structure = dataset.element_spec
  # An empty batch goes first, for a client that has no other.
  augmented = [
      [
          np.empty([0, *spec.shape], spec.dtype.as_numpy_dtype)
          for spec in tf.nest.flatten(structure)
      ]
  ]
  limit = client_endings.ExampleLimit(client, dataset)
  if label_fn is not None:
    dataset = elements.with_classes(dataset, label_fn)
  batches = dataset.batch(one_client.batch_size(plan, structure))
  # Where tf.data computes: another device may round otherwise, and would let
  # a label outside [0, N) pass.
  with tf.device('/CPU:0'), client_errors.named_errors(
      client, dataset, 'augmented'
  ):
    draw = one_client.seed_draw(pair)
    for key, batch in batches.enumerate():
      parts = [batch] if label_fn is None else batch
      limit.add(len(tf.nest.flatten(parts)[-1]))
      augmented.append(augment_batch(draw, key, *parts))
  return [np.concatenate(column) for column in zip(*augmented)]


def _check_clients(clients: Any, transform: Any, label_fn: Any) -> None:
  """Refuses what is no sequence of datasets that are alike and end."""
  if not isinstance(clients, Sequence):
    raise TypeError(
        '`clients` must be a sequence of tf.data.Datasets or a '
        'tff.simulation.datasets.ClientData, got '
        f'{type(clients).__name__}.'
    )
  for client, dataset in enumerate(clients):
    arguments.check_type(dataset, f'`clients[{client}]`', tf.data.Dataset)
    try:
      elements.check_elements(dataset.element_spec, transform, label_fn)
    except (TypeError, ValueError) as error:
      raise type(error)(f'`clients[{client}]`: {error}') from error
    client_endings.check_ends(f'`clients[{client}]`', dataset)
  client_errors.check_alike([
      (f'`clients[{client}]`', dataset.element_spec)
      for client, dataset in enumerate(clients)
  ])
