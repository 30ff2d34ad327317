"""The check of what every random transform takes."""

import tensorflow as tf


def check_seed(seed: tf.Tensor) -> None:
  """Raises unless `seed` is int32 or int64 `[2]`."""
  if seed.dtype not in (tf.int32, tf.int64) or seed.shape != [2]:
    raise ValueError(
        '`seed` must be two int32 or int64 numbers, as for '
        f'`tf.random.stateless_uniform`, got {seed.dtype.name} {seed.shape}.'
    )
