"""Writes docs/results.md from the tables that scripts/reproduce.py wrote.

  python scripts/reproduce.py --experiment=table3 --output_dir=docs/results \
      --runs_dir=runs/reproduce
  python scripts/results.py

The page begins with findings, which are computed. Every claim of the paper gets
an answer from the CSV files in --results_dir, of every scale; what has none
there is said not to have been run. Nothing is trained.
"""

import functools
import os
import pathlib

from absl import flags

from experiment.paper import measured
from experiment.paper import results_page
from experiment.runs import command
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import machine

_RESULTS_DIR = flags_lib.define_path(
    'results_dir',
    'docs/results',
    'Where the tables are: the --output_dir of scripts/reproduce.py. The page'
    ' goes beside it, with the same name and .md.',
)
_MACHINE = flags.DEFINE_string(
    'machine', None, 'What the runs ran on; this machine by default.'
)


def _report() -> None:
  # The absolute path has the folder's name, where it is given as . or ..
  folder = pathlib.Path(os.path.abspath(_RESULTS_DIR.value))
  all_results = measured.read_all(folder)
  if not all_results:
    raise ValueError(
        f'results_dir={folder} has no results.csv of any experiment; run'
        f' scripts/reproduce.py --output_dir={folder} first.'
    )
  # with_suffix would take results.old for results.
  page = folder.with_name(f'{folder.name}.md')
  folder_lib.write_atomically(
      page,
      results_page.format_results(
          all_results,
          folder=folder,
          machine=_MACHINE.value or machine.describe(),
          command='python scripts/results.py',
      ),
  )
  print(f'{len(all_results)} experiments: {os.path.relpath(page)}')


main = functools.partial(command.run, _report)

if __name__ == '__main__':
  command.start(main)
