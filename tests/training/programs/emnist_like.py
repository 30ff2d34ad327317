"""Small images of ten classes, divided among clients as EMNIST's writers are.

Every class is a random image, and an example is that image with noise on it, so
that a linear model learns them in a few rounds. A client has few classes.
"""

import collections

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

NUM_CLASSES = 10
NUM_CLIENTS = 12
EXAMPLES_PER_CLIENT = 30
BATCH_SIZE = 10

INPUT_SPEC = collections.OrderedDict(
    x=tf.TensorSpec([None, 784], tf.float32),
    y=tf.TensorSpec([None, 1], tf.int32),
)


def load_data():
  """Returns clients for training and others for testing, as EMNIST's loader."""
  rng = np.random.default_rng(0)
  prototypes = rng.uniform(size=[NUM_CLASSES, 28, 28])

  def make_client(num_examples, classes):
    labels = rng.choice(classes, num_examples).astype(np.int32)
    noise = rng.normal(scale=0.5, size=[num_examples, 28, 28])
    pixels = (prototypes[labels] + noise).astype(np.float32)
    return collections.OrderedDict(label=labels, pixels=pixels)

  def make_clients(number, classes_per_client):
    return tff.simulation.datasets.TestClientData({
        f'writer_{index:02}': make_client(
            EXAMPLES_PER_CLIENT,
            rng.choice(NUM_CLASSES, classes_per_client, replace=False),
        )
        for index in range(number)
    })

  return make_clients(NUM_CLIENTS, 3), make_clients(4, NUM_CLASSES)


def preprocess(dataset):
  """Returns a client's batches of flattened images and labels."""

  def to_batch(element):
    return collections.OrderedDict(
        x=tf.reshape(element['pixels'], [-1, 784]),
        y=tf.reshape(element['label'], [-1, 1]),
    )

  return dataset.shuffle(EXAMPLES_PER_CLIENT, seed=1).batch(BATCH_SIZE).map(
      to_batch
  )


def build_keras_model():
  """Returns softmax regression, untrained."""
  return tf.keras.Sequential([
      tf.keras.layers.InputLayer(input_shape=(784,)),
      tf.keras.layers.Dense(NUM_CLASSES, kernel_initializer='zeros'),
      tf.keras.layers.Softmax(),
  ])


def model_fn():
  """Returns the model for TFF."""
  return tff.learning.models.from_keras_model(
      build_keras_model(),
      input_spec=INPUT_SPEC,
      loss=tf.keras.losses.SparseCategoricalCrossentropy(),
      metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
  )
