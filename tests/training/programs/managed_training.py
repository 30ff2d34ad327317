"""FedAvg or Astraea under TFF's own program, `train_model`, with its managers.

  python managed_training.py --algorithm=fedavg --output_dir=run --rounds=4

Checkpoints, CSV, TensorBoard, SavedModels and evaluations beside the training;
the same command again, with more rounds, goes on where the last one stopped.
"""

import asyncio
import datetime
import os
import pathlib

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import app
from absl import flags
import emnist_like
import tensorflow_federated as tff

import astraea_tff
from astraea_tff.scheduling import data_source

_ALGORITHM = flags.DEFINE_enum('algorithm', 'fedavg', ['fedavg', 'astraea'], '')
_OUTPUT_DIR = flags.DEFINE_string('output_dir', None, '', required=True)
_ROUNDS = flags.DEFINE_integer('rounds', 4, '')
_WORKERS = flags.DEFINE_list('workers', [], 'host:port of remote workers.')


def read_by_id(process, clients):
  """Returns a process that takes client ids, and a source of these.

  Not `tff.program.DatasetDataSource`: the program copies its data source in
  every round, which TensorFlow refuses for datasets with a map in them.
  """
  process = tff.simulation.compose_dataset_computation_with_learning_process(
      clients.dataset_computation, process
  )
  return process, tff.program.ClientIdDataSource(clients.client_ids)


def fed_avg(clients):
  """Returns process, data source and how many take part in a round."""
  process = tff.learning.algorithms.build_weighted_fed_avg(
      emnist_like.model_fn, tff.learning.optimizers.build_sgdm(0.05)
  )
  return *read_by_id(process, clients), 6


def astraea(clients):
  """Returns the same for Astraea."""
  process = astraea_tff.build_weighted_astraea(
      emnist_like.model_fn,
      tff.learning.optimizers.build_sgdm(0.05),
      max_clients=3,
  )
  counts = astraea_tff.label_counts(clients, emnist_like.NUM_CLASSES)
  schedule = astraea_tff.reschedule(counts, max_clients=3)
  return (
      process,
      data_source.MediatorDataSource(schedule, clients, seed=0),
      2,
  )


def create_evaluation_manager(folder, test_clients):
  """Returns TFF's manager of evaluations, which writes their metrics as CSV."""

  def create_state_manager(name):
    return tff.program.FileProgramStateManager(folder / 'evaluations' / name)

  process, source = read_by_id(
      tff.learning.algorithms.build_fed_eval(emnist_like.model_fn), test_clients
  )

  return tff.learning.programs.EvaluationManager(
      data_source=source,
      aggregated_metrics_manager=tff.program.CSVFileReleaseManager(
          folder / 'evaluation.csv', key_fieldname='round'
      ),
      create_state_manager_fn=create_state_manager,
      create_process_fn=lambda name: (process, None),
      cohort_size=len(test_clients.client_ids),
      # One pass is enough: all test clients take part in it.
      duration=datetime.timedelta(seconds=0),
  )


def main(_):
  folder = pathlib.Path(_OUTPUT_DIR.value)
  folder.mkdir(parents=True, exist_ok=True)
  if _WORKERS.value:
    astraea_tff.runtime.set_remote_execution_context(_WORKERS.value)
  else:
    astraea_tff.set_local_execution_context()
  clients, test_clients = (
      clients.preprocess(emnist_like.preprocess)
      for clients in emnist_like.load_data()
  )
  build = fed_avg if _ALGORITHM.value == 'fedavg' else astraea
  process, source, number = build(clients)
  tff.framework.set_default_context(
      astraea_tff.runtime.create_federated_context()
  )
  asyncio.run(
      tff.learning.programs.train_model(
          train_process=process,
          train_data_source=source,
          train_per_round_clients=number,
          train_total_rounds=_ROUNDS.value,
          program_state_manager=tff.program.FileProgramStateManager(
              folder / 'checkpoints', keep_total=2
          ),
          model_output_manager=tff.program.SavedModelFileReleaseManager(
              folder / 'models'
          ),
          train_metrics_manager=tff.program.GroupingReleaseManager([
              tff.program.CSVFileReleaseManager(
                  folder / 'train.csv', key_fieldname='round'
              ),
              tff.program.TensorBoardReleaseManager(folder / 'tensorboard'),
          ]),
          evaluation_manager=create_evaluation_manager(folder, test_clients),
          evaluation_periodicity=2,
      )
  )


if __name__ == '__main__':
  app.run(main)
