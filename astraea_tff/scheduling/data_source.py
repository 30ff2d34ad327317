"""Mediators as a `tff.program.FederatedDataSource`.

What `tff.learning.programs.train_model` takes its rounds from. The mediators of
a round are those that `astraea_tff.Schedule.rounds` yields for the same seed,
so a program gives the same model under either training loop.
"""

import hashlib
import json
from typing import Any, ClassVar, Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.clients import batches as batches_lib
from astraea_tff.scheduling import schedule as schedule_lib


class MediatorDataSource(tff.program.FederatedDataSource):
  """Selects a round's mediators from one schedule for all rounds."""

  def __init__(
      self,
      schedule: schedule_lib.Schedule,
      clients: batches_lib.Clients,
      *,
      seed: int,
  ):
    """Initializes the data source.

    Args:
      schedule: Which clients train in which mediator.
      clients: The clients' datasets of batches, client k's at index k, a
        `tff.simulation.datasets.ClientData`, or what else
        `astraea_tff.Schedule.rounds` takes.
      seed: The seed of the draw, at least 0. Of the whole run.

    Raises:
      TypeError: If `schedule` is no `Schedule` or `seed` no int.
      ValueError: If `clients` has fewer clients than the schedule, or `seed` is
        negative.
    """
    if not isinstance(schedule, schedule_lib.Schedule):
      raise TypeError(
          f'`schedule` must be an astraea_tff.Schedule, got {schedule!r}.'
      )
    self._seed = arguments.check_integer(seed, '`seed`', 0)
    self._schedule = schedule
    if isinstance(clients, tff.simulation.datasets.ClientData):
      # As a sequence, which makes each client's dataset once and not in every
      # round anew.
      clients = batches_lib.clients_for_round(clients, 1)
    self._clients = clients
    mediator, *_ = self.mediators(1, round_num=1)
    self._federated_type = tff.FederatedType(
        tff.types.to_type(tf.nest.map_structure(_type_of, mediator)),
        tff.CLIENTS,
    )
    # TFF restores an iterator from its class and some bytes alone. So the
    # iterators of every source have a class of their own, which knows it.
    self._iterator_class = type(
        '_MediatorIterator', (_MediatorIterator,), {'source': self}
    )

  @property
  def federated_type(self) -> tff.FederatedType:
    """`{<B*, ..., B*>}@CLIENTS`: a mediator is a tuple of gamma datasets."""
    return self._federated_type

  @property
  def fingerprint(self) -> str:
    """Differs between data sources that select different mediators."""
    identity = json.dumps([self._schedule.to_json(), self._seed])
    return hashlib.sha256(identity.encode()).hexdigest()

  def iterator(self) -> tff.program.FederatedDataSourceIterator:
    """Returns an iterator that stands before the first round."""
    return self._iterator_class(1)

  def mediators(self, k: Optional[int], *, round_num: int) -> list[Any]:
    """Returns the data of a round.

    Args:
      k: How many mediators, in [1, M]; all M if None.
      round_num: The number of the round, at least 1.

    Returns:
      The mediators of `astraea_tff.Schedule.sample`, in its order.

    Raises:
      TypeError: If `k` is no int.
      ValueError: If `k` is out of its range.
    """
    if k is None:
      k = self._schedule.num_mediators
    rounds = self._schedule.rounds(
        self._clients, k, seed=self._seed, first_round=round_num
    )
    return next(rounds)


class _MediatorIterator(tff.program.FederatedDataSourceIterator):
  """Selects the mediators of one round after another."""

  source: ClassVar[MediatorDataSource]

  def __init__(self, round_num: int):
    self._round_num = round_num

  @classmethod
  def from_bytes(cls, buffer: bytes) -> '_MediatorIterator':
    """Restores an iterator.

    Args:
      buffer: What `to_bytes` returned.

    Returns:
      The iterator, over the data of the source it is restored for.

    Raises:
      ValueError: If it was saved with another schedule or seed.
    """
    saved = json.loads(buffer)
    if saved['fingerprint'] != cls.source.fingerprint:
      raise ValueError(
          'The saved program state belongs to another schedule or seed than'
          ' those of the MediatorDataSource. Give it the ones the run was'
          ' started with, or start the run in a new folder.'
      )
    return cls(saved['round_num'])

  def to_bytes(self) -> bytes:
    """Returns the round's number, and whose iterator this is."""
    return json.dumps({
        'fingerprint': self.source.fingerprint,
        'round_num': self._round_num,
    }).encode()

  @property
  def federated_type(self) -> tff.FederatedType:
    """See `MediatorDataSource.federated_type`."""
    return self.source.federated_type

  def select(self, k: Optional[int] = None) -> list[Any]:
    """Returns the data of the next round.

    Args:
      k: How many mediators, in [1, M]; all M if None.

    Returns:
      A tuple of `max_clients` datasets for each of the round's mediators: what
      the learning process's `next` takes beside the state.

    Raises:
      TypeError: If `k` is no int.
      ValueError: If `k` is out of its range.
    """
    data = self.source.mediators(k, round_num=self._round_num)
    self._round_num += 1
    return data

  def __eq__(self, other: object) -> bool:
    if not isinstance(other, _MediatorIterator):
      return NotImplemented
    return self.to_bytes() == other.to_bytes()

  # The round's number changes.
  __hash__ = None


def _type_of(value: Any) -> tff.types.Type:
  """Returns the type of a dataset, or of a tensor that comes with them."""
  if isinstance(value, tf.data.Dataset):
    return tff.SequenceType(tff.types.tensorflow_to_type(value.element_spec))
  array = np.asarray(value)
  dtype = np.str_ if array.dtype.kind == 'U' else array.dtype.type
  return tff.TensorType(dtype, array.shape)
