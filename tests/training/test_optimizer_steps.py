"""Adam in place against TFF's own Adam, step by step."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import optimizer_steps

_SHAPES = ((5, 3), (3,), ())
_SPECS = tuple(tf.TensorSpec(shape, tf.float32) for shape in _SHAPES)
_ADAM = tff.learning.optimizers.build_adam(0.02, 0.8, 0.95, 1e-3)


def _random_weights(seed):
  rng = np.random.default_rng(seed)
  return tuple(
      tf.constant(rng.standard_normal(shape), tf.float32) for shape in _SHAPES
  )


@pytest.mark.parametrize('hparams', [None, {'learning_rate': 0.5}])
def test_fused_adam_takes_the_steps_of_tffs(hparams):
  expected = _random_weights(0)
  state = _ADAM.initialize(_SPECS)
  variables = [tf.Variable(weight) for weight in expected]
  steps = optimizer_steps.quickest(_ADAM, _SPECS)(variables)
  assert isinstance(steps, optimizer_steps.FusedAdamSteps)
  if hparams is not None:
    hparams = _ADAM.get_hparams(state) | hparams
    state = _ADAM.set_hparams(state, hparams)
  fused_state = steps.load(steps.initialize(hparams))
  for step in range(6):
    gradients = _random_weights(step + 1)
    state, expected = _ADAM.next(state, expected, gradients)
    fused_state = steps.step(fused_state, gradients)
    for variable, weight in zip(variables, expected):
      np.testing.assert_allclose(variable, weight, rtol=2e-5, atol=1e-6)
  moments = (*state['accumulator'], *state['preconditioner'])
  for actual, moment in zip(steps.read(fused_state)[1], moments, strict=True):
    np.testing.assert_allclose(actual, moment, rtol=1e-5, atol=1e-6)
  assert fused_state['step'] == state['step'] == 6


def test_a_state_that_was_read_is_gone_on_from():
  """A step, away from it, and back: two steps from the state that was read."""
  start = _random_weights(0)
  variables = [tf.Variable(weight) for weight in start]
  steps = optimizer_steps.quickest(_ADAM, _SPECS)(variables)
  loaded = steps.load(steps.initialize())
  state = steps.read(steps.step(loaded, _random_weights(1)))
  after_one = [tf.identity(variable) for variable in variables]
  ends = []
  for _ in range(2):
    for variable, weight in zip(variables, after_one):
      variable.assign(weight)
    steps.step(steps.load(state), _random_weights(2))
    ends.append([variable.numpy() for variable in variables])
    steps.step(steps.load(steps.initialize()), _random_weights(3))
  for one, other in zip(*ends):
    np.testing.assert_array_equal(one, other)


def test_fused_adam_takes_slices_and_leaves_weights_without_gradient():
  table, other = tf.Variable(tf.ones([4, 2])), tf.Variable(3.0)
  specs = [tf.TensorSpec([4, 2]), tf.TensorSpec([])]
  steps = optimizer_steps.quickest(_ADAM, specs)([table, other])
  slices = tf.IndexedSlices(tf.fill([1, 2], 2.0), tf.constant([1]), [4, 2])
  steps.step(steps.load(steps.initialize()), [slices, None])
  dense = np.zeros([4, 2], np.float32)
  dense[1] = 2
  _, expected = _ADAM.next(
      _ADAM.initialize(tf.TensorSpec([4, 2])), tf.ones([4, 2]), dense
  )
  np.testing.assert_allclose(table, expected, rtol=1e-6)
  assert table[1, 0] < 1 == table[0, 0]
  assert other == 3


class _ScaledAdam(type(_ADAM)):

  def next(self, state, weights, gradients):
    doubled = tf.nest.map_structure(lambda g: 2 * g, gradients)
    return super().next(state, weights, doubled)


@pytest.mark.parametrize(
    'optimizer, specs, expected',
    [
        (_ADAM, _SPECS, True),
        (_ScaledAdam(0.1), _SPECS, False),
        (tff.learning.optimizers.build_yogi(0.1), _SPECS, False),
        (tff.learning.optimizers.build_adamw(0.1), _SPECS, False),
        (_ADAM, (tf.TensorSpec([2], tf.bfloat16),), False),
        (_ADAM, (tf.TensorSpec([None], tf.float32),), False),
    ],
    ids=['Adam', 'derived', 'Yogi', 'AdamW', 'bfloat16', 'unknown size'],
)
def test_only_tffs_own_adam_is_fused(optimizer, specs, expected):
  assert optimizer_steps.is_fusible(optimizer, specs) == expected


def test_other_optimizers_step_as_they_are():
  optimizer = tff.learning.optimizers.build_sgdm(0.5, momentum=0.9)
  variables = [tf.Variable(weight) for weight in _random_weights(0)]
  steps = optimizer_steps.quickest(optimizer, _SPECS)(variables)
  state = steps.load(steps.initialize())
  expected_state = optimizer.initialize(_SPECS)
  expected = _random_weights(0)
  for seed in (1, 2):
    gradients = _random_weights(seed)
    state = steps.step(state, gradients)
    expected_state, expected = optimizer.next(
        expected_state, expected, gradients
    )
  for variable, weight in zip(variables, expected):
    np.testing.assert_allclose(variable, weight, rtol=1e-6)
