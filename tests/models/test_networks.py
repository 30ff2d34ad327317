import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import models
from astraea_tff.models import batch_seeded_dropout


def test_emnist_network_has_the_papers_number_of_parameters():
  model = models.build_emnist_cnn()
  assert model.count_params() == 68_873
  assert model.input_shape == (None, 28, 28, 1)
  assert model.output_shape == (None, 47)


def test_emnist_network_by_layer():
  # 12 * 5*5 + 12; 18 * 3*3*12 + 18; 24 * 2*2*18 + 24; 4*4*24 inputs.
  expected = [312, 1962, 1752, 4 * 4 * 24 * 150 + 150, 150 * 47 + 47]
  layers = models.build_emnist_cnn().layers
  assert [layer.count_params() for layer in layers
          if layer.count_params()] == expected
  convolutions = [layer for layer in layers
                  if isinstance(layer, tf.keras.layers.Conv2D)]
  assert [layer.strides for layer in convolutions] == [(2, 2), (2, 2), (1, 1)]
  assert [layer.rate for layer in layers
          if isinstance(layer, batch_seeded_dropout.BatchSeededDropout)] == [0.5]


def test_cifar10_network_has_the_keras_examples_number_of_parameters():
  model = models.build_cifar10_cnn()
  assert model.count_params() == 1_250_858
  assert model.input_shape == (None, 32, 32, 3)
  assert model.output_shape == (None, 10)
  assert [layer.rate for layer in model.layers
          if isinstance(layer, batch_seeded_dropout.BatchSeededDropout)] == [0.25, 0.25, 0.5]


_BUILDERS = [models.build_emnist_cnn, models.build_cifar10_cnn]


@pytest.mark.parametrize('build', _BUILDERS)
def test_equal_seeds_give_equal_weights_and_others_others(build):
  first, same, other, free = (
      build(seed=seed).get_weights() for seed in (3, 3, 4, None))
  for ours, theirs in zip(first, same, strict=True):
    np.testing.assert_array_equal(ours, theirs)
  for unlike in (other, free):
    assert all((ours != theirs).any()
               for ours, theirs in zip(first, unlike) if ours.ndim > 1)


def test_no_two_layers_start_from_the_same_numbers():
  weights = models.build_cifar10_cnn(seed=0).get_weights()
  scaled = [kernel.reshape(-1)[:50] / np.abs(kernel).max()
            for kernel in weights if kernel.ndim > 1]
  correlations = np.corrcoef(scaled) - np.eye(len(scaled))
  assert np.abs(correlations).max() < 0.7


@pytest.mark.parametrize('build, shape', [
    (models.build_emnist_cnn, (13, 13, 1)),
    (models.build_emnist_cnn, (32, 32, 3)),
    (models.build_cifar10_cnn, (10, 10, 1)),
])
def test_other_shapes_and_classes_work(build, shape):
  model = build(5, input_shape=shape, seed=0)
  assert model(np.zeros((2, *shape), np.float32)).shape == (2, 5)


@pytest.mark.parametrize('build', _BUILDERS)
def test_outputs_are_logits(build):
  model = build(seed=0)
  images = np.random.default_rng(0).random((3, *model.input_shape[1:]))
  outputs = model(images).numpy()
  assert (outputs < 0).any()
  assert np.abs(outputs.sum(axis=1) - 1).min() > 1e-3


@pytest.mark.parametrize('build, arguments, error, message', [
    (models.build_emnist_cnn, dict(num_classes=1), ValueError, 'at least 2'),
    (models.build_emnist_cnn, dict(num_classes=4.0), TypeError, 'num_classes'),
    (models.build_emnist_cnn, dict(input_shape=(12, 28, 1)), ValueError,
     r'at least 13x13x1, got \(12, 28, 1\)'),
    (models.build_emnist_cnn, dict(input_shape=(28, 28)), ValueError, 'height'),
    (models.build_emnist_cnn, dict(input_shape=(28, 28, 0)), ValueError,
     'channels'),
    (models.build_emnist_cnn, dict(input_shape=(28, 28, True)), ValueError,
     'got \\(28, 28, True'),
    (models.build_emnist_cnn, dict(input_shape=(28, None, 1)), ValueError,
     'input_shape'),
    (models.build_emnist_cnn, dict(seed=-1), ValueError, 'seed'),
    (models.build_emnist_cnn, dict(seed=1.5), TypeError, 'seed'),
    (models.build_emnist_cnn, dict(dropout_rate=1.5), ValueError, '1.5'),
    (models.build_emnist_cnn, dict(dropout_rate=1), ValueError, 'dropout_rate'),
    (models.build_cifar10_cnn, dict(input_shape=(9, 10, 3)), ValueError,
     'at least 10x10x1'),
    (models.build_cifar10_cnn, dict(num_classes=True), TypeError, 'an int'),
])
def test_bad_arguments_are_refused(build, arguments, error, message):
  with pytest.raises(error, match=message):
    build(**arguments)


def _input_spec(shape):
  return (tf.TensorSpec([None, *shape], tf.float32),
          tf.TensorSpec([None], tf.int32))


def test_tff_model_trains_the_keras_models_weights_with_cross_entropy():
  keras_models = []

  def build():
    keras_models.append(models.build_emnist_cnn(10, seed=1, dropout_rate=0.0))
    return keras_models[-1]

  model_fn = models.tff_model_fn(build, _input_spec((28, 28, 1)))
  model = model_fn()
  assert isinstance(model, tff.learning.models.VariableModel)
  assert len(keras_models) == 1
  images = np.random.default_rng(0).random((4, 28, 28, 1)).astype(np.float32)
  labels = np.array([1, 2, 3, 4], np.int32)
  output = model.forward_pass((images, labels), training=True)
  logits = keras_models[0](images).numpy().astype(np.float64)
  shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  expected = -np.log(shares[np.arange(4), labels]).mean()
  assert float(output.loss) == pytest.approx(expected, rel=1e-5)
  assert output.num_examples == 4
  metrics = model.report_local_unfinalized_metrics()
  correct, count = metrics['sparse_categorical_accuracy']
  assert (correct, count) == ((logits.argmax(axis=1) == labels).sum(), 4)


def test_tff_model_fn_builds_a_new_model_at_every_call():
  model_fn = models.tff_model_fn(
      lambda: models.build_emnist_cnn(10, seed=1), _input_spec((28, 28, 1)))
  first, second = model_fn(), model_fn()
  first.trainable_variables[0].assign_add(
      tf.ones_like(first.trainable_variables[0]))
  assert (first.trainable_variables[0].numpy()
          != second.trainable_variables[0].numpy()).all()


def test_a_model_in_the_place_of_its_builder_is_refused():
  with pytest.raises(TypeError, match='must be a function that returns a new'):
    models.tff_model_fn(models.build_emnist_cnn(3), _input_spec((28, 28, 1)))
