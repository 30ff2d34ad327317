"""Every stream of random numbers of a run, and draws from its seed alone.

A stream is named by the run's seed and by what it is for, so that a draw
depends on nothing else: not on what was drawn before, on the number of workers,
or on where a run was resumed. `SeedSequence` and `default_rng` are NumPy's.

A round, of seed and round number:

*   its mediators: `round_generator(seed, round)`, of
    `SeedSequence(seed, spawn_key=(round,))`;
*   which clients drop out: the same with `AVAILABILITY_STREAM`, of
    `spawn_key=(round, 1)`;
*   the orders of a mediator's clients: the same with `ORDER_STREAM`, of
    `spawn_key=(round, 2)`; where each mediator has a number of passes of its
    own, of `spawn_key=(round, 2, place)` for the mediator at that place;
*   what a policy of passes draws: the same with `POLICY_STREAM`, of
    `spawn_key=(round, 3, 0)` to decide and `(round, 3, 1)` to learn; its
    network begins with `(0, 3, 2)`;
*   its clients, where they are drawn and not mediators:
    `scheduling.sampling.sample_clients`, of TFF's `build_uniform_sampling_fn`;
*   how these are grouped: `grouping_seed(seed, round)`, the first word of
    `SeedSequence([seed, round])`; `grouping_generator` of that seed draws;
*   the order of a client's examples: `shuffle_seed(seed, round, client)`, the
    first word of `SeedSequence([seed, round, client])`.

The copies of Algorithm 2, whose seeds are pairs for stateless draws:

*   stored: `seed_pair((*seed, client))`, of the SHA-256 of the numbers;
*   fresh in every round: `seed_pair((*seed, client, round))`;
*   by a client's id: `client_id_pair(seed_pair(seed), id)`, `tf.random.fold_in`
    of the pair and a strong hash of the id.

Once for a run:

*   a client's private counts: `private_counts_state(seed, client)`, of
    `SeedSequence(seed, spawn_key=(client,))`; in TensorFlow
    (`labels.client_reports`) the stateless seed `(seed, client)`;
*   a model's layers: `layer_seeds(seed)`, of the children of
    `SeedSequence(seed)`;
*   a partition: `partition_generators(seed)`, of its three first children;
*   how fast the clients' devices are: `round_generator(seed, 0, SPEED_STREAM)`,
    of `spawn_key=(0, 4)`;
*   whose data the scripts make worth less: the same with `WORTH_STREAM`, of
    `spawn_key=(0, 5)`.

An augmented dataset splits its pair further: `augmentation.one_client` makes of
it and of a batch's number one seed for the numbers of copies and another for
the transform. Of the first, `fold_in` with 1 decides which originals are kept;
of the second, `fold_in` with i is the seed of the i-th class's own transform
(`augmentation.by_class`). A dropout layer of `models` draws its masks with the
stateless seed of its layer's seed and a sum over the batch's images.

Three things have fixed seeds, as they belong to the data: which examples a
source without a test split keeps for testing, the invented texts of the source
`messages`, and the examples of the benchmark. A study of `scripts/` draws what
it alone needs with `default_rng(seed)`.

NumPy pads a sequence of numbers with zeros, so the order of client 0's examples
and the grouping of the same round begin with one number. Different generators
make of it what they draw. The children of `SeedSequence(seed)` have the spawn
keys (0,), (1,) and so on: a partition's sizes, mixes and deal begin with the
numbers of the mediators of rounds 0, 1 and 2 of the same seed, and layers and
private counts with others of them. What each makes of them has nothing to do
with the others. A new stream takes a spawn key of two numbers or more, or one
of a name. The formulas stay, as recorded results depend on them;
tests/test_randomness.py holds a value of each.
"""

from collections.abc import Iterator, Sequence
import hashlib
import numbers
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from astraea_tff import arguments

# What a round draws from its seed, each from a stream of its own. The draw of
# the round's mediators has the stream without a number.
AVAILABILITY_STREAM = 1
ORDER_STREAM = 2
POLICY_STREAM = 3
# A run draws from these once, in round 0.
SPEED_STREAM = 4
WORTH_STREAM = 5


def round_generator(
    seed: int, round_num: int, stream: Optional[int] = None, *parts: int
) -> np.random.Generator:
  """Returns the generator of one use of a round's seed.

  Args:
    seed: The run's seed, at least 0.
    round_num: At least 0.
    stream: `AVAILABILITY_STREAM`, `ORDER_STREAM`, `POLICY_STREAM`,
      `SPEED_STREAM` or `WORTH_STREAM`; None for the draw of the round's
      mediators.
    *parts: Which part of the stream, where it has any.

  Returns:
    A generator that depends on the arguments alone.

  Raises:
    TypeError: `seed` or `round_num` is not an int.
    ValueError: `seed` or `round_num` is negative.
  """
  key = (arguments.check_integer(round_num, 'round_num', 0),)
  if stream is not None:
    key += (stream, *parts)
  return np.random.default_rng(
      np.random.SeedSequence(
          arguments.check_integer(seed, 'seed', 0), spawn_key=key
      )
  )


