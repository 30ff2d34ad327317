"""Who is ahead at equal cost: rounds, traffic, local steps, simulated time.

A row of such an experiment is called 'regime: method'. At equal cost every run
of a regime is looked at where it has spent as much as the cheapest run spends
in all.

`experiment.paper.frontier_costs` measures what the runs cost; the curves here
are its table.
"""

from collections.abc import Mapping
import pathlib
import textwrap
import types
from typing import NamedTuple, Optional

from matplotlib import figure
import pandas as pd

from experiment.paper import experiments
from experiment.paper import intervals
from experiment.runs import costs
from experiment.runs import plots
from experiment.runs import tables

CURVES_FILE = 'curves.csv'
_LINE = 34  # Characters below a picture.
# Knows what nobody can know of clients: others are compared with it, and it is
# never first.
_REFERENCE = 'oracle'
# By column of the curves, what is equal.
AXES: Mapping[str, str] = types.MappingProxyType({
    **{column: axis.heading for column, axis in costs.AXES.items()},
    'edge_seconds': 'simulated seconds, mediators at the edge',
    'edge_megabytes': 'megabytes over the wide area, mediators at the edge',
})


def regime_and_method(
    name: str, row: experiments.Row
) -> tuple[str, str]:
  """Returns both of a row, whose learning rate is not part of its method."""
  regime, _, method = (row.tuned or name).partition(': ')
  return regime, method


def axes_of(curves: pd.DataFrame) -> dict[str, str]:
  """Returns those of `AXES` that the curves have."""
  return {axis: heading for axis, heading in AXES.items() if axis in curves}


def read_curves(path: pathlib.Path) -> pd.DataFrame:
  """Reads what `write_curves` wrote."""
  run = ['regime', 'method', 'seed']
  curves = tables.read_csv(
      path,
      tables.RUN_AGAIN,
      text=run[:2],
      integers=['seed', 'round'],
      needed=[*run[:2], 'top_1'],
      key=[*run, 'round'],
  )
  if (curves.groupby(run)['round'].diff() < 0).any():
    raise ValueError(
        f'{path} is damaged (the rounds of a run do not rise).'
        f' {tables.RUN_AGAIN}'
    )
  return curves


def write_curves(path: pathlib.Path, curves: pd.DataFrame) -> None:
  """Writes the curves as CSV."""
  tables.write_csv(path, curves, float_format='%.6g')


def at_equal_cost(curves: pd.DataFrame, axis: str) -> pd.DataFrame:
  """Looks at all runs of a regime where they have cost the same.

  Args:
    curves: See `frontier_costs.measure`.
    axis: A column of `AXES`.

  Returns:
    A line for each run: `regime`, `method`, `seed`, `budget`, and `top_1`
    there, between two evaluations on a line.
  """
  lines = []
  for regime, of_regime in curves.groupby('regime', sort=False):
    runs = {
        run: costs.Curve(lines_of_run[axis].to_numpy(float),
                         lines_of_run['top_1'].to_numpy(float))
        for run, lines_of_run in of_regime.groupby(
            ['method', 'seed'], sort=False
        )
    }
    budget = costs.shared_budget(runs.values())
    for (method, seed), of_run in runs.items():
      lines.append((
          regime, method, seed, budget, costs.accuracy_at(of_run, budget)
      ))
  return pd.DataFrame(
      lines, columns=['regime', 'method', 'seed', 'budget', 'top_1']
  )


class First(NamedTuple):
  """Who is first in a regime at equal cost.

  Attributes:
    method: The method of the best mean.
    second: The next best.
    ahead: How far the first is ahead of it, in points, seed by seed; None if
      they share no seed.
    reference: How far the oracle is ahead of the first, likewise; None if the
      regime has none.
  """

  method: str
  second: str
  ahead: Optional[intervals.Interval]
  reference: Optional[intervals.Interval] = None


def compared(curves: pd.DataFrame) -> list[str]:
  """Returns the regimes that have two methods or more, the oracle aside."""
  methods = curves[curves['method'] != _REFERENCE]
  methods = methods.groupby('regime', sort=False)['method'].nunique()
  return methods.index[methods > 1].tolist()


def first_of(at_budget: pd.DataFrame, regime: str) -> First:
  """Returns who is first in a regime, of two methods or more.

  Args:
    at_budget: What `at_equal_cost` returned.
    regime: The regime.
  """
  by_method = at_budget[at_budget['regime'] == regime].pivot(
      index='seed', columns='method', values='top_1'
  )
  ranked = by_method.drop(columns=_REFERENCE, errors='ignore')
  means = ranked.mean().sort_values(ascending=False, kind='stable')
  first, second = means.index[0], means.index[1]

  def ahead(method, of):
    if method not in by_method:
      return None
    points = (by_method[method] - by_method[of]).dropna().to_numpy()
    return intervals.of_mean(points) if points.size else None

  return First(first, second, ahead(first, second), ahead(_REFERENCE, first))


