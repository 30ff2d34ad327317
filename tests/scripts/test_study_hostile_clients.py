"""study_hostile_clients.py: the attacks, and a study of one round."""

import csv

import numpy as np
import pandas as pd
import pytest
import quick_runs
import script_runner
import tensorflow as tf

import astraea_tff


@pytest.fixture(scope='module')
def script():
  with (
      script_runner.loaded('study_hostile_clients') as script,
      quick_runs.shared_processes(),
      quick_runs.small_networks(),
      quick_runs.without_pictures(),
  ):
    yield script


def test_liars_claim_uniform_histograms_and_nobody_else(script):
  counts = np.array([[9, 0, 3], [1, 2, 3], [0, 0, 30]])
  np.testing.assert_array_equal(
      script.claim_uniform(counts, [2, 0], 1), [[4, 4, 4], [1, 2, 3], [10] * 3]
  )
  np.testing.assert_array_equal(
      script.claim_uniform(counts, [0], 100)[0], [400] * 3
  )
  np.testing.assert_array_equal(script.claim_uniform(counts, [], 5), counts)
  np.testing.assert_array_equal(counts[0], [9, 0, 3])


def test_flipped_labels_are_none_of_the_true_ones(script):
  dataset = tf.data.Dataset.from_tensor_slices((np.arange(10), np.arange(10)))
  flipped = list(script.flip_labels(dataset, 10).as_numpy_iterator())
  assert [int(image) for image, _ in flipped] == list(range(10))
  assert [int(label) for _, label in flipped] == list(range(9, -1, -1))


@pytest.mark.parametrize(
    'clients, position, mediators',
    [
        ([6], 1, ((6, 3, 5, 4), (0, 1), (2,))),
        ([6], 2, ((3, 6, 5, 4), (0, 1), (2,))),
        ([3, 1], 3, ((5, 6, 3, 4), (0, 1), (2,))),
        ([4, 0, 2], 4, ((3, 5, 6, 4), (1, 0), (2,))),
    ],
)
def test_clients_are_moved_within_their_mediators(
    script, clients, position, mediators
):
  schedule = astraea_tff.Schedule(
      [[3, 5, 6, 4], [0, 1], [2]], [0.1, 0.2, 0.3], 4
  )
  moved = script.move_to_position(schedule, clients, position)
  assert moved.mediators == mediators
  np.testing.assert_array_equal(moved.kl_divergence, schedule.kl_divergence)


def test_a_study_of_one_round(script, tmp_path, monkeypatch):
  names = ('FedAvg, all honest', '4 liars', '1 flipped, position 5')
  assert len(script._SETTINGS) == 17
  trained = []
  trainer = script.study_task.Trainer
  original = trainer.train_astraea

  def train_astraea(self, schedule, clients):
    trained.append((schedule, clients))
    return original(self, schedule, clients)

  monkeypatch.setattr(trainer, 'train_astraea', train_astraea)
  monkeypatch.setattr(
      script, '_SETTINGS', {name: script._SETTINGS[name] for name in names}
  )
  monkeypatch.setattr(script, 'draw', lambda path, rows: None)
  arguments = ['--seed=0', '--rounds=1', '--fed_avg_epochs=1']
  script_runner.run(script, [*arguments, f'--output_dir={tmp_path}/study'])
  with (tmp_path / 'study' / 'hostile_clients.csv').open(newline='') as file:
    rows = {row['setting']: row for row in csv.DictReader(file)}
  assert tuple(rows) == names
  assert rows['FedAvg, all honest']['kl_divergence'] == 'nan'

  data = script.study_task.load_data(0)
  honest = astraea_tff.augment_clients(
      data.client_datasets(),
      astraea_tff.augmentation_plan(data.label_counts, 0.67),
      seed=0,
  )
  counts = astraea_tff.label_counts(honest, 10)
  groups = astraea_tff.reschedule(counts, 5)
  (_, (schedule, clients)) = trained
  # The flipper is one client, at the end of its mediator, its labels mirrored.
  sent = astraea_tff.label_counts(clients, 10)
  (flipper,) = np.flatnonzero((sent != counts).any(axis=1))
  np.testing.assert_array_equal(sent[flipper], counts[flipper][::-1])
  assert [m[-1] for m in schedule.mediators].count(flipper) == 1
  assert [set(m) for m in schedule.mediators] == [
      set(m) for m in groups.mediators
  ]
  assert float(
      rows['1 flipped, position 5']['kl_divergence']
  ) == pytest.approx(groups.mean_kl_divergence)

  # Liars' groups are measured by what their clients train on.
  schedule, clients = trained[0]
  counts = astraea_tff.label_counts(clients, 10)
  pooled = [sum(counts[client] for client in m) for m in schedule.mediators]
  assert float(rows['4 liars']['kl_divergence']) == pytest.approx(
      astraea_tff.kl_divergence(pooled).mean()
  )
  assert schedule.mediators != astraea_tff.reschedule(counts, 5).mediators


def test_the_picture_shows_every_position(script, tmp_path):
  rows = [
      {'setting': setting, 'seed': seed, 'accuracy': 0.5 + seed / 10}
      for setting in script._SETTINGS
      for seed in range(2)
  ]
  script.draw(tmp_path / 'picture.png', pd.DataFrame(rows))
  assert (tmp_path / 'picture.png').stat().st_size > 1000


def test_another_folder_is_refused_in_one_line(script, tmp_path):
  (tmp_path / 'file.txt').write_text('something else')
  with pytest.raises(SystemExit, match='study_hostile_clients.py: .*no run'):
    script_runner.run(script, [f'--output_dir={tmp_path}'])
