"""Tables and pictures of the study of schedules.

A row has the columns of `scheduling_measures.SETTING`, `method`, and those of
`scheduling_measures.measure`.
"""

import itertools
import pathlib

from matplotlib import figure
import pandas as pd

from experiment.runs import plots
from experiment.runs import tables
from experiment.studies import scheduling_measures

_POPULATION = list(scheduling_measures.SETTING[:-1])
_MEASURES = ['mean_kl', 'worst_kl', 'seconds']


def format_table(table: pd.DataFrame, gamma: int) -> str:
  """Returns a Markdown table: a line for each population, means over seeds.

  Args:
    table: The rows.
    gamma: The most clients of a mediator, for the heading.
  """
  methods = table['method'].unique()
  lines = []
  for (num_classes, classes, beta, num_clients), population in table.groupby(
      _POPULATION, sort=False
  ):
    means = population.groupby('method')[_MEASURES].mean()
    lines.append([
        f'{num_classes}', classes, f'{beta:g}', f'{num_clients:,}',
        *(
            '{:.4f} / {:.3f} / {:.2g} s'.format(*means.loc[method])
            if method in means.index
            else ''
            for method in methods
        ),
    ])
  text = tables.markdown(['N', 'classes', 'beta', 'c', *methods], lines)
  return (
      'Mean KL divergence of the mediators (nats) / that of the worst / '
      f'seconds of the processor; gamma = {gamma}, seeds '
      f'{", ".join(map(str, table["seed"].unique()))}.\n\n{text}\n'
  )


def _draw_curves(axes, table: pd.DataFrame, column: str) -> None:
  """Draws a curve against c for every method, of the same color everywhere."""
  means = table.groupby(['method', 'num_clients'])[column].mean()
  for index, method in enumerate(scheduling_measures.METHODS):
    if method in means:
      axes.plot(
          means[method], 'o-', color=f'C{index}',
          markersize=3, linewidth=1, label=method,
      )
  axes.set_xscale('log')
  axes.set_yscale('log')
  axes.grid(alpha=0.3)


def plot_divergences(
    path: pathlib.Path, table: pd.DataFrame, num_classes: int
) -> None:
  """Draws mean and worst divergence against c, a column for each population."""
  populations = list(
      itertools.product(table['classes'].unique(), table['beta'].unique())
  )
  drawn = figure.Figure(
      figsize=(2.6 * len(populations), 6), layout='constrained'
  )
  grid = drawn.subplots(2, len(populations), squeeze=False, sharex=True)
  for column, (classes, beta) in enumerate(populations):
    population = table[
        (table['num_classes'] == num_classes)
        & (table['classes'] == classes)
        & (table['beta'] == beta)
    ]
    _draw_curves(grid[0, column], population, 'mean_kl')
    _draw_curves(grid[1, column], population, 'worst_kl')
    grid[0, column].set_title(f'{classes}, beta {beta:g}', fontsize=9)
    grid[1, column].set_xlabel('clients')
  grid[0, 0].set_ylabel('mean divergence of mediators (nats)')
  grid[1, 0].set_ylabel('divergence of the worst (nats)')
  _save_with_legend(drawn, grid[0, 0], path)


def plot_seconds(path: pathlib.Path, table: pd.DataFrame) -> None:
  """Draws seconds against c, a column for each number of classes."""
  numbers = table['num_classes'].unique()
  drawn = figure.Figure(figsize=(4 * len(numbers), 4), layout='constrained')
  grid = drawn.subplots(1, len(numbers), squeeze=False, sharey=True)
  for axes, num_classes in zip(grid[0], numbers):
    _draw_curves(axes, table[table['num_classes'] == num_classes], 'seconds')
    axes.set_title(f'{num_classes} classes', fontsize=9)
    axes.set_xlabel('clients')
  grid[0, 0].set_ylabel('seconds of the processor')
  _save_with_legend(drawn, grid[0, 0], path)


def _save_with_legend(drawn: figure.Figure, axes, path: pathlib.Path) -> None:
  handles, labels = axes.get_legend_handles_labels()
  drawn.legend(
      handles, labels, loc='outside lower center', ncols=len(labels), fontsize=8
  )
  plots.save(drawn, path)
