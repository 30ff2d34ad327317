"""The pictures of a run, as PNG files.

Needs matplotlib (`pip install astraea_tff[scripts]`). Figures are drawn on
their own canvas, without pyplot's global state, so that nothing depends on a
display.
"""

from collections.abc import Mapping, Sequence
import pathlib
from matplotlib import figure
from matplotlib import text
from matplotlib import ticker
import numpy as np

from astraea_tff.datasets.storage import atomic_file
from experiment.runs import picture_text

_DOTS_PER_INCH = 120
# The most characters of a name.
_LONGEST_CLASS_NAME = 24
_LONGEST_NAME_BELOW = 70
# What fits into a corner of a picture without hiding its curves.
_MOST_NAMES_INSIDE = 5
_LONGEST_NAME_INSIDE = 24
_LINE_STYLES = ('-', '--', ':', '-.')
_NUM_COLORS = 10
# Inches that a turned character of a class's name takes.
_CHARACTER = 0.075


def _new_axes(width: float = 6.4, height: float = 4.0):
  """Returns a figure and its one axes, both sizes in inches."""
  new_figure = figure.Figure(figsize=(width, height), layout='constrained')
  return new_figure, new_figure.add_subplot()


def save(drawn: figure.Figure, path: pathlib.Path) -> None:
  """Writes a figure as a PNG file, atomically."""
  for label in drawn.findobj(text.Text):
    picture_text.set_fonts(label)
  with atomic_file.replace_atomically(path) as file:
    drawn.savefig(file, format='png', dpi=_DOTS_PER_INCH)


