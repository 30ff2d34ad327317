import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.models import batch_seeded_dropout

_RNG = np.random.default_rng(0)
_IMAGES = tf.constant(_RNG.random((6, 5, 4, 1)), tf.float32)
_VALUES = tf.constant(_RNG.random((6, 2000)) + 1.0, tf.float32)


def _drop(rate=0.25, seed=1, values=_VALUES, images=_IMAGES):
  layer = batch_seeded_dropout.BatchSeededDropout(rate, seed)
  return layer([values, images], training=True).numpy()


def test_the_rate_is_dropped_and_the_mean_stays():
  dropped = _drop()
  kept = dropped != 0
  # Binomial(12000, 0.75), within four standard deviations.
  assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / kept.size)
  np.testing.assert_allclose(
      dropped[kept], _VALUES.numpy()[kept] / 0.75, rtol=1e-6
  )


def test_the_same_batch_has_the_same_mask_and_values_do_not_count():
  np.testing.assert_array_equal(_drop(), _drop())
  np.testing.assert_array_equal(_drop() != 0, _drop(values=_VALUES * 2) != 0)


@pytest.mark.parametrize(
    'other',
    [
        dict(seed=2),
        dict(images=_IMAGES + 1 / 255),
        dict(images=tf.reverse(_IMAGES, axis=[0])),
    ],
)
def test_another_seed_batch_or_order_has_another_mask(other):
  same = (_drop() != 0) == (_drop(**other) != 0)
  # Independent masks agree in 0.75^2 + 0.25^2 of the places.
  assert abs(same.mean() - 0.625) < 0.03


def test_nothing_is_dropped_outside_training_or_at_rate_zero():
  layer = batch_seeded_dropout.BatchSeededDropout(0.25, 1)
  for training in (False, None):
    np.testing.assert_array_equal(
        layer([_VALUES, _IMAGES], training=training), _VALUES
    )
  np.testing.assert_array_equal(_drop(rate=0.0), _VALUES)


def test_in_a_graph_it_is_what_it_is_outside():
  layer = batch_seeded_dropout.BatchSeededDropout(0.25, 1)
  in_graph = tf.function(lambda *pair: layer(pair, training=True))
  for _ in range(2):  # There is no state that would move on.
    np.testing.assert_allclose(
        in_graph(_VALUES, _IMAGES), _drop(), rtol=1e-6
    )


def test_its_config_makes_the_same_layer():
  layer = batch_seeded_dropout.BatchSeededDropout(0.25, 1, name='drop')
  copy = batch_seeded_dropout.BatchSeededDropout.from_config(
      {k: layer.get_config()[k] for k in ('rate', 'seed', 'name')}
  )
  assert (copy.rate, copy.seed, copy.name) == (0.25, 1, 'drop')
