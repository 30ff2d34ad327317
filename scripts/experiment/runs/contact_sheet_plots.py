"""Contact sheets of every kind of data, as PNG files.

Images stand beside their copies; rows of a table are strips of color, one cell
a column; of texts the words that augmentation changed are colored.
"""

from collections.abc import Sequence
import difflib
import pathlib
from typing import Any

from matplotlib import figure
import numpy as np

from astraea_tff.augmentation import plan as plan_lib
from astraea_tff import datasets
from astraea_tff.datasets import kinds
from experiment.runs import contact_sheet
from experiment.runs import picture_text
from experiment.runs import plots

_SAMPLES_PER_CLASS = 8
_TITLES = ('samples', 'an augmented copy of each that has one')
# A text takes two lines.
_TEXTS_PER_CLASS = 4
# Values beyond this quantile have the last color.
_COLOR_QUANTILE = 0.98
_MOST_NAMED_COLUMNS = 60
_LONGEST_COLUMN_NAME = 24
_FONT_SIZE = 7
# A character of DejaVu Sans Mono at this size, in inches.
_CHARACTER_WIDTH = 0.6021 * _FONT_SIZE / 72
_LINE_HEIGHT = 1.5 * _FONT_SIZE / 72
_LONGEST_LINE = 180
_BEFORE, _AFTER = 'C3', 'C0'


def plot_contact_sheet(
    path: pathlib.Path,
    data: datasets.PreparedDataset,
    plan: plan_lib.AugmentationPlan,
    *,
    seed: int,
) -> None:
  """Draws samples of every class, and what augmentation makes of them.

  Args:
    path: The PNG file to write.
    data: The clients' examples.
    plan: The server's plan.
    seed: The seed of the draw and of the augmentation, at least 0.
  """
  is_text = data.kind == kinds.TEXT
  per_class = _TEXTS_PER_CLASS if is_text else _SAMPLES_PER_CLASS
  samples = contact_sheet.draw_samples(data, plan, per_class, seed=seed)
  names = [
      f'{name}  x{copies:.2f}'
      for name, copies in zip(data.class_names, plan.copies)
  ]
  if data.kind == kinds.TABLE:
    plot_rows(path, samples, names, data.feature_names)
  elif data.kind == kinds.TEXT:
    plot_texts(path, samples, names, data.feature_names)
  else:
    plots.plot_contact_sheet(
        path, contact_sheet.compose(samples, per_class), names, _TITLES
    )


def plot_rows(
    path: pathlib.Path,
    samples: Sequence[Sequence[contact_sheet.SampleAndCopy]],
    class_names: Sequence[str],
    columns: Any,
) -> None:
  """Draws rows of a table as strips of color, their copies beside them.

  Args:
    path: The PNG file to write.
    samples: By class, pairs of float [D], the copy None where there is none;
      at least one in all.
    class_names: N names, one beside the rows of each class.
    columns: D names, or None; many columns are not named.
  """
  pairs = [pair for of_class in samples for pair in of_class]
  rows = np.array([sample for sample, _ in pairs])
  copies = np.array([
      np.full_like(sample, np.nan) if copy is None else copy
      for sample, copy in pairs
  ])
  num_rows, num_columns = rows.shape
  both = np.concatenate([rows, copies])
  largest = np.quantile(np.abs(both[np.isfinite(both)]), _COLOR_QUANTILE)
  names = []
  if columns is not None and num_columns <= _MOST_NAMED_COLUMNS:
    names = [
        picture_text.shorten(name, _LONGEST_COLUMN_NAME) for name in columns
    ]
  below = _CHARACTER_WIDTH * max(map(len, names), default=0)
  drawn = figure.Figure(
      figsize=(
          3.5 + 2 * max(2.0, 0.14 * num_columns), 2 + below + 0.14 * num_rows
      ),
      layout='constrained',
  )
  all_axes = drawn.subplots(1, 2, sharey=True)
  for axes, values, title in zip(all_axes, (rows, copies), _TITLES):
    axes.set_facecolor('0.88')
    picture = axes.imshow(
        values, aspect='auto', cmap='RdBu', vmin=-largest, vmax=largest,
        interpolation='nearest',
    )
    axes.set_title(title, fontsize='medium')
    if names:
      axes.set_xticks(
          range(num_columns), names, rotation=90, fontsize=_FONT_SIZE,
          parse_math=False,
      )
    axes.tick_params(length=0)
  ends = np.cumsum([len(of_class) for of_class in samples])
  for axes in all_axes:
    for end in ends[:-1]:
      axes.axhline(end - 0.5, color='black', linewidth=0.8)
  all_axes[0].set_yticks(
      [(start + end - 1) / 2 for start, end in zip([0, *ends], ends)],
      [*map(picture_text.shorten, class_names)], parse_math=False,
  )
  drawn.colorbar(picture, ax=list(all_axes), label='value', extend='both')
  plots.save(drawn, path)


