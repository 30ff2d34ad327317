"""The checks of what several random transforms take."""

import tensorflow as tf


def check_seed(seed: tf.Tensor) -> None:
  """Raises unless `seed` is int32 or int64 `[2]`."""
  if seed.dtype not in (tf.int32, tf.int64) or seed.shape != [2]:
    raise ValueError(
        '`seed` must be two int32 or int64 numbers, as for '
        f'`tf.random.stateless_uniform`, got {seed.dtype.name} {seed.shape}.'
    )


def error_of_structure(transform: str, kind: str, given: str) -> TypeError:
  """Returns the error of a transform that takes one tensor, given several."""
  return TypeError(
      f'{transform} takes one tensor of {kind}, got {given}; give `transform` a'
      f' function that applies it to the part that holds {kind}.'
  )
