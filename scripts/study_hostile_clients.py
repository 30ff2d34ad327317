"""Measures what hostile clients do: histograms that lie, labels flipped.

  python scripts/study_hostile_clients.py --output_dir=runs/hostile_clients

On the demo's task (digits, 20 clients, 4 mediators of 5), two attacks:

  * Liars claim a uniform histogram, of their own size or of 100 times that, for
    the augmentation plan and for rescheduling. Their data are what they were.
    Measured is the KL divergence of the mediators' TRUE pooled counts from
    uniform, and the accuracy.
  * Flippers train with the label 9 - y instead of y, and are otherwise honest.
    One client, or one client of every mediator, drawn at random, stands at a
    given position of its chain in every round. The groups are the same in all
    these settings, so that only the position differs. TFF's FedAvg on the same
    clients, the same of them hostile, is the reference.

Writes hostile_clients.csv, .md and .png to --output_dir. The same command goes
on where an earlier one stopped.
"""

from collections.abc import Sequence
import dataclasses
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
import tensorflow as tf
import astraea_tff

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir', None, 'Where table and picture go.', required=True
)
_SEED = flags_lib.define_seeds(
    [0, 1, 2],
    'Seed of partition, choice of the hostile and training; repeatable.',
)
_ROUNDS = flags.DEFINE_integer(
    'rounds', 60, 'Rounds of training.', lower_bound=1
)
_FED_AVG_EPOCHS = flags.DEFINE_integer(
    'fed_avg_epochs',
    5,
    'Local epochs of FedAvg; with one it stays far behind Astraea here.',
    lower_bound=1,
)



@dataclasses.dataclass(frozen=True)
class Setting:
  """One line of the table.

  Attributes:
    num_liars: How many clients claim a uniform histogram.
    exaggeration: Times what size they claim to have.
    num_flippers: How many clients flip labels, each in a mediator of its own.
    position: Where in its chain a flipper stands, from 1; None is FedAvg.
  """

  num_liars: int = 0
  exaggeration: int = 1
  num_flippers: int = 0
  position: Optional[int] = 1


