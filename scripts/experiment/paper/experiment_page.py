"""The page of an experiment: results.csv, results.png and results.md."""

import pathlib
import shutil
from typing import Optional

import numpy as np
import pandas as pd

from experiment.paper import claims
from experiment.paper import experiments
from experiment.paper import frontier
from experiment.paper import measures
from experiment.paper import runner as reproduction_lib
from experiment.runs import plots
from experiment.runs import tables

CSV_FILE, PICTURE_FILE, PAGE_FILE = 'results.csv', 'results.png', 'results.md'
# So the claim of an experiment of ours begins.
_NOT_IN_THE_PAPER = 'Not in the paper'
_DATA_OF_THE_PAPER = ('emnist', 'cinic10')


def write_csv(path: pathlib.Path, results: pd.DataFrame) -> None:
  """Writes a line for each row and seed; what a run does not have is empty."""
  named = (*measures.COLUMNS, reproduction_lib.RUN)
  columns = [name for name in named if name in results]
  tables.write_csv(path, results[columns].reset_index())


def read_csv(path: pathlib.Path) -> pd.DataFrame:
  """Reads what `write_csv` wrote; an empty cell is NaN."""
  table = tables.read_csv(
      path,
      tables.RUN_AGAIN,
      text=['row', reproduction_lib.RUN],
      integers=['seed'],
      needed=['row'],
      key=['row', 'seed'],
  )
  return table.set_index(['row', 'seed'])


def values_of(results: pd.DataFrame, row: str, column: str) -> np.ndarray:
  """Returns a column of a row, float64, one value for each seed; or NaN."""
  of_row = results.index.isin([row], level='row')
  return results.reindex(columns=[column]).loc[of_row, column].to_numpy()


def format_cell(values: np.ndarray, digits: int) -> str:
  """Mean and sample standard deviation over the seeds that have a value."""
  there = values[~np.isnan(values)]
  if not there.size:
    return ''
  cell = tables.mean_and_spread(there, digits)
  if there.size < values.size:
    cell += f' ({there.size}/{values.size})'
  return cell


def format_table(
    experiment: experiments.Experiment, results: pd.DataFrame
) -> str:
  """Returns a Markdown table of what was run, the paper's numbers beside ours.

  Of several learning rates it has those that were trained with the experiment's
  seeds.
  """
  chosen = set(reproduction_lib.choose_rows(experiment, results).values())
  results = reproduction_lib.reported(results)
  there = results.index.unique('row')
  rows = {name: row for name, row in experiment.rows.items() if name in there}
  heads, lines = ['row'], {name: [name] for name in rows}
  for column in experiment.columns:
    measure = measures.COLUMNS[column]
    heads.append(measure.heading)
    in_paper = any(column in row.paper for row in rows.values())
    if in_paper:
      heads.append('paper')
    for name, row in rows.items():
      values = values_of(results, name, column)
      lines[name].append(format_cell(values, measure.digits))
      if in_paper:
        lines[name].append(f'{row.paper.get(column, "")}')
  for name in chosen.intersection(rows):
    lines[name][0] = f'**{name}**'
  return tables.markdown(heads, lines.values())


def format_grids(
    experiment: experiments.Experiment, results: pd.DataFrame
) -> str:
  """Returns a Markdown table of what each learning rate had on validation."""
  chosen = reproduction_lib.choose_rows(experiment, results)
  tried = results[reproduction_lib.is_tuning(results)]
  lines = []
  for name, rows in experiment.grids().items():
    cells = [
        (row, format_cell(values_of(tried, row, 'best_validation_top_1'), 2))
        for row in rows
    ]
    cells = [
        (f'**{row}**' if row == chosen.get(name) else row, cell)
        for row, cell in cells
        if cell
    ]
    if cells:
      lines.append((name, '; '.join(f'{row}: {cell}' for row, cell in cells)))
  return tables.markdown(('of', 'best validation top-1 (%) by rate'), lines)


def _in_words(tuning_seeds: tuple[int, ...]) -> str:
  seeds = ' and '.join(map(str, tuning_seeds))
  if len(tuning_seeds) == 1:
    return f'seed {seeds}, which is'
  return f'seeds {seeds}, which are'


def missing_rows(
    experiment: experiments.Experiment, results: pd.DataFrame
) -> list[str]:
  """Returns the rows, or what has several rates, that have no results."""
  there = reproduction_lib.reported(results).index.unique('row')
  labels = {name: row.tuned or name for name, row in experiment.rows.items()}
  found = {labels.get(name) for name in there}
  return [name for name in dict.fromkeys(labels.values()) if name not in found]


