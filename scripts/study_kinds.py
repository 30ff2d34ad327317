"""Compares Astraea and FedAvg on tables and texts over skewed clients.

  python scripts/study_kinds.py --output_dir=runs/kinds
  python scripts/study_kinds.py --output_dir=runs/messages \
      --messages_of_users=messages.npz

Trains, for every seed, Astraea as recommended
(scripts/flags/recommended.flags); FedAvg with Adam at the server
(scripts/flags/fedavg.flags), at a slower rate too; and the control, FedAvg at
that rate with Astraea's augmentation and label prior. The data are breast
cancer and wine over 20 clients with Dirichlet mixes or, where a file has them,
the messages of real users instead. FedAvg gets as many more rounds as make its
traffic Astraea's. Writes kinds.csv, a row a run, and kinds.md to --output_dir.
The same command goes on where an earlier one stopped.

The file is an archive of NumPy arrays: `user` int [n]; `tokens` int [n, L], 0
for padding and 1 for unknown words; `label` int [n], 0 for negative and 1 for
positive; and `vocabulary`, the words of the tokens from 2 on. Of the users a
tenth, drawn by a seed of its own, are for testing. The others are put together
in the order of their numbers until a client has 50 messages.
"""

from collections.abc import Callable, Mapping
import functools
import hashlib
import pathlib
import tempfile

from absl import flags
import numpy as np

# Imported before TensorFlow, which it keeps from filling the terminal.
from experiment.paper import methods
from experiment.runs import command
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import metrics_log
from experiment.runs import population as population_lib
from experiment.runs import run as run_lib
from experiment.runs import settings as settings_lib
from experiment.runs import tables
from experiment.studies import table as study_table
import astraea_tff
from astraea_tff import datasets
from astraea_tff.datasets import kinds
from astraea_tff.datasets.sources import narrowing

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir', None, 'Where the table goes.', required=True
)
_MESSAGES = flags_lib.define_path(
    'messages_of_users',
    None,
    'An archive of real messages to train on instead.',
)
_SEED = flags_lib.define_seeds(
    [0, 1, 2], 'Seed of partition and training; repeatable.'
)
_DATA_DIR, _CACHE_DIR = flags_lib.define_folder_flags()
_ROUNDS = flags.DEFINE_integer(
    'rounds',
    None,
    'Rounds of Astraea; by default 30 on tables and 40 on texts.',
    lower_bound=1,
)
# The server's Adam that was best on EMNIST (docs/choosing.md).
_SLOWER_ADAM = dict(
    server_learning_rate=0.01, server_epsilon=1e-5, server_beta_2=0.99
)
_FED_AVG = dict(
    algorithm='fedavg', client_optimizer='sgd', client_learning_rate=0.1,
    server_optimizer='adam',
)
# The first two have the flagfiles' values; a test compares them.
ALGORITHMS = {
    'Astraea as recommended': dict(
        **methods.RECOMMENDED, algorithm='astraea', prior_share=0.3, alpha=0.67
    ),
    'FedAvg, server Adam': dict(
        **_FED_AVG, server_learning_rate=0.03, server_epsilon=1e-3
    ),
    'FedAvg, server Adam 0.01': dict(**_FED_AVG, **_SLOWER_ADAM),
    'control': dict(
        **_FED_AVG, **_SLOWER_ADAM, alpha=0.67, label_prior='mixed'
    ),
}
# 2 |w| (c + M) and the mediators' Adam, 2 * 2 |w| M, against 2 |w| c, with
# c = 5 M.
_FED_AVG_ROUNDS = 1.6
_SKEWED = dict(
    num_clients=20, local_distribution='dirichlet', beta=0.3,
    clients_per_round=10, max_clients=5,
)
_USERS = 'messages of users'
# The settings of the data and of their rounds, by name.
_DATA = {
    'breast_cancer': dict(**_SKEWED, batch_size=8, rounds=30),
    'wine': dict(**_SKEWED, batch_size=4, rounds=30),
    _USERS: dict(clients_per_round=20, max_clients=5, batch_size=10, rounds=40),
}
_MESSAGES_PER_CLIENT = 50
_SHARE_OF_TEST_USERS = 0.1
_TEST_SEED = 20190901
# One evaluation of a small task is a matter of luck.
_EVALUATIONS_AVERAGED = 3
_COLUMNS = {
    'accuracy': ('top-1 (%)', 100, 2),
    'macro_recall': ('macro recall (%)', 100, 2),
    'rounds': ('rounds', 1, 0),
    'megabytes': ('MB', 1, 2),
}


def _check_messages(arrays: Mapping[str, np.ndarray]) -> None:
  """Raises a ValueError unless the arrays are of messages of enough users."""
  num_messages = arrays['tokens'].shape[:1]
  for name, num_axes in (('tokens', 2), ('user', 1), ('label', 1)):
    array = arrays[name]
    if (
        array.ndim != num_axes
        or array.dtype.kind not in 'biu'
        or array.shape[:1] != num_messages
    ):
      raise ValueError(
          f'{name} must be integers with {num_axes} axes, the first of'
          f' messages, as many as in tokens, got {array.dtype}'
          f' {list(array.shape)}'
      )
  if arrays['vocabulary'].ndim != 1:
    raise ValueError('vocabulary must have one axis')
  num_users, fewest = len(np.unique(arrays['user'])), 1 / _SHARE_OF_TEST_USERS
  if num_users < fewest:
    raise ValueError(
        f'user must have {fewest:g} users or more, got {num_users}'
    )


