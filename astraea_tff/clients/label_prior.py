"""Clients whose batches bring the label prior, for a calibrated loss.

The prior (`astraea_tff.labels.prior`) becomes one more input of a client's
batches, which `astraea_tff.model_with_label_prior` makes a classifier take.
"""

import collections.abc
from collections.abc import Sequence
from typing import Any, Optional

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.client_datasets import names as client_names
from astraea_tff.clients import batches
from astraea_tff.clients import by_id
from astraea_tff.labels import prior as prior_lib

_NO_COPIES = (
    '`copies` is for clients whose augmentation is fresh in every epoch, '
    '`ClientsById` with `preprocess` or `FreshlyAugmentedClients`. Others are '
    'counted as they are; leave it out.'
)


def clients_with_label_prior(
    clients: Any,
    global_counts: Any,
    *,
    prior_share: float = 0.3,
    copies: Optional[Any] = None,
) -> Any:
  """Adds the label prior to the inputs of every client's batches.

  Elements `(x, y)` become `((x, log_prior), y)`, and mappings of 'x' and 'y'
  likewise; `log_prior` is float32 `[B, N]`, in each row the same. Nothing else
  about the clients changes, neither their examples nor the order of them.

  A client counts its own labels, where its data are read: by a dataset handed
  in at every reading of it, by id once in every round. A pipeline that draws
  which examples there are (`shuffle` before `take`, `sample_from_datasets`)
  must do so with a seed, or be kept by `astraea_tff.datasets.store_clients`:
  without one it gives other examples to count than to train on, and `cache`
  does not help.

  Args:
    clients: What makes the batches to train on: `BatchedClients`,
      `ClientsById`, or any other form of `astraea_tff.clients.batches`. A
      client's examples are read one more time to be counted, so a dataset that
      shuffles itself has another order with the prior than without. The two
      classes are counted before they shuffle.
    global_counts: Numbers `[N]`, the examples of each class over all clients,
      or `[K, N]` of each client, which are added up; after augmentation, such
      as `AugmentationPlan.expected_counts`. Negative ones, which noise for
      privacy may leave, count as 0.
    prior_share: The share of P_global in the prior, in [0, 1].
    copies: None for the labels of the examples that a client trains on. With
      augmentation that is fresh in every epoch, these are augmented for
      counting alone. With `AugmentationPlan.multiples`, float `[N]`, a client
      counts before augmentation and expects as many copies of each example.

  Returns:
    The clients, to be used as `clients` is. For a `ClientsById` it is what
    `read_by_id` and rounds take, for a `ClientData` it is one, else a sequence
    or an object with `for_round`.

  Raises:
    TypeError: `clients` is none of these, or an argument holds no numbers.
    ValueError: A number is out of its range, the clients' elements have another
      form, or `copies` is given for clients without fresh augmentation.
  """
  prior = prior_lib.LabelPrior(global_counts, prior_share, copies)
  # One trace is for all clients in all rounds.
  add_when_read = tf.function(prior.add_when_read, autograph=False)
  counts_unaugmented = copies is not None
  if isinstance(clients, by_id.ClientsById):
    return _ClientsByIdWithPrior(clients, prior, counts_unaugmented)
  if hasattr(clients, 'for_round'):
    return _RoundsWithPrior(clients, add_when_read, counts_unaugmented)
  if counts_unaugmented:
    raise ValueError(_NO_COPIES)
  if isinstance(clients, tff.simulation.datasets.ClientData):
    return clients.preprocess(_add_to_client_fn(clients, add_when_read))
  if isinstance(clients, collections.abc.Sequence):
    return _SequenceWithPrior(clients, clients, add_when_read)
  raise TypeError(
      '`clients` must be BatchedClients, ClientsById, a ClientData or a '
      f'sequence of tf.data.Datasets, got {type(clients).__name__}.'
  )


