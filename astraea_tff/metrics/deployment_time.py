"""How long a round would take where every client is a device of its own.

A simulation trains on this machine's cores, and its seconds say nothing of a
deployment. There a round takes as long as the slowest of those who work side
by side:

*   with FedAvg a client, which gets the model, trains, and returns it;
*   with Astraea a mediator, whose clients do so one after another, E_m times.

A client takes the same time for every local step; clients differ, and a few of
them are slow (`client_seconds_per_step`). A link has a number of megabits a
second, 10^6 bits, each way, whoever else sends at the same time. The mediators
stand in one of two places:

*   `server`: on the server, as in section IV-C of Duan et al. (2019). Every
    visit crosses the wide area, there and back; server and mediator exchange
    nothing.
*   `edge`: near their clients, at a base station for example. A visit uses the
    local link, and the wide area sees one model a mediator and round, there
    and back.

What the server and the mediators compute takes no time, and nobody waits for
clients that dropped out.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from astraea_tff import arguments
from astraea_tff import randomness

MEDIATOR_PLACES = ('server', 'edge')
_BITS_PER_BYTE = 8
_BITS_PER_MEGABIT = 1e6


def client_seconds_per_step(
    num_clients: int, median: float, spread: float, *, seed: int
) -> np.ndarray:
  """Draws how long a local step takes on each client's device.

  The time is lognormal: `median * exp(spread * z)`, z of the standard normal
  distribution. With a spread of 0.5 the slowest client of forty takes some 2.9
  times the median.

  Args:
    num_clients: K, at least 1.
    median: Seconds, above 0.
    spread: The standard deviation of the time's logarithm, at least 0; 0 makes
      all clients alike.
    seed: The run's seed, at least 0.

  Returns:
    float64 [K], seconds.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: An argument is out of its range.
  """
  num_clients = arguments.check_integer(num_clients, 'num_clients', 1)
  median = arguments.check_number(median, 'median', 0, ends='()')
  spread = arguments.check_number(spread, 'spread', 0, ends='[)')
  generator = randomness.round_generator(seed, 0, randomness.SPEED_STREAM)
  return median * np.exp(spread * generator.standard_normal(num_clients))


@dataclasses.dataclass(frozen=True)
class Deployment:
  """The devices and links of a deployment.

  Attributes:
    seconds_per_step: float64 [K], seconds that each client takes for a local
      step.
    download_megabits_per_second: From the server to a client or to a mediator
      at the edge, above 0.
    upload_megabits_per_second: The other way, above 0.
    mediator_place: One of `MEDIATOR_PLACES`.
    edge_megabits_per_second: Between a mediator at the edge and a client,
      either way, above 0.

  Raises:
    TypeError: A number is none.
    ValueError: A value is out of its range.
  """

  seconds_per_step: np.ndarray
  download_megabits_per_second: float = 50.0
  upload_megabits_per_second: float = 10.0
  mediator_place: str = 'server'
  edge_megabits_per_second: float = 100.0

  def __post_init__(self):
    try:
      seconds = np.asarray(self.seconds_per_step, np.float64)
    except (TypeError, ValueError) as error:
      raise TypeError(
          'seconds_per_step must hold numbers, got'
          f' {arguments.shorten(repr(self.seconds_per_step))}.'
      ) from error
    if seconds.ndim != 1 or not (seconds > 0).all() or np.isinf(seconds).any():
      raise ValueError(
          'seconds_per_step must be a positive, finite number for each client,'
          f' got {arguments.shorten(repr(self.seconds_per_step))}.'
      )
    object.__setattr__(self, 'seconds_per_step', seconds)
    for name in (
        'download_megabits_per_second',
        'upload_megabits_per_second',
        'edge_megabits_per_second',
    ):
      arguments.check_number(getattr(self, name), name, 0, ends='()')
    arguments.check_choice(
        self.mediator_place, 'mediator_place', MEDIATOR_PLACES
    )

  def side_by_side_seconds(
      self,
      clients: Sequence[int],
      steps: Sequence[int],
      download_bytes: int,
      upload_bytes: int,
  ) -> float:
    """Returns how long a round lasts whose clients train side by side.

    Args:
      clients: The clients that take part; there may be none.
      steps: The local steps of each of them, at least 0.
      download_bytes: What each of them gets, at least 0; |w| with FedAvg.
      upload_bytes: What each of them returns, at least 0; |w| with FedAvg.

    Returns:
      Seconds of the slowest client; 0 without clients.

    Raises:
      TypeError: An argument holds something else than integers.
      ValueError: There is no such client, a number is negative, or `steps` has
        another length than `clients`.
    """
    seconds = self._training_seconds(clients, steps)
    if not seconds.size:
      return 0.0
    return float(
        seconds.max() + self._wide_area_seconds(download_bytes, upload_bytes)
    )

  def chain_seconds(
      self,
      mediators: Sequence[Sequence[int]],
      steps: Sequence[Sequence[int]],
      passes: Sequence[int],
      bytes_per_model: int,
      *,
      carry_optimizer_state_bytes: int = 0,
      mediator_state_bytes: int = 0,
  ) -> float:
    """Returns how long a round lasts whose mediators run chains side by side.

    A chain of n clients and E_m passes has n E_m visits. Each takes the model
    there and back and the client's steps. An optimizer's state that is carried
    along goes with it between any two successive visits. A mediator at the edge
    gets the model from the server before and returns it after, with what it
    keeps of its own optimizer.

    Args:
      mediators: The clients of each mediator that take part.
      steps: The local steps of each of these clients in one visit, at least 0.
      passes: E_m of each mediator, at least 0.
      bytes_per_model: |w|, at least 1.
      carry_optimizer_state_bytes: |s|, at least 0.
      mediator_state_bytes: |z|, at least 0. A mediator on the server keeps it
        there, at no cost.

    Returns:
      Seconds of the slowest mediator; one without clients or passes takes none.

    Raises:
      TypeError: An argument holds something else than integers.
      ValueError: A number is out of its range, or the sequences differ in
        length.
    """
    check = arguments.check_integer
    size = check(bytes_per_model, 'bytes_per_model', 1)
    state = check(
        carry_optimizer_state_bytes, 'carry_optimizer_state_bytes', 0
    )
    kept = check(mediator_state_bytes, 'mediator_state_bytes', 0)
    passes = arguments.check_integers(passes, 'passes', 0)
    if not len(mediators) == len(steps) == len(passes):
      raise ValueError(
          'mediators, steps and passes must be of one length, got'
          f' {len(mediators)}, {len(steps)} and {len(passes)}.'
      )
    longest = 0.0
    for clients, client_steps, num_passes in zip(mediators, steps, passes):
      training = self._training_seconds(clients, client_steps).sum()
      visits = len(clients) * num_passes
      if not visits:
        continue
      sent = visits * size + (visits - 1) * state
      if self.mediator_place == 'edge':
        sending = 2 * _seconds(sent, self.edge_megabits_per_second)
        sending += self._wide_area_seconds(size + kept, size + kept)
      else:
        sending = self._wide_area_seconds(sent, sent)
      longest = max(longest, num_passes * training + sending)
    return float(longest)

  def _training_seconds(
      self, clients: Sequence[int], steps: Sequence[int]
  ) -> np.ndarray:
    """Returns float64 [n], what each of n clients takes for its steps."""
    clients = arguments.check_integers(clients, 'clients', 0)
    steps = arguments.check_integers(steps, 'steps', 0)
    if len(clients) != len(steps):
      raise ValueError(
          f'steps must be one for each of {len(clients)} clients, got'
          f' {len(steps)}.'
      )
    num_clients = len(self.seconds_per_step)
    if clients and max(clients) >= num_clients:
      raise ValueError(
          f'clients must be below {num_clients}, got {max(clients)}.'
      )
    return self.seconds_per_step[list(clients)] * np.array(steps, np.float64)

  def _wide_area_seconds(self, down: Any, up: Any) -> float:
    down = arguments.check_integer(down, 'download_bytes', 0)
    up = arguments.check_integer(up, 'upload_bytes', 0)
    return _seconds(down, self.download_megabits_per_second) + _seconds(
        up, self.upload_megabits_per_second
    )


def _seconds(num_bytes: int, megabits_per_second: float) -> float:
  return num_bytes * _BITS_PER_BYTE / (megabits_per_second * _BITS_PER_MEGABIT)
