"""Measures how well, and how fast, clients are grouped into mediators.

  python scripts/study_scheduling.py --output_dir=docs
  python scripts/study_scheduling.py --output_dir=docs \
      --large=1000000 --num_classes=47 --beta=0.3
  python scripts/study_scheduling.py --output_dir=docs --uneven=500 --beta=0.3

Draws label counts of populations and groups them in every way the library has,
and two baselines. The first form writes scheduling.csv, scheduling_table.md,
scheduling_kl_<N>.png for each number of classes N, and scheduling_seconds.png.
The second schedules one large population approximately, in a process of its
own whose peak memory it measures, and writes scheduling_large.csv instead. The
third refines a population of clients of very uneven sizes with several
`size_weight`s, and writes scheduling_size_weight.csv and .md instead.

The seconds are those of the processor with one thread, which other work on the
machine changes little; on an idle machine the clock shows the same. No image is
read and nothing is trained.
"""

import contextlib
import functools
import itertools
import os
import pathlib
from typing import Any

# Read when NumPy and scikit-learn are imported.
for _library in ('OPENBLAS', 'OMP'):
  os.environ.setdefault(f'{_library}_NUM_THREADS', '1')

from absl import flags
import pandas as pd
import tqdm

from experiment.runs import calling_process
from experiment.runs import command
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import tables
from experiment.studies import scheduling_measures
from experiment.studies import scheduling_report

_METHODS = scheduling_measures.METHODS

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir', None, 'Where tables and pictures go.', required=True
)
_NUM_CLASSES = flags.DEFINE_multi_integer(
    'num_classes', [10, 47], 'N; repeatable.', lower_bound=2
)
_CLASSES = flags.DEFINE_multi_enum(
    'classes',
    ['balanced', 'long_tail'],
    ['balanced', 'long_tail'],
    'Sizes of classes over all clients; in long_tail the largest is 10 times '
    'the smallest. Repeatable.',
)
_BETA = flags.DEFINE_multi_float(
    'beta',
    [0.1, 1.0, float('inf')],
    "Each client's mix of classes is Dirichlet(beta N shares); inf makes them "
    'IID. Repeatable.',
)
_NUM_CLIENTS = flags.DEFINE_multi_integer(
    'num_clients', [50, 500, 1000, 10_000], 'c; repeatable.', lower_bound=1
)
_METHOD = flags.DEFINE_multi_enum(
    'method', list(_METHODS), list(_METHODS), 'What to measure; repeatable.'
)
_SEED = flags_lib.define_seeds(
    [0], 'Seed of population and grouping; repeatable.'
)
_MAX_CLIENTS = flags.DEFINE_integer(
    'max_clients', 10, 'Gamma.', lower_bound=1
)
_LARGE = flags.DEFINE_integer(
    'large',
    None,
    'Schedules one population of so many clients instead, with the first '
    '--num_classes, --classes, --beta and --seed.',
    lower_bound=1,
)
_UNEVEN = flags.DEFINE_integer(
    'uneven',
    None,
    'Refines one population of so many clients of log-normal sizes (sigma 1) '
    'with every --size_weight instead, with the first --num_classes, --classes '
    'and --beta, for every --seed.',
    lower_bound=1,
)
_SIZE_WEIGHT = flags.DEFINE_multi_float(
    'size_weight',
    [0.0, 0.01, 0.1, 1.0],
    'What uneven numbers of examples cost, for --uneven; repeatable.',
    lower_bound=0.0,
)

_SIZE_SIGMA = 1.0
_SIZE_COLUMNS = {
    'mean_kl': ('mean KL (nats)', 1, 4),
    'worst_kl': ('worst KL (nats)', 1, 3),
    'largest_over_mean': ('largest mediator / mean', 1, 2),
}


def _write_csv(path: pathlib.Path, rows: list[dict[str, Any]]) -> pd.DataFrame:
  """Writes rows, floats with six digits, and returns them as a table."""
  table = pd.DataFrame(rows)
  tables.write_csv(path, table, float_format='%.6g')
  return table


