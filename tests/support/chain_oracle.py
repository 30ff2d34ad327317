"""A small model, small clients, and a mediator's chain run by hand in Keras."""

import collections
import functools

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


class AttackableLoss(tf.keras.losses.Loss):
  """Cross-entropy that a client can turn against the chain by its labels.

  A label is the class plus `NUM_CLASSES` times an attack's number; attacks add
  to an example's loss and to the gradient of its logits. The rest of the loss
  is divided by 400, so that with a learning rate of 40 honest clients train as
  with 0.1, and a finite gradient can make a weight infinite.
  """

  # Name: what is added to the loss, what is added to the gradient.
  ATTACKS = {
      'none': (0.0, 0.0),
      'gradient NaN': (0.0, np.nan),
      'gradient Inf': (0.0, np.inf),
      'weights up': (0.0, -2e37),
      'weights down': (0.0, 2e37),
      'loss NaN': (np.nan, 0.0),
      'loss Inf': (np.inf, 0.0),
      'large': (0.0, 1e25),
  }

  def call(self, y_true, y_pred):
    attacks = tf.constant(list(self.ATTACKS.values()), tf.float32)
    added = tf.gather(attacks, y_true // NUM_CLASSES)

    @tf.custom_gradient
    def attack(logits):
      return added[:, 0], lambda upstream: (
          tf.ones_like(logits) * (added[:, 1] * upstream)[:, tf.newaxis]
      )

    cross_entropy = tf.keras.losses.sparse_categorical_crossentropy(
        y_true % NUM_CLASSES, y_pred, from_logits=True
    )
    return cross_entropy / 400 + attack(y_pred)


# Momentum, so that there is a state to hand along and to put back.
ATTACKABLE_OPTIMIZER = (
    lambda: tff.learning.optimizers.build_sgdm(40.0, momentum=0.9),
    lambda: tf.keras.optimizers.legacy.SGD(40.0, momentum=0.9),
)


def attacking(client, *attacks):
  """The client with one attack after another, on a batch each, then honest."""
  numbers = [list(AttackableLoss.ATTACKS).index(attack) for attack in attacks]
  numbers = tf.constant(numbers + [0], tf.int32)

  def attack_batch(index, batch):
    features, labels = batch
    number = numbers[tf.minimum(tf.cast(index, tf.int32), len(attacks))]
    return features, labels + NUM_CLASSES * number

  return client.enumerate().map(attack_batch)


def build_process(
    model='variable', optimizer='sgd', kind='weighted', **arguments
):
  """Returns a process, the same for the same: building takes seconds."""
  defaults = dict(
      mediator_epochs=1,
      local_epochs=1,
      carry_optimizer_state=False,
      loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
  )
  arguments = defaults | arguments
  # With their types: True is no 1 where an argument is checked.
  typed = tuple((name, type(arguments[name]), arguments[name])
                for name in sorted(arguments))
  return _build_process(model, optimizer, kind, typed)


@functools.cache
def _build_process(model, optimizer, kind, typed_arguments):
  build_optimizer, _ = OPTIMIZERS[optimizer]
  return getattr(astraea, f'build_{kind}_astraea')(
      variable_model_fn if model == 'variable' else build_functional_model(),
      build_optimizer(),
      **{name: value for name, _, value in typed_arguments},
  )


@functools.cache
def build_fed_avg(model='variable', optimizer='sgd', kind='weighted'):
  """Returns TFF's own process, the same for the same."""
  build_optimizer, _ = OPTIMIZERS[optimizer]
  return getattr(tff.learning.algorithms, f'build_{kind}_fed_avg')(
      variable_model_fn if model == 'variable' else build_functional_model(),
      build_optimizer(),
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