def line_style(index: int) -> dict[str, str]:
  """Returns the color and the line of a run, which 40 runs do not share."""
  return dict(
      color=f'C{index % _NUM_COLORS}',
      linestyle=_LINE_STYLES[index // _NUM_COLORS % len(_LINE_STYLES)],
  )


def plot_accuracy(
    path: pathlib.Path,
    runs: Mapping[str, Sequence[tuple[Sequence[int], Sequence[float]]]],
) -> None:
  """Draws top-1 accuracy by round.

  Args:
    path: The PNG file to write.
    runs: By name, the runs (one for each seed) as rounds and accuracies in
      [0, 1]. Several runs of a name share a color; their mean is drawn bold.
  """
  is_inside = len(runs) <= _MOST_NAMES_INSIDE and all(
      len(name) <= _LONGEST_NAME_INSIDE for name in runs
  )
  drawn, axes = _new_axes(height=4.0 if is_inside else 4.0 + 0.23 * len(runs))
  for index, (name, curves) in enumerate(runs.items()):
    style = line_style(index)
    for rounds, accuracies in curves:
      axes.plot(rounds, accuracies, **style, alpha=0.35, linewidth=1)
    shared = sorted(set.intersection(*(set(r) for r, _ in curves)))
    means = [
        np.mean([dict(zip(r, a))[round_num] for r, a in curves])
        for round_num in shared
    ]
    label = picture_text.legend_name(name, _LONGEST_NAME_BELOW)
    axes.plot(shared, means, **style, linewidth=2, label=label)
  axes.set_xlabel('synchronization round')
  axes.set_ylabel('top-1 accuracy on the test set')
  axes.grid(alpha=0.3)
  if is_inside:
    axes.legend()
  else:
    drawn.legend(loc='outside lower center', fontsize=9, frameon=False)
  save(drawn, path)


def plot_kl_divergence(
    path: pathlib.Path, groups: Mapping[str, np.ndarray]
) -> None:
  """Draws how the divergence from the target is distributed, as box plots.

  Args:
    path: The PNG file to write.
    groups: By name, the divergences in nats, float64 [any number].
  """
  drawn, axes = _new_axes(width=max(6.4, 1.1 * len(groups)))
  axes.boxplot(
      list(groups.values()),
      labels=[*map(picture_text.plain, groups)],
      showmeans=True,
      whis=(0, 100),
  )
  axes.set_ylabel(r'$D_{KL}$ to the target (nats)')
  axes.set_ylim(bottom=0)
  axes.grid(axis='y', alpha=0.3)
  save(drawn, path)


def plot_bars(
    path: pathlib.Path, values: Mapping[str, np.ndarray], label: str
) -> None:
  """Draws the mean of each row as a bar, with its values beside it.

  Args:
    path: The PNG file to write.
    values: By name, one value for each seed, float64 [any]; NaN is left out.
    label: What the values are.
  """
  drawn, axes = _new_axes(width=8.0, height=max(2.5, 0.25 * len(values) + 1))
  for place, row in enumerate(values.values()):
    there = row[~np.isnan(row)]
    if there.size:
      axes.barh(place, there.mean(), color='C0', alpha=0.5)
      axes.plot(there, np.full(there.size, place), 'k.', markersize=4)
  axes.set_yticks(range(len(values)), [*map(picture_text.plain, values)])
  axes.invert_yaxis()
  axes.set_xlabel(label)
  axes.grid(axis='x', alpha=0.3)
  save(drawn, path)


def plot_trade_off(
    path: pathlib.Path,
    x: Mapping[str, np.ndarray],
    y: Mapping[str, np.ndarray],
    labels: tuple[str, str],
) -> None:
  """Draws rows as points, means over seeds with y's sample standard deviation.

  Args:
    path: The PNG file to write.
    x: By name, one value for each seed, float64 [any].
    y: The same, of the other measure.
    labels: What x and y are.
  """
  drawn, axes = _new_axes()
  for name in x:
    axes.errorbar(
        x[name].mean(),
        y[name].mean(),
        yerr=y[name].std(ddof=1) if y[name].size > 1 else None,
        fmt='o',
        color='C0',
    )
    axes.annotate(
        picture_text.plain(name),
        (x[name].mean(), y[name].mean()),
        xytext=(4, 4),
        textcoords='offset points',
        fontsize=8,
    )
  axes.set_xlabel(labels[0])
  axes.set_ylabel(labels[1])
  axes.grid(alpha=0.3)
  save(drawn, path)


def plot_label_histogram(
    path: pathlib.Path,
    histograms: Mapping[str, np.ndarray],
    class_names: Sequence[str],
) -> None:
  """Draws label histograms side by side.

  Args:
    path: The PNG file to write.
    histograms: By name, the number of examples of each class, [N].
    class_names: The N names under the bars.
  """
  num_classes = len(class_names)
  names = _class_labels(class_names)
  # Side by side there is room for some 70 characters.
  longest = max(map(len, names))
  is_crowded = num_classes > 12 or longest * num_classes > 70
  drawn, axes = _new_axes(
      width=max(6.4, 0.25 * num_classes),
      height=4.0 + _CHARACTER * longest * is_crowded,
  )
  bar_width = 0.8 / len(histograms)
  for index, (name, counts) in enumerate(histograms.items()):
    offset = (index - (len(histograms) - 1) / 2) * bar_width
    axes.bar(np.arange(num_classes) + offset, counts, bar_width, label=name)
  axes.set_xticks(range(num_classes), names)
  axes.tick_params(axis='x', labelrotation=90 if is_crowded else 0)
  axes.set_xlabel('class')
  axes.set_ylabel('examples over all clients')
  drawn.legend(
      loc='outside upper center', ncols=len(histograms), frameon=False
  )
  save(drawn, path)


def _class_labels(class_names: Sequence[str]) -> list[str]:
  return [picture_text.plain(name, _LONGEST_CLASS_NAME) for name in class_names]


def plot_client_sizes(path: pathlib.Path, sizes: np.ndarray) -> None:
  """Draws how many clients have how many examples.

  Args:
    path: The PNG file to write.
    sizes: int64 [K]; the number of examples of each client.
  """
  drawn, axes = _new_axes()
  num_bins = min(30, int(np.ptp(sizes)) + 1)
  axes.hist(sizes, bins=num_bins, edgecolor='white', linewidth=0.5)
  axes.axvline(
      np.mean(sizes), color='C1', label=f'mean, {np.mean(sizes):,.1f}'
  )
  axes.set_xlabel('examples of a client')
  axes.set_ylabel('clients')
  axes.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  axes.grid(axis='y', alpha=0.3)
  axes.legend()
  save(drawn, path)


def plot_contact_sheet(
    path: pathlib.Path,
    picture: np.ndarray,
    class_names: Sequence[str],
    titles: tuple[str, str],
) -> None:
  """Draws rows of samples under two titles.

  Args:
    path: The PNG file to write.
    picture: uint8 [any, any, 3]; N rows of one height, the halves of which
      belong to the titles (`experiment.runs.contact_sheet.compose`).
    class_names: N names, one beside each row.
    titles: What stands on the left and on the right.
  """
  num_rows = len(class_names)
  height, width = picture.shape[:2]
  # Half an inch a row shows a pixel of a small image as several dots.
  scale = 0.5 * num_rows / height
  drawn, axes = _new_axes(
      width=width * scale + 1.5, height=height * scale + 0.5
  )
  axes.imshow(picture, interpolation='nearest')
  row_height = height / num_rows
  axes.set_yticks(
      (np.arange(num_rows) + 0.5) * row_height - 0.5,
      [*map(picture_text.plain, class_names)],
  )
  axes.set_xticks([0.25 * width, 0.75 * width], titles)
  axes.xaxis.tick_top()
  axes.tick_params(length=0)
  axes.spines[:].set_visible(False)
  save(drawn, path)


def plot_confusion_matrix(
    path: pathlib.Path,
    confusion: np.ndarray,
    class_names: Sequence[str],
) -> None:
  """Draws a confusion matrix, each row as shares of its class.

  Args:
    path: The PNG file to write.
    confusion: int64 [N, N]; examples by true class (rows) and predicted class.
    class_names: The N names.
  """
  num_classes = len(confusion)
  totals = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
  shares = confusion / totals
  names = _class_labels(class_names)
  size = max(5.0, 0.22 * num_classes) + _CHARACTER * max(map(len, names))
  drawn, axes = _new_axes(width=size + 1, height=size)
  image = axes.imshow(shares, vmin=0, vmax=1, cmap='Blues')
  drawn.colorbar(image, label='share of the true class')
  axes.set_xticks(range(num_classes), names, rotation=90)
  axes.set_yticks(range(num_classes), names)
  axes.set_xlabel('predicted')
  axes.set_ylabel('true')
  if num_classes <= 12:
    for row, column in np.ndindex(confusion.shape):
      axes.text(
          column,
          row,
          int(confusion[row, column]),
          ha='center',
          va='center',
          fontsize=7,
          color='white' if shares[row, column] > 0.5 else 'black',
      )
  save(drawn, path)