def format_page(
    experiment: experiments.Experiment,
    results: pd.DataFrame,
    command: str,
    extra: str = '',
) -> str:
  """Returns the experiment's Markdown page.

  Args:
    experiment: The experiment.
    results: Its results.
    command: What ran it.
    extra: What stands before the table, ended by an empty line.
  """
  rows = experiment.rows.values()
  data = sorted({row.settings.dataset for row in rows})
  notes = [
      f'Data: {", ".join(data)}. Seeds:'
      f' {", ".join(map(str, experiment.seeds))}; mean ± sample standard'
      ' deviation, and how many seeds have a value if not all do.'
  ]
  if not all(name.startswith(_DATA_OF_THE_PAPER) for name in data):
    notes.append(
        "These are not the paper's data, so its numbers only show directions."
    )
  fractions = {row.settings.fraction for row in rows} - {None}
  if fractions:
    clients = {row.settings.division['num_clients'] for row in rows}
    has_its_sizes = all(
        row.settings.num_examples is None
        and row.settings.size_distribution is None
        and row.settings.client_worth == 'equal'
        for row in rows
    )
    notes.append(
        "The sets are the paper's at a fraction of"
        f' {", ".join(f"{fraction:g}" for fraction in sorted(fractions))}, on'
        f' {", ".join(map(str, sorted(clients)))} clients'
        f'{" of its sizes" if has_its_sizes else ""}.'
    )
  if any('to_target' in column for column in experiment.columns):
    notes.append(f'Target: {100 * experiment.target_accuracy:g} % top-1.')
  if any('gain' == column for column in experiment.columns):
    notes.append(f'Gains are over {experiment.baseline}, seed by seed.')
  has_grids = reproduction_lib.is_tuning(results).any()
  if has_grids:
    notes.append(
        'Bold: of its learning rates, the one best on the validation examples'
        f' with {_in_words(experiment.tuning_seeds)} not reported.'
    )
  elif any(row.tuned for row in rows):
    notes.append(
        'Bold: of its learning rates, the one best on the validation examples'
        ' with the first seed; the other seeds are trained with that one alone.'
    )
  longest = {row.longest for row in rows} - {None}
  if longest:
    notes.append(
        'A row is trained until its accuracy on the validation examples stands'
        f' still, {" or ".join(map(str, sorted(longest)))} rounds at most.'
    )
  missing = missing_rows(experiment, results)
  if missing:
    notes.append(f'Not run yet: {"; ".join(missing)}.')
  share = claims.retrieved_share(experiment, results)
  if share is not None:
    notes.append(
        'Of what the global imbalance costs FedAvg, Astraea got'
        f' {100 * share:.1f} % back.'
    )
  if experiment.trains:
    minutes = results['seconds'].sum() / 60
    notes.append(f'Training took {minutes:.1f} minutes in all.')
  grids = ''
  if has_grids:
    grids = f'## The learning rates\n\n{format_grids(experiment, results)}\n\n'
  pictures = {'The rows': PICTURE_FILE} | {
      f'Confusion matrix of {row}': _confusion_file(row)
      for row in experiment.confusion_rows
      if row in results.index.unique('row')
  }
  links = '\n'.join(f'![{name}]({file})' for name, file in pictures.items())
  return (
      f'# {experiment.title}\n\n    {command}\n\n{_format_claim(experiment)}'
      f'{" ".join(notes)}\n\n{extra}{format_table(experiment, results)}\n\n'
      f'{grids}{links}\n'
  )


def _format_claim(experiment: experiments.Experiment) -> str:
  """Returns the paragraph on what the paper says; of ours, what it has not."""
  claim = experiment.claim
  if not claim.startswith(_NOT_IN_THE_PAPER):
    claim = f'The paper: {claim}'
  # Alone it says nothing.
  claim = claim.removeprefix(f'{_NOT_IN_THE_PAPER}.').lstrip()
  return f'{claim}\n\n' if claim else ''


def _confusion_file(row: str) -> str:
  return f'confusion_{row.replace(" ", "_")}.png'


def draw(
    folder: pathlib.Path,
    reproduction: reproduction_lib.Reproduction,
    results: pd.DataFrame,
    divergences: Optional[dict[str, np.ndarray]] = None,
    curves: Optional[pd.DataFrame] = None,
) -> None:
  """Draws results.png, and copies the confusion matrices of the runs.

  Args:
    folder: Where the page is.
    reproduction: Its runs.
    results: What they measured.
    divergences: By row, for boxes.
    curves: For a frontier, see `experiment.paper.frontier.read_curves`.
  """
  experiment, path = reproduction.experiment, folder / PICTURE_FILE
  results = reproduction_lib.reported(results)
  for row in experiment.confusion_rows:
    run = reproduction.folder(row, experiment.seeds[0])
    shutil.copyfile(
        run / 'confusion_matrix.png', folder / _confusion_file(row)
    )
  if experiment.picture == 'boxes':
    plots.plot_kl_divergence(path, divergences)
  elif experiment.picture == 'curves':
    plots.plot_accuracy(path, reproduction.curves())
  elif experiment.picture == 'frontier':
    frontier.draw(path, curves)
  elif experiment.picture == 'bars':
    column = experiment.columns[0]
    plots.plot_bars(
        path,
        _by_row(experiment, results, column),
        measures.COLUMNS[column].heading,
    )
  else:
    y, x, *_ = experiment.columns
    plots.plot_trade_off(
        path,
        _by_row(experiment, results, x),
        _by_row(experiment, results, y),
        (measures.COLUMNS[x].heading, measures.COLUMNS[y].heading),
    )


def _by_row(
    experiment: experiments.Experiment,
    results: pd.DataFrame,
    column: str,
) -> dict[str, np.ndarray]:
  there = results.index.unique('row')
  return {
      name: values_of(results, name, column)
      for name in experiment.rows
      if name in there
  }
