"""Tables and pictures of the study of schedules.

A row has the columns of `scheduling_measures.SETTING`, `method`, and those of
`scheduling_measures.measure`.
"""

from collections.abc import Mapping, Sequence
import csv
import io
import itertools
import pathlib
from typing import Any

from matplotlib import figure
import numpy as np

from experiment.runs import folder as folder_lib
from experiment.studies import scheduling_measures
from experiment.studies import table as study_table

_Row = Mapping[str, Any]


def write_csv(path: pathlib.Path, rows: Sequence[_Row]) -> None:
  """Writes rows of the same columns, floats with six digits."""
  text = io.StringIO()
  writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
  writer.writeheader()
  for row in rows:
    writer.writerow({
        name: f'{cell:.6g}' if isinstance(cell, float) else cell
        for name, cell in row.items()
    })
  folder_lib.write_atomically(path, text.getvalue())


def _means(
    rows: Sequence[_Row], column: str, **wanted: Any
) -> dict[int, float]:
  """Means of a column over the rows that agree with `wanted`, by c."""
  values: dict[int, list[float]] = {}
  for row in rows:
    if all(row[name] == value for name, value in wanted.items()):
      values.setdefault(row['num_clients'], []).append(row[column])
  return {c: float(np.mean(values[c])) for c in sorted(values)}


def _values(rows: Sequence[_Row], column: str) -> list[Any]:
  """The different values of a column, in the order of the rows."""
  return list(dict.fromkeys(row[column] for row in rows))


def format_table(rows: Sequence[_Row], gamma: int) -> str:
  """Returns a Markdown table: a line for each population, means over seeds.

  Args:
    rows: The rows.
    gamma: The most clients of a mediator, for the heading.
  """
  methods = _values(rows, 'method')
  lines = []
  names = scheduling_measures.SETTING[:-1]
  for setting in dict.fromkeys(
      tuple(row[name] for name in names) for row in rows
  ):
    wanted = dict(zip(names, setting))
    cells = [str(setting[0]), setting[1], f'{setting[2]:g}', f'{setting[3]:,}']
    for method in methods:
      figures = [
          _means(rows, column, method=method, **wanted).get(setting[3])
          for column in ('mean_kl', 'worst_kl', 'seconds')
      ]
      cells.append(
          ''
          if None in figures
          else '{:.4f} / {:.3f} / {:.2g} s'.format(*figures)
      )
    lines.append(cells)
  table = study_table.markdown_lines(
      ['N', 'classes', 'beta', 'c', *methods], lines
  )
  return (
      'Mean KL divergence of the mediators (nats) / that of the worst / '
      f'seconds of the processor; gamma = {gamma}, seeds '
      f'{", ".join(map(str, _values(rows, "seed")))}.\n\n{table}\n'
  )


def _draw_curves(axes, rows: Sequence[_Row], column: str, **wanted) -> None:
  """Draws a curve against c for every method, of the same color everywhere."""
  for index, method in enumerate(scheduling_measures.METHODS):
    curve = _means(rows, column, method=method, **wanted)
    if curve:
      axes.plot(
          list(curve), list(curve.values()), 'o-', color=f'C{index}',
          markersize=3, linewidth=1, label=method,
      )
  axes.set_xscale('log')
  axes.set_yscale('log')
  axes.grid(alpha=0.3)


def plot_divergences(
    path: pathlib.Path, rows: Sequence[_Row], num_classes: int
) -> None:
  """Draws mean and worst divergence against c, a column for each population."""
  populations = list(
      itertools.product(_values(rows, 'classes'), _values(rows, 'beta'))
  )
  drawn = figure.Figure(
      figsize=(2.6 * len(populations), 6), layout='constrained'
  )
  grid = drawn.subplots(2, len(populations), squeeze=False, sharex=True)
  for column, (classes, beta) in enumerate(populations):
    wanted = {'num_classes': num_classes, 'classes': classes, 'beta': beta}
    _draw_curves(grid[0, column], rows, 'mean_kl', **wanted)
    _draw_curves(grid[1, column], rows, 'worst_kl', **wanted)
    grid[0, column].set_title(f'{classes}, beta {beta:g}', fontsize=9)
    grid[1, column].set_xlabel('clients')
  grid[0, 0].set_ylabel('mean divergence of mediators (nats)')
  grid[1, 0].set_ylabel('divergence of the worst (nats)')
  _save_with_legend(drawn, grid[0, 0], path)


def plot_seconds(path: pathlib.Path, rows: Sequence[_Row]) -> None:
  """Draws seconds against c, a column for each number of classes."""
  numbers = _values(rows, 'num_classes')
  drawn = figure.Figure(figsize=(4 * len(numbers), 4), layout='constrained')
  grid = drawn.subplots(1, len(numbers), squeeze=False, sharey=True)
  for axes, num_classes in zip(grid[0], numbers):
    _draw_curves(axes, rows, 'seconds', num_classes=num_classes)
    axes.set_title(f'{num_classes} classes', fontsize=9)
    axes.set_xlabel('clients')
  grid[0, 0].set_ylabel('seconds of the processor')
  _save_with_legend(drawn, grid[0, 0], path)


def _save_with_legend(drawn: figure.Figure, axes, path: pathlib.Path) -> None:
  handles, labels = axes.get_legend_handles_labels()
  drawn.legend(
      handles, labels, loc='outside lower center', ncols=len(labels), fontsize=8
  )
  drawn.savefig(path, dpi=120)