def _measure_all() -> list[dict[str, Any]]:
  """Returns the rows of the table."""
  settings = list(itertools.product(
      _NUM_CLASSES.value, _CLASSES.value, _BETA.value, _NUM_CLIENTS.value,
      _SEED.value,
  ))
  rows = []
  for setting in tqdm.tqdm(settings, desc='settings', unit='population'):
    counts = scheduling_measures.draw_counts(*setting)
    for method in _METHOD.value:
      if len(counts) <= _METHODS[method][1]:
        rows.append({
            **dict(zip(scheduling_measures.SETTING, setting)),
            'method': method,
            **scheduling_measures.measure(
                method, counts, _MAX_CLIENTS.value, setting[-1]
            ),
        })
  return rows


def _first_population(num_clients: int, seed: int) -> tuple[Any, ...]:
  """Returns arguments of `draw_counts`, the first of those that repeat."""
  first = (flag.value[0] for flag in (_NUM_CLASSES, _CLASSES, _BETA))
  return *first, num_clients, seed


def _study_large(folder: pathlib.Path) -> None:
  """Measures the large population in a process of its own."""
  # The memory of this process would otherwise count as the schedule's.
  with contextlib.closing(calling_process.CallingProcess()) as process:
    row = process.submit(
        scheduling_measures.measure_large,
        _first_population(_LARGE.value, _SEED.value[0]),
        _MAX_CLIENTS.value,
    ).result()
  _write_csv(folder / 'scheduling_large.csv', [row])
  for name, value in row.items():
    print(f'{name}: {value:.6g}' if isinstance(value, float)
          else f'{name}: {value}')


def _study_uneven(folder: pathlib.Path) -> None:
  """Measures what size weights do to clients of uneven sizes."""
  rows, settings = [], []
  for seed in _SEED.value:
    counts = scheduling_measures.draw_counts(
        *_first_population(_UNEVEN.value, seed), size_sigma=_SIZE_SIGMA
    )
    measured = scheduling_measures.measure_size_weights(
        counts, _MAX_CLIENTS.value, _SIZE_WEIGHT.value
    )
    settings = list(measured)
    rows += [
        {'setting': setting, 'seed': seed, **columns}
        for setting, columns in measured.items()
    ]
  table = tables.markdown_of_seeds(
      _write_csv(folder / 'scheduling_size_weight.csv', rows),
      settings,
      _SIZE_COLUMNS,
  )
  folder_lib.write_atomically(
      folder / 'scheduling_size_weight.md', table + '\n'
  )
  print(table)


def _study_all(folder: pathlib.Path) -> None:
  """Measures every method on every population."""
  rows = _measure_all()
  if not rows:
    raise ValueError(
        'No --method is tried on as many clients as --num_clients has; the '
        'limits are '
        + ', '.join(f'{name}: {most}' for name, (_, most) in _METHODS.items())
    )
  table = _write_csv(folder / 'scheduling.csv', rows)
  text = scheduling_report.format_table(table, _MAX_CLIENTS.value)
  folder_lib.write_atomically(folder / 'scheduling_table.md', text)
  for num_classes in _NUM_CLASSES.value:
    scheduling_report.plot_divergences(
        folder / f'scheduling_kl_{num_classes}.png', table, num_classes
    )
  scheduling_report.plot_seconds(folder / 'scheduling_seconds.png', table)
  print(text)


def _study() -> None:
  for flag in (
      _SEED, _NUM_CLASSES, _CLASSES, _BETA, _NUM_CLIENTS, _METHOD, _SIZE_WEIGHT
  ):
    flags_lib.check_different(flag)
  if _LARGE.value is not None and _UNEVEN.value is not None:
    raise ValueError('--large and --uneven are two studies; give one of them.')
  folder = folder_lib.take_output_folder(_OUTPUT_DIR.value)
  if _LARGE.value is not None:
    _study_large(folder)
  elif _UNEVEN.value is not None:
    _study_uneven(folder)
  else:
    _study_all(folder)


main = functools.partial(command.run, _study)

if __name__ == '__main__':
  command.start(main)
