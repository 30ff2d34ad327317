"""The built-in networks go through Keras's cloning, saving and loading."""

import forked_program
import numpy as np
import patience
import pytest
import tensorflow as tf

from astraea_tff import models

_IMAGES = np.random.default_rng(0).random((5, 28, 28, 3), np.float32)


@pytest.fixture(name='model', params=['build_emnist_cnn', 'build_cifar10_cnn'])
def fixture_model(request):
  return getattr(models, request.param)(4, (28, 28, 3), seed=7)


def _assert_equal(actual, expected):
  assert len(actual.layers) == len(expected.layers)
  for ours, theirs in zip(actual.layers, expected.layers):
    assert type(ours) is type(theirs)
    assert ours.name == theirs.name
    if isinstance(theirs, models.BatchSeededDropout):
      assert ours.get_config() == theirs.get_config()
  # Dropout too: its masks depend on the layer's seed and the batch alone.
  for training in (False, True):
    np.testing.assert_array_equal(
        actual(_IMAGES, training=training), expected(_IMAGES, training=training)
    )


def test_a_clone_with_the_same_weights_is_the_same(model):
  clone = tf.keras.models.clone_model(model)
  clone.set_weights(model.get_weights())
  _assert_equal(clone, model)


@pytest.mark.parametrize('name', ['m.keras', 'm.h5', 'saved_model'])
def test_a_loaded_model_is_the_saved_one(model, tmp_path, name):
  model.save(tmp_path / name)
  _assert_equal(tf.keras.models.load_model(tmp_path / name), model)


def test_another_program_loads_it_and_goes_on(model, tmp_path):
  model.save(tmp_path / 'm.keras')
  program = (
      'import sys, numpy as np, tensorflow as tf\n'
      'from astraea_tff import models\n'
      'm = tf.keras.models.load_model(sys.argv[1])\n'
      'images = np.random.default_rng(0).random((5, 28, 28, 3), np.float32)\n'
      'np.save(sys.argv[2], m(images, training=True))\n'
  )
  done = forked_program.run(
      patience.SECONDS,
      code=program,
      arguments=[tmp_path / 'm.keras', tmp_path / 'o.npy'],
  )
  assert done.returncode == 0, done.stderr
  np.testing.assert_array_equal(
      np.load(tmp_path / 'o.npy'), model(_IMAGES, training=True)
  )


@pytest.mark.parametrize('dtype', ['float64', 'float16'])
def test_a_layer_keeps_its_arguments(dtype):
  layer = models.BatchSeededDropout(
      0.25, 3, name='drop', dtype=dtype, trainable=False
  )
  copy = models.BatchSeededDropout.from_config(layer.get_config())
  assert copy.get_config() == layer.get_config()
  values = tf.ones([6, 50], dtype)
  dropped = copy([values, tf.cast(_IMAGES, dtype)], training=True).numpy()
  assert dropped.dtype == dtype
  np.testing.assert_array_equal(
      np.unique(dropped), np.array([0, 1 / 0.75], dtype)
  )
