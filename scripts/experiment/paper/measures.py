"""What an experiment's table says of a run.

Accuracies are in percent, gains in points, costs in rounds, 10^6 bytes and
seconds of training, divergences in nats. What a run does not have is NaN.
"""

from collections.abc import Mapping, Sequence
import types
from typing import Any, Optional

import numpy as np

from astraea_tff.labels import divergence
from astraea_tff.metrics import traffic
from astraea_tff.scheduling import sampling
from experiment.runs import grouping as mediators_lib
from experiment.runs import metrics_log
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib

_MISSING = float('nan')

# By name: heading, and digits after the point.
COLUMNS: Mapping[str, tuple[str, int]] = types.MappingProxyType({
    'best_top_1': ('best top-1 (%)', 2),
    'last_top_1': ('last top-1 (%)', 2),
    'best_validation_top_1': ('best validation top-1 (%)', 2),
    'chosen_top_1': ('top-1 (%) in the best round by validation', 2),
    'gain': ('gain in best top-1 (points)', 2),
    'macro_f1': ('last macro F1', 3),
    'worst_class_recall': ('last worst recall of a class', 3),
    'calibration_error': ('last calibration error', 3),
    'rounds_to_target': ('rounds to target', 1),
    'megabytes_to_target': ('MB to target', 1),
    'paper_megabytes_to_target': ("MB to target, paper's formula", 1),
    'megabytes': ('MB in all', 1),
    'mean_kl': ('mean KL (nats)', 3),
    'median_kl': ('median KL (nats)', 3),
    'sd_kl': ('standard deviation of KL (nats)', 3),
    'extra_storage': ('extra storage (%)', 1),
    'seconds': ('training (s)', 1),
})


def measure_run(
    rows: Sequence[Mapping[str, Any]], target_accuracy: float
) -> dict[str, float]:
  """Measures a finished run.

  Args:
    rows: Its metrics.csv (`experiment.runs.metrics_log.read_rows`).
    target_accuracy: The top-1 whose costs are told, in (0, 1].

  Returns:
    Values of `COLUMNS`, those that a single run has.
  """
  evaluated = metrics_log.evaluated_rows(rows)
  accuracies = [row['top_1'] for row in evaluated]
  divergences = [
      row['mean_kl_divergence']
      for row in rows
      if row['mean_kl_divergence'] is not None
  ]
  last = evaluated[-1]
  measured = {
      'best_top_1': 100 * max(accuracies),
      'last_top_1': 100 * last['top_1'],
      'megabytes': rows[-1]['megabytes'],
      'mean_kl': np.mean(divergences) if divergences else _MISSING,
      'seconds': rows[-1]['seconds'],
  }
  for name in ('macro_f1', 'worst_class_recall', 'calibration_error'):
    measured[name] = last[name]
  for name, column in (
      ('rounds_to_target', 'round'),
      ('megabytes_to_target', 'megabytes'),
      ('paper_megabytes_to_target', 'megabytes_in_paper'),
  ):
    cost = traffic.cost_to_accuracy(
        accuracies, [row[column] for row in evaluated], target_accuracy
    )
    measured[name] = _MISSING if cost is None else cost
  if last['validation_top_1'] is not None:
    # Early stopping: the first of the rounds that validation likes best.
    chosen = max(evaluated, key=lambda row: row['validation_top_1'])
    measured['best_validation_top_1'] = 100 * chosen['validation_top_1']
    measured['chosen_top_1'] = 100 * chosen['top_1']
  return {name: float(value) for name, value in measured.items()}


def measure_storage(population: population_lib.Population) -> float:
  """Returns the augmented examples per hundred others."""
  before = population.data.label_counts.sum()
  return float(100 * (population.counts.sum() - before) / before)


def measure_divergences(
    settings: settings_lib.Settings, counts: np.ndarray, seed: int
) -> np.ndarray:
  """Measures what is averaged in each of a run's rounds, without training.

  Args:
    settings: Astraea's per-round schedule, or another algorithm, of which all
      clients are measured, once.
    counts: int64 [K, N]; the clients' labels.
    seed: Of the run.

  Returns:
    float64 [any]; divergences from the target, of the mediators of all rounds
    together, or of the clients.

  Raises:
    ValueError: Astraea's schedule is static.
  """
  if settings.algorithm != 'astraea':
    return divergence.kl_divergence(counts)
  if settings.schedule != 'per_round':
    raise ValueError(
        f'settings must have schedule=per_round, got {settings.schedule!r}.'
    )
  divergences = []
  for round_num in range(1, settings.rounds + 1):
    sampled = sampling.sample_clients(
        len(counts),
        settings.clients_per_round,
        seed=seed,
        round_num=round_num,
    )
    schedule = mediators_lib.group_clients(
        counts, settings, seed=round_num, clients=sampled
    )
    divergences.append(schedule.kl_divergence)
  return np.concatenate(divergences)


def summarize_divergences(divergences: np.ndarray) -> dict[str, float]:
  """Returns the values of `COLUMNS` that divergences have."""
  return {
      'mean_kl': float(np.mean(divergences)),
      'median_kl': float(np.median(divergences)),
      'sd_kl': float(np.std(divergences)),
  }


def add_gains(
    results: Mapping[tuple[str, int], dict[str, float]],
    baseline: Optional[str],
) -> None:
  """Adds `gain`, the points by which a row is above the baseline, seed by seed.

  Args:
    results: The values by row and seed; those whose baseline is there are
      changed.
    baseline: A row; None adds nothing.
  """
  for (_, seed), values in results.items():
    reference = results.get((baseline, seed))
    if reference is not None:
      values['gain'] = values['best_top_1'] - reference['best_top_1']


def choose_tuned(
    means: Mapping[str, float], groups: Mapping[str, Optional[str]]
) -> dict[str, str]:
  """Chooses among rows that differ by a learning rate only.

  Args:
    means: By row, the best accuracy on validation examples, mean over seeds.
    groups: By row, what it is one of several learning rates for, or None.

  Returns:
    By group, the row of the best mean; the first of equal ones.
  """
  chosen: dict[str, str] = {}
  for name, group in groups.items():
    if group is None or name not in means:
      continue
    if group not in chosen or means[name] > means[chosen[group]]:
      chosen[group] = name
  return chosen