_POSITIONS = range(1, study_task.MAX_CLIENTS + 1)
_NUM_FLIPPERS = (1, study_task.NUM_CLIENTS // study_task.MAX_CLIENTS)
_SETTINGS = {
    'Astraea, all honest': Setting(),
    'FedAvg, all honest': Setting(position=None),
    '1 liar': Setting(num_liars=1),
    '4 liars': Setting(num_liars=4),
    '4 liars, 100 times their size': Setting(num_liars=4, exaggeration=100),
}
for _number in _NUM_FLIPPERS:
  for _position in (*_POSITIONS, None):
    _where = f'position {_position}' if _position else 'FedAvg'
    _SETTINGS[f'{_number} flipped, {_where}'] = Setting(
        num_flippers=_number, position=_position
    )
_COLUMNS = {
    'kl_divergence': ('mean KL of mediators (nats)', 1, 3),
    'accuracy': ('top-1 (%)', 100, 2),
}


def claim_uniform(
    counts: np.ndarray, liars: Sequence[int], factor: int
) -> np.ndarray:
  """What the server is told when some clients claim a uniform histogram.

  Args:
    counts: int64 [K, N], the truth.
    liars: Client indices.
    factor: By how much a liar exaggerates its number of examples.

  Returns:
    int64 [K, N]; a liar's row is its size times `factor`, divided evenly.
  """
  claimed = counts.copy()
  num_classes = counts.shape[1]
  claimed[liars] = (
      factor * counts[liars].sum(axis=1, keepdims=True) // num_classes
  )
  return claimed


def flip_labels(dataset: tf.data.Dataset, num_classes: int) -> tf.data.Dataset:
  """Maps label y to N - 1 - y, which is never y when N is even."""
  return dataset.map(lambda image, label: (image, num_classes - 1 - label))


def move_to_position(
    schedule: astraea_tff.Schedule, clients: Sequence[int], position: int
) -> astraea_tff.Schedule:
  """Moves clients, one of a mediator at most, to a position of their chains.

  Args:
    schedule: The schedule.
    clients: Client indices.
    position: From 1; a shorter mediator has its client last.

  Returns:
    The same mediators; the order of the others is kept.
  """
  mediators = []
  for mediator in schedule.mediators:
    order = [client for client in mediator if client not in clients]
    for client in set(mediator) & set(clients):
      order.insert(position - 1, client)
    mediators.append(order)
  return astraea_tff.Schedule(
      mediators, schedule.kl_divergence, schedule.max_clients
  )


class _Seed:
  """The clients of a seed, and what hostile ones among them do."""

  def __init__(self, seed: int):
    self._seed = seed
    self._data = study_task.load_data(seed)
    self._trainer = study_task.Trainer(self._data, seed, _ROUNDS.value)

  def measure(self, name: str) -> dict[str, float]:
    """Returns a setting's row of the table."""
    setting = _SETTINGS[name]
    clients, schedule, divergence = self._prepare(setting)
    rng = np.random.default_rng(self._seed)
    flippers = [
        int(rng.choice(schedule.mediators[mediator]))
        for mediator in rng.permutation(schedule.num_mediators)
    ][: setting.num_flippers]
    for client in flippers:
      clients[client] = flip_labels(clients[client], self._data.num_classes)
    if setting.position is None:
      accuracy = self._trainer.train_fed_avg(clients, _FED_AVG_EPOCHS.value)
      return {'kl_divergence': np.nan, 'accuracy': accuracy}
    schedule = move_to_position(schedule, flippers, setting.position)
    accuracy = self._trainer.train_astraea(schedule, clients)
    return {'kl_divergence': divergence, 'accuracy': accuracy}

  def _prepare(self, setting: Setting):
    """Returns clients and schedule as the claims make them, and the true KL."""
    data = self._data
    rng = np.random.default_rng(self._seed)
    liars = rng.permutation(study_task.NUM_CLIENTS)[: setting.num_liars]
    claimed = claim_uniform(data.label_counts, liars, setting.exaggeration)
    plan = astraea_tff.augmentation_plan(claimed, study_task.ALPHA)
    clients = astraea_tff.augment_clients(
        data.client_datasets(), plan, seed=self._seed
    )
    counts = astraea_tff.label_counts(clients, data.num_classes)
    schedule = astraea_tff.reschedule(
        claim_uniform(counts, liars, setting.exaggeration),
        study_task.MAX_CLIENTS,
    )
    pooled = astraea_tff.mediator_counts(schedule.mediators, counts)
    divergence = float(astraea_tff.kl_divergence(pooled).mean())
    return list(clients), schedule, divergence


def draw(path: pathlib.Path, rows) -> None:
  """Draws the accuracy against the flipper's position, FedAvg as lines."""
  drawn = figure.Figure(figsize=(6.4, 4.4), layout='constrained')
  axes = drawn.add_subplot()

  def values(setting):
    return 100 * study_table.values_of(rows, setting, 'accuracy')

  def draw_level(setting, color, style):
    axes.axhline(
        values(setting).mean(), color=color, linestyle=style, label=setting
    )

  draw_level('Astraea, all honest', 'C0', '-')
  draw_level('FedAvg, all honest', 'C0', ':')
  for index, number in enumerate(_NUM_FLIPPERS, 1):
    color = f'C{index}'
    by_position = [
        values(f'{number} flipped, position {position}')
        for position in _POSITIONS
    ]
    for position, of_seeds in zip(_POSITIONS, by_position):
      axes.plot(
          [position] * len(of_seeds), of_seeds, '.', color=color, alpha=0.4
      )
    axes.plot(
        _POSITIONS,
        [of_seeds.mean() for of_seeds in by_position],
        'o-',
        color=color,
        label=f'Astraea, {number} flipped',
    )
    draw_level(f'{number} flipped, FedAvg', color, ':')
  axes.set_xticks(_POSITIONS)
  axes.set_xlabel('position of the flipper in its chain')
  axes.set_ylabel('top-1 (%)')
  axes.grid(alpha=0.3)
  axes.legend(fontsize='small')
  plots.save(drawn, path)


def _study() -> None:
  flags_lib.check_different(_SEED)
  folder = folder_lib.open_run_folder(
      _OUTPUT_DIR.value,
      {flag.name: flag.value for flag in (_SEED, _ROUNDS, _FED_AVG_EPOCHS)},
      growing=('seed',),
  )
  astraea_tff.set_local_execution_context()
  rows = study_table.fill_table(
      folder / 'hostile_clients.csv',
      list(_SETTINGS),
      _SEED.value,
      lambda seed: _Seed(seed).measure,
      _COLUMNS,
  )
  table = tables.markdown_of_seeds(rows, list(_SETTINGS), _COLUMNS)
  folder_lib.write_atomically(folder / 'hostile_clients.md', table + '\n')
  draw(folder / 'hostile_clients.png', rows)
  print(table)


main = functools.partial(command.run, _study)

if __name__ == '__main__':
  command.start(main)
