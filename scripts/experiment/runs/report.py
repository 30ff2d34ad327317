"""The page of one run, or of several side by side: tables, pictures, flags."""

from collections.abc import Mapping, Sequence
import json
import pathlib
import re
from typing import Any, NamedTuple, Optional

import numpy as np

from experiment.runs import cost_plots
from experiment.runs import costs
from experiment.runs import folder as folder_lib
from experiment.runs import metrics_log
from experiment.runs import page
from experiment.runs import per_class
from experiment.runs import settings as settings_lib
from experiment.runs import tables

PAGE_FILE, PICTURE_FILE = 'report.html', 'accuracy.png'
_CLASSES_FILE = 'classes.png'
# train.py names a seed's folder in this way; a copy of it has another name.
_SEED_FOLDER = re.compile(r'seed_(0|[1-9][0-9]*)')
# The pictures that each seed of a run leaves, with their titles.
_PICTURES = {
    'accuracy.png': 'Top-1 accuracy by round',
    'kl_divergence.png': 'Divergence of clients and mediators',
    'label_histogram.png': 'Examples of each class',
    'confusion_matrix.png': 'Confusion matrix of the last round',
    'control.png': 'What was decided by round',
}
# The column of the last evaluated row, a factor, and the digits, by heading.
_OF_SEED: tables.Columns = {
    'round': ('round', 1, 0),
    'top_1': ('top-1 (%)', 100, 2),
    'macro_f1': ('macro F1', 1, 3),
    'worst_class_recall': ('worst recall of a class', 1, 3),
    'calibration_error': ('calibration error', 1, 3),
    'megabytes': ('MB', 1, 1),
    'local_steps': ('local steps', 1, 0),
    'simulated_seconds': ('simulated s', 1, 0),
    'seconds': ('training here (s)', 1, 1),
}
_ABOUT_COSTS = (
    'Lines are means over seeds, bands one standard deviation to either side.'
    ' Megabytes count every pass of the model, both ways. The simulated time is'
    ' that of a deployment in which every client is a device of its own: a'
    ' round lasts as long as its slowest client or mediator. The flags below'
    ' say how fast devices and links are, and where the mediators stand.'
)


class Run(NamedTuple):
  """A run of train.py on disk.

  Attributes:
    folder: Its folder.
    flags: What it was asked for.
    seeds: By seed, the rows of its metrics.csv.
  """

  folder: pathlib.Path
  flags: Mapping[str, Any]
  seeds: Mapping[int, Sequence[Mapping[str, Any]]]


def read_run(path: pathlib.Path) -> Run:
  """Reads a run.

  Raises:
    ValueError: If `path` holds no run, or one without an evaluated round.
  """
  flags = folder_lib.read_flags(path)
  if flags is None:
    raise ValueError(f'{path} is not the folder of a run of train.py.')
  seeds = {
      int(match[1]): metrics_log.read_rows(file)
      for file in path.glob(f'seed_*/{metrics_log.METRICS_FILE}')
      if (match := _SEED_FOLDER.fullmatch(file.parent.name))
  }
  if not seeds or not all(map(metrics_log.evaluated_rows, seeds.values())):
    raise ValueError(f'{path} holds no evaluated round yet; train it first.')
  return Run(path, flags, dict(sorted(seeds.items())))


def unfinished(runs: Mapping[str, Run]) -> Optional[str]:
  """Says which seeds have not come as far as they should; None if all have."""
  found = []
  for name, run in runs.items():
    last = {seed: 0 for seed in run.flags.get('seed', ())}
    last |= {seed: rows[-1]['round'] for seed, rows in run.seeds.items()}
    wanted = max(run.flags.get('rounds', 0), *last.values())
    found += [
        f'{name}, seed {seed} (round {done} of {wanted})'
        for seed, done in last.items()
        if done < wanted
    ]
  return f'Not finished: {"; ".join(found)}.' if found else None


class Budgets(NamedTuple):
  """Accuracies at equal costs.

  Attributes:
    heads: The heads of a table's columns; the runs, after the first.
    lines: Its cells; a line for each cost that two runs noted at least.
    best: Line and column of the best runs of each line.
  """

  heads: list[str]
  lines: list[list[str]]
  best: list[tuple[int, int]]


Curves = Mapping[str, Mapping[str, Optional[list[costs.Curve]]]]


def curves_of(runs: Mapping[str, Run]) -> Curves:
  """Returns, by run and cost, the curve of each seed."""
  return {
      name: {
          column: costs.curves_of_seeds([*run.seeds.values()], column)
          for column in costs.AXES
      }
      for name, run in runs.items()
  }


def compare_at_budgets(curves: Curves) -> Budgets:
  """Returns what each run reaches for as much as the shortest run spent."""
  lines, best = [], []
  for column, axis in costs.AXES.items():
    of_runs = {name: by_column[column] for name, by_column in curves.items()}
    if sum(found is not None for found in of_runs.values()) < 2:
      continue
    budget = costs.shared_budget(
        curve for found in of_runs.values() for curve in found or ()
    )
    reached = [
        np.array([costs.accuracy_at(c, budget) for c in found or ()])
        for found in of_runs.values()
    ]
    means = np.array([a.mean() if a.size else np.nan for a in reached])
    if not np.isnan(means).all():
      # Means that are written alike are equally good.
      written = np.round(100 * means, 2)
      best += [
          (len(lines), 1 + int(place))
          for place in np.flatnonzero(written == np.nanmax(written))
      ]
    lines.append(
        [f'{budget:{",.0f" if budget >= 10 else ".3g"}} {axis.unit}']
        + [
            tables.mean_and_spread(100 * a, 2) if a.size else ''
            for a in reached
        ]
    )
  return Budgets(['top-1 (%) at an equal', *curves], lines, best)