def format_firsts(curves: pd.DataFrame) -> str:
  """Returns a Markdown table of who is first on each axis in each regime.

  There is none, but an empty text, where no regime has two methods.
  """
  lines, regimes = [], compared(curves)
  if not regimes:
    return ''
  for axis, heading in axes_of(curves).items():
    at_budget = at_equal_cost(curves, axis)
    cells = [heading]
    for regime in regimes:
      first = first_of(at_budget, regime)
      told = intervals.verdict(first.ahead) == intervals.CONFIRMED
      cell = (
          f'{"**" if told else ""}{first.method}{"**" if told else ""};'
          f' {intervals.describe(first.ahead, "points", 1)} over {first.second}'
      )
      if first.reference is not None:
        above = intervals.describe(first.reference, 'points', 1)
        cell += f' ({_REFERENCE}, for reference: {above} over the first)'
      cells.append(cell)
    lines.append(cells)
  return tables.markdown(['equal', *regimes], lines)


def firsts_in_words(curves: pd.DataFrame, axis: str) -> str:
  """Says who is first in which regimes, and where the interval tells it.

  Args:
    curves: See `frontier_costs.measure`.
    axis: A column of `AXES`, which the curves have.

  Returns:
    The text; nothing if no regime has two methods.
  """
  at_budget = at_equal_cost(curves, axis)
  regimes = {}
  for regime in compared(curves):
    first = first_of(at_budget, regime)
    told = intervals.verdict(first.ahead) == intervals.CONFIRMED
    mark = regime if told else f'{regime} (not told from {first.second})'
    regimes.setdefault(first.method, []).append(mark)
  return '; '.join(
      f'{method} in {", ".join(where)}' for method, where in regimes.items()
  )


def format_values(curves: pd.DataFrame) -> str:
  """Returns a Markdown table of the accuracies at equal cost."""
  shown = axes_of(curves)
  by_axis = {axis: at_equal_cost(curves, axis) for axis in shown}
  lines = []
  for regime, of_regime in curves.groupby('regime', sort=False):
    parts = [
        values[values['regime'] == regime] for values in by_axis.values()
    ]
    budgets = (f'{part["budget"].iloc[0]:,.0f}' for part in parts)
    lines.append((f'*{regime}: budget*', *budgets))
    for method in of_regime['method'].unique():
      cells = (
          tables.mean_and_spread(part.loc[part['method'] == method, 'top_1'], 1)
          for part in parts
      )
      lines.append((f'{regime}: {method}', *cells))
  return tables.markdown(
      ['top-1 (%) at equal', *shown.values()], lines
  )


def format_page_part(curves: pd.DataFrame) -> str:
  """Returns what an experiment's page says of the axes, in Markdown."""
  equal = (
      'At equal cost each run is looked at where it has spent as much as the'
      ' cheapest one of the regime spends in all.'
  )
  firsts, values = format_firsts(curves), format_values(curves)
  if not firsts:
    return f'## At equal cost\n\n{equal}\n\n{values}\n\n'
  return (
      '## Who is first\n\n'
      'Bold: the 95 % interval over the seeds puts it ahead of the second.'
      f' {equal}\n\n{firsts}\n\n{values}\n\n'
  )


def draw(path: pathlib.Path, curves: pd.DataFrame) -> None:
  """Draws accuracy by cost, a line of pictures for each regime.

  Args:
    path: The PNG file to write.
    curves: See `frontier_costs.measure`; the mean over seeds is drawn.
  """
  regimes = curves['regime'].unique()
  shown = axes_of(curves)
  columns = [*shown, 'top_1']
  columns.remove('round')
  drawn = figure.Figure(
      figsize=(3.2 * len(shown), 2.6 * len(regimes)), layout='constrained'
  )
  grid = drawn.subplots(len(regimes), len(shown), squeeze=False)
  for line, regime in zip(grid, regimes):
    of_regime = curves[curves['regime'] == regime]
    for axes, (name, heading) in zip(line, shown.items()):
      for index, method in enumerate(of_regime['method'].unique()):
        runs = of_regime[of_regime['method'] == method]
        means = runs.groupby('round')[columns].mean().reset_index()
        axes.plot(
            means[name], means['top_1'], color=f'C{index}', label=method
        )
      axes.set_xlabel(textwrap.fill(heading, _LINE), fontsize=8)
      axes.grid(alpha=0.3)
    line[0].set_ylabel(f'{regime}\ntop-1 (%)', fontsize=8)
    line[0].legend(fontsize=6)
  plots.save(drawn, path)
