"""Mediators as a `tff.program.FederatedDataSource`.

What `tff.learning.programs.train_model` takes its rounds from. The mediators of
a round are those that `astraea_tff.Schedule.rounds` yields for the same seed,
so a program gives the same model under either training loop.
"""

import collections
from collections.abc import Sequence
import hashlib
import json
from typing import Any, ClassVar, Optional, Protocol

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.clients import batches as batches_lib
from astraea_tff.clients import mediator_data as mediator_data_lib
from astraea_tff.scheduling import rounds as rounds_lib
from astraea_tff.scheduling import sampling
from astraea_tff.scheduling import schedule as schedule_lib


class FixedPolicy(Protocol):
  """What gives the mediators of a round their passes and learns nothing.

  `astraea_tff.control.frozen.FrozenPasses` is one.
  """

  def __call__(
      self, round_num: int, mediators: Sequence[int]
  ) -> Sequence[int]:
    """Returns the passes of each of a round's mediators."""

  @property
  def fingerprint(self) -> str:
    """Differs between policies that give other passes."""


class MediatorDataSource(tff.program.FederatedDataSource):
  """Selects a round's mediators from one schedule for all rounds."""

  def __init__(
      self,
      schedule: schedule_lib.Schedule,
      clients: batches_lib.Clients,
      *,
      seed: int,
      drop_probability: float = 0.0,
      reshuffled_epochs: Optional[int] = None,
      weights: Any = None,
      passes: Optional[FixedPolicy] = None,
      reshuffled: bool = False,
  ):
    """Initializes the data source.

    Args:
      schedule: The clients of each mediator.
      clients: The clients' datasets of batches, client k's at index k, a
        `tff.simulation.datasets.ClientData`, or what else
        `astraea_tff.Schedule.rounds` takes.
      seed: The run's seed, at least 0; all draws depend on it.
      drop_probability: The probability that a client of a round drops out of
        it, in [0, 1]; see `astraea_tff.Schedule.rounds`.
      reshuffled_epochs: The `mediator_epochs` of a learning process that was
        built with `client_order='reshuffled'`; None for any other.
      weights: None for a uniform draw, or the mediators' priorities, the same
        in every round; see `astraea_tff.Schedule.sample`.
      passes: For a learning process that was built with `mediator_epochs=None`,
        and for no other: the policy that gives each mediator its passes. It
        learns nothing under `train_model`.
      reshuffled: With `passes`, whether every pass has a random order.

    Raises:
      TypeError: If `schedule` is no `Schedule`, `passes` no `FixedPolicy`, or
        a number of another type.
      ValueError: If `clients` has fewer clients than the schedule, or a number
        is out of its range, or `Schedule.sample` refuses `weights`.
    """
    arguments.check_type(schedule, '`schedule`', schedule_lib.Schedule)
    self._schedule = schedule
    if weights is not None:
      weights = sampling.check_weights(weights, schedule.num_mediators)
      weights = weights.tolist()
    if passes is not None:
      _check_policy(passes)
    self._passes = passes
    self._options = dict(
        seed=arguments.check_integer(seed, '`seed`', 0),
        drop_probability=arguments.check_number(
            drop_probability, '`drop_probability`', 0, 1
        ),
        reshuffled_epochs=(
            None
            if reshuffled_epochs is None
            else arguments.check_integer(
                reshuffled_epochs, '`reshuffled_epochs`', 1
            )
        ),
        weights=weights,
    )
    arguments.check_type(reshuffled, '`reshuffled`', bool)
    if reshuffled:
      self._options['reshuffled'] = True
    self._clients = batches_lib.as_sequence(clients)
    # Any number of passes has the type, whatever the policy gives.
    mediator, *_ = self._round(1, 1, None if passes is None else 1)
    self._federated_type = tff.FederatedType(
        _type_of_mediator(mediator), tff.CLIENTS
    )
    # TFF restores an iterator from its class and some bytes alone. So the
    # iterators of every source have a class of their own, which knows it.
    self._iterator_class = type(
        '_MediatorIterator', (_MediatorIterator,), {'source': self}
    )

  @property
  def federated_type(self) -> tff.FederatedType:
    """The type of a round: `{<B*, ..., B*>}@CLIENTS`, of gamma datasets.

    With `reshuffled_epochs` or `passes`
    `{<order=int32[gamma]*,clients=<B*, ..., B*>>}@CLIENTS`.
    """
    return self._federated_type

  @property
  def fingerprint(self) -> str:
    """Differs between data sources that select different mediators."""
    identity = [self._schedule.to_json(), self._options]
    if self._passes is not None:
      identity.append(self._passes.fingerprint)
    identity = json.dumps(identity)
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
      What `astraea_tff.Schedule.rounds` yields for this round.

    Raises:
      TypeError: If `k` is no int.
      ValueError: If `k` is out of its range.
    """
    return self._round(k, round_num, self._passes)

  def _round(self, k: Optional[int], round_num: int, passes: Any) -> list[Any]:
    schedule = self._schedule
    return rounds_lib.static_round(
        schedule.mediators,
        schedule.max_clients,
        self._clients,
        schedule.num_mediators if k is None else k,
        round_num=round_num,
        passes=passes,
        **self._options,
    )


def _check_policy(passes: Any) -> None:
  fingerprint = getattr(passes, 'fingerprint', None)
  if not callable(passes) or not isinstance(fingerprint, str):
    raise TypeError(
        '`passes` must be a function with a `fingerprint`, such as an'
        ' astraea_tff.control.frozen.FrozenPasses, got'
        f' {arguments.shorten(repr(passes))} of type {type(passes).__name__}.'
    )


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
      ValueError: If it was saved by a source of other rounds.
    """
    saved = json.loads(buffer)
    if saved['fingerprint'] != cls.source.fingerprint:
      raise ValueError(
          'The saved program state belongs to another schedule or seed,'
          ' drop_probability, reshuffled_epochs, weights or passes than those'
          ' of the MediatorDataSource. Give it the ones the run was started'
          ' with, or start the run in a new folder.'
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
      The data of the round's mediators, as `astraea_tff.Schedule.rounds` yields
      them: what the learning process's `next` takes beside the state.

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


def _type_of_mediator(
    mediator: mediator_data_lib.MediatorData,
) -> tff.types.Type:
  """Returns the type of a mediator's data."""
  if isinstance(mediator, tuple):
    return tff.types.to_type(tf.nest.map_structure(_type_of, mediator))
  return tff.types.to_type(
      collections.OrderedDict(
          order=tff.SequenceType(_type_of(mediator['order'][0])),
          clients=_type_of_mediator(mediator['clients']),
      )
  )


def _type_of(value: Any) -> tff.types.Type:
  """Returns the type of a dataset, or of a tensor that comes with them."""
  if isinstance(value, tf.data.Dataset):
    return tff.SequenceType(tff.types.tensorflow_to_type(value.element_spec))
  array = np.asarray(value)
  return tff.TensorType(array.dtype.type, array.shape)
