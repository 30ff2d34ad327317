"""Seeds, and draws that depend on nothing but their seed."""

from collections.abc import Sequence
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


def check_seed(seed: Any) -> tuple[int, ...]:
  """Returns a seed as a tuple of ints, or raises."""
  parts = tuple(seed) if isinstance(seed, (Sequence, np.ndarray)) else (seed,)
  if not parts or not all(
      isinstance(part, numbers.Integral) and not isinstance(part, bool)
      for part in parts
  ):
    raise TypeError(
        '`seed` must be an int or a sequence of ints, such as (run seed, '
        f'client index), got {seed!r}.'
    )
  return tuple(int(part) for part in parts)


def seed_pair(seed: tuple[int, ...]) -> np.ndarray:
  """Folds ints to a stateless seed, int64 `[2]`, that no other ints share.

  A hash, as NumPy's SeedSequence takes (1,) and (1, 0) for the same.
  """
  digest = hashlib.sha256(repr(seed).encode()).digest()
  return np.frombuffer(digest[:16], '<i8').astype(np.int64)


def shuffle_seed(seed: int, round_num: int, client: int) -> int:
  """Returns the seed of the order of a client's examples in a round."""
  sequence = np.random.SeedSequence([seed, round_num, client])
  return int(sequence.generate_state(1)[0])


def round_generator(
    seed: int, round_num: int, stream: Optional[int] = None
) -> np.random.Generator:
  """Returns the generator of one use of a round's seed.

  Args:
    seed: At least 0. Of the whole run.
    round_num: At least 0.
    stream: `AVAILABILITY_STREAM` or `ORDER_STREAM`; None for the draw of the
      round's mediators.

  Returns:
    A generator that depends on the arguments alone.

  Raises:
    TypeError: `seed` or `round_num` is not an int.
    ValueError: `seed` or `round_num` is negative.
  """
  key = (arguments.check_integer(round_num, 'round_num', 0),)
  if stream is not None:
    key += (stream,)
  return np.random.default_rng(
      np.random.SeedSequence(
          arguments.check_integer(seed, 'seed', 0), spawn_key=key
      )
  )
