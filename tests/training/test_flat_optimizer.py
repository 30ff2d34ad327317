"""Flattened optimizers step as the originals do, and others are left alone."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import flat_optimizer

_SHAPES = ((5, 3), (3,), (2, 2, 4))
_SPECS = tuple(tf.TensorSpec(shape, tf.float32) for shape in _SHAPES)
_optimizers = tff.learning.optimizers


class _ScaledByNorm(_optimizers.Optimizer):
  """SGD whose step for a weight has the length of the weight."""

  def initialize(self, specs):
    return ()

  def next(self, state, weights, gradients):
    stepped = tf.nest.map_structure(
        lambda w, g: w - 0.1 * g * tf.norm(w) / tf.norm(g), weights, gradients
    )
    return state, stepped


class _ClippedWeightByWeight(_optimizers.Optimizer):
  """SGD that clips the gradient of a weight at a norm that few reach."""

  def initialize(self, specs):
    return ()

  def next(self, state, weights, gradients):
    stepped = tf.nest.map_structure(
        lambda w, g: w - 0.1 * tf.clip_by_norm(g, 50.0), weights, gradients
    )
    return state, stepped


class _DecaysLargeWeights(_optimizers.Optimizer):
  """SGD that decays only weights of more than 100 numbers."""

  def initialize(self, specs):
    return ()

  def next(self, state, weights, gradients):
    def step(w, g):
      return w - 0.1 * (g + w if w.shape.num_elements() > 100 else g)

    return state, tf.nest.map_structure(step, weights, gradients)


class _DerivedSgd(type(_optimizers.build_sgdm())):
  """What is derived from an elementwise optimizer may do anything."""


class _NeedsAutoGraph(_optimizers.Optimizer):
  """SGD that steps only where a Tensor says so, in Python's own words."""

  def initialize(self, specs):
    return tf.constant(0)

  def next(self, state, weights, gradients):
    factor = 0.1
    if state > 1:
      factor = 0.2
    return state + 1, tf.nest.map_structure(
        lambda w, g: w - factor * g, weights, gradients
    )


_ELEMENTWISE = {
    'adagrad': _optimizers.build_adagrad(0.1),
    'adam': _optimizers.build_adam(0.01),
    'adamw': _optimizers.build_adamw(0.01),
    'rmsprop': _optimizers.build_rmsprop(0.01),
    'sgd': _optimizers.build_sgdm(0.1),
    'momentum': _optimizers.build_sgdm(0.1, momentum=0.9),
    'yogi': _optimizers.build_yogi(0.01),
}


def _random_weights(seed):
  rng = np.random.default_rng(seed)
  return tuple(
      tf.constant(rng.standard_normal(shape), tf.float32) for shape in _SHAPES
  )


@pytest.mark.parametrize('name', _ELEMENTWISE)
def test_a_flattened_optimizer_takes_the_same_steps(name):
  optimizer = _ELEMENTWISE[name]
  flat = flat_optimizer.flatten_if_elementwise(optimizer, _SPECS)
  assert flat is not optimizer
  ends = []
  for each in (optimizer, flat):
    state, weights = each.initialize(_SPECS), _random_weights(0)
    for step in range(5):
      state, weights = each.next(state, weights, _random_weights(step + 1))
    ends.append(weights)
  for one, other in zip(*ends):
    np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize('missing', [0, 1, 2])
@pytest.mark.parametrize('name', _ELEMENTWISE)
def test_a_weight_without_gradient_is_stepped_as_by_the_original(name, missing):
  """It stays, and the others go on: AdamW would decay it with a zero."""
  optimizer = _ELEMENTWISE[name]
  flat = flat_optimizer.flatten_if_elementwise(optimizer, _SPECS)
  ends = []
  for each in (optimizer, flat):
    state, weights = each.initialize(_SPECS), _random_weights(0)
    for step in range(5):
      gradients = list(_random_weights(step + 1))
      gradients[missing] = None
      state, weights = each.next(state, weights, tuple(gradients))
    ends.append(weights)
  for one, other in zip(*ends):
    np.testing.assert_allclose(one, other, rtol=1e-6)
  np.testing.assert_array_equal(ends[1][missing], _random_weights(0)[missing])


def test_hyperparameters_are_the_originals():
  optimizer = _ELEMENTWISE['adam']
  flat = flat_optimizer.flatten_if_elementwise(optimizer, _SPECS)
  state = flat.initialize(_SPECS)
  hparams = flat.get_hparams(state)
  assert hparams == optimizer.get_hparams(optimizer.initialize(_SPECS))
  changed = flat.set_hparams(state, hparams | {'learning_rate': 0.5})
  assert flat.get_hparams(changed)['learning_rate'] == 0.5


@pytest.mark.parametrize(
    'optimizer, specs',
    [
        (_ScaledByNorm(), _SPECS),
        (_NeedsAutoGraph(), _SPECS),
        (_ClippedWeightByWeight(), _SPECS),
        (_DecaysLargeWeights(), _SPECS),
        (_DerivedSgd(0.1), _SPECS),
        (_optimizers.build_adafactor(0.1), _SPECS),
        (
            _optimizers.schedule_learning_rate(
                _ELEMENTWISE['sgd'], lambda step: 0.1
            ),
            _SPECS,
        ),
        (_ELEMENTWISE['sgd'], _SPECS[:1]),
        (_ELEMENTWISE['sgd'], (_SPECS[0], tf.TensorSpec([2], tf.float64))),
        (_ELEMENTWISE['sgd'], (_SPECS[0], tf.TensorSpec([None], tf.float32))),
    ],
    ids=[
        'looks at norms',
        'needs AutoGraph',
        'clips a weight',
        'looks at sizes',
        'derived',
        'Adafactor',
        'scheduled',
        'one weight',
        'two dtypes',
        'unknown size',
    ],
)
def test_where_it_is_not_safe_nothing_is_flattened(optimizer, specs):
  assert flat_optimizer.flatten_if_elementwise(optimizer, specs) is optimizer
