"""Random transform of the rows of a table: interpolation and jitter.

The paper augments images. For rows of numbers we take what is usual there: a
copy moves towards another example of its class that the same client has (SMOTE,
Chawla et al. 2002, JAIR 16), and every number gets a little noise, measured in
its column's standard deviation. Both stay within what a client knows: nothing
of another client is needed.
"""

import dataclasses
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.augmentation.transforms import checks
from astraea_tff import randomness

_LARGEST_JITTER = 10.0


@dataclasses.dataclass(frozen=True)
class TabularTransform:
  """A random transform of rows of numbers, with its own draws for each row.

  A row `x` of a class becomes `x + w (n - x) + jitter * s * z`: `n` is drawn
  from the nearest rows of the same class, `w` is uniform in [0, 1), `s` is the
  standard deviation of each column and `z` is standard normal.

  The float tensors of the features are the columns; all others (integers,
  booleans, strings) are categories and stay as they are. Categories that stand
  in a float vector are named by `categorical_columns`.

  A row's neighbours, and the deviations, are taken from the rows that are
  augmented at once: all examples of a client, or up to 256 of a larger one.
  `augment` passes them with their classes through `copy_rows`.

  A value that is missing (NaN, or infinite) stays missing, and where it is the
  neighbour's value that is missing, a row keeps its own.

  Attributes:
    jitter: The standard deviation of the noise, as a multiple of the column's,
      in [0, 10]; 0 turns it off.
    neighbors: Among how many nearest rows of the class the other one is drawn,
      at least 1, by the Euclidean distance of the standardised columns. 0 turns
      interpolation off. A row that is the only one of its class gets noise
      alone.
    categorical_columns: Indices of columns of a single float vector `[D]` that
      stay as they are.

  Raises:
    TypeError: A number is none, or an index is no int.
    ValueError: A number is out of range.
  """

  jitter: float = 0.1
  neighbors: int = 5
  categorical_columns: tuple[int, ...] = ()

  def __post_init__(self):
    arguments.check_number(
        self.jitter,
        '`jitter`',
        0,
        _LARGEST_JITTER,
        advice='it is in standard deviations, and 0 turns it off',
    )
    arguments.check_integer(self.neighbors, '`neighbors`', 0)
    columns = arguments.check_integers(
        self.categorical_columns, '`categorical_columns`', 0
    )
    object.__setattr__(self, 'categorical_columns', columns)

  def __call__(
      self, features: Any, seed: tf.Tensor, classes: Optional[tf.Tensor] = None
  ) -> Any:
    """Returns the rows of `features`, each transformed by its own draws.

    Args:
      features: A tensor `[B, ...]` or a structure of them; at least one is of a
        float dtype. `B` may be unknown, or 0.
      seed: int32 or int64 `[2]`, a stateless seed. The draws of row `i` depend
        on `seed` and `i` only.
      classes: Integers `[B]`, each row's class. None: noise only.

    Returns:
      Features of the structure, dtypes and shapes of those given.

    Raises:
      TypeError: No part of `features` is of a float dtype.
      ValueError: `features` or `seed` has another shape, or
        `categorical_columns` does not fit.
    """
    features = tf.nest.map_structure(tf.convert_to_tensor, features)
    self._check_features(features)
    num_rows = tf.shape(tf.nest.flatten(features)[0])[0]
    rows = tf.range(num_rows)
    if classes is None:
      # Every row is the only one of its class.
      classes = rows
    return self.copy_rows(features, tf.convert_to_tensor(classes), rows, seed)

  def copy_rows(
      self, features: Any, classes: tf.Tensor, rows: tf.Tensor, seed: tf.Tensor
  ) -> Any:
    """Returns transformed copies of some rows; the other rows are neighbours.

    Args:
      features: As in `__call__`.
      classes: Integers `[B]`, each row's class.
      rows: Integers `[M]` in [0, B): the rows to copy, any of them repeatedly.
      seed: As in `__call__`; the draws of copy `i` depend on `seed` and `i`,
        and on the rows of its class.

    Returns:
      Features of the structure and dtypes of those given, `[M, ...]`.

    Raises:
      TypeError: As for `__call__`.
      ValueError: As for `__call__`.
    """
    self._check_features(features)
    seed = tf.convert_to_tensor(seed)
    checks.check_seed(seed)
    leaves = tf.nest.flatten(features)
    floats = [leaf for leaf in leaves if leaf.dtype.is_floating]
    is_double = any(leaf.dtype == tf.float64 for leaf in floats)
    dtype = tf.float64 if is_double else tf.float32
    widths = [leaf.shape[1:].num_elements() for leaf in floats]
    table = tf.concat(
        [
            tf.cast(tf.reshape(leaf, [-1, width]), dtype)
            for leaf, width in zip(floats, widths)
        ],
        axis=1,
    )
    columns = tf.split(
        self._copy_table_rows(table, classes, rows, seed), widths, axis=1
    )
    columns = iter(columns)
    copies = []
    for leaf in leaves:
      own = tf.gather(leaf, rows)
      if leaf.dtype.is_floating:
        changed = tf.reshape(next(columns), tf.shape(own))
        # A finite number that its dtype does not hold becomes the largest.
        held = tf.clip_by_value(changed, leaf.dtype.min, leaf.dtype.max)
        changed = tf.where(tf.math.is_finite(own), held, changed)
        own = tf.ensure_shape(tf.cast(changed, leaf.dtype), own.shape)
      copies.append(own)
    return tf.nest.pack_sequence_as(features, copies)

  def _check_features(self, features):
    """Raises unless there are columns to transform, of known shapes."""
    leaves = tf.nest.flatten(features)
    floats = [leaf for leaf in leaves if leaf.dtype.is_floating]
    if not floats:
      raise TypeError(
          '`features` must have a part of a float dtype, got '
          f'{[leaf.dtype.name for leaf in leaves]}; a TabularTransform leaves '
          'integers as they are, so cast what is a quantity to float32, or give'
          ' `lambda features, seed: features`, which copies rows as they are.'
      )
    for leaf in leaves:
      if leaf.shape.rank == 0 or not leaf.shape[1:].is_fully_defined():
        raise ValueError(
            '`features` must have shape [B, ...], known but for B, got '
            f'{leaf.shape}.'
        )
    if not self.categorical_columns:
      return
    if len(floats) > 1 or floats[0].shape.rank != 2:
      raise ValueError(
          '`categorical_columns` are those of a single float vector [D], got '
          f'features with {[str(leaf.shape) for leaf in floats]}; give '
          'categories a part of an integer dtype.'
      )
    if max(self.categorical_columns) >= floats[0].shape[1]:
      raise ValueError(
          '`categorical_columns` must lie in '
          f'[0, {floats[0].shape[1]}), got {self.categorical_columns}.'
      )

  def _copy_table_rows(self, table, classes, rows, seed):
    """Returns copies `[M, D]` of rows of the float table `[B, D]`."""
    is_changed = np.ones(table.shape[1], bool)
    is_changed[list(self.categorical_columns)] = False
    is_known = tf.math.is_finite(table)
    mean, deviation = _moments(table, is_known)
    place_seed, noise_seed = tf.unstack(tf.random.split(seed))
    copies = own = tf.gather(table, rows)
    if self.neighbors:
      standard = tf.where(
          is_known & is_changed,
          tf.math.divide_no_nan(table - mean, deviation),
          tf.zeros_like(table),
      )
      places = randomness.uniform(
          tf.stack([tf.size(rows), 2]), place_seed, table.dtype
      )
      which, weight = places[:, :1], places[:, 1:]
      others = self._draw_neighbors(standard, classes, rows, which[:, 0])
      moved = own + weight * (tf.gather(table, others) - own)
      copies = tf.where(
          tf.gather(is_known, others) & tf.gather(is_known, rows), moved, own
      )
    if self.jitter:
      noise = tf.random.stateless_normal(
          tf.shape(own), noise_seed, dtype=table.dtype
      )
      copies += self.jitter * deviation * noise
    return tf.where(is_changed, copies, own)

  def _draw_neighbors(self, standard, classes, rows, draws):
    """Returns another row of the class for each of `rows`, or itself."""
    num_rows = tf.shape(standard)[0]
    squares = tf.reduce_sum(standard**2, axis=1)
    distances = (
        squares[:, tf.newaxis]
        + squares
        - 2 * tf.matmul(standard, standard, transpose_b=True)
    )
    # Not `==`, which in a TFF worker's graph compares identities.
    is_of_class = tf.equal(classes[:, tf.newaxis], classes)
    is_candidate = is_of_class & ~tf.eye(num_rows, dtype=tf.bool)
    distances = tf.where(is_candidate, distances, np.inf)
    nearest = tf.math.top_k(-distances, tf.minimum(self.neighbors, num_rows))
    num_candidates = tf.math.count_nonzero(
        tf.math.is_finite(nearest.values), axis=1, dtype=tf.int32
    )
    available = tf.gather(num_candidates, rows)
    choice = tf.cast(
        tf.floor(draws * tf.cast(available, draws.dtype)), tf.int32
    )
    drawn = tf.gather(tf.gather(nearest.indices, rows), choice, batch_dims=1)
    return tf.where(available > 0, drawn, tf.cast(rows, tf.int32))


def _moments(table, is_known):
  """Returns the mean and the deviation `[D]` of the known values of columns."""
  dtype = table.dtype
  table = tf.cast(table, tf.float64)  # Squares exceed float32.
  numbers = tf.reduce_sum(tf.cast(is_known, table.dtype), axis=0)
  known = tf.where(is_known, table, tf.zeros_like(table))
  mean = tf.math.divide_no_nan(tf.reduce_sum(known, axis=0), numbers)
  residuals = tf.where(is_known, table - mean, tf.zeros_like(table))
  variance = tf.math.divide_no_nan(
      tf.reduce_sum(residuals**2, axis=0), numbers
  )
  return tf.cast(mean, dtype), tf.cast(tf.sqrt(variance), dtype)