def write(
    output: pathlib.Path,
    runs: Mapping[str, Run],
    heads: Sequence[str],
    lines: Sequence[Sequence[str]],
    curves: Curves,
    budgets: Budgets,
) -> None:
  """Draws the pictures, and writes the page with them in it.

  Args:
    output: The folder.
    runs: By name, the runs.
    heads: The headings of the table of runs.
    lines: The lines of the table of runs.
    curves: See `curves_of`.
    budgets: See `compare_at_budgets`.
  """
  cost_plots.plot_costs(output / PICTURE_FILE, curves)
  title = next(iter(runs)) if len(runs) == 1 else f'{len(runs)} runs compared'
  parts = [
      page.picture(output / PICTURE_FILE, 'Top-1 accuracy against its costs'),
      page.paragraph(_ABOUT_COSTS),
      page.heading('Results'),
      page.table(heads, lines),
  ]
  if note := unfinished(runs):
    parts.append(page.paragraph(note))
  if budgets.lines:
    parts.append(page.paragraph(
        'At equal costs: what each run reaches for as much as the run that'
        ' spent least, its best in bold.'
    ))
    parts.append(page.table(*budgets))
  parts += _classes(output, runs)
  flags = [page.heading('Flags'), *_flags(runs)]
  details = [
      part
      for name, run in runs.items()
      for part in _details(name, run, only_first=len(runs) > 1)
  ]
  # A reader first asks which flags the runs differ in.
  parts += flags + details if len(runs) > 1 else details + flags
  folder_lib.write_atomically(output / PAGE_FILE, page.whole(title, parts))


def _classes(
    output: pathlib.Path, runs: Mapping[str, Run]
) -> list[str]:
  """Draws the classes' recalls; runs on other classes have another picture."""
  by_classes: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
  for name, run in runs.items():
    found = [
        per_class.read_last(
            run.folder / f'seed_{seed}' / per_class.PER_CLASS_FILE
        )
        for seed in run.seeds
    ]
    if None not in found and len({names for names, _ in found}) == 1:
      recalls = np.stack([recall for _, recall in found])
      by_classes.setdefault(found[0][0], {})[name] = recalls
  parts = [page.heading('Classes')] if by_classes else []
  for number, (names, recalls) in enumerate(by_classes.items()):
    path = output / (f'{number}_{_CLASSES_FILE}' if number else _CLASSES_FILE)
    cost_plots.plot_classes(path, recalls, names)
    parts.append(page.picture(path, 'Recall of each class'))
    parts.append(page.folded(
        'Recall of each class (%), as a table',
        page.table(
            ['class', *recalls],
            [
                [label]
                + [
                    tables.mean_and_spread(100 * of_seeds[:, place], 1)
                    for of_seeds in recalls.values()
                ]
                for place, label in enumerate(names)
            ],
        ),
    ))
  return parts


def _flags(runs: Mapping[str, Run]) -> list[str]:
  names = sorted(
      {name for run in runs.values() for name in run.flags}
      | settings_lib.DEPLOYMENT
  )
  lines = {
      name: [_flag(run.flags, name) for run in runs.values()] for name in names
  }
  heads = ['flag', *runs]
  differ = [[n, *cells] for n, cells in lines.items() if len({*cells}) > 1]
  shared = [[n, cells[0]] for n, cells in lines.items() if len({*cells}) == 1]
  if len(runs) == 1:
    return [page.table(heads, shared)]
  return [
      page.table(heads, differ),
      page.folded(
          'Flags that all runs share', page.table(['flag', 'value'], shared)
      ),
  ]


def _flag(flags: Mapping[str, Any], name: str) -> str:
  # Some are recorded only if they are not what they are by default.
  value = flags.get(name, getattr(settings_lib.Settings, name, ''))
  return value if isinstance(value, str) else json.dumps(value)


def _details(name: str, run: Run, only_first: bool) -> list[str]:
  """Returns a run's section: a line for each seed, and its pictures."""
  lines = []
  for seed, rows in run.seeds.items():
    last = metrics_log.evaluated_rows(rows)[-1]
    lines.append([f'seed {seed}'] + [
        f'{factor * last[column]:,.{digits}f}'
        if last.get(column) is not None else ''
        for column, (_, factor, digits) in _OF_SEED.items()
    ])
  parts = [
      page.heading(name),
      page.table(['', *(text for text, _, _ in _OF_SEED.values())], lines),
  ]
  seeds = list(run.seeds)[:1] if only_first else list(run.seeds)
  for seed in seeds:
    folder = run.folder / f'seed_{seed}'
    shown = [
        page.picture(folder / file, f'{about}, {name}, seed {seed}')
        for file, about in _PICTURES.items()
        if (folder / file).exists()
    ]
    if shown:
      parts.append(page.folded(
          f'Pictures of seed {seed}',
          page.pictures(shown),
          is_open=not only_first and seed == seeds[0],
      ))
  return parts
