"""The calibrated loss by hand: softmax regression trained in NumPy."""

import numpy as np
import tensorflow as tf

NUM_FEATURES, NUM_CLASSES = 4, 3
SPEC = (
    tf.TensorSpec([None, NUM_FEATURES], tf.float32),
    tf.TensorSpec([None], tf.int32),
)
LEARNING_RATE = 0.5


def build_keras_model():
  return tf.keras.Sequential([
      tf.keras.layers.Input([NUM_FEATURES]),
      tf.keras.layers.Dense(
          NUM_CLASSES,
          kernel_initializer=tf.keras.initializers.GlorotUniform(seed=1),
          bias_initializer=tf.keras.initializers.RandomNormal(seed=2),
      ),
  ])


def initial_weights():
  return [np.float64(w) for w in build_keras_model().get_weights()]


def make_client(labels, seed, dtype=np.int32):
  """A client's single examples with these labels."""
  rng = np.random.default_rng(seed)
  shape = [len(labels), NUM_FEATURES]
  return tf.data.Dataset.from_tensor_slices(
      (rng.normal(size=shape).astype(np.float32), np.array(labels, dtype))
  )


def counts_of(labels, num_classes=NUM_CLASSES):
  return np.bincount(labels, minlength=num_classes)


def log_prior(counts, global_counts, prior_share=0.3):
  """log((p + e) / (1 + e N)), as the formula stands."""
  counts, global_counts = np.float64(counts), np.float64(global_counts)
  mixed = (1 - prior_share) * counts / counts.sum()
  mixed = mixed + prior_share * global_counts / global_counts.sum()
  return np.log((mixed + 0.001) / (1 + 0.001 * len(counts)))


def softmax(logits):
  powers = np.exp(logits - logits.max(axis=1, keepdims=True))
  return powers / powers.sum(axis=1, keepdims=True)


def loss_and_gradients(weights, features, labels, prior):
  """Mean of -log softmax(x W + b + prior)_y, and its two gradients."""
  kernel, bias = weights
  features = np.float64(features)
  shares = softmax(features @ kernel + bias + prior)
  rows = np.arange(len(labels))
  loss = -np.log(shares[rows, labels]).mean()
  shares[rows, labels] -= 1
  shares /= len(labels)
  return loss, [features.T @ shares, shares.sum(axis=0)]


def train_client(weights, batches, prior):
  """SGD over a client's plain batches."""
  for features, labels in batches:
    _, gradients = loss_and_gradients(weights, features, labels, prior)
    weights = [
        weight - LEARNING_RATE * gradient
        for weight, gradient in zip(weights, gradients)
    ]
  return weights


def mean_weights(all_weights, sizes):
  """The server's model: the mean of what came back, by examples."""
  return [
      sum(size * weight for size, weight in zip(sizes, column)) / sum(sizes)
      for column in zip(*all_weights)
  ]
