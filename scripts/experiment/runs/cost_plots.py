"""The pictures of a comparison: accuracy against its costs, and by class."""

from collections.abc import Mapping, Sequence
import math
import pathlib
from typing import Any, Optional

from matplotlib import figure
from matplotlib import patches
from matplotlib import ticker
import numpy as np

from experiment.runs import costs
from experiment.runs import picture_text
from experiment.runs import plots

# A class has room for so many runs, one above the other.
_MOST_DOTS = 5
# A name in a legend below the panels has at most so many characters.
_LONGEST_NAME = 110
# A row of a legend has room for so many characters, beside the lines.
_LEGEND_WIDTH = 130


def plot_costs(
    path: pathlib.Path,
    runs: Mapping[str, Mapping[str, Optional[Sequence[costs.Curve]]]],
) -> None:
  """Draws top-1 accuracy against each of its costs, side by side.

  The line is the mean over seeds, the band one sample standard deviation to
  either side.

  Args:
    path: The PNG file to write.
    runs: By name and by column of `costs.AXES`, a curve for each seed; None
      where a run has not noted that cost.
  """
  num_columns = _legend_columns(runs)
  num_rows = math.ceil(len(runs) / num_columns)
  drawn = figure.Figure(
      figsize=(15, 4.2 + 0.24 * num_rows), layout='constrained'
  )
  panels = drawn.subplots(1, len(costs.AXES), sharey=True)
  lines = {}
  for axes, (column, axis) in zip(panels, costs.AXES.items()):
    scale, heading = _scale(column, axis.heading, runs)
    missing = 0
    for index, (name, by_column) in enumerate(runs.items()):
      curves = by_column[column]
      if curves is None:
        missing += 1
        continue
      band = costs.band(curves)
      style = plots.line_style(index)
      (lines[name],) = axes.plot(
          scale * band.costs, band.mean, linewidth=1.8, **style
      )
      if len(curves) > 1:
        axes.fill_between(
            scale * band.costs,
            band.mean - band.spread,
            band.mean + band.spread,
            color=style['color'],
            alpha=0.18,
            linewidth=0,
        )
    if missing:
      axes.set_title(
          f'{missing} of {len(runs)} runs did not note this', fontsize=9
      )
    axes.set_xlabel(heading)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(6))
    axes.xaxis.set_major_formatter(_short_number)
    axes.grid(alpha=0.3)
  panels[0].set_ylabel('top-1 accuracy on the test set')
  # Every run has rounds, so each has a line.
  drawn.legend(
      lines.values(),
      [picture_text.legend_name(name, _LONGEST_NAME) for name in lines],
      loc='outside lower center',
      ncols=num_columns,
      fontsize=9,
      frameon=False,
  )
  plots.save(drawn, path)


def plot_classes(
    path: pathlib.Path,
    recalls: Mapping[str, np.ndarray],
    class_names: Sequence[str],
) -> None:
  """Draws the recall of each class in a line of its own.

  Few runs are dots in it, at the mean over seeds, with a line from the least of
  them to the most. More runs are colored cells with the mean.

  Args:
    path: The PNG file to write.
    recalls: By name of a run, float64 [seeds, N], in [0, 1].
    class_names: The N names.
  """
  labels = [
      picture_text.legend_name(name, _LONGEST_NAME // 2) for name in recalls
  ]
  drawn = figure.Figure(
      figsize=(9, 1.2 + 0.24 * len(class_names) + 0.24 * len(labels)),
      layout='constrained',
  )
  axes = drawn.add_subplot()
  if len(recalls) <= _MOST_DOTS:
    handles = _draw_dots(axes, recalls)
  else:
    handles = _draw_cells(drawn, axes, recalls)
    labels = [f'{number}  {label}' for number, label in enumerate(labels, 1)]
  axes.set_yticks(
      range(len(class_names)),
      [picture_text.plain(name, 32) for name in class_names],
      fontsize=9,
  )
  axes.set_ylim(len(class_names) - 0.5, -0.5)
  axes.tick_params(axis='x', top=True, labeltop=True)
  drawn.legend(
      handles, labels, loc='outside lower center', fontsize=9, frameon=False
  )
  plots.save(drawn, path)


def _draw_dots(axes: Any, recalls: Mapping[str, np.ndarray]) -> Sequence[Any]:
  """Draws dots with their spread, and returns a legend's handles."""
  num_classes = next(iter(recalls.values())).shape[1]
  places = np.arange(num_classes)
  # Dots of one class stand above one another, within the class's line.
  offsets = 0.7 * (np.arange(len(recalls)) + 0.5) / len(recalls) - 0.35
  for index, of_seeds in enumerate(recalls.values()):
    least, most = of_seeds.min(axis=0), of_seeds.max(axis=0)
    # The rounded mean of equal numbers can lie beside them.
    mean = np.clip(of_seeds.mean(axis=0), least, most)
    axes.errorbar(
        mean,
        places + offsets[index],
        xerr=[mean - least, most - mean],
        color=f'C{index}',
        fmt='o',
        markersize=4,
        linewidth=1,
    )
  axes.set_xlim(-0.02, 1.02)
  axes.hlines(places[1:] - 0.5, -0.02, 1.02, color='0.9', linewidth=0.8)
  axes.xaxis.set_major_formatter(ticker.PercentFormatter(1.0))
  axes.set_xlabel('recall of the class, last evaluated round')
  axes.grid(axis='x', alpha=0.3)
  return axes.containers


def _draw_cells(
    drawn: figure.Figure, axes: Any, recalls: Mapping[str, np.ndarray]
) -> Sequence[Any]:
  """Draws a column of cells for each run, and returns a legend's handles."""
  means = np.stack([of_seeds.mean(axis=0) for of_seeds in recalls.values()], 1)
  image = axes.imshow(means, vmin=0, vmax=1, cmap='viridis', aspect='auto')
  drawn.colorbar(
      image,
      label='recall of the class, last evaluated round',
      format=ticker.PercentFormatter(1.0),
  )
  axes.set_xticks(range(len(recalls)), range(1, len(recalls) + 1))
  axes.set_xlabel('run')
  return [patches.Rectangle((0, 0), 0, 0, alpha=0) for _ in recalls]


def _short_number(value: float, place: Any = None) -> str:
  """Returns 20k for 20000, so that numbers stand side by side."""
  del place
  for letter, factor in (('M', 1e6), ('k', 1e3)):
    if abs(value) >= 10 * factor:
      return f'{value / factor:g}{letter}'
  return f'{value:g}'


def _legend_columns(names: Mapping[str, Any]) -> int:
  """Returns how many names fit side by side under a wide picture."""
  longest = max(min(len(name), _LONGEST_NAME) for name in names) + 8
  return max(1, min(_LEGEND_WIDTH // longest, len(names)))


def _scale(
    column: str,
    heading: str,
    runs: Mapping[str, Mapping[str, Optional[Sequence[costs.Curve]]]],
) -> tuple[float, str]:
  """Returns what to multiply a cost by for its panel, and what to call it."""
  if column != 'simulated_seconds':
    return 1.0, heading
  longest = max(
      (c.costs[-1] for r in runs.values() for c in r[column] or ()), default=0
  )
  for unit, seconds in (('hours', 3600), ('minutes', 60)):
    if longest > 3 * seconds:
      return 1 / seconds, heading.replace('seconds', unit)
  return 1.0, heading
