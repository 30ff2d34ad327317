"""The schedule: the clients of each mediator, the result of Algorithm 3."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import json
from typing import Any, Optional, Union

import numpy as np

from astraea_tff import arguments
from astraea_tff.scheduling import rounds as rounds_lib
from astraea_tff.scheduling import sampling

_JSON_VERSION = 1
_JSON_KEYS = frozenset({'version', 'max_clients', 'mediators', 'kl_divergence'})


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Schedule(arguments.CopiedByConstructor):
  """The clients of each mediator, in the order of training; immutable.

  Schedules are equal, and hash equally, when their values are.

  Attributes:
    mediators: Client indices in training order, a tuple for each of M
      mediators. No client is in two of them.
    kl_divergence: `float64 [M]`, read-only. Each mediator's pooled counts to
      the target, in nats.
    max_clients: The most clients a mediator may have, the paper's gamma.

  Raises:
    TypeError: A value of another type.
    ValueError: No mediators, an empty one or one of more than `max_clients`
      clients, a negative or duplicated client, or a `kl_divergence` that is
      negative, not finite, or not one for each mediator.
  """

  mediators: tuple[tuple[int, ...], ...]
  kl_divergence: np.ndarray
  max_clients: int

  def __post_init__(self):
    max_clients = arguments.check_integer(
        self.max_clients, 'max_clients', 1
    )
    mediators = _check_mediators(self.mediators, max_clients)
    divergences = arguments.check_numbers(self.kl_divergence, 'kl_divergence')
    if divergences.shape != (len(mediators),):
      raise ValueError(
          f'kl_divergence must have one value for each of {len(mediators)} '
          f'mediators, got shape {list(divergences.shape)}.'
      )
    divergences = divergences.astype(np.float64)
    divergences.setflags(write=False)
    object.__setattr__(self, 'max_clients', max_clients)
    object.__setattr__(self, 'mediators', mediators)
    object.__setattr__(self, 'kl_divergence', divergences)

  def __eq__(self, other: Any) -> bool:
    if not isinstance(other, Schedule):
      return NotImplemented
    return self._values() == other._values()

  def __hash__(self) -> int:
    return hash(self._values())

  def _values(self) -> tuple[Any, ...]:
    return self.mediators, tuple(self.kl_divergence.tolist()), self.max_clients

  @property
  def num_mediators(self) -> int:
    """The number of mediators, M."""
    return len(self.mediators)

  @property
  def num_clients(self) -> int:
    """Clients in all mediators together."""
    return sum(map(len, self.mediators))

  @property
  def mean_kl_divergence(self) -> float:
    """The mean over mediators, in nats."""
    return float(self.kl_divergence.mean())

  def sample(
      self,
      mediators_per_round: int,
      *,
      seed: int,
      round_num: int,
      weights: Any = None,
  ) -> tuple[int, ...]:
    """Draws the mediators that train in a round.

    The draw depends on nothing but the arguments, so a resumed run draws what
    the unbroken run would have drawn.

    Args:
      mediators_per_round: How many to draw, in [1, M].
      seed: The run's seed, at least 0.
      round_num: At least 0.
      weights: None for a uniform draw, or M priorities of at least 0, such as
        `astraea_tff.rarity_weights` makes: each draw takes a mediator with a
        probability proportional to its weight. A weight of 0 comes last.

    Returns:
      Distinct indices into `mediators`, without replacement, in the order
      drawn.

    Raises:
      TypeError: An argument is not an int, or `weights` does not hold numbers.
      ValueError: An argument is out of its range, or `weights` are not M finite
        numbers of at least 0, at least one of them above 0.
    """
    return sampling.sample_mediators(
        self.num_mediators,
        mediators_per_round,
        seed=seed,
        round_num=round_num,
        weights=weights,
    )

  def rounds(
      self,
      clients: Any,
      mediators_per_round: int,
      *,
      seed: int,
      first_round: int = 1,
      drop_probability: float = 0.0,
      reshuffled_epochs: Optional[int] = None,
      weights: Any = None,
      passes: Union[
          None, int, Callable[[int, tuple[int, ...]], Sequence[int]]
      ] = None,
      reshuffled: bool = False,
      report_mediators: bool = False,
  ) -> Iterator[Any]:
    """Yields the data of one synchronization round after another, without end.

    The static form of Algorithm 3: a round draws some of the mediators
    (`sample`), and trains those. See `astraea_tff.clients.batches` for what
    `clients` may be.

    Args:
      clients: The clients' datasets of batches, client k's at index k, or a
        `tff.simulation.datasets.ClientData`.
      mediators_per_round: How many mediators train in a round, in [1, M].
      seed: The run's seed, at least 0.
      first_round: The number of the first round that is yielded; a resumed run
        gives the one it stopped before.
      drop_probability: The probability that a client of the round drops out, in
        [0, 1]; its mediator trains the others. See
        `astraea_tff.available_clients`.
      reshuffled_epochs: None for a learning process that visits the clients as
        scheduled. For one that was built with `client_order='reshuffled'`, its
        `mediator_epochs`, E_m: the data then hold an order of the clients for
        each of these passes.
      weights: See `sample`; or a function of the round's number that returns
        them, for priorities that change.
      passes: For a learning process that was built with `mediator_epochs=None`,
        and for no other: how many passes each mediator makes, E_m. A number for
        all, or a function of the round's number and of the indices of its
        mediators that returns one number for each of these, at least 0. A
        mediator of 0 is left out, unless all are.
      reshuffled: With `passes`, whether every pass has a random order, drawn
        from a stream of the mediator's place in the round.
      report_mediators: Whether the learning process was built with
        `report_mediators`; a mediator's number is its index in `mediators`.

    Yields:
      A list with a tuple of `max_clients` datasets for each of the round's
      mediators, padded with empty datasets: what the learning process's `next`
      takes beside the state. With `reshuffled_epochs` or `passes`, or with
      `report_mediators`, it is what `astraea_tff.mediator_data` returns with
      `orders` or `numbers`.

    Raises:
      TypeError: An argument has a wrong type.
      ValueError: `clients` has fewer clients than the schedule, or another
        argument is out of its range.
    """
    return rounds_lib.static_rounds(
        self.mediators,
        self.max_clients,
        clients,
        mediators_per_round,
        seed=seed,
        first_round=first_round,
        drop_probability=drop_probability,
        reshuffled_epochs=reshuffled_epochs,
        weights=weights,
        passes=passes,
        reshuffled=reshuffled,
        report_mediators=report_mediators,
    )

  def to_json(self) -> str:
    """Writes the schedule as JSON, every float exactly."""
    mediators, divergences, max_clients = self._values()
    return json.dumps({
        'version': _JSON_VERSION,
        'max_clients': max_clients,
        'mediators': mediators,
        'kl_divergence': divergences,
    })

  @classmethod
  def from_json(cls, text: str) -> 'Schedule':
    """Reads what `to_json` wrote.

    Args:
      text: The JSON text.

    Returns:
      A schedule equal to the one written.

    Raises:
      ValueError: `text` is not such a JSON text, or its values contradict one
        another; the message says how.
    """
    try:
      fields = json.loads(text)
    except (ValueError, RecursionError) as error:
      raise ValueError(f'text is not a schedule in JSON: {error}') from error
    if not isinstance(fields, dict):
      raise ValueError(
          'text is not a schedule: it must be a JSON object, got '
          f'{type(fields).__name__}.'
      )
    # The version first: another one may well have other keys.
    version = fields.get('version', _JSON_VERSION)
    if type(version) is not int or version != _JSON_VERSION:
      raise ValueError(
          f'text has schedule version {version!r}, only {_JSON_VERSION} is '
          'known.'
      )
    if fields.keys() != _JSON_KEYS:
      raise ValueError(
          'text is not a schedule: its missing keys are '
          f'{sorted(_JSON_KEYS - fields.keys())}, its unknown ones '
          f'{sorted(fields.keys() - _JSON_KEYS)}.'
      )
    try:
      return cls(
          fields['mediators'], fields['kl_divergence'], fields['max_clients']
      )
    except (TypeError, ValueError) as error:
      raise ValueError(f'text is not a valid schedule: {error}') from error


def _check_mediators(
    mediators: Any, max_clients: int
) -> tuple[tuple[int, ...], ...]:
  """Returns mediators as tuples of ints, or says what is wrong with them."""
  if not isinstance(mediators, (tuple, list)) or not all(
      isinstance(mediator, (tuple, list)) for mediator in mediators
  ):
    raise TypeError('mediators must be tuples of client indices in a tuple.')
  if not mediators:
    raise ValueError('mediators must hold at least one mediator, got none.')
  checked, seen = [], set()
  for index, mediator in enumerate(mediators):
    name = f'mediators[{index}]'
    if not 1 <= len(mediator) <= max_clients:
      raise ValueError(
          f'{name} must have 1 to max_clients={max_clients} clients, got '
          f'{len(mediator)}.'
      )
    clients = tuple(
        arguments.check_integer(client, f'a client of {name}', 0)
        for client in mediator
    )
    for client in clients:
      if client in seen:
        raise ValueError(f'client {client} of {name} is in the schedule twice.')
      seen.add(client)
    checked.append(clients)
  return tuple(checked)
