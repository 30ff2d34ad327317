"""Traffic of a round, and what it costs to reach an accuracy.

Section IV-C of Duan et al. (2019). With |w| the bytes of the model and c the
clients of a round, a FedAvg round costs `2 c |w|`, and a synchronization round
of Astraea, in the paper, `2 |w| (ceil(c / gamma) + c)`: server to mediators and
back, mediators to clients and back.

The paper's formula has no mediator epochs in it, although every one of them
sends the model to each client again. We count them:
`2 |w| (ceil(c / gamma) + c E_m)`; with E_m = 1 it is the paper's own figure.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np

from astraea_tff import arguments

_BYTES_PER_FLOAT32 = 4


def model_bytes(weights: Union[int, Iterable[Any]]) -> int:
  """Bytes that the weights of a model take on the way, |w|.

  Args:
    weights: The weights, as arrays or tensors or a mapping of names to them,
      for instance of `keras_model.get_weights()`; non-trainable ones travel
      too. Or a number of parameters, each a float32.

  Returns:
    Bytes, without any compression or framing.

  Raises:
    TypeError: `weights` is neither.
    ValueError: There are no weights.
  """
  if isinstance(weights, (int, np.integer)):
    count = arguments.check_integer(weights, 'weights', 1)
    return _BYTES_PER_FLOAT32 * count
  if isinstance(weights, (str, bytes)) or not isinstance(weights, Iterable):
    raise TypeError(
        'weights must be arrays or a number of parameters, got '
        f'{type(weights).__name__}.'
    )
  if isinstance(weights, Mapping):
    weights = weights.values()
  arrays = [np.asarray(weight) for weight in weights]
  for array in arrays:
    if array.dtype.kind in 'OSU':
      raise TypeError(
          'weights must be arrays of numbers, got one that holds'
          f' {arguments.shorten(repr(array.tolist()))}.'
      )
  num_bytes = sum(array.nbytes for array in arrays)
  if not num_bytes:
    raise ValueError('weights must hold at least one number, got none.')
  return num_bytes


def fed_avg_round_bytes(bytes_per_model: int, num_clients: int) -> int:
  """Traffic of a FedAvg round: the model to c clients and back, `2 |w| c`.

  Args:
    bytes_per_model: |w|, at least 1; see `model_bytes`.
    num_clients: c, at least 1.

  Returns:
    Bytes.

  Raises:
    TypeError: An argument is no integer.
    ValueError: An argument is out of range.
  """
  size = arguments.check_integer(bytes_per_model, 'bytes_per_model', 1)
  return 2 * size * arguments.check_integer(
      num_clients, 'num_clients', 1
  )


def astraea_round_bytes(
    bytes_per_model: int,
    num_clients: int,
    max_clients: int,
    mediator_epochs: Union[int, Sequence[int]] = 1,
    *,
    carry_optimizer_state_bytes: int = 0,
    mediator_state_bytes: int = 0,
    num_mediators: Optional[int] = None,
    clients_per_mediator: Optional[Sequence[int]] = None,
) -> int:
  """Traffic of a synchronization round, `2 |w| (ceil(c / gamma) + c E_m)`.

  With `mediator_epochs=1` and no carried state this is the formula of section
  IV-C.

  An optimizer's state that is handed along the chain goes from a client to the
  mediator and from there to the next client. It does so between any two
  successive visits of a chain, but not before the first nor after the last,
  since it is reset at the start of a round. The mediators' chains have c E_m
  visits in all, which adds `2 |s| (c E_m - ceil(c / gamma))`.

  The state of an optimizer at the mediators that is kept from round to round
  goes from the server to every mediator and back, which adds
  `2 |z| ceil(c / gamma)`. Where the server plays the mediators itself, as in
  the paper's deployment, that costs nothing: leave it out.

  Where each mediator m has passes E_m and clients n_m of its own, the round
  costs `sum_m 2 |w| (1 + n_m E_m) + 2 |s| (n_m E_m - 1) + 2 |z|`, over those
  that have both a client and a pass.

  Args:
    bytes_per_model: |w|, at least 1; see `model_bytes`.
    num_clients: c, clients of all mediators of the round, at least 1.
    max_clients: gamma, at least 1. All mediators but one have so many clients.
    mediator_epochs: E_m, at least 1; or one number of at least 0 for each
      mediator, with `clients_per_mediator`.
    carry_optimizer_state_bytes: |s|, at least 0; two models for Adam.
    mediator_state_bytes: |z|, at least 0; two models for Adam.
    num_mediators: The mediators that have these clients, where they are not
      ceil(c / gamma), as when clients dropped out; in [1, c].
    clients_per_mediator: n_m, the clients of each mediator that are there, in
      [0, gamma], c in all. It says how many mediators there are.

  Returns:
    Bytes.

  Raises:
    TypeError: An argument is no integer, or `mediator_epochs` a sequence
      without `clients_per_mediator`.
    ValueError: An argument is out of range, or sequences differ in length.
  """
  check = arguments.check_integer
  bytes_per_model = check(bytes_per_model, 'bytes_per_model', 1)
  state_bytes = check(
      carry_optimizer_state_bytes, 'carry_optimizer_state_bytes', 0
  )
  kept_bytes = check(mediator_state_bytes, 'mediator_state_bytes', 0)
  num_clients = check(num_clients, 'num_clients', 1)
  max_clients = check(max_clients, 'max_clients', 1)
  if clients_per_mediator is not None:
    if num_mediators is not None:
      raise ValueError(
          'num_mediators must be None with clients_per_mediator, got'
          f' {num_mediators}.'
      )
    visits, num_mediators = _count_visits(
        num_clients, max_clients, mediator_epochs, clients_per_mediator
    )
  else:
    visits = num_clients * check(mediator_epochs, 'mediator_epochs', 1)
    fewest = -(-num_clients // max_clients)
    if num_mediators is None:
      num_mediators = fewest
    elif not fewest <= check(num_mediators, 'num_mediators', 1) <= num_clients:
      raise ValueError(
          f'num_mediators must be in [{fewest}, {num_clients}] for'
          f' {num_clients} clients of at most {max_clients} a mediator, got'
          f' {num_mediators}.'
      )
  return 2 * (
      bytes_per_model * (num_mediators + visits)
      + state_bytes * (visits - num_mediators)
      + kept_bytes * num_mediators
  )


def _count_visits(
    num_clients: int,
    max_clients: int,
    mediator_epochs: Union[int, Sequence[int]],
    clients_per_mediator: Sequence[int],
) -> tuple[int, int]:
  """Returns the visits of all chains, and how many mediators have any."""
  check = arguments.check_integer
  clients = [
      check(clients, 'a number of clients_per_mediator', 0, max_clients)
      for clients in clients_per_mediator
  ]
  if sum(clients) != num_clients:
    raise ValueError(
        f'clients_per_mediator must sum to num_clients={num_clients}, got'
        f' {sum(clients)}.'
    )
  if isinstance(mediator_epochs, (Sequence, np.ndarray)):
    passes = [
        check(number, 'a number of mediator_epochs', 0)
        for number in mediator_epochs
    ]
  else:
    passes = [check(mediator_epochs, 'mediator_epochs', 1)] * len(clients)
  if len(passes) != len(clients):
    raise ValueError(
        f'mediator_epochs must be one for each of {len(clients)} mediators, got'
        f' {len(passes)}.'
    )
  visits = [n * e for n, e in zip(clients, passes)]
  return sum(visits), sum(map(bool, visits))


def cost_to_accuracy(
    accuracies: Sequence[float], costs: Sequence[float], target: float
) -> Optional[float]:
  """The cost at which an accuracy is first reached, as in Table III.

  Args:
    accuracies: Top-1 at successive evaluations, in [0, 1]; one that is not a
      number reaches nothing.
    costs: What had been spent by each evaluation: rounds, bytes, seconds.
      Nonnegative, never falling.
    target: In (0, 1].

  Returns:
    The entry of `costs` at the first accuracy of at least `target`, or None if
    there is none.

  Raises:
    TypeError: `target` is no number.
    ValueError: The sequences differ in length, or an argument is out of range.
  """
  accuracies = np.asarray(accuracies, np.float64)
  if accuracies.ndim != 1 or np.shape(costs) != accuracies.shape:
    raise ValueError(
        'accuracies and costs must be sequences of one length, got shapes '
        f'{list(accuracies.shape)} and {list(np.shape(costs))}.'
    )
  arguments.check_number(target, 'target', 0, 1, ends='(]')
  if ((accuracies < 0) | (accuracies > 1)).any():
    raise ValueError('accuracies must be in [0, 1]; give shares, not percent.')
  amounts = np.asarray(costs, np.float64)
  if not (amounts >= 0).all() or (np.diff(amounts) < 0).any():
    raise ValueError(
        'costs must be nonnegative and never fall: they are sums so far.'
    )
  reached = np.flatnonzero(accuracies >= target)
  return costs[reached[0]] if reached.size else None
