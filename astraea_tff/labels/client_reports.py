"""The forms in which clients send their label counts: coarse or private.

They are the functions of `astraea_tff.labels.privacy` in TensorFlow, for the
`report_fn` of `astraea_tff.labels.collection.build_client_label_counts`.
"""

from collections.abc import Callable
from typing import Optional

import dp_accounting
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from astraea_tff import arguments
from astraea_tff.labels import privacy

# Takes a client's counts, int64 [N], and its number, int64 [], and returns what
# it sends, int64 [N]; traced by TensorFlow.
ReportFn = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
_Relation = dp_accounting.NeighboringRelation


def coarsened(granularity: int) -> ReportFn:
  """`labels.privacy.coarsen_counts` at the client.

  Args:
    granularity: At least 1, and an int64.

  Returns:
    The report function.

  Raises:
    TypeError: `granularity` is no int.
    ValueError: `granularity` is out of range.
  """
  granularity = arguments.check_integer(
      granularity, 'granularity', 1, tf.int64.max
  )

  def report(counts, index):
    del index
    remainders = counts % granularity
    rounded_up = tf.cast(remainders >= granularity - remainders, tf.int64)
    return (counts // granularity + rounded_up) * granularity

  return report


def locally_private(
    epsilon: float,
    *,
    neighboring_relation: _Relation = _Relation.ADD_OR_REMOVE_ONE,
    seed: Optional[int] = None,
) -> ReportFn:
  """`labels.privacy.privatize_counts` at the client.

  The same distribution, drawn by TensorFlow Probability: the difference of two
  geometric variables. TensorFlow's generators are no cryptographic ones; where
  an attacker may exploit that, let clients run `privatize_counts` without a
  seed instead.

  Args:
    epsilon: See `privatize_counts`.
    neighboring_relation: See `privatize_counts`.
    seed: At least 0 and less than 2**31; the noise then depends on it and the
      client's number alone. For simulations: whoever knows it can take the
      noise off. None draws anew at every call.

  Returns:
    The report function.

  Raises:
    TypeError: An argument of the wrong type.
    ValueError: An argument is out of range.
  """
  epsilon = privacy.check_epsilon(epsilon)
  sensitivity = privacy.l1_sensitivity(neighboring_relation)
  if seed is not None:
    seed = arguments.check_integer(seed, 'seed', 0, 2**31 - 1)

  def report(counts, index):
    success = tf.constant(-np.expm1(-epsilon / sensitivity), tf.float64)
    geometric = tfp.distributions.Geometric(probs=success)
    if seed is None:
      seeds = _new_seeds()
    else:
      seeds = tf.stack([seed, tf.cast(index, tf.int32)])
    plus, minus = tf.unstack(
        tf.cast(geometric.sample([2, *counts.shape], seed=seeds), tf.int64)
    )
    return tf.maximum(counts + plus - minus, 0)

  return report


def _new_seeds() -> tf.Tensor:
  """Draws a stateless seed, int32 `[2]`, that nobody can make repeat.

  The operation itself, since `tf.random.uniform` without a seed follows the
  program's `tf.random.set_seed`, and noise that repeats is no noise.
  """
  return tf.raw_ops.RandomUniformInt(
      shape=[2],
      minval=tf.int32.min,
      maxval=tf.int32.max,
      seed=0,
      seed2=0,
  )
