"""How far a row of an experiment is above another, seed by seed."""

from typing import Optional

import pandas as pd

from experiment.paper import experiments
from experiment.paper import runner

# What is computed from a run's columns: the points between its best evaluation
# and its last.
FALL = 'fall'
# The test accuracy in the round that validation chose; where no examples were
# held out for it, the best.
TOP_1 = 'top_1'
LAST_TOP_1 = 'last_top_1'


def between(
    experiment: experiments.Experiment,
    results: pd.DataFrame,
    row: str,
    other: str,
    measure: str,
) -> pd.Series:
  """Returns `row` minus `other`, float64, a value for each seed of both.

  Args:
    experiment: The experiment.
    results: Its results.
    row: A row, or what is tuned, which stands for its best learning rate.
    other: Likewise.
    measure: What of a run is compared; where a run has it not, neither counts.

  Returns:
    The differences by seed, those of tuning seeds left out; none if one of the
    rows was not run.
  """
  chosen = runner.choose_rows(experiment, results)
  results = runner.reported(results)
  if measure == TOP_1:
    held_out = 'chosen_top_1' in results
    measure = 'chosen_top_1' if held_out else 'best_top_1'
  if measure == FALL:
    values = results['best_top_1'] - results['last_top_1']
  elif measure in results:
    values = results[measure]
  else:
    return pd.Series(dtype=float)

  def by_seed(name):
    of_row = values.index.isin([chosen.get(name, name)], level='row')
    return values[of_row].droplevel('row')

  return (by_seed(row) - by_seed(other)).dropna()


def evaluation_step(
    experiment: experiments.Experiment,
    results: pd.DataFrame,
    names: tuple[str, ...],
    measure: str,
) -> Optional[float]:
  """Returns what a run sends from one evaluation to the next, if that counts.

  A target is reached at an evaluation, so that costs differ by whole steps.
  """
  is_cost = measure.endswith('megabytes_to_target')
  if not is_cost or 'rounds_to_target' not in results:
    return None
  chosen = runner.choose_rows(experiment, results)
  rows = experiment.rows.keys() & {chosen.get(name, name) for name in names}
  of_rows = results[results.index.isin(rows, level='row')]
  a_round = (of_rows[measure] / of_rows['rounds_to_target']).max()
  settings = [experiment.rows[row].settings for row in rows]
  return a_round * max(one.rounds_per_evaluation for one in settings)


def best_of(rows: tuple[str, ...], results: pd.DataFrame) -> tuple[str, str]:
  """Returns the best of rows, and how it was chosen.

  Validation chooses where it was measured; where not, the test set does, which
  favours the rows, and the note says so.
  """
  measure = 'best_validation_top_1'
  if measure not in results:
    measure = 'best_top_1'
  means = results[measure].dropna().groupby(level='row', sort=False).mean()
  means = means[means.index.isin(rows)]
  if means.empty:
    return rows[0], ''
  chosen = means.reindex([row for row in rows if row in means]).idxmax()
  if measure == 'best_top_1':
    return chosen, f', the best of {len(means)} by its test accuracy'
  return chosen, f', the best of {len(means)} by validation'
