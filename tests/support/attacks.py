"""Clients that attack the chain they train in."""

import chain_oracle
import numpy as np
import tensorflow as tf
import tensorflow_federated as tff


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
    added = tf.gather(attacks, y_true // chain_oracle.NUM_CLASSES)

    @tf.custom_gradient
    def attack(logits):
      return added[:, 0], lambda upstream: (
          tf.ones_like(logits) * (added[:, 1] * upstream)[:, tf.newaxis]
      )

    cross_entropy = tf.keras.losses.sparse_categorical_crossentropy(
        y_true % chain_oracle.NUM_CLASSES, y_pred, from_logits=True
    )
    return cross_entropy / 400 + attack(y_pred)


LOSS = AttackableLoss()
# Momentum, so that there is a state to hand along and to put back.
OPTIMIZER = tff.learning.optimizers.build_sgdm(40.0, momentum=0.9)


def build_keras_optimizer():
  """Returns the Keras optimizer that computes the same."""
  return tf.keras.optimizers.legacy.SGD(40.0, momentum=0.9)


def attacking(client, *attacks):
  """The client with one attack after another, on a batch each, then honest."""
  numbers = [list(AttackableLoss.ATTACKS).index(attack) for attack in attacks]
  numbers = tf.constant(numbers + [0], tf.int32)

  def attack_batch(index, batch):
    features, labels = batch
    number = numbers[tf.minimum(tf.cast(index, tf.int32), len(attacks))]
    return features, labels + chain_oracle.NUM_CLASSES * number

  return client.enumerate().map(attack_batch)
