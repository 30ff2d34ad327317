"""FedAvg or Astraea under TFF's simulation loop, `run_training_process`.

  python simulated_training.py --algorithm=fedavg --output_dir=run
"""

import os
import pathlib

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import app
from absl import flags
import emnist_like
import tensorflow_federated as tff

import astraea_tff
from astraea_tff.clients import batches as batches_lib

_ALGORITHM = flags.DEFINE_enum('algorithm', 'fedavg', ['fedavg', 'astraea'], '')
_OUTPUT_DIR = flags.DEFINE_string('output_dir', None, '', required=True)
_ROUNDS = 4


def main(_):
  folder = pathlib.Path(_OUTPUT_DIR.value)
  astraea_tff.set_local_execution_context()
  clients, test_clients = emnist_like.load_data()
  clients = clients.preprocess(emnist_like.preprocess)
  test_clients = test_clients.preprocess(emnist_like.preprocess)
  optimizer = tff.learning.optimizers.build_sgdm(0.05)

  if _ALGORITHM.value == 'fedavg':
    sample = tff.simulation.build_uniform_sampling_fn(
        clients.client_ids, random_seed=0
    )
    process = tff.learning.algorithms.build_weighted_fed_avg(
        emnist_like.model_fn, optimizer
    )

    def select(round_num):
      return [
          clients.create_tf_dataset_for_client(client_id)
          for client_id in sample(round_num, 6)
      ]

  else:
    counts = astraea_tff.label_counts(clients, emnist_like.NUM_CLASSES)
    schedule = astraea_tff.reschedule(counts, max_clients=3)
    datasets = batches_lib.clients_for_round(clients, 1)
    process = astraea_tff.build_weighted_astraea(
        emnist_like.model_fn, optimizer, max_clients=3
    )

    def select(round_num):
      return next(
          schedule.rounds(datasets, 2, seed=0, first_round=round_num)
      )

  evaluation = tff.learning.algorithms.build_fed_eval(emnist_like.model_fn)
  test_datasets = [
      test_clients.create_tf_dataset_for_client(client_id)
      for client_id in test_clients.client_ids
  ]

  def evaluate(state, data):
    evaluation_state = evaluation.set_model_weights(
        evaluation.initialize(), process.get_model_weights(state)
    )
    metrics = evaluation.next(evaluation_state, data).metrics
    return metrics['client_work']['eval']['current_round_metrics']

  tff.simulation.run_training_process(
      process,
      select,
      total_rounds=_ROUNDS,
      evaluation_fn=evaluate,
      evaluation_selection_fn=lambda round_num: test_datasets,
      program_state_manager=tff.program.FileProgramStateManager(
          folder / 'checkpoints'
      ),
      metrics_managers=[
          tff.program.CSVFileReleaseManager(
              folder / 'metrics.csv', key_fieldname='round'
          ),
          tff.program.TensorBoardReleaseManager(folder / 'tensorboard'),
      ],
  )


if __name__ == '__main__':
  app.run(main)