def plot_texts(
    path: pathlib.Path,
    samples: Sequence[Sequence[contact_sheet.SampleAndCopy]],
    class_names: Sequence[str],
    vocabulary: Sequence[str],
) -> None:
  """Writes texts, each above its copy if it has one.

  Words of a text that are not in its copy are of one color, and those of the
  copy that were not in the text of another.

  Args:
    path: The PNG file to write.
    samples: By class, pairs of token ids int [L], the copy None where there is
      none.
    class_names: N names, one above the texts of each class.
    vocabulary: The word of each token id; the first is padding.
  """
  lines = []
  for name, pairs in zip(class_names, samples):
    lines.append([(picture_text.shorten(name, _LONGEST_LINE), None)])
    for sample, copy in pairs:
      lines += [
          [('    ' if place == 0 else '      > ', None), *words]
          for place, words in enumerate(_marked_words(sample, copy, vocabulary))
      ]
  width = max(sum(len(text) + 1 for text, _ in line) for line in lines)
  width = min(width, _LONGEST_LINE)
  drawn = figure.Figure(
      figsize=((width + 2) * _CHARACTER_WIDTH, (len(lines) + 1) * _LINE_HEIGHT)
  )
  # A unit is a character across and a line down.
  axes = drawn.add_axes([0, 0, 1, 1])
  axes.set(xlim=(-1, width + 1), ylim=(len(lines), -1))
  axes.set_axis_off()
  for row, line in enumerate(lines):
    column = 0
    for text, color in line:
      if column + len(text) > width:
        text = '...'
      axes.text(
          column, row, picture_text.as_drawn(text),
          color=color or 'black', va='center',
          fontfamily='DejaVu Sans Mono', fontsize=_FONT_SIZE,
          fontweight='bold' if len(line) == 1 else 'normal',
          parse_math=False,
      )
      if text == '...':
        break
      column += len(text) + 1
  plots.save(drawn, path)


def _marked_words(
    sample: np.ndarray, copy: Any, vocabulary: Sequence[str]
) -> list[list[tuple[str, Any]]]:
  """Returns a text and its copy, if there is one, as words with colors."""
  texts = [
      [
          picture_text.shorten(vocabulary[token])
          for token in tokens if token != kinds.PAD_TOKEN
      ]
      for tokens in (sample, copy) if tokens is not None
  ]
  if copy is None:
    return [[(word, None) for word in texts[0]]]
  kept = [set(), set()]
  matcher = difflib.SequenceMatcher(None, *texts, autojunk=False)
  for block in matcher.get_matching_blocks():
    kept[0].update(range(block.a, block.a + block.size))
    kept[1].update(range(block.b, block.b + block.size))
  return [
      [(word, None if place in of_text else color)
       for place, word in enumerate(words)]
      for words, of_text, color in zip(texts, kept, (_BEFORE, _AFTER))
  ]
