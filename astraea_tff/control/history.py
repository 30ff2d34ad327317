"""What is known of each mediator: the observations that policies decide by."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from astraea_tff import arguments
from astraea_tff.control import credits as credits_lib
from astraea_tff.scheduling import schedule as schedule_lib

# A mediator's row, of what itself and the server know of it. What has not been
# measured yet is 0.
OBSERVATIONS = (
    'log_size',  # Of its examples over the mean mediator's.
    'divergence',  # D_KL of its labels to the target, nats.
    'fullness',  # Its clients over gamma.
    'log_update',  # Of its last update's norm over the round's.
    'alignment',  # Cosine of its last update to the round's.
    'loss',  # The loss on the server's examples before its last round.
    'loss_fall',  # How far its update alone would lower that loss.
    'staleness',  # log(1 + rounds since it took part, or since the start).
    # The share of the run's budget that is spent, where a game has one. A
    # round's budget in `MediatorControl` leaves it 0.
    'spent',
    'credit',  # Moving average of its credit, over that of all |credit|.
    'experience',  # log(1 + rounds in which it took part).
    'log_seconds',  # Of its seconds per pass over the mean mediator's.
)
LARGEST = 5.0  # An observation beyond says no more.


class ArrayState:
  """Something whose state is the arrays in `_arrays`, by name."""

  _arrays: dict[str, np.ndarray]
  # The names of the arrays that are never NaN or infinite.
  _finite: tuple[str, ...] = ()

  @property
  def state(self) -> dict[str, np.ndarray]:
    """All that is known, copies of arrays; may be set to what it was."""
    return {name: array.copy() for name, array in self._arrays.items()}

  @state.setter
  def state(self, state: Mapping[str, np.ndarray]) -> None:
    self._arrays = check_state(state, self._arrays, self._finite)


class MediatorHistory(ArrayState):
  """Remembers the last round of each mediator, and makes observations of it."""

  def __init__(
      self,
      sizes: Any,
      divergences: Any,
      fullness: Any,
      *,
      decay: float = 0.8,
  ):
    """Begins with what is known before training.

    Args:
      sizes: Numbers [M], the examples of each of M mediators.
      divergences: Numbers [M], such as `Schedule.kl_divergence`.
      fullness: Numbers [M], each mediator's clients over gamma.
      decay: The part of the credit's moving average that a round leaves, in
        [0, 1).

    Raises:
      TypeError: An argument does not hold numbers.
      ValueError: An argument is out of its range, or not of M mediators.
    """
    self._decay = arguments.check_number(decay, 'decay', 0, 1, ends='[)')
    static = []
    for name, values in (
        ('sizes', sizes),
        ('divergences', divergences),
        ('fullness', fullness),
    ):
      values = arguments.check_numbers(values, name).astype(np.float64)
      if values.shape != np.shape(sizes) or values.ndim != 1:
        raise ValueError(
            f'{name} must be one number for each mediator, got shape'
            f' {list(values.shape)}.'
        )
      static.append(values)
    self._static = np.stack(static, axis=1)
    self._static[:, 0] = _log_ratio(self._static[:, 0])
    size = len(self._static)
    self._arrays = {
        # log_update, alignment, loss, loss_fall.
        'last': np.zeros((size, 4)),
        'last_round': np.zeros(size, np.int64),
        # NaN is not known yet.
        'credit': np.full(size, np.nan),
        'scale': np.zeros(()),
        'rounds': np.zeros(size, np.int64),
        'seconds': np.full(size, np.nan),
    }

  @classmethod
  def of_schedule(
      cls, schedule: schedule_lib.Schedule, sizes: Any
  ) -> 'MediatorHistory':
    """Begins with what a schedule says of its M mediators.

    Args:
      schedule: The clients of each mediator.
      sizes: Numbers [M], the examples of each of them.
    """
    fullness = [len(each) / schedule.max_clients for each in schedule.mediators]
    return cls(sizes, schedule.kl_divergence, fullness)

  @property
  def num_mediators(self) -> int:
    """The number of mediators, M."""
    return len(self._static)

  def observe(
      self, mediators: Sequence[int], round_num: int, spent: float = 0.0
  ) -> np.ndarray:
    """Returns the observations of some mediators before a round.

    Args:
      mediators: Their R indices.
      round_num: The number of the round that is to come.
      spent: The share of the run's budget that is spent, in [0, 1].

    Returns:
      float64 [R, 12] in the order of `OBSERVATIONS`, each within 5 of 0.
    """
    now = self._arrays
    scale = now['scale'] if now['scale'] > 0 else 1.0
    columns = [
        *self._static.T,
        *now['last'].T,
        np.log1p(np.maximum(round_num - 1 - now['last_round'], 0)),
        np.full(self.num_mediators, float(spent)),
        np.nan_to_num(now['credit']) / scale,
        np.log1p(now['rounds']),
        _log_ratio(now['seconds']),
    ]
    table = np.stack(columns, axis=1)[list(mediators)]
    return np.clip(table, -LARGEST, LARGEST)

  def record(
      self,
      round_num: int,
      mediators: Sequence[int],
      weights: Any,
      updates: Any,
      credits: Any,
      *,
      losses: Any = None,
      seconds: Any = None,
  ) -> None:
    """Takes in a round.

    Args:
      round_num: The number of the round.
      mediators: The indices of the R mediators that took part.
      weights: Their weights in the mean, n_m, numbers [R].
      updates: Their updates, numbers [R, P].
      credits: What these were worth, numbers [R]; one that is not finite is
        not known.
      losses: float64 [R, 2], before the round and with each one's update
        alone, see `credits.measure`; NaN where unknown.
      seconds: float64 [R], the seconds of one pass; NaN where unknown.
    """
    at = np.array(mediators, np.int64)
    now = self.state
    mean = credits_lib.mean_update(weights, updates)
    updates = np.asarray(updates, np.float64)
    norms, norm = np.linalg.norm(updates, axis=1), np.linalg.norm(mean)
    moved = (norms > 0) & (norm > 0)
    ratio = np.where(moved, norms, 1) / (norm if norm > 0 else 1)
    now['last'][at, 0] = np.where(moved, np.log(ratio), 0)
    now['last'][at, 1] = np.where(
        moved, updates @ mean / np.where(moved, norms * norm, 1), 0
    )
    if losses is not None:
      before, after = np.asarray(losses, np.float64).T
      for column, values in ((2, before), (3, before - after)):
        kept = now['last'][at, column]
        now['last'][at, column] = np.where(np.isfinite(values), values, kept)
    if seconds is not None:
      seconds = np.asarray(seconds, np.float64)
      now['seconds'][at] = np.where(
          np.isfinite(seconds), seconds, now['seconds'][at]
      )
    credits = np.asarray(credits, np.float64)
    before = now['credit'][at]
    average = self._decay * before + (1 - self._decay) * credits
    # The credit of a model that diverged says nothing.
    now['credit'][at] = np.where(
        np.isfinite(credits),
        np.where(np.isnan(before), credits, average),
        before,
    )
    now['scale'] = moving_scale(now['scale'], credits, self._decay)
    now['rounds'][at] += 1
    now['last_round'][at] = round_num
    self._arrays = now


def moving_scale(
    scale: np.ndarray, credits: np.ndarray, decay: float = 0.8
) -> np.ndarray:
  """Returns the moving average of |credit|, float64 []; 0 before the first.

  Credits that are not finite do not count.

  Args:
    scale: The average before, float64 [].
    credits: The round's credits, numbers of any shape.
    decay: The part of the average that a round leaves, in [0, 1).
  """
  credits = np.asarray(credits, np.float64)
  credits = credits[np.isfinite(credits)]
  if not credits.size:
    return scale
  magnitude = np.abs(credits).mean()
  return np.array(
      magnitude if scale == 0 else decay * scale + (1 - decay) * magnitude
  )


def check_state(
    state: Mapping[str, np.ndarray],
    like: Mapping[str, np.ndarray],
    finite: Sequence[str] = (),
) -> dict[str, np.ndarray]:
  """Returns a copy of a saved state, or says how it differs from `like`.

  Args:
    state: Arrays by name.
    like: Arrays of the right names, shapes and dtypes; integers are counters.
    finite: Names of the arrays that must be finite.

  Returns:
    Copies of the arrays of `state`.

  Raises:
    TypeError: `state` is no mapping, or an array does not hold such numbers.
    ValueError: Names or shapes are others, or a number is out of its range.
  """
  arguments.check_type(state, 'state', Mapping)
  if state.keys() != like.keys():
    raise ValueError(
        f'state must have the arrays {sorted(like)}, got {sorted(state)}.'
    )
  arrays = {}
  for name, known in like.items():
    array = np.asarray(state[name])
    kinds = 'iu' if known.dtype.kind == 'i' else 'iuf'
    if array.dtype.kind not in kinds:
      raise TypeError(
          f'state[{name!r}] must hold numbers of {known.dtype}, got'
          f' {array.dtype}.'
      )
    if kinds == 'iu' and (array < 0).any():
      raise ValueError(
          f'state[{name!r}] must be zero or more, got {array.min()}.'
      )
    if name in finite and not np.isfinite(array).all():
      raise ValueError(f'state[{name!r}] must be finite, got {array}.')
    arrays[name] = array.astype(known.dtype)
    if array.shape != known.shape:
      raise ValueError(
          f'state[{name!r}] must have shape {list(known.shape)}, got'
          f' {list(array.shape)}.'
      )
  return arrays


def _log_ratio(values: np.ndarray) -> np.ndarray:
  """Logarithms of values over their mean; 0 for what is unknown or 0."""
  known = np.isfinite(values) & (values > 0)
  ratios = np.ones(len(values))
  if known.any():
    ratios[known] = values[known] / values[known].mean()
  return np.log(ratios)
