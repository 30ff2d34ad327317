"""Measures what hiding label counts costs in divergence and accuracy.

  python scripts/study_privacy.py --output_dir=runs/study_privacy

Groups the clients of the demo's task (digits) by counts that the server got
plain, coarse, or with local differential privacy at several epsilons, and at
random. For each it measures, as a mean over many draws of the noise, the KL
divergence of the mediators' TRUE pooled counts from the target of the grouping:
the uniform distribution, and that of all clients together. And it measures the
accuracy that Astraea reaches with the groups (towards uniform) of the first
draw. The augmentation plan, and from it the second target, come from exact
totals over all clients, as a secure sum gives them.

Writes privacy.csv, privacy.md and privacy.png to --output_dir. The same command
goes on where an earlier one stopped.
"""

from collections.abc import Callable, Sequence
import functools
import pathlib
from typing import Optional

from absl import flags
from matplotlib import figure
import numpy as np

# Imported before TensorFlow, which it keeps from filling the terminal.
from experiment.runs import command
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import plots
from experiment.runs import tables
from experiment.studies import table as study_table
from experiment.studies import task as study_task
import astraea_tff
from astraea_tff import arguments
from astraea_tff.labels import privacy

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir', None, 'Where table and picture go.', required=True
)
_SEED = flags_lib.define_seeds(
    [0, 1, 2], 'Seed of partition, noise and training; repeatable.'
)
_EPSILON = flags.DEFINE_multi_float(
    'epsilon',
    [0.1, 0.3, 1.0, 3.0, 10.0],
    'Epsilon of local differential privacy, one example of a client added or '
    'removed; repeatable.',
)
_GRANULARITY = flags.DEFINE_multi_integer(
    'granularity', [5, 20], 'What coarse counts are multiples of; repeatable.'
)
_ROUNDS = flags.DEFINE_integer(
    'rounds', 60, 'Rounds of training.', lower_bound=1
)
_NOISE_DRAWS = flags.DEFINE_integer(
    'noise_draws',
    100,
    'Over how many draws of the noise (and random groups) the divergence is '
    'averaged.',
    lower_bound=1,
)

_COLUMNS = {
    'kl_to_uniform': ('mean KL to uniform (nats)', 1, 3),
    'kl_to_pooled': ('mean KL to pooled (nats)', 1, 3),
    'accuracy': ('top-1 (%)', 100, 2),
}

# From the clients' counts and the seed of a draw to what the server is sent.
_Report = Callable[[np.ndarray, int], np.ndarray]


def _reports() -> dict[str, Optional[_Report]]:
  """The settings by name, worst informed first; None is random groups."""

  def private(epsilon):
    privacy.check_epsilon(epsilon)
    return lambda counts, seed: privacy.privatize_counts(
        counts, epsilon, seed=seed
    )

  def coarse(granularity):
    check_integer = arguments.check_integer
    check_integer(granularity, 'granularity', 1)
    return lambda counts, _: privacy.coarsen_counts(counts, granularity)

  return {
      'random groups': None,
      **{f'epsilon {value:g}': private(value) for value in _EPSILON.value},
      **{f'coarse {value}': coarse(value) for value in _GRANULARITY.value},
      'plain': lambda counts, _: counts,
  }


def group(
    report: Optional[_Report],
    counts: np.ndarray,
    copies: np.ndarray,
    target: Optional[np.ndarray],
    seed: int,
) -> astraea_tff.Schedule:
  """Groups the clients as a server does that gets their reports.

  Args:
    report: What the server is sent; None groups at random.
    counts: int64 [K, N], the clients' examples before augmentation. Clients
      report these, since an added example is one example here, but several
      after augmentation.
    copies: float64 [N], the plan's, by which the server multiplies the reports.
    target: See `reschedule`.
    seed: The seed of the report's noise, or of the random groups.

  Returns:
    The schedule.
  """
  if report is None:
    return astraea_tff.random_schedule(
        counts, study_task.MAX_CLIENTS, seed=seed
    )
  expected = np.rint(report(counts, seed) * copies).astype(np.int64)
  return astraea_tff.reschedule(
      expected, study_task.MAX_CLIENTS, target=target
  )


def true_divergence(
    schedule: astraea_tff.Schedule,
    counts: np.ndarray,
    target: Optional[np.ndarray],
) -> float:
  """Mean over mediators of their true pooled counts' KL to a target, nats."""
  pooled = astraea_tff.mediator_counts(schedule.mediators, counts)
  return float(astraea_tff.kl_divergence(pooled, target).mean())


def _start_seed(reports: dict[str, Optional[_Report]], seed: int):
  """Prepares the clients of a seed; returns what measures a setting."""
  data = study_task.load_data(seed)
  plan = astraea_tff.augmentation_plan(data.label_counts, study_task.ALPHA)
  clients = astraea_tff.augment_clients(data.client_datasets(), plan, seed=seed)
  trained_on = astraea_tff.label_counts(clients, data.num_classes)
  trainer = study_task.Trainer(data, seed, _ROUNDS.value)
  # Seeds of draws that no two seeds of the study share.
  draws = range(seed * _NOISE_DRAWS.value, (seed + 1) * _NOISE_DRAWS.value)

  def measure(setting):
    row = {}
    for name, target in (('uniform', None), ('pooled', plan.expected_counts)):
      schedules = [
          group(reports[setting], data.label_counts, plan.copies, target, draw)
          for draw in draws
      ]
      row[f'kl_to_{name}'] = np.mean([
          true_divergence(schedule, trained_on, target)
          for schedule in schedules
      ])
      if target is None:
        row['accuracy'] = trainer.train_astraea(schedules[0], clients)
    return row

  return measure


def draw(path: pathlib.Path, rows, settings: Sequence[str]) -> None:
  """Draws mean, and each seed, of every column against the settings."""
  drawn = figure.Figure(figsize=(12, 4), layout='constrained')
  for axes, (name, (heading, factor, _)) in zip(
      drawn.subplots(1, len(_COLUMNS)), _COLUMNS.items()
  ):
    values = [factor * study_table.values_of(rows, s, name) for s in settings]
    for index, of_seeds in enumerate(values):
      axes.plot([index] * len(of_seeds), of_seeds, '.', color='C0', alpha=0.4)
    axes.plot([of_seeds.mean() for of_seeds in values], 'o-', color='C0')
    axes.set_xticks(range(len(settings)), settings, rotation=60, ha='right')
    axes.set_ylabel(heading)
    axes.grid(alpha=0.3)
  plots.save(drawn, path)


def _study() -> None:
  flags_lib.check_different(_SEED)
  reports = _reports()
  folder = folder_lib.open_run_folder(
      _OUTPUT_DIR.value,
      {
          flag.name: flag.value
          for flag in (_SEED, _EPSILON, _GRANULARITY, _ROUNDS, _NOISE_DRAWS)
      },
      growing=('seed',),
  )
  astraea_tff.set_local_execution_context()
  rows = study_table.fill_table(
      folder / 'privacy.csv',
      list(reports),
      _SEED.value,
      lambda seed: _start_seed(reports, seed),
      _COLUMNS,
  )
  table = tables.markdown_of_seeds(rows, list(reports), _COLUMNS)
  folder_lib.write_atomically(folder / 'privacy.md', table + '\n')
  draw(folder / 'privacy.png', rows, list(reports))
  print(table)


main = functools.partial(command.run, _study)

if __name__ == '__main__':
  command.start(main)
