"""Compares finished runs of train.py: prints a table and draws the curves.

  python scripts/compare.py --output_dir=runs runs/fedavg runs/astraea

Writes comparison.md and accuracy.png to --output_dir.
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
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import metrics_log
from experiment.runs import plots
from experiment.runs import tables

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir', None, 'Where the table and the picture go.', required=True
)
_TARGET_ACCURACY = flags.DEFINE_float(
    'target_accuracy',
    0.8,
    'The top-1 accuracy whose rounds and megabytes are compared, in (0, 1].',
    lower_bound=0.0,
    upper_bound=1.0,
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
)


def read_run(path: pathlib.Path) -> list[list[dict[str, float]]]:
  """Returns the rows of each seed of the run in `path`.

  Raises:
    ValueError: If `path` holds no run, or one without an evaluated round.
  """
  if folder_lib.read_flags(path) is None:
    raise ValueError(f'{path} is not the folder of a run of train.py.')
  runs = [
      metrics_log.read_rows(file)
      for file in sorted(path.glob(f'seed_*/{metrics_log.METRICS_FILE}'))
  ]
  if not runs or not all(metrics_log.evaluated_rows(rows) for rows in runs):
    raise ValueError(f'{path} holds no evaluated round yet; train it first.')
  return runs


def table_row(name: str, runs, target: float) -> list[str]:
  """Returns the table's row of one run."""
  measured = [measures.measure_run(rows, target) for rows in runs]

  def of_seeds(measure):
    return np.array([values[measure] for values in measured])

  def cost_to_target(measure):
    return experiment_page.format_cell(of_seeds(measure), 1) or 'not reached'

  rounds = [max(rows[-1]['round'], 1) for rows in runs]
  divergences = [
      row['mean_kl_divergence']
      for rows in runs
      for row in rows
      if row['mean_kl_divergence'] is not None
  ]
  return [
      name,
      str(len(runs)),
      tables.mean_and_spread(of_seeds('last_top_1'), 2),
      tables.mean_and_spread(of_seeds('best_top_1'), 2),
      cost_to_target('rounds_to_target'),
      cost_to_target('megabytes_to_target'),
      f'{np.mean(of_seeds("megabytes") / rounds):.2f}',
      f'{np.mean(divergences):.3f}' if divergences else '',
      tables.mean_and_spread(of_seeds('seconds'), 1),
  ]


def _compare(paths: Sequence[pathlib.Path]) -> None:
  target = _TARGET_ACCURACY.value
  names = [path.resolve().name for path in paths]
  if len(set(names)) < len(names):
    names = [str(path) for path in paths]
  runs = {name: read_run(path) for name, path in zip(names, paths)}
  header = [cell.format(target=f'{100 * target:g} %') for cell in _HEADER]
  rows = [table_row(name, run, target) for name, run in runs.items()]
  table = tables.markdown(header, rows, align=True)
  print(table)
  output = pathlib.Path(_OUTPUT_DIR.value)
  output.mkdir(parents=True, exist_ok=True)
  folder_lib.write_atomically(output / 'comparison.md', table + '\n')
  curves = {
      name: [metrics_log.accuracy_curve(rows) for rows in run]
      for name, run in runs.items()
  }
  plots.plot_accuracy(output / 'accuracy.png', curves)


def main(argv: Sequence[str]) -> None:
  script, *paths = argv
  if not paths:
    raise app.UsageError('Name the folders of the runs to compare.')
  folders = [pathlib.Path(os.path.expanduser(path)) for path in paths]
  command.run(lambda: _compare(folders), [script])


if __name__ == '__main__':
  app.run(main)
