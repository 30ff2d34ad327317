"""Runs an experiment of the paper, or one of ours, and writes its page.

  python scripts/reproduce.py --experiment=table3 --scale=small \
      --output_dir=runs/reproduce

Every row is trained with the experiment's seeds, of several learning rates the
one that is best on validation examples with a seed that is not reported (a few,
at the small scale, with one seed). What is there already is not trained again,
and the same command goes on with a run that was interrupted. The page is in
<output_dir>/<experiment>_<scale>: results.csv, results.png, and results.md with
the paper's numbers beside ours.

'small' has data and rounds that two cores manage, 'emnist' the paper's EMNIST
sets at a fraction, 'paper' its data and settings. scripts/results.py makes one
page of all.
"""

import dataclasses
import functools
import pathlib
import shlex
from typing import Optional

from absl import flags
import numpy as np
import pandas as pd

# Imported before TensorFlow, which it keeps from filling the terminal.
from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import frontier
from experiment.paper import frontier_costs
from experiment.paper import kept_results
from experiment.paper import paper_experiments
from experiment.paper import runner as reproduction_lib
from experiment.runs import command
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import unused_folders
from astraea_tff import runtime
from astraea_tff.datasets.storage import atomic_file

_EXPERIMENT = flags.DEFINE_enum(
    'experiment',
    None,
    list(paper_experiments.EXPERIMENTS),
    'What to run.',
    required=True,
)
_ROW = flags.DEFINE_multi_string(
    'row',
    [],
    'A row to run alone, or a method with all its learning rates; repeatable.'
    ' The page says which rows were left out. Where it has no learning curves,'
    ' it keeps the rows that earlier commands ran with the settings of today,'
    ' and a line says which it loses.',
)
_SCALE = flags.DEFINE_enum(
    'scale', 'small', experiments.SCALES, 'The size of data and rounds.'
)
_OUTPUT_DIR = flags_lib.define_path(
    'output_dir', 'runs/reproduce', 'Where the pages go.'
)
_RUNS_DIR = flags_lib.define_path(
    'runs_dir', None, 'Where the runs go; <output_dir>/runs by default.'
)
_DATA_DIR, _CACHE_DIR = flags_lib.define_folder_flags()
_NUM_THREADS = flags.DEFINE_integer(
    'num_threads',
    None,
    "Threads of TFF's worker; the number of cores by default.",
    lower_bound=1,
)


def _of_rows(
    whole: reproduction_lib.Reproduction, names: list[str]
) -> reproduction_lib.Reproduction:
  """Returns an experiment with the rows of some names; none for all."""
  if not names:
    return whole
  return dataclasses.replace(whole, experiment=whole.experiment.only(names))


def _reproduce() -> None:
  name, scale = _EXPERIMENT.value, _SCALE.value
  output = pathlib.Path(_OUTPUT_DIR.value)
  folder = output / f'{name}_{scale}'
  runs = pathlib.Path(_RUNS_DIR.value or output / 'runs')
  whole = reproduction_lib.Reproduction(
      name,
      paper_experiments.EXPERIMENTS[name](scale),
      runs,
      _DATA_DIR.value,
      _CACHE_DIR.value,
  )
  with (
      unused_folders.removed_if_unused(runs),
      unused_folders.removed_if_unused(folder),
  ):
    if _RUNS_DIR.value is not None:
      folder_lib.make_output_folder(_RUNS_DIR.value, 'runs_dir')
    _run_and_write_page(whole, folder)


def _run_and_write_page(
    whole: reproduction_lib.Reproduction, folder: pathlib.Path
) -> None:
  """Runs the rows that the user gave, and writes the page to a folder."""
  reproduction = _of_rows(whole, _ROW.value)
  folder_lib.make_output_folder(str(folder))
  # Rather refused now than after the training.
  kept_results.check(folder, whole.experiment, _ROW.value)
  divergences = None
  if whole.experiment.trains:
    runtime.set_local_execution_context(num_threads=_NUM_THREADS.value)
    reproduction.train()
    results = reproduction.measure()
  else:
    results, divergences = reproduction.measure_divergences()
  # Another program that was refused may have taken it for its own.
  folder_lib.make_output_folder(str(folder))
  # Other rows may end at the same time, and add theirs to the same files.
  with atomic_file.locked_folder(folder):
    results = _write_page(folder, whole, reproduction, results, divergences)
  print(experiment_page.format_table(whole.experiment, results))
  print(folder / experiment_page.PAGE_FILE)


def _write_page(
    folder: pathlib.Path,
    whole: reproduction_lib.Reproduction,
    reproduction: reproduction_lib.Reproduction,
    results: pd.DataFrame,
    divergences: Optional[dict[str, np.ndarray]],
) -> pd.DataFrame:
  """Writes the files of a page; returns results with those that were kept."""
  experiment, curves, extra = whole.experiment, None, ''
  csv_file = folder / experiment_page.CSV_FILE
  results = kept_results.add(csv_file, whole, results)
  if experiment.picture == 'frontier':
    curves_file = folder / frontier.CURVES_FILE
    curves = kept_results.add_curves(
        curves_file,
        experiment,
        results,
        frontier_costs.measure(reproduction, whole),
    )
    frontier.write_curves(curves_file, curves)
    extra = frontier.format_page_part(curves)
  names = kept_results.names_of_rows(experiment, results, _ROW.value)
  lost = kept_results.describe_lost(csv_file, results)
  if lost:
    print(lost)
  experiment_page.write_csv(csv_file, results)
  experiment_page.draw(
      folder, _of_rows(whole, names), results, divergences, curves
  )
  typed = (
      f'python scripts/reproduce.py --experiment={whole.name}'
      f' --scale={_SCALE.value}'
  )
  rows = ''.join(f' --row={shlex.quote(row)}' for row in names)
  page = experiment_page.format_page(
      experiment,
      results,
      typed + rows,
      extra,
  )
  folder_lib.write_atomically(folder / experiment_page.PAGE_FILE, page)
  return results


main = functools.partial(command.run, _reproduce)

if __name__ == '__main__':
  command.start(main)