def load_messages_of_users(path: str) -> datasets.FederatedDataset:
  """Loads messages, divided among clients by their users.

  Args:
    path: The archive; see this script's description.

  Returns:
    The messages of whole users, those of the test users as the test set.

  Raises:
    ValueError: The file is no such archive.
    OSError: The file cannot be read.
  """
  if not pathlib.Path(path).is_file():
    raise ValueError(f'--messages_of_users={path} is no file.')
  names = ('user', 'tokens', 'label', 'vocabulary')
  with open(path, 'rb') as file:
    try:
      with np.load(file) as archive:
        arrays = {name: archive[name] for name in names}
      _check_messages(arrays)
      for name in ('tokens', 'label'):
        arrays[name] = narrowing.to_integers(arrays[name], name, np.int32)
    except MemoryError:
      raise
    except Exception as error:  # A damaged archive raises many kinds.
      raise ValueError(
          f'--messages_of_users={path} must be an archive of the arrays'
          f' {", ".join(names)}: {error}'
      ) from error
  users, words = arrays['user'], arrays['vocabulary']
  tokens, labels = arrays['tokens'], arrays['label']
  order = np.argsort(users, kind='stable')
  of_users = np.split(
      order, np.flatnonzero(np.diff(users[order])) + 1
  )
  num_test = int(_SHARE_OF_TEST_USERS * len(of_users))
  test_users = set(
      np.random.default_rng(_TEST_SEED).permutation(len(of_users))[:num_test]
  )
  clients, client = [], []
  for user, indices in enumerate(of_users):
    if user in test_users:
      continue
    client.extend(indices)
    if len(client) >= _MESSAGES_PER_CLIENT:
      clients.append(client)
      client = []
  if client:
    clients.append(client)
  test = np.concatenate([of_users[user] for user in sorted(test_users)])
  return datasets.FederatedDataset(
      class_names=('negative', 'positive'),
      features=tokens,
      labels=labels,
      test_features=tokens[test],
      test_labels=labels[test],
      feature_names=(*kinds.NAMES_OF_NO_WORDS, *map(str, words)),
      name='messages_of_users',
      partition=datasets.Partition.from_labels(clients, labels, 2),
  )


def measure(setting: str, seed: int) -> dict[str, float]:
  """Trains one run in a folder that is removed after.

  Args:
    setting: The data's name, a comma and the algorithm's name.
    seed: The seed of everything random.

  Returns:
    The means of the last evaluations, and what the rounds cost.
  """
  name, algorithm = setting.split(', ', 1)
  algorithm = ALGORITHMS[algorithm]
  division = dict(_DATA[name])
  rounds = _ROUNDS.value or division.pop('rounds')
  if algorithm['algorithm'] == 'fedavg':
    rounds = round(_FED_AVG_ROUNDS * rounds)
  division['rounds'] = rounds
  if name == _USERS:
    data = datasets.store(
        load_messages_of_users(_MESSAGES.value), _CACHE_DIR.value
    )
    division['num_clients'] = len(data.clients)
  else:
    division['dataset'] = name
  settings = settings_lib.Settings(**division, **algorithm)
  if name == _USERS:
    population = population_lib.from_prepared(settings, data, seed)
  else:
    population = population_lib.make_population(
        settings, seed, _DATA_DIR.value, _CACHE_DIR.value
    )
  with tempfile.TemporaryDirectory() as folder:
    run_lib.train_population(
        settings, population, pathlib.Path(folder), rounds_per_checkpoint=rounds
    )
    rows = metrics_log.read_rows(
        pathlib.Path(folder) / metrics_log.METRICS_FILE
    )
  last = metrics_log.evaluated_rows(rows)[-_EVALUATIONS_AVERAGED:]
  return {
      'accuracy': np.mean([row['top_1'] for row in last]),
      'macro_recall': np.mean([row['macro_recall'] for row in last]),
      'rounds': rounds,
      'megabytes': rows[-1]['megabytes'],
  }


def _study() -> None:
  flags_lib.check_different(_SEED)
  given = {flag.name: flag.value for flag in (_SEED, _ROUNDS, _MESSAGES)}
  if _MESSAGES.value:
    load_messages_of_users(_MESSAGES.value)  # Refused now or never.
    # A file of the same name may hold others by the next time.
    content = pathlib.Path(_MESSAGES.value).read_bytes()
    given[_MESSAGES.name] += f', sha256 {hashlib.sha256(content).hexdigest()}'
  folder = folder_lib.open_run_folder(
      _OUTPUT_DIR.value, given, growing=('seed',)
  )
  names = [name for name in _DATA if (name == _USERS) == bool(_MESSAGES.value)]
  settings = [
      f'{name}, {algorithm}' for name in names for algorithm in ALGORITHMS
  ]
  astraea_tff.set_local_execution_context()

  def start(seed: int) -> Callable[[str], dict[str, float]]:
    return lambda setting: measure(setting, seed)

  rows = study_table.fill_table(
      folder / 'kinds.csv', settings, _SEED.value, start, _COLUMNS
  )
  table = tables.markdown_of_seeds(rows, settings, _COLUMNS)
  folder_lib.write_atomically(folder / 'kinds.md', table + '\n')
  print(table)


main = functools.partial(command.run, _study)

if __name__ == '__main__':
  command.start(main)
