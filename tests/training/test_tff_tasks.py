"""TFF's own tasks train under Astraea with the three changed lines.

`tff.simulation.baselines` with synthetic data: classes, images, several tags,
and the next character or word at every place of a text.
"""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff

_BASELINES = tff.simulation.baselines
_SPEC = _BASELINES.ClientSpec(num_epochs=1, batch_size=4)


def _every_place(batch):
  """A text counts for all the labels that it has, one at each place."""
  return tf.reshape(batch[1], [-1])


def _recognition():
  task = _BASELINES.emnist.create_character_recognition_task(
      _SPEC, model_id='cnn', only_digits=True, use_synthetic_data=True
  )
  return task, dict(num_classes=10)


def _autoencoder():
  task = _BASELINES.emnist.create_autoencoder_task(
      _SPEC, only_digits=True, use_synthetic_data=True
  )
  # Its labels are images: all digits count alike.
  zeros = lambda batch: tf.zeros(tf.shape(batch[1])[0], tf.int32)
  return task, dict(num_classes=2, label_fn=zeros)


def _cifar100():
  task = _BASELINES.cifar100.create_image_classification_task(
      _SPEC, model_id='resnet18', crop_height=8, crop_width=8,
      use_synthetic_data=True,
  )
  return task, dict(num_classes=100)


def _shakespeare():
  task = _BASELINES.shakespeare.create_character_prediction_task(
      _SPEC, sequence_length=8, use_synthetic_data=True
  )
  return task, dict(num_classes=90, label_fn=_every_place)


def _tags():
  task = _BASELINES.stackoverflow.create_tag_prediction_task(
      _SPEC, word_vocab_size=20, tag_vocab_size=6, use_synthetic_data=True
  )
  # A post counts for each of its tags.
  tags = lambda batch: tf.where(batch[1] > 0)[:, 1]
  return task, dict(num_classes=6, label_fn=tags)


def _words():
  task = _BASELINES.stackoverflow.create_word_prediction_task(
      _SPEC, sequence_length=5, vocab_size=20, use_synthetic_data=True
  )
  return task, dict(num_classes=24, label_fn=_every_place)


@pytest.mark.usefixtures('execution_context')
@pytest.mark.parametrize(
    'make', [_recognition, _autoencoder, _cifar100, _shakespeare, _tags, _words]
)
def test_task_trains(make):
  task, counting = make()
  clients = task.datasets.train_data.preprocess(
      task.datasets.train_preprocess_fn
  )
  counts = astraea_tff.label_counts(clients, **counting)
  # The three lines.
  process = astraea_tff.build_weighted_astraea(
      task.model_fn, tff.learning.optimizers.build_sgdm(0.01), max_clients=2
  )
  schedule = astraea_tff.reschedule(counts, max_clients=2)
  rounds = schedule.rounds(clients, mediators_per_round=1, seed=0)

  state = process.initialize()
  first = process.get_model_weights(state).trainable
  state, metrics = process.next(state, next(rounds))
  weights = process.get_model_weights(state).trainable
  train = metrics['client_work']['train']
  assert np.isfinite(train['loss'])
  assert all(np.isfinite(weight).all() for weight in weights)
  assert any(
      not np.array_equal(before, after) for before, after in zip(first, weights)
  )
