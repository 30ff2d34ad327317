"""metrics.csv after a row was lost, and on other data."""

import asyncio

import pytest

from experiment.runs import metrics_log

COST = metrics_log.RoundCost(2_000_000, 1_000_000, 0.25, 40, 12.5)


def release(folder, rounds, partition='a' * 64):
  log = metrics_log.TrainingLog(
      folder, num_rounds=9, description='run', partition_hash=partition,
      class_names=['cat', 'dog'],
  )
  for round_num in rounds:
    log.add_cost(round_num, COST)
    asyncio.run(
        log.release({'client_work': {'train': {'loss': 1.0}}}, round_num)
    )
  log.close()
  return metrics_log.read_rows(folder / 'metrics.csv')


def test_totals_go_on_after_a_lost_row(tmp_path):
  release(tmp_path, (1, 2, 3))
  path = tmp_path / 'metrics.csv'
  path.write_text(''.join(path.read_text().splitlines(keepends=True)[:-1]))
  rows = release(tmp_path, (4, 5))
  assert [row['round'] for row in rows] == [1, 2, 4, 5]
  assert [row['megabytes'] for row in rows] == pytest.approx([2, 4, 6, 8])
  assert [row['megabytes_in_paper'] for row in rows] == [1, 2, 3, 4]


def test_rounds_on_other_data_are_refused_and_kept(tmp_path):
  before = release(tmp_path, (1,))
  with pytest.raises(ValueError, match='round 1 on other data.*aaaa.*bbbb'):
    release(tmp_path, (2,), partition='b' * 64)
  assert metrics_log.read_rows(tmp_path / 'metrics.csv') == before
