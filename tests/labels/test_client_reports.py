"""The forms in TensorFlow against those in NumPy, and SciPy's distribution."""

import dp_accounting
import noise_oracle
import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.labels import client_reports
from astraea_tff.labels import privacy

_REPLACE = dp_accounting.NeighboringRelation.REPLACE_ONE


def report(report_fn, counts, index=0):
  """What client `index` sends, int64 [N]."""
  counts = tf.constant(counts, tf.int64)
  sent = tf.function(report_fn)(counts, tf.constant(index, tf.int64))
  assert sent.dtype == tf.int64
  return sent.numpy()


@pytest.mark.parametrize('granularity', [1, 2, 5, 7, 1000])
def test_coarse_reports_are_those_of_numpy(granularity):
  counts = np.arange(60)
  np.testing.assert_array_equal(
      report(client_reports.coarsened(granularity), counts),
      privacy.coarsen_counts([counts], granularity)[0],
  )


@pytest.mark.parametrize('epsilon', [0.3, 3.0])
@pytest.mark.parametrize(
    'arguments, sensitivity', [({}, 1), ({'neighboring_relation': _REPLACE}, 2)]
)
def test_private_reports_have_discrete_laplace_noise(
    epsilon, arguments, sensitivity
):
  counts = np.full(20_000, 10**6)
  report_fn = client_reports.locally_private(epsilon, seed=0, **arguments)
  noise = report(report_fn, counts) - counts
  decay = epsilon / sensitivity
  assert noise_oracle.p_value(noise, decay) > 0.01
  assert noise_oracle.p_value(noise, 1.2 * decay) < 1e-6
  assert noise_oracle.p_value(noise, decay / 1.2) < 1e-6


def test_private_reports_are_never_negative():
  report_fn = client_reports.locally_private(0.5, seed=0)
  shifted = report(report_fn, np.full(500, 1000)) - 1000
  assert (shifted < 0).any()
  np.testing.assert_array_equal(
      report(report_fn, np.zeros(500)), np.maximum(shifted, 0)
  )


def test_noise_depends_on_seed_and_client_alone():
  counts = np.full(100, 1000)
  first = client_reports.locally_private(0.5, seed=1)
  sent = report(first, counts, index=3)
  np.testing.assert_array_equal(sent, report(first, counts, index=3))
  assert (sent != report(first, counts, index=4)).any()
  other = client_reports.locally_private(0.5, seed=2)
  assert (sent != report(other, counts, index=3)).any()


def test_without_a_seed_noise_is_drawn_anew():
  unseeded = tf.function(client_reports.locally_private(0.5))
  counts, index = tf.fill([100], tf.constant(1000, tf.int64)), tf.constant(0)
  assert (unseeded(counts, index) != unseeded(counts, index)).numpy().any()


def test_wrong_arguments_are_refused_by_name():
  with pytest.raises(ValueError, match='granularity must be at most 92233720'):
    client_reports.coarsened(2**63)
  with pytest.raises(ValueError, match='granularity must be at least 1'):
    client_reports.coarsened(0)
  with pytest.raises(ValueError, match='epsilon must be finite'):
    client_reports.locally_private(0.0)
  with pytest.raises(ValueError, match='seed must be at most'):
    client_reports.locally_private(1.0, seed=2**31)
  with pytest.raises(TypeError, match='seed must be an int'):
    client_reports.locally_private(1.0, seed=1.5)
  with pytest.raises(ValueError, match='neighboring_relation must be'):
    client_reports.locally_private(1.0, neighboring_relation='add')


@pytest.mark.parametrize('wrap', [lambda f: f, tf.function])
def test_noise_without_a_seed_does_not_follow_the_programs_seed(wrap):
  counts = tf.fill([20], tf.constant(1000, tf.int64))
  drawn = []
  for _ in range(3):
    tf.random.set_seed(1)
    report = wrap(client_reports.locally_private(0.1))
    drawn += [
        tuple(report(counts, tf.constant(0, tf.int64)).numpy())
        for _ in range(2)
    ]
  assert len(set(drawn)) == 6


def test_noise_without_a_seed_does_not_follow_a_graphs_seed():
  with tf.Graph().as_default() as graph:
    tf.random.set_seed(1)
    report = client_reports.locally_private(0.1)(
        tf.fill([20], tf.constant(1000, tf.int64)), tf.constant(0, tf.int64)
    )
  drawn = []
  for _ in range(2):
    with tf.compat.v1.Session(graph=graph) as session:
      drawn += [tuple(session.run(report)) for _ in range(2)]
  assert len(set(drawn)) == 4
