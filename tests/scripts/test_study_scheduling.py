"""study_scheduling.py: figures against the library, files, and bad flags."""

import csv

import numpy as np
import preloaded_processes
import pytest
import scipy.stats
import script_runner

from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import refinement
from experiment.studies import scheduling_measures


@pytest.fixture(scope='module')
def study():
  with script_runner.loaded('study_scheduling') as script:
    yield script


SMALL = (
    '--num_classes=5', '--classes=long_tail', '--beta=0.5', '--num_clients=12',
    '--num_clients=30', '--max_clients=4', '--seed=1', '--seed=2',
)


def read(path):
  with path.open(newline='') as file:
    return list(csv.DictReader(file))


@pytest.fixture(scope='module')
def folder(study, tmp_path_factory):
  path = tmp_path_factory.mktemp('study') / 'new'
  script_runner.run(study, [f'--output_dir={path}', *SMALL])
  return path


def test_every_method_is_measured_on_every_population(folder):
  rows = read(folder / 'scheduling.csv')
  assert len(rows) == 2 * 2 * len(scheduling_measures.METHODS)
  for row in rows:
    assert 0 <= float(row['mean_kl']) <= float(row['worst_kl'])
    if row['method'] == 'exact':
      counts = scheduling_measures.draw_counts(
          5, 'long_tail', 0.5, int(row['num_clients']), int(row['seed'])
      )
      schedule = greedy.reschedule(counts, 4)
      assert float(row['mean_kl']) == pytest.approx(
          schedule.mean_kl_divergence, rel=1e-5
      )
      assert float(row['worst_kl']) == pytest.approx(
          schedule.kl_divergence.max(), rel=1e-5
      )


def test_the_table_has_means_over_seeds(folder):
  rows = read(folder / 'scheduling.csv')
  lines = (folder / 'scheduling_table.md').read_text().splitlines()
  (head,) = [line for line in lines if line.startswith('| N ')]
  (line,) = [l for l in lines if l.startswith('| 5 | long_tail | 0.5 | 30 ')]
  column = [cell.strip() for cell in head.split('|')].index('refined')
  mean, worst, _ = line.split('|')[column].split('/')
  for text, name in ((mean, 'mean_kl'), (worst, 'worst_kl')):
    values = [
        float(row[name])
        for row in rows
        if row['num_clients'] == '30' and row['method'] == 'refined'
    ]
    assert float(text) == pytest.approx(np.mean(values), abs=6e-4)


def test_pictures_are_drawn(folder):
  for name in ('scheduling_kl_5.png', 'scheduling_seconds.png'):
    assert (folder / name).read_bytes().startswith(b'\x89PNG')


def test_populations_have_the_shares_and_sizes_asked_for():
  counts = scheduling_measures.draw_counts(5, 'long_tail', 1.0, 20_000, 0)
  assert counts.sum(axis=1).mean() == pytest.approx(460, rel=0.02)
  totals = counts.sum(axis=0)
  assert totals[0] / totals[-1] == pytest.approx(10, rel=0.1)
  iid = scheduling_measures.draw_counts(5, 'balanced', float('inf'), 1000, 0)
  assert np.std(iid / 92) < 0.2 < np.std(counts / counts.mean(axis=0))
  np.testing.assert_array_equal(
      counts, scheduling_measures.draw_counts(5, 'long_tail', 1.0, 20_000, 0)
  )
  uneven = scheduling_measures.draw_counts(
      5, 'long_tail', 1.0, 20_000, 0, size_sigma=1.0
  ).sum(axis=1)
  assert uneven.mean() == pytest.approx(460, rel=0.05)
  logarithms = np.log(uneven[uneven > 0])
  assert logarithms.std() == pytest.approx(1, abs=0.05)


def test_k_means_deals_every_kind_of_client_out():
  kinds = np.repeat(np.eye(5, dtype=int) * 9, 4, axis=0)
  counts = np.random.default_rng(0).permutation(kinds)
  schedule = scheduling_measures.group_by_k_means(counts, 5, 0)
  np.testing.assert_allclose(schedule.kl_divergence, np.zeros(4), atol=1e-12)
  assert sorted(sum(schedule.mediators, ())) == list(range(20))


def test_a_large_population_is_measured_in_its_own_process(
    study, tmp_path, capsys
):
  with preloaded_processes.in_place_of_spawned():
    script_runner.run(study, [
        f'--output_dir={tmp_path}', '--large=2100', '--num_classes=5',
        '--classes=balanced', '--beta=0.5',
    ])
  (row,) = read(tmp_path / 'scheduling_large.csv')
  counts = scheduling_measures.draw_counts(5, 'balanced', 0.5, 2100, 0)
  random = greedy.random_schedule(counts, 10, seed=0)
  assert 0 < float(row['mean_kl']) < random.mean_kl_divergence
  assert float(row['peak_megabytes']) > 10
  assert f'mean_kl: {row["mean_kl"]}' in capsys.readouterr().out


def test_size_weights_trade_divergence_for_even_sizes(study, tmp_path):
  script_runner.run(study, [
      f'--output_dir={tmp_path}', '--uneven=40', '--num_classes=5',
      '--beta=0.3', '--size_weight=0', '--size_weight=1', '--max_clients=4',
      '--seed=3', '--seed=4',
  ])
  rows = read(tmp_path / 'scheduling_size_weight.csv')
  assert len(rows) == 2 * 3
  counts = scheduling_measures.draw_counts(
      5, 'balanced', 0.3, 40, 3, size_sigma=1.0
  )
  exact = greedy.reschedule(counts, 4)
  schedules = [
      exact,
      refinement.refine(exact, counts),
      refinement.refine(exact, counts, size_weight=1.0),
  ]
  for row, schedule in zip(rows, schedules):
    pooled = [counts[list(group)].sum(axis=0) for group in schedule.mediators]
    divergences = [scipy.stats.entropy(p, np.ones(5)) for p in pooled]
    sizes = [p.sum() for p in pooled]
    expected = (
        np.mean(divergences),
        max(divergences),
        max(sizes) / np.mean(sizes),
    )
    actual = [float(cell) for cell in list(row.values())[2:]]
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
  table = (tmp_path / 'scheduling_size_weight.md').read_text()
  largest = np.array([
      float(row['largest_over_mean'])
      for row in rows
      if row['setting'] == 'size weight 1'
  ])
  assert (
      f'{largest.mean():.2f} ± {largest.std(ddof=1):.2f} |\n' in table
  )


@pytest.mark.parametrize(
    'flags, message',
    [
        (['--beta=0'], '--beta must be greater than 0, got 0'),
        (['--num_clients=2001', '--method=assignment'], 'assignment: 2000'),
        (['--large=10', '--uneven=10'], 'two studies'),
        (['--num_clients=20'] * 2, '--num_clients must be given different'),
        (['--size_weight=1', '--size_weight=1.0'], '--size_weight must be given'),
        (['--uneven=10', '--size_weight=inf'], 'size_weight'),
    ],
)
def test_wrong_flags_end_in_one_line(study, tmp_path, flags, message):
  with pytest.raises(SystemExit, match=message):
    script_runner.run(study, [f'--output_dir={tmp_path}', *flags])
