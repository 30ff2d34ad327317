"""Federated image classification, round by round, with FedAvg or with Astraea.

  python image_classification.py --algorithm=fedavg --output_file=result.json

The shape is that of TFF's introduction to image classification: preprocess the
clients, build the process, call `next`, evaluate, put the weights into Keras.
"""

import collections
import json
import os
import pathlib

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import app
from absl import flags
import emnist_like
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff

_ALGORITHM = flags.DEFINE_enum('algorithm', 'fedavg', ['fedavg', 'astraea'], '')
_OUTPUT_FILE = flags.DEFINE_string('output_file', None, '', required=True)
_ROUNDS = 5


def fed_avg():
  """Returns FedAvg's process and the data of its rounds."""
  clients, _ = emnist_like.load_data()
  clients = clients.preprocess(emnist_like.preprocess)
  optimizer = tff.learning.optimizers.build_sgdm(0.05)
  process = tff.learning.algorithms.build_weighted_fed_avg(
      emnist_like.model_fn, client_optimizer_fn=optimizer
  )
  datasets = [
      clients.create_tf_dataset_for_client(c) for c in clients.client_ids
  ]
  rounds = ([*datasets[r:], *datasets[:r]][:6] for r in range(_ROUNDS))
  return process, rounds


def astraea():
  """Returns the same for Astraea; three statements differ."""
  clients, _ = emnist_like.load_data()
  clients = clients.preprocess(emnist_like.preprocess)
  optimizer = tff.learning.optimizers.build_sgdm(0.05)
  process = astraea_tff.build_weighted_astraea(
      emnist_like.model_fn, client_optimizer_fn=optimizer, max_clients=3
  )
  counts = astraea_tff.label_counts(clients, emnist_like.NUM_CLASSES)
  schedule = astraea_tff.reschedule(counts, max_clients=3)
  rounds = schedule.rounds(clients, mediators_per_round=2, seed=0)
  return process, rounds


def main(_):
  astraea_tff.set_local_execution_context()
  process, rounds = fed_avg() if _ALGORITHM.value == 'fedavg' else astraea()

  losses = []
  state = process.initialize()
  for _, round_data in zip(range(_ROUNDS), rounds):
    state, metrics = process.next(state, round_data)
    losses.append(float(metrics['client_work']['train']['loss']))

  # Federated evaluation on other clients, as FedAvg's programs have it.
  _, test_clients = emnist_like.load_data()
  test_clients = test_clients.preprocess(emnist_like.preprocess)
  test_datasets = [
      test_clients.create_tf_dataset_for_client(c)
      for c in test_clients.client_ids
  ]
  evaluation = tff.learning.algorithms.build_fed_eval(emnist_like.model_fn)
  weights = process.get_model_weights(state)
  evaluation_state = evaluation.set_model_weights(
      evaluation.initialize(), weights
  )
  federated = evaluation.next(evaluation_state, test_datasets).metrics

  keras_model = emnist_like.build_keras_model()
  weights.assign_weights_to(keras_model)
  keras_model.compile(
      loss='sparse_categorical_crossentropy',
      metrics=['sparse_categorical_accuracy'],
  )
  test_set = tf.data.Dataset.sample_from_datasets(test_datasets, seed=0)
  in_keras = keras_model.evaluate(
      test_set.map(lambda batch: (batch['x'], batch['y'])), verbose=0
  )
  federated = federated['client_work']['eval']['current_round_metrics']
  result = collections.OrderedDict(
      train_losses=losses,
      federated_accuracy=float(federated['sparse_categorical_accuracy']),
      keras_accuracy=in_keras[1],
  )
  pathlib.Path(_OUTPUT_FILE.value).write_text(json.dumps(result))


if __name__ == '__main__':
  app.run(main)
