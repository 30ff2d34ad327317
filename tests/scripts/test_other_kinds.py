"""train.py and describe.py on a table and on texts, as on images."""

import pathlib
import re

import pytest
import quick_runs
import script_runner

from astraea_tff import models
from astraea_tff.metrics import traffic
from experiment.runs import metrics_log

_FLAGS = pathlib.Path(script_runner.SCRIPTS) / 'flags'
_TABLE = (
    '--dataset=breast_cancer', '--num_clients=6', '--clients_per_round=4',
    '--max_clients=2', '--batch_size=8', '--rounds_per_evaluation=6',
    f'--flagfile={_FLAGS / "recommended.flags"}',
)
_TEXTS = (
    '--dataset=messages', '--num_clients=6', '--num_examples=300',
    '--global_distribution=long_tail', '--clients_per_round=3',
    '--batch_size=20',
)


@pytest.fixture(scope='module')
def train():
  with script_runner.loaded('train') as script, quick_runs.shared_processes():
    yield script


@pytest.fixture(scope='module')
def run_train(train):
  def run(folder, *arguments):
    with quick_runs.without_pictures():
      script_runner.run(train, [*arguments, f'--output_dir={folder}'])
    return metrics_log.read_rows(
        folder / 'seed_0' / metrics_log.METRICS_FILE
    )

  return run


def test_the_recommended_flags_learn_a_table(run_train, tmp_path, cache_folder):
  begun = run_train(tmp_path, *_TABLE, '--rounds=2')
  rows = run_train(tmp_path, *_TABLE, '--rounds=6')
  assert len(rows) == 7
  assert [row['train_loss'] for row in rows[:3]] == [
      row['train_loss'] for row in begun
  ]
  assert rows[-1]['top_1'] > 0.85
  assert rows[-1]['loss'] < 0.6 * rows[0]['loss']
  # Two mediators of two clients. The state that they keep of their Adam, two
  # models and some numbers, goes to each and back.
  size = traffic.model_bytes(models.build_mlp(2, 30).get_weights())
  sent = 1e6 * (rows[-1]['megabytes'] - rows[0]['megabytes']) / 6
  assert sent == pytest.approx(2 * size * (2 + 4 + 2 * 2), rel=0.01)
  # Augmented rows are kept beside the clients.
  names = [
      path.name for path in (cache_folder / 'astraea_tff' / 'breast_cancer')
      .iterdir()
  ]
  assert any('-augmented-' in name for name in names)


def test_fedavg_learns_texts_augmented_in_every_epoch(run_train, tmp_path):
  rows = run_train(
      tmp_path, *_TEXTS, '--algorithm=fedavg', '--alpha=0.67',
      '--fresh_augmentation', '--client_learning_rate=0.02',
      '--local_epochs=2', '--rounds=6', '--rounds_per_evaluation=6',
  )
  assert rows[-1]['train_loss'] < 0.9 * rows[1]['train_loss']


@pytest.mark.parametrize(
    'arguments, match',
    [
        (_TABLE + ('--model=text_cnn',), "of the kind 'table', .*: mlp; or"),
        (_TEXTS + ('--model=emnist_cnn',), "of the kind 'text', .*: text_cnn"),
        (('--dataset=digits', '--model=mlp'), 'emnist_cnn or cifar10_cnn'),
        (('--dataset=tff_shakespeare',), 'Shakespeare has no labels'),
    ],
)
def test_what_does_not_go_together_is_one_line(
    train, tmp_path, arguments, match
):
  with pytest.raises(SystemExit) as refusal:
    script_runner.run(train, [*arguments, f'--output_dir={tmp_path / "run"}'])
  message = refusal.value.code
  assert re.search(match, message), message
  assert message.startswith('train.py: ') and '\n' not in message