def _add_to_client_fn(client_data, add_when_read):
  """Returns what adds the prior to a client's dataset, in a graph or not."""
  limit = client_endings.may_be_endless(client_data)

  def add(dataset):
    if limit:
      dataset = client_endings.fail_when_too_long(
          dataset, client_endings.MOST_EXAMPLES_OF_UNKNOWN_NUMBER
      )
    added = add_when_read(dataset, dataset)
    client_names.remember_sources(added, dataset)
    return added

  return add


class _ClientsByIdWithPrior:
  """A `ClientsById` that reads batches with the prior."""

  def __init__(
      self,
      clients: by_id.ClientsById,
      prior: prior_lib.LabelPrior,
      counts_unaugmented: bool,
  ):
    if counts_unaugmented and not clients.has_preprocess:
      raise ValueError(_NO_COPIES)
    self._clients = clients
    self._prior = prior
    self._counts_unaugmented = counts_unaugmented

  def __len__(self) -> int:
    return len(self._clients)

  @property
  def client_type(self) -> tff.Type:
    """See `ClientsById.client_type`."""
    return self._clients.client_type

  def for_round(self, round_num: int) -> Sequence[by_id.ClientInRound]:
    """Returns the clients as round `round_num` takes them."""
    return self._clients.for_round(round_num)

  def read(self, client: by_id.ClientInRound) -> tf.data.Dataset:
    """Returns a client's batches; runs in the worker's graph."""
    counted = self._clients.read_examples(
        client, preprocessed=not self._counts_unaugmented
    )
    # A round's own copies replace the copies that the prior was given. Where
    # augmented examples are counted, the copies are among them already.
    copies = client.get('copies') if self._counts_unaugmented else None
    return self._prior.add(self._clients.read(client), counted, copies)


class _RoundsWithPrior:
  """Clients that change with the round, with the prior."""

  def __init__(self, clients, add_when_read, counts_unaugmented):
    self._clients = clients
    self._counts_unaugmented = counts_unaugmented
    self._add_when_read = add_when_read
    self._counted(0)  # Raises now rather than in the first round.

  def __len__(self) -> int:
    return len(self._clients)

  def for_round(self, round_num: int) -> batches.ClientsOfRound:
    """Returns the clients' datasets in round `round_num`."""
    return _SequenceWithPrior(
        self._clients.for_round(round_num),
        self._counted(round_num),
        self._add_when_read,
    )

  def _counted(self, round_num: int) -> Sequence[tf.data.Dataset]:
    """Returns the datasets of which the labels are counted."""
    if isinstance(self._clients, batches.BatchedClients):
      counted = self._clients.examples_for_round(round_num)
    else:
      # Not those that are trained on: reading these would change their draws.
      counted = self._clients.for_round(round_num)
    if not self._counts_unaugmented:
      return counted
    if not hasattr(counted, 'unaugmented'):
      raise ValueError(_NO_COPIES)
    return counted.unaugmented


class _SequenceWithPrior(batches.ClientsOfRound):
  """Datasets with the prior, each made once, when it is asked for."""

  def __init__(self, datasets, counted, add_when_read):
    self._datasets = datasets
    self._counted = counted
    self._add_when_read = add_when_read
    self._with_prior = {}

  def __len__(self) -> int:
    return len(self._datasets)

  def name(self, index: int) -> str:
    return batches.name_of(self._datasets, index)

  def __getitem__(self, index: int) -> tf.data.Dataset:
    client = range(len(self))[index]
    if client not in self._with_prior:
      self._with_prior[client] = self._add(
          self.name(client), self._datasets[client], self._counted[client]
      )
    return self._with_prior[client]

  def _add(self, name, dataset, counted):
    """Returns a client's dataset with the prior."""
    for part in (dataset, counted):
      arguments.check_type(part, name, tf.data.Dataset)
      prior_lib.check_elements(part.element_spec, name)
      client_endings.check_ends(name, part)
    added = self._add_when_read(dataset, client_endings.bounded(counted))
    client_names.remember_sources(added, dataset, counted)
    return added
