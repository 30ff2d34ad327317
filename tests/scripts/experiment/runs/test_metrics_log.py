"""metrics.csv: its columns, its sums, and what a resumed run makes of it."""

import asyncio
import csv

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.metrics import classification
from experiment.runs import metrics_log

PARTITION = '0123456789ab'
COST = metrics_log.RoundCost(2_000_000, 1_000_000, 0.25, 40, 12.5)
NEEDED = (
    'round,top_1,mean_kl_divergence,megabytes,megabytes_in_paper,seconds\n'
)


def training_metrics(loss, seconds):
  return {
      'client_work': {'train': {'loss': loss}},
      tff.simulation.TRAINING_TIME_KEY: seconds,
  }


def evaluation_metrics(result, validation=None):
  prefix = tff.simulation.EVALUATION_METRICS_PREFIX
  metrics = metrics_log.evaluation_metrics(result, validation)
  return {prefix + name: value for name, value in metrics.items()}


def evaluate(predictions):
  """Evaluates predictions of the classes 0, 0, 1, 1."""
  return classification.evaluate(
      np.asarray, np.eye(2)[predictions], np.array([0, 0, 1, 1]), 2
  )


def open_log(folder):
  return metrics_log.TrainingLog(
      folder,
      num_rounds=4,
      description='run',
      partition_hash=PARTITION * 4,
      class_names=['cat', 'dog'],
  )


def release(training_log, round_num, value, cost=None):
  if cost is not None:
    training_log.add_cost(round_num, cost)
  asyncio.run(training_log.release(value, round_num))


def test_rows_hold_losses_accuracies_and_costs_so_far(tmp_path):
  training_log = open_log(tmp_path)
  first, second = evaluate([0, 1, 1, 1]), evaluate([0, 0, 1, 1])
  release(training_log, 0, evaluation_metrics(first))
  release(training_log, 1, training_metrics(2.0, 1.5), COST)
  both = training_metrics(1.0, 0.5) | evaluation_metrics(
      second, validation=first
  )
  release(training_log, 2, both, COST)
  training_log.close()
  header, *_ = (tmp_path / 'metrics.csv').read_text().splitlines()
  assert header == (
      'round,top_1,loss,macro_precision,macro_recall,macro_f1,'
      'worst_class_recall,calibration_error,validation_top_1,train_loss,'
      'mean_kl_divergence,megabytes,megabytes_in_paper,seconds,'
      'local_steps,simulated_seconds,partition'
  )
  # One of two cats is taken for a dog.
  sure = np.e / (np.e + 1)
  evaluated = [0.75, first.loss, 5 / 6, 0.75, (2 / 3 + 0.8) / 2, 0.5]
  expected = [
      [*evaluated, 0.75 - sure, *[None] * 3, *[0.0] * 5, PARTITION],
      [*[None] * 8, 2.0, 0.25, 2.0, 1.0, 1.5, 40, 12.5, PARTITION],
      [1, second.loss, 1, 1, 1, 1, 1 - sure, 0.75]
      + [1, 0.25, 4, 2, 2, 80, 25, PARTITION],
  ]
  rows = metrics_log.read_rows(tmp_path / 'metrics.csv')
  for round_num, row in enumerate(expected):
    wanted = dict(zip(header.split(','), [round_num, *row]))
    assert rows[round_num] == pytest.approx(wanted)


def test_classes_are_in_a_table_and_in_tensorboard(tmp_path):
  training_log = open_log(tmp_path)
  release(training_log, 0, evaluation_metrics(evaluate([0, 1, 1, 1])))
  training_log.close()
  with (tmp_path / 'per_class.csv').open(newline='') as file:
    rows = list(csv.DictReader(file))
  assert [row['class'] for row in rows] == ['cat', 'dog']
  assert [float(row['recall']) for row in rows] == [0.5, 1]
  (events,) = (tmp_path / 'tensorboard').iterdir()
  written = {
      value.tag: float(tf.make_ndarray(value.tensor))
      for event in tf.compat.v1.train.summary_iterator(str(events))
      for value in event.summary.value
  }
  assert written['recall_of_class/cat'] == 0.5
  assert written['precision_of_class/dog'] == pytest.approx(2 / 3)
  assert written['f1_of_class/dog'] == pytest.approx(0.8)
  assert written['worst_class_recall'] == 0.5


