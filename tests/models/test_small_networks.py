"""The networks for tables and texts, against NumPy, and in a chain."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import datasets
from astraea_tff import models

_RANDOM = np.random.default_rng(0)
_LABELS = np.arange(24) % 3
_TOKENS = _RANDOM.integers(0, 20, (24, 7)).astype(np.int32)
_ROWS = _RANDOM.normal(size=(24, 4)).astype(np.float32)


def _relu(values):
  return np.maximum(values, 0)


def test_the_mlp_is_dense_layers_of_relu_units():
  model = models.build_mlp(3, 4, seed=1, hidden_units=[6, 5])
  weights = model.get_weights()
  assert [w.shape for w in weights] == [(4, 6), (6,), (6, 5), (5,), (5, 3), (3,)]
  values = _ROWS
  for kernel, bias in zip(weights[:4:2], weights[1:4:2]):
    values = _relu(values @ kernel + bias)
  np.testing.assert_allclose(
      model(_ROWS), values @ weights[4] + weights[5], rtol=1e-4, atol=1e-5
  )
  assert models.build_mlp(3, 4, hidden_units=()).count_params() == 15
  assert models.build_mlp(2, 30).count_params() == 31 * 64 + 65 * 32 + 33 * 2


def test_the_text_network_is_the_largest_of_windows_of_three_tokens():
  model = models.build_text_cnn(3, 20, 7, seed=1)
  table, kernel, bias, dense, offset = model.get_weights()
  assert table.shape == (20, 16) and kernel.shape == (3, 16, 32)
  embedded = table[_TOKENS]
  windows = np.stack(
      [
          np.einsum('bwe,wec->bc', embedded[:, at:at + 3], kernel) + bias
          for at in range(5)
      ]
  )
  expected = _relu(windows).max(axis=0) @ dense + offset
  np.testing.assert_allclose(model(_TOKENS), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    'build',
    [
        lambda seed: models.build_mlp(3, 4, seed),
        lambda seed: models.build_text_cnn(3, 20, 7, seed),
    ],
)
def test_equal_seeds_give_equal_weights_and_others_others(build):
  first, same, other, free = (
      build(seed).get_weights() for seed in (3, 3, 4, None)
  )
  for ours, theirs in zip(first, same, strict=True):
    np.testing.assert_array_equal(ours, theirs)
  for unlike in (other, free):
    assert all(
        (ours != theirs).any()
        for ours, theirs in zip(first, unlike) if ours.ndim > 1
    )


@pytest.mark.usefixtures('execution_context')
@pytest.mark.parametrize('kind', ['mlp', 'text_cnn'])
def test_a_chain_trains_it(kind):
  features = _ROWS if kind == 'mlp' else _TOKENS
  def build():
    if kind == 'mlp':
      return models.build_mlp(3, 4, seed=1, hidden_units=(8,))
    return models.build_text_cnn(3, 20, 7, seed=1)

  clients = datasets.InMemoryClients(
      ['a', 'b'], [14, 10], (features, _LABELS.astype(np.int32))
  )
  spec = (
      tf.TensorSpec([None, *features.shape[1:]], features.dtype),
      tf.TensorSpec([None], tf.int32),
  )
  process = astraea_tff.build_weighted_astraea(
      models.tff_model_fn(build, spec),
      tff.learning.optimizers.build_sgdm(0.1),
      max_clients=2,
  )
  # One mediator of both clients, without shuffling: a chain by hand.
  data = [
      clients.create_tf_dataset_for_client(name).batch(5) for name in 'ab'
  ]
  state = process.initialize()
  state, _ = process.next(state, [data])
  model = build()
  loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  for dataset in data:
    for batch, labels in dataset:
      with tf.GradientTape() as tape:
        loss = loss_fn(labels, model(batch, training=True))
      gradients = tape.gradient(loss, model.trainable_variables)
      for variable, gradient in zip(model.trainable_variables, gradients):
        variable.assign_sub(0.1 * tf.convert_to_tensor(gradient))
  trained = process.get_model_weights(state).trainable
  for ours, expected in zip(trained, model.get_weights(), strict=True):
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    'build, arguments, error, message',
    [
        (models.build_mlp, (1, 4), ValueError, 'num_classes must be at least 2'),
        (models.build_mlp, (2, 0), ValueError, 'num_features must be at least'),
        (models.build_mlp, (2, 1.0), TypeError, 'num_features must be an int'),
        (models.build_text_cnn, (2, 0, 5), ValueError, 'num_tokens must be at'),
        (models.build_text_cnn, (2, 9, 2), ValueError, 'length must be at least'),
    ],
)
def test_refuses_arguments(build, arguments, error, message):
  with pytest.raises(error, match=message):
    build(*arguments)


def test_refuses_hidden_layers_without_units():
  with pytest.raises(ValueError, match='hidden_units must be at least 1'):
    models.build_mlp(2, 3, hidden_units=(4, 0))