def grouping_seed(seed: int, round_num: int) -> int:
  """Returns the seed with which a round's clients are grouped.

  Args:
    seed: The run's seed, at least 0.
    round_num: At least 0; 0 where one schedule is for all rounds.

  Returns:
    What a way of grouping that draws, such as `astraea_tff.random_schedule`,
    takes as its seed.
  """
  return _first_word([seed, arguments.check_integer(round_num, 'round_num', 0)])


def grouping_generator(seed: int) -> np.random.Generator:
  """Returns the generator of one schedule.

  Args:
    seed: The schedule's seed, at least 0.

  Raises:
    TypeError: `seed` is no int.
    ValueError: `seed` is negative.
  """
  return np.random.default_rng(arguments.check_integer(seed, 'seed', 0))


def shuffle_seed(seed: int, round_num: int, client: int) -> int:
  """Returns the seed of the order of a client's examples in a round.

  Args:
    seed: The run's seed, at least 0.
    round_num: The number of the round, at least 0.
    client: The client's index, at least 0.

  Raises:
    TypeError: `round_num` is no int.
    ValueError: `round_num` is negative.
  """
  round_num = arguments.check_integer(round_num, 'round_num', 0)
  return _first_word([seed, round_num, client])


def check_seed(seed: Any) -> tuple[int, ...]:
  """Returns a seed as a tuple of ints.

  Args:
    seed: An int, or a sequence of at least one.

  Raises:
    TypeError: `seed` is something else.
  """
  parts = tuple(seed) if isinstance(seed, (Sequence, np.ndarray)) else (seed,)
  if not parts or not all(
      isinstance(part, numbers.Integral) and not isinstance(part, bool)
      for part in parts
  ):
    raise TypeError(
        '`seed` must be an int or a sequence of ints, such as (run seed, '
        f'client index), got {arguments.shorten(repr(seed))}.'
    )
  return tuple(int(part) for part in parts)


def seed_pair(seed: tuple[int, ...]) -> np.ndarray:
  """Folds ints to a stateless seed, int64 `[2]`, that no other ints share.

  It is a hash, as NumPy's SeedSequence takes (1,) and (1, 0) for the same.

  Args:
    seed: At least one int, as `check_seed` returns them.
  """
  digest = hashlib.sha256(repr(seed).encode()).digest()
  return np.frombuffer(digest[:16], '<i8').astype(np.int64)


def client_id_pair(pair: np.ndarray, client_id: tf.Tensor) -> tf.Tensor:
  """Returns the stateless seed of a client that is known by its id.

  Args:
    pair: int64 `[2]`, the run's `seed_pair`.
    client_id: string `[]`, in a graph or not.

  Returns:
    int64 `[2]`.
  """
  client = tf.strings.to_hash_bucket_strong(
      client_id, 2**63 - 1, [int(part) for part in pair]
  )
  return tf.random.fold_in(pair, client)


def private_counts_state(seed: int, client: int) -> np.random.RandomState:
  """Returns the legacy generator of one client, as diffprivlib takes it.

  Args:
    seed: The seed of all clients' noise, at least 0.
    client: The client's index, at least 0.
  """
  entropy = np.random.SeedSequence(seed, spawn_key=(client,))
  return np.random.RandomState(np.random.MT19937(entropy))


def layer_seeds(seed: Optional[int]) -> Iterator[int]:
  """Yields seeds without end, so that no two layers of a model share one.

  Args:
    seed: At least 0; None for new seeds at every call.

  Yields:
    Ints in [0, 2**31), as TensorFlow's seeds are signed 32-bit integers.
  """
  if seed is not None:
    seed = arguments.check_integer(seed, 'seed', 0)
  sequence = np.random.SeedSequence(seed)
  while True:
    (child,) = sequence.spawn(1)
    yield int(child.generate_state(1)[0] >> 1)


def partition_generators(seed: int) -> list[np.random.Generator]:
  """Returns three generators: of a partition's sizes, its mixes, its deal.

  Args:
    seed: The partition's seed, at least 0.
  """
  return [
      np.random.default_rng(stream)
      for stream in np.random.SeedSequence(seed).spawn(3)
  ]


def uniform(shape: Any, seed: Any, dtype: tf.DType) -> tf.Tensor:
  """Returns what `tf.random.stateless_uniform` draws from [0, 1).

  That scales and shifts every draw, if only by one and zero, which a training
  step and a pipeline that is opened for every client have to pay for.

  Args:
    shape: int32 or int64 `[rank]`.
    seed: int32 or int64 `[2]`.
    dtype: A floating-point dtype.

  Returns:
    A tensor of the shape and dtype.
  """
  key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
  return tf.raw_ops.StatelessRandomUniformV2(
      shape=shape,
      key=key,
      counter=counter,
      alg=tf.random.Algorithm.AUTO_SELECT.value,
      dtype=dtype,
  )


def _first_word(entropy: list[int]) -> int:
  return int(np.random.SeedSequence(entropy).generate_state(1)[0])
