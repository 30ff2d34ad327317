"""A small model, small clients, and a mediator's chain run by hand in Keras."""

import collections
import functools

import built_once
import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import astraea

NUM_FEATURES = 5
NUM_CLASSES = 3
INPUT_SPEC = (
    tf.TensorSpec([None, NUM_FEATURES], tf.float32),
    tf.TensorSpec([None], tf.int32),
)

# TFF's optimizer and the Keras optimizer that computes the same.
OPTIMIZERS = {
    'sgd': (
        lambda: tff.learning.optimizers.build_sgdm(0.1),
        lambda: tf.keras.optimizers.legacy.SGD(0.1),
    ),
    'momentum': (
        lambda: tff.learning.optimizers.build_sgdm(0.1, momentum=0.9),
        lambda: tf.keras.optimizers.legacy.SGD(0.1, momentum=0.9),
    ),
    'adam': (
        lambda: tff.learning.optimizers.build_adam(0.01),
        lambda: tf.keras.optimizers.legacy.Adam(0.01),
    ),
}


def build_keras_model():
  return tf.keras.Sequential([
      tf.keras.layers.Input([NUM_FEATURES]),
      tf.keras.layers.Dense(
          4,
          activation='tanh',
          kernel_initializer=tf.keras.initializers.GlorotUniform(seed=1),
      ),
      tf.keras.layers.Dense(
          NUM_CLASSES,
          kernel_initializer=tf.keras.initializers.GlorotUniform(seed=2),
      ),
  ])


def loss_fn():
  return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def variable_model_fn(build_model=build_keras_model, loss=None):
  return tff.learning.models.from_keras_model(
      build_model(),
      input_spec=INPUT_SPEC,
      loss=loss or loss_fn(),
      metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
  )


def build_functional_model(loss=None):
  return tff.learning.models.functional_model_from_keras(
      build_keras_model,
      loss or loss_fn(),
      INPUT_SPEC,
      lambda: collections.OrderedDict(
          num_examples=tff.learning.metrics.NumExamplesCounter()
      ),
  )


def make_client(num_examples, seed, batch_size=4):
  """A client's dataset of batches; an empty one for zero examples."""
  rng = np.random.default_rng(seed)
  features = rng.normal(size=[num_examples, NUM_FEATURES]).astype(np.float32)
  labels = rng.integers(NUM_CLASSES, size=num_examples).astype(np.int32)
  dataset = tf.data.Dataset.from_tensor_slices((features, labels))
  return dataset.batch(batch_size)


def initial_weights():
  return [v.numpy() for v in build_keras_model().trainable_variables]


def run_chain(
    clients, build_optimizer, *, mediator_step=None, weights=None, **arguments
):
  """Trains on one client after another in plain Keras; returns the weights.

  `mediator_step` makes of the weights before a visit, those after it and its
  number of batches what the next client is handed. `weights` are those to begin
  with; the other arguments are those of `_train_chain`.
  """
  are_datasets = all(isinstance(c, tf.data.Dataset) for c in clients)
  if mediator_step is None and weights is None and are_datasets:
    # The same for the same: several tests compare with one chain.
    return list(_train_once(tuple(clients), build_optimizer, **arguments))
  return _train_chain(
      clients,
      build_optimizer,
      mediator_step=mediator_step,
      weights=weights,
      **arguments,
  )


@functools.cache
def _train_once(clients, build_optimizer, **arguments):
  return _train_chain(clients, build_optimizer, **arguments)


def _train_chain(
    clients,
    build_optimizer,
    *,
    mediator_epochs=1,
    local_epochs=1,
    carry_optimizer_state=False,
    client_clipping_norm=None,
    mediator_step=None,
    weights=None,
    build_model=build_keras_model,
    loss=None,
):
  model = build_model()
  if weights is not None:
    model.set_weights(weights)
  loss = loss or loss_fn()
  optimizer = build_optimizer()
  for _ in range(mediator_epochs):
    for client in clients:
      if not carry_optimizer_state:
        optimizer = build_optimizer()
      before = [v.numpy() for v in model.trainable_variables]
      num_batches = 0
      for _ in range(local_epochs):
        for features, labels in client:
          num_batches += 1
          with tf.GradientTape() as tape:
            value = loss(labels, model(features, training=True))
          gradients = tape.gradient(value, model.trainable_variables)
          optimizer.apply_gradients(zip(gradients, model.trainable_variables))
      if client_clipping_norm is not None:
        variables = model.trainable_variables
        clipped = clip_update(before, variables, client_clipping_norm)
        for variable, value in zip(variables, clipped):
          variable.assign(value)
      if mediator_step is not None and num_batches:
        after = [v.numpy() for v in model.trainable_variables]
        handed = mediator_step(before, after, num_batches)
        for variable, value in zip(model.trainable_variables, handed):
          variable.assign(value)
  return [v.numpy() for v in model.trainable_variables]


def clip_update(before, after, norm):
  """`before` plus the update to `after`, of a norm of `norm` at the most."""
  before = [np.asarray(value, np.float64) for value in before]
  update = [a.numpy().astype(np.float64) - b for a, b in zip(after, before)]
  actual = np.linalg.norm(np.concatenate([u.ravel() for u in update]))
  factor = min(1.0, norm / actual) if actual else 1.0
  return [b + factor * u for b, u in zip(before, update)]


_BUILDERS = {
    (algorithm, kind): built_once.built_once(
        getattr(module, f'build_{kind}_{algorithm}')
    )
    for module, algorithm in (
        (astraea, 'astraea'),
        (tff.learning.algorithms, 'fed_avg'),
    )
    for kind in ('weighted', 'unweighted')
}


@functools.cache
def shared_model(model, loss=None):
  """Returns a `model_fn`, or a functional model; the same for the same."""
  if model == 'functional':
    return build_functional_model(loss)
  return functools.partial(variable_model_fn, loss=loss)


@functools.cache
def shared_optimizer(name):
  """Returns TFF's optimizer of a name, the same for the same."""
  return OPTIMIZERS[name][0]()


def build_process(
    model='variable', optimizer='sgd', kind='weighted', loss=None, **arguments
):
  """Returns a process, the same for the same: building takes seconds.

  Args:
    model: The name of a model.
    optimizer: The clients' optimizer, or its name.
    kind: Which builder builds.
    loss: The model's; by default `loss_fn`.
    **arguments: The builder's other arguments.
  """
  return _build('astraea', model, optimizer, kind, loss, arguments)


def build_fed_avg(
    model='variable', optimizer='sgd', kind='weighted', loss=None, **arguments
):
  """Returns TFF's own process; as `build_process`."""
  return _build('fed_avg', model, optimizer, kind, loss, arguments)


def _build(algorithm, model, optimizer, kind, loss, arguments):
  if isinstance(optimizer, str):
    optimizer = shared_optimizer(optimizer)
  return _BUILDERS[algorithm, kind](
      shared_model(model, loss), optimizer, **arguments
  )


@functools.cache
def initial_state(process):
  return process.initialize()


def run_round(process, mediators):
  """Runs one round from the initial state; returns weights and metrics."""
  output = process.next(initial_state(process), mediators)
  weights = process.get_model_weights(output.state)
  return list(weights.trainable), output.metrics


def assert_weights_close(actual, expected, tolerance=1e-6):
  assert len(actual) == len(expected)
  for one, other in zip(actual, expected):
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


def largest_difference(actual, expected):
  return max(np.abs(a - e).max() for a, e in zip(actual, expected))
