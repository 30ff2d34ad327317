"""What a run that adapts decided in each round, in its log and as a picture.

metrics.csv has these columns beside the others, a cell holding one number for
each mediator or class, with spaces between: `mediators`, those that trained;
`passes`, how many each made; `credits`, what its update was worth in nats, nan
where all of its clients dropped out;
`price`, see `astraea_tff.control.policies.Decision`; and `class_weights`.
"""

import collections
from collections.abc import Mapping, Sequence
import math
import pathlib
from typing import Any

from matplotlib import figure
from matplotlib import ticker
import numpy as np

from astraea_tff.control import mediator_control
from experiment.runs import names as names_lib
from experiment.runs import picture_text
from experiment.runs import plots

COLUMNS = ('mediators', 'passes', 'credits', 'price', 'class_weights')
# These columns hold lists, as text.
TEXT_COLUMNS = ('mediators', 'passes', 'credits', 'class_weights')
PICTURE_FILE = 'control.png'
# Colors and a legend tell so many classes apart.
_MOST_LINES = 12


def cells(lesson: mediator_control.Lesson) -> dict[str, Any]:
  """Returns the columns of a round; '' for what there is none of."""
  values = dict.fromkeys(COLUMNS, '')
  if lesson.choice is not None:
    passes = dict(zip(lesson.choice.mediators, lesson.choice.passes))
    trained = sorted(m for m, number in passes.items() if number)
    values['mediators'] = _join(trained)
    values['passes'] = _join(passes[m] for m in trained)
    values['price'] = float(lesson.choice.price)
    if lesson.mediators.size:
      # A mediator whose clients all dropped out has no credit.
      credits = dict(zip(lesson.mediators.tolist(), lesson.credits.tolist()))
      values['credits'] = _join(credits.get(m, math.nan) for m in trained)
  if lesson.class_weights is not None:
    values['class_weights'] = _join(lesson.class_weights.tolist())
  return values


def scalars(
    lesson: mediator_control.Lesson, class_names: Sequence[str]
) -> dict[str, Any]:
  """Returns what TensorBoard shows of a round."""
  shown = {}
  if lesson.choice is not None:
    shown['price'] = float(lesson.choice.price)
    shown['passes_of_mediator'] = collections.OrderedDict(
        (str(mediator), float(passes))
        for mediator, passes in zip(
            lesson.choice.mediators, lesson.choice.passes
        )
    )
  if lesson.mediators.size:
    shown['credit_of_mediator'] = collections.OrderedDict(
        (str(mediator), float(credit))
        for mediator, credit in zip(lesson.mediators, lesson.credits)
    )
  if lesson.class_weights is not None:
    shown['weight_of_class'] = collections.OrderedDict(
        (names_lib.printable(name), float(weight))
        for name, weight in zip(class_names, lesson.class_weights)
    )
  return shown


def _join(numbers: Any) -> str:
  return ' '.join(map(str, numbers))


def read_list(cell: Any) -> np.ndarray:
  """Returns the numbers of a cell, float64; none of an empty one."""
  return np.array((cell or '').split(), np.float64)


def has_decisions(rows: Sequence[Mapping[str, Any]]) -> bool:
  """Whether a run's rows (`metrics_log.read_rows`) hold any decisions."""
  return any(row.get(name) for row in rows for name in TEXT_COLUMNS)


def draw(
    path: pathlib.Path,
    rows: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
) -> None:
  """Draws by round the passes, the credits, the price and the class weights.

  Args:
    path: The PNG file to write.
    rows: The run's rows.
    class_names: N names.
  """
  panels = []
  if any(row['passes'] for row in rows):
    panels += [
        ('passes', lambda axes: _show_table(axes, rows, 'passes', 'Blues')),
        ('price', lambda axes: _show_price(axes, rows)),
    ]
  if any(row['credits'] for row in rows):
    panels.insert(
        1,
        ('credit (nats)', lambda axes: _show_table(
            axes, rows, 'credits', 'RdBu'
        )),
    )
  if any(row['class_weights'] for row in rows):
    panels.append(
        ('weight of a class', lambda axes: _show_weights(
            axes, rows, class_names
        ))
    )
  heights = [2.4] * len(panels)
  if any(row['class_weights'] for row in rows):
    # The panel grows with the number of classes.
    heights[-1] = max(2.4, 0.13 * len(class_names))
  drawn = figure.Figure(
      figsize=(8.0, sum(heights) + 0.4), layout='constrained'
  )
  all_axes = drawn.subplots(
      len(panels), squeeze=False, gridspec_kw=dict(height_ratios=heights)
  )[:, 0]
  for axes, (title, show) in zip(all_axes, panels):
    axes.set_title(title, fontsize=10)
    show(axes)
    # One round stands above the other.
    axes.set_xlim(0.5, rows[-1]['round'] + 0.5)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  all_axes[-1].set_xlabel('synchronization round')
  plots.save(drawn, path)


def _show_table(axes: Any, rows: Any, column: str, colors: str) -> None:
  """Shows a number of each mediator in each round; grey where it sat out."""
  lists = [
      (row['round'], read_list(row['mediators']), read_list(row[column]))
      for row in rows
  ]
  num_mediators = int(max(m.max(initial=0) for _, m, _ in lists)) + 1
  table = np.full((num_mediators, rows[-1]['round'] + 1), np.nan)
  for round_num, mediators, values in lists:
    if len(values) == len(mediators):
      table[mediators.astype(int), round_num] = values
  is_known = ~np.isnan(table)
  largest = np.abs(table).max(where=is_known, initial=0) or 1
  image = axes.imshow(
      table,
      aspect='auto',
      interpolation='nearest',
      cmap=colors,
      vmin=0 if column == 'passes' else -largest,
      vmax=largest,
  )
  # The bar is beside the table, wherever the legend of another panel ends.
  bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.02, 0, 0.03, 1)))
  if column == 'passes':
    bar.ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  axes.set_facecolor('0.85')
  axes.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  axes.set_ylabel('mediator')


def _show_price(axes: Any, rows: Any) -> None:
  there = [row for row in rows if row['price'] is not None]
  axes.plot([row['round'] for row in there], [row['price'] for row in there])
  axes.grid(alpha=0.3)


def _show_weights(axes: Any, rows: Any, class_names: Sequence[str]) -> None:
  there = [row for row in rows if row['class_weights']]
  weights = np.array([read_list(row['class_weights']) for row in there])
  rounds = [row['round'] for row in there]
  if len(class_names) > _MOST_LINES:
    image = axes.pcolormesh(
        rounds, range(len(class_names)), weights.T, shading='nearest'
    )
    axes.figure.colorbar(image, ax=axes)
    names = [picture_text.plain(name, 32) for name in class_names]
    axes.set_yticks(range(len(class_names)), names, fontsize=6)
    axes.invert_yaxis()
    return
  for name, values in zip(class_names, weights.T):
    axes.plot(rounds, values, label=picture_text.legend_name(name, 32))
  axes.grid(alpha=0.3)
  axes.legend(fontsize=7, ncols=2, loc='center left', bbox_to_anchor=(1, 0.5))