def test_a_round_without_clients_has_neither_divergence_nor_loss(tmp_path):
  """TFF reports a mean loss of 0 then, as of a perfect model."""
  training_log = open_log(tmp_path)
  cost = metrics_log.RoundCost(0, 0, None, 0, 0.0)
  for round_num, num_examples in ((1, 0), (2, 5)):
    value = training_metrics(0.0, 1.0)
    value['client_work']['train']['num_examples'] = num_examples
    release(training_log, round_num, value, cost)
  training_log.close()
  nobody, somebody = metrics_log.read_rows(tmp_path / 'metrics.csv')
  assert nobody['mean_kl_divergence'] is None and nobody['megabytes'] == 0
  assert nobody['train_loss'] is None and somebody['train_loss'] == 0


def test_resumed_log_goes_on_with_the_sums_and_replaces_later_rows(tmp_path):
  first = open_log(tmp_path)
  for round_num in (1, 2, 3):
    release(first, round_num, training_metrics(1.0, 1.0), COST)
  first.close()
  # The checkpoint was that of round 1, so round 2 is trained again.
  resumed = open_log(tmp_path)
  release(resumed, 2, training_metrics(0.5, 4.0), COST)
  resumed.close()
  rows = metrics_log.read_rows(tmp_path / 'metrics.csv')
  assert [row['round'] for row in rows] == [1, 2]
  assert rows[1]['megabytes'] == pytest.approx(4.0)
  assert rows[1]['seconds'] == pytest.approx(5.0)
  assert rows[1]['local_steps'] == 80
  assert rows[1]['simulated_seconds'] == pytest.approx(25)
  assert rows[1]['train_loss'] == 0.5


def test_a_run_that_began_without_a_total_does_not_make_one_up(tmp_path):
  (tmp_path / 'metrics.csv').write_text(NEEDED + '1,,,2.0,2.0,3.0\n')
  resumed = open_log(tmp_path)
  for round_num in (2, 3):
    release(resumed, round_num, training_metrics(0.5, 4.0), COST)
  resumed.close()
  rows = metrics_log.read_rows(tmp_path / 'metrics.csv')
  assert [row['megabytes'] for row in rows] == [2, 4, 6]
  assert [row['seconds'] for row in rows] == [3, 7, 11]
  assert [row['local_steps'] for row in rows] == [None] * 3
  assert [row['simulated_seconds'] for row in rows] == [None] * 3


@pytest.mark.parametrize(
    'text, fault',
    [
        ('', 'no column round'),
        ('round,seconds\n1,2\n', 'no column top_1, mean_kl_divergence'),
        (NEEDED + '1,ab,,1,1,1\n', "'ab'"),
        (NEEDED + ',0.5,,1,1,1\n', 'round'),
        (NEEDED + f'{10**30},0.5,,1,1,1\n', 'too large'),
        (NEEDED.replace('seconds', 'seconds,top_1') + '1,,,1,1,1,\n', 'same'),
        (NEEDED + '1,0.5,,1,1,1\n' * 2, 'rounds do not rise'),
        (NEEDED + '-1,0.5,,1,1,1\n', 'rounds do not rise'),
        (NEEDED + '1,50,,1,1,1\n', r'top_1 is not in \[0, 1\]'),
        (NEEDED + '1,,,2,2,1\n2,,,,,1\n3,,,1,3,1\n', 'megabytes, .* falls'),
    ],
)
def test_damaged_table_is_an_error_that_says_what_to_do(tmp_path, text, fault):
  (tmp_path / 'metrics.csv').write_text(text)
  with pytest.raises(
      ValueError,
      match=f'metrics.csv is damaged.*{fault}.* Remove the folder {tmp_path},',
  ):
    metrics_log.read_rows(tmp_path / 'metrics.csv')
