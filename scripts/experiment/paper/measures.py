"""What an experiment's table says of a run.

Accuracies are in percent, gains in points, costs in rounds, 10^6 bytes and
seconds of training, divergences in nats. What a run does not have is NaN.
"""

from collections.abc import Mapping, Sequence
import types
from typing import Any, NamedTuple, Optional

import numpy as np
import pandas as pd

from astraea_tff.metrics import traffic
from experiment.runs import grouping
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib


class Measure(NamedTuple):
  """A column of a table.

  Attributes:
    heading: What stands above it, with the unit.
    digits: Those after the point.
    factor: What a run's own figure is multiplied by to be in that unit.
  """

  heading: str
  digits: int
  factor: float = 1.0


COLUMNS: Mapping[str, Measure] = types.MappingProxyType({
    'best_top_1': Measure('best top-1 (%)', 2, 100.0),
    'last_top_1': Measure('last top-1 (%)', 2, 100.0),
    'best_validation_top_1': Measure('best validation top-1 (%)', 2, 100.0),
    'chosen_top_1': Measure(
        'top-1 (%) in the best round by validation', 2, 100.0
    ),
    'gain': Measure('gain in best top-1 (points)', 2),
    'macro_f1': Measure('last macro F1', 3),
    'worst_class_recall': Measure('last worst recall of a class', 3),
    'calibration_error': Measure('last calibration error', 3),
    'rounds_to_target': Measure('rounds to target', 1),
    'megabytes_to_target': Measure('MB to target', 1),
    'paper_megabytes_to_target': Measure("MB to target, paper's formula", 1),
    'megabytes': Measure('MB in all', 1),
    'mean_kl': Measure('mean KL (nats)', 3),
    'median_kl': Measure('median KL (nats)', 3),
    'sd_kl': Measure('standard deviation of KL (nats)', 3),
    'extra_storage': Measure('extra storage (%)', 1, 100.0),
    'seconds': Measure('training (s)', 1),
    'simulated_seconds': Measure('simulated (s)', 1),
})


def measure_run(
    rows: Sequence[Mapping[str, Any]], target_accuracy: float
) -> dict[str, float]:
  """Measures a finished run.

  Args:
    rows: Its metrics.csv (`experiment.runs.metrics_log.read_rows`).
    target_accuracy: The top-1 whose costs are told, in (0, 1].

  Returns:
    The columns that one run can fill, in their units.
  """
  table = pd.DataFrame(rows).astype({'top_1': float})
  evaluated = table[table['top_1'].notna()]
  top_1, last = evaluated['top_1'], evaluated.iloc[-1]
  divergences = table['mean_kl_divergence'].dropna().to_numpy(float)
  measured = {
      'best_top_1': top_1.max(),
      'last_top_1': last['top_1'],
      'megabytes': table['megabytes'].iloc[-1],
      'mean_kl': divergences.mean() if divergences.size else np.nan,
      'seconds': table['seconds'].iloc[-1],
  }
  # A run that was begun before it was noted has none at all.
  if pd.notna(last.get('simulated_seconds')):
    measured['simulated_seconds'] = last['simulated_seconds']
  for name in ('macro_f1', 'worst_class_recall', 'calibration_error'):
    measured[name] = last.get(name, np.nan)
  for name, column in (
      ('rounds_to_target', 'round'),
      ('megabytes_to_target', 'megabytes'),
      ('paper_megabytes_to_target', 'megabytes_in_paper'),
  ):
    cost = traffic.cost_to_accuracy(
        top_1.tolist(), evaluated[column].tolist(), target_accuracy
    )
    measured[name] = np.nan if cost is None else cost
  if pd.notna(last.get('validation_top_1')):
    # Early stopping: the first of the rounds that validation likes best.
    validation = evaluated['validation_top_1'].astype(float)
    measured['best_validation_top_1'] = validation.max()
    measured['chosen_top_1'] = top_1[validation.idxmax()]
  return {
      name: COLUMNS[name].factor * float(value)
      for name, value in measured.items()
  }


def stands_still(rows: Sequence[Mapping[str, Any]], patience: int) -> bool:
  """Whether validation has not risen for some rounds.

  Args:
    rows: A run's metrics.csv, with the accuracies on validation examples.
    patience: The rounds.
  """
  evaluated = [row for row in rows if row['validation_top_1'] is not None]
  best = max(evaluated, key=lambda row: row['validation_top_1'])
  return evaluated[-1]['round'] - best['round'] >= patience


def measure_storage(population: population_lib.Population) -> float:
  """Returns the augmented examples per hundred others."""
  before = population.data.label_counts.sum()
  extra = population.counts.sum() - before
  return float(COLUMNS['extra_storage'].factor * extra / before)


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
    return grouping.client_divergences(settings, counts)
  if settings.schedule != 'per_round':
    raise ValueError(
        f'settings must have schedule=per_round, got {settings.schedule!r}.'
    )
  return np.concatenate([
      grouping.schedule_of_round(
          settings, counts, seed, round_num
      ).kl_divergence
      for round_num in range(1, settings.rounds + 1)
  ])


def summarize_divergences(divergences: np.ndarray) -> dict[str, float]:
  """Returns the values of `COLUMNS` that divergences have."""
  return {
      'mean_kl': float(np.mean(divergences)),
      'median_kl': float(np.median(divergences)),
      'sd_kl': float(np.std(divergences)),
  }


def add_gains(results: pd.DataFrame, baseline: Optional[str]) -> None:
  """Adds `gain`, the points by which a row is above the baseline, seed by seed.

  Args:
    results: Of row and seed (`experiment.paper.runner.make_results`); changed
      if the baseline is there.
    baseline: A row; None adds nothing.
  """
  if baseline in results.index.unique('row'):
    top_1 = results['best_top_1']
    results['gain'] = top_1.sub(top_1[baseline], level='seed')
