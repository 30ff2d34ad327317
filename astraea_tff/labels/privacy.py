"""Label counts that say less than they could: coarse, or locally private.

Rescheduling (Algorithm 3) needs each client's own histogram, which secure
aggregation cannot hide. What a client sends can be blurred before it leaves:

  * `coarsen_counts` rounds. It hides small differences and rare classes, but is
    no differential privacy: whoever knows all examples of a client but one may
    learn that one.
  * `privatize_counts` adds discrete Laplace noise, which gives
    epsilon-differential privacy for one example of a client's data, whatever
    the server knows besides (local differential privacy at example level).

These are the forms in NumPy, for a client that runs Python, and for studies;
`astraea_tff.labels.collection` has them inside a federated computation.

The mechanism is diffprivlib's `Geometric` (Ghosh, Roughgarden, Sundararajan
2009), the accounting is dp-accounting's privacy loss distribution.
"""

from typing import Any, Optional

from diffprivlib import mechanisms
import dp_accounting
from dp_accounting.pld import privacy_loss_distribution
import numpy as np

from astraea_tff import arguments
from astraea_tff.labels import counts as counts_lib
from astraea_tff import randomness

_Relation = dp_accounting.NeighboringRelation

# One example added or removed changes one count by 1. One replaced changes two
# counts by 1 each, if its label changes.
_L1_SENSITIVITIES = {
    _Relation.ADD_OR_REMOVE_ONE: 1,
    _Relation.REPLACE_ONE: 2,
}
# Noise beyond this is of no use, and the sampler's floats of no precision.
_SMALLEST_EPSILON = 1e-6


def coarsen_counts(counts: Any, granularity: int) -> np.ndarray:
  """Rounds label counts to multiples of a granularity, halves up.

  The server learns each count to within half a granularity, and does not learn
  whether a class with fewer examples than that occurs at all.

  Args:
    counts: Integers `[K, N]`, as `labels.counts.check_counts` wants them.
    granularity: At least 1, which changes nothing.

  Returns:
    `int64 [K, N]`, each at most half a granularity away from what it was.

  Raises:
    TypeError: An argument does not hold integers.
    ValueError: `counts` is not as above, rounds up to a total that no int64
      holds, or `granularity` is less than 1.
  """
  counts = counts_lib.check_counts(counts)
  granularity = arguments.check_integer(
      granularity, 'granularity', 1, np.iinfo(np.int64).max
  )
  quotients, remainders = np.divmod(counts, granularity)
  quotients += remainders >= granularity - remainders
  # Unsigned, since what was rounded up may be more than an int64 holds.
  return counts_lib.check_counts(
      quotients.astype(np.uint64) * np.uint64(granularity), 'coarse counts'
  )


def privatize_counts(
    counts: Any,
    epsilon: float,
    *,
    neighboring_relation: _Relation = _Relation.ADD_OR_REMOVE_ONE,
    seed: Optional[int] = None,
) -> np.ndarray:
  """Adds discrete Laplace noise to label counts, and cuts off at zero.

  Every count gets noise k with a probability proportional to
  `exp(-epsilon / s * |k|)`, s being the L1 sensitivity of a client's histogram:
  1 if neighbors differ in one example that is there or not, 2 if in one example
  that is another one. Cutting off is post-processing and costs no privacy; but
  it makes the counts of rare classes too large on average.

  One example is one example of the counts. After augmentation it would stand
  for as many as it has copies; so report the counts before it, and let the
  server multiply by the plan's `copies`.

  This has to run at the client. A server that adds the noise knows the counts,
  and one that knows the seed can take the noise off again: give a seed in
  simulations only.

  Args:
    counts: Integers `[K, N]`, as `labels.counts.check_counts` wants them;
      a client passes its own, `[1, N]`.
    epsilon: The privacy parameter of each client's histogram, finite and at
      least 1e-6.
    neighboring_relation: What two neighbors differ in: `ADD_OR_REMOVE_ONE`
      example of a client, or `REPLACE_ONE`, under which a client's size is no
      secret. The same epsilon takes twice the noise under the latter.
    seed: At least 0; the noise of row k depends on it and k alone. None takes
      the operating system's cryptographic randomness.

  Returns:
    `int64 [K, N]`, zero or more.

  Raises:
    TypeError: An argument of the wrong type.
    ValueError: An argument is not as above.
  """
  counts = counts_lib.check_counts(counts)
  sensitivity = l1_sensitivity(neighboring_relation)
  epsilon = check_epsilon(epsilon)
  if seed is not None:
    seed = arguments.check_integer(seed, 'seed', 0)
  noise = np.empty_like(counts)
  for client in range(len(counts)):
    mechanism = mechanisms.Geometric(
        epsilon=epsilon,
        sensitivity=sensitivity,
        random_state=(
            None
            if seed is None
            else randomness.private_counts_state(seed, client)
        ),
    )
    # Noise for 0, added as integers: the mechanism's own sum is in floats.
    noise[client] = [mechanism.randomise(0) for _ in counts[client]]
  return counts + np.clip(noise, -counts, np.iinfo(np.int64).max - counts)


