"""Compares finished runs of train.py: prints tables and draws the curves.

  python scripts/compare.py --output_dir=runs runs/fedavg runs/astraea

Writes to --output_dir:
  comparison.md  the tables that it prints
  accuracy.png   accuracy against rounds, megabytes, local steps, simulated time
  classes.png    the recall of each class
  report.html    a page that needs nothing but itself: these, the flags, and
                 each run's own pictures. Of one run alone it makes one too.
"""

from collections.abc import Sequence
import os
import pathlib

from absl import app
from absl import flags
import numpy as np

from experiment.paper import experiment_page
from experiment.paper import measures
from experiment.runs import command
from experiment.runs import costs
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import names as names_lib
from experiment.runs import report
from experiment.runs import tables

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir', None, 'Where the table and the picture go.', required=True
)
_TARGET_ACCURACY = flags.DEFINE_float(
    'target_accuracy',
    0.8,
    'The top-1 accuracy whose rounds and megabytes are compared, in (0, 1].',
)
flags.register_validator(
    _TARGET_ACCURACY,
    lambda target: 0 < target <= 1,
    'An accuracy must be in (0, 1].',
)

_HEADER = (
    'run',
    'seeds',
    'last top-1 (%)',
    'best top-1 (%)',
    'rounds to {target}',
    'MB to {target}',
    'MB a round',
    'mean KL',
    'training (s)',
    'local steps to {target}',
    'simulated s to {target}',
)


def table_row(name: str, run: report.Run, target: float) -> list[str]:
  """Returns the table's row of one run."""
  seeds = list(run.seeds.values())
  measured = [measures.measure_run(rows, target) for rows in seeds]

  def of_seeds(measure):
    return np.array([values[measure] for values in measured])

  def cost_to_target(measure):
    return experiment_page.format_cell(of_seeds(measure), 1) or 'not reached'

  def noted_cost_to_target(column):
    curves = costs.curves_of_seeds(seeds, column)
    if curves is None:
      return 'not noted'
    reached = [costs.cost_to_accuracy(curve, target) for curve in curves]
    return experiment_page.format_cell(np.array(reached), 0) or 'not reached'

  rounds = [max(rows[-1]['round'], 1) for rows in seeds]
  divergences = [
      row['mean_kl_divergence']
      for rows in seeds
      for row in rows
      if row['mean_kl_divergence'] is not None
  ]
  return [
      name,
      str(len(seeds)),
      tables.mean_and_spread(of_seeds('last_top_1'), 2),
      tables.mean_and_spread(of_seeds('best_top_1'), 2),
      cost_to_target('rounds_to_target'),
      cost_to_target('megabytes_to_target'),
      f'{np.mean(of_seeds("megabytes") / rounds):.2f}',
      f'{np.mean(divergences):.3f}' if divergences else '',
      tables.mean_and_spread(of_seeds('seconds'), 1),
      noted_cost_to_target('local_steps'),
      noted_cost_to_target('simulated_seconds'),
  ]


def _compare(paths: Sequence[pathlib.Path]) -> None:
  output = folder_lib.take_output_folder(_OUTPUT_DIR.value)
  target = _TARGET_ACCURACY.value
  places = [path.resolve() for path in paths]
  for place, path in zip(places, paths):
    if places.count(place) > 1:
      raise ValueError(f'{path} must be given once, got it several times.')
  names = [path.resolve().name for path in paths]
  if len(set(names)) < len(names):
    names = [str(path) for path in paths]
  runs = {name: report.read_run(path) for name, path in zip(names, paths)}
  header = [cell.format(target=f'{100 * target:g} %') for cell in _HEADER]
  rows = [table_row(name, run, target) for name, run in runs.items()]
  curves = report.curves_of(runs)
  budgets = report.compare_at_budgets(curves)
  text = tables.markdown(
      header,
      [[names_lib.in_markdown(name), *cells] for name, *cells in rows],
      align=True,
  )
  if note := report.unfinished(runs):
    text += f'\n\n{names_lib.in_markdown(note)}'
  if budgets.lines:
    first, *called = budgets.heads
    heads = [first, *map(names_lib.in_markdown, called)]
    text += '\n\n' + tables.markdown(heads, budgets.lines, align=True)
  folder_lib.write_atomically(output / 'comparison.md', text + '\n')
  report.write(output, runs, header, rows, curves, budgets)
  # Printed last, as the reader of the output may have gone (`| head`).
  print(text)


def main(argv: Sequence[str]) -> None:
  script, *paths = argv
  if not paths:
    raise app.UsageError('Name the folders of the runs to compare.')
  if '' in paths:
    # A shell's variable without a value gives an empty path, for example.
    raise app.UsageError('A path is empty; give . for the folder at hand.')
  folders = [pathlib.Path(os.path.expanduser(path)) for path in paths]
  command.run(lambda: _compare(folders), [script])


if __name__ == '__main__':
  command.start(main)