def total_epsilon(
    epsilon: float,
    num_reports: int,
    *,
    delta: float = 0.0,
    neighboring_relation: _Relation = _Relation.ADD_OR_REMOVE_ONE,
) -> float:
  """The epsilon of a client that sent its private histogram several times.

  Rescheduling once and for all takes one report. One that is repeated, because
  data change or rounds are grouped anew with fresh noise, adds up. (Grouping
  anew from the same report costs nothing more.)

  Args:
    epsilon: One report's epsilon, see `privatize_counts`.
    num_reports: How often a client reports, at least 1.
    delta: The delta of all reports together, in [0, 1). 0 is pure differential
      privacy, whose epsilons just add up; with a small positive delta many
      reports have a smaller epsilon.
    neighboring_relation: See `privatize_counts`.

  Returns:
    The smallest epsilon for which all reports together are
    (epsilon, delta)-differentially private, for one example of a client.

  Raises:
    TypeError: An argument of the wrong type.
    ValueError: An argument is not as above.
  """
  sensitivity = l1_sensitivity(neighboring_relation)
  epsilon = check_epsilon(epsilon)
  num_reports = arguments.check_integer(num_reports, 'num_reports', 1)
  delta = arguments.check_number(delta, 'delta', 0, 1, ends='[)')
  basic = epsilon * num_reports
  if not delta:
    return basic
  # Each count that changes does so by one, for a loss of plus or minus this. As
  # the step of the discretization it makes the accounting exact.
  loss = epsilon / sensitivity
  distribution = privacy_loss_distribution.from_discrete_laplace_mechanism(
      loss, sensitivity=1, value_discretization_interval=loss
  )
  composed = distribution.self_compose(sensitivity * num_reports)
  return min(basic, float(composed.get_epsilon_for_delta(delta)))


def l1_sensitivity(neighboring_relation: _Relation) -> int:
  """How far apart the histograms of two neighbors can be, in L1.

  Args:
    neighboring_relation: See `privatize_counts`.

  Returns:
    1 or 2.

  Raises:
    ValueError: Another relation.
  """
  if neighboring_relation not in _L1_SENSITIVITIES:
    raise ValueError(
        'neighboring_relation must be dp_accounting.NeighboringRelation\'s '
        f'ADD_OR_REMOVE_ONE or REPLACE_ONE, got {neighboring_relation!r}.'
    )
  return _L1_SENSITIVITIES[neighboring_relation]


def check_epsilon(epsilon: Any) -> float:
  """Checks that an epsilon is a finite number of at least 1e-6; returns it."""
  return arguments.check_number(
      epsilon,
      'epsilon',
      _SMALLEST_EPSILON,
      ends='[)',
      advice='to send counts without noise, send them as they are',
  )
