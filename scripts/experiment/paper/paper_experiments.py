"""The rows of the paper's tables and figures, and the list of all experiments.

experiments.csv tells, by name, what each of them measures, what the paper says
of it and what its page shows; here and in
`experiment.paper.own_experiments` are its rows.
"""

from collections.abc import Callable, Mapping
import functools
import pathlib
import types
from typing import Any

from experiment.paper import experiments
from experiment.paper import own_experiments
from experiment.runs import tables

_row = experiments.make_row
_FED_AVG = dict(algorithm='fedavg')
_ALPHAS = (0.0, 0.33, 0.67, 0.83, 1.0, 2.0)
_OF_EMNIST = {
    name: dict(dataset=f'emnist_{name.lower()}')
    for name in ('BAL1', 'BAL2', 'INS', 'LTRF1', 'LTRF2')
}
_DIVISIONS_OF_TABLE_I = dict(
    small=dict(
        BAL1=dict(size_distribution='even', local_distribution='proportional'),
        BAL2=dict(size_distribution='even'),
        INS=dict(),
        LTRF1=dict(global_distribution='long_tail'),
        LTRF2=dict(global_distribution='long_tail', num_examples=5000),
    ),
    emnist=_OF_EMNIST,
    paper=_OF_EMNIST,
)
# c and gamma.
_PAIRS_OF_FIG_6 = (
    (10, 5), (20, 5), (20, 10), (50, 5), (50, 10), (50, 20), (100, 10),
    (100, 20),
)
_PAIRS_OF_FIG_7 = dict(
    small=((5, 5), (10, 5), (20, 5), (10, 10), (20, 10)),
    emnist=((5, 5), (10, 5), (20, 5), (10, 10), (20, 10), (50, 5), (50, 10)),
    paper=((10, 5), (20, 5), (20, 10), (50, 5), (50, 10), (100, 10), (100, 20)),
)
_LOCAL_EPOCHS_OF_FIG_8 = dict(small=(1, 5), emnist=(1, 5), paper=(1, 5, 10))
_FED_AVG_CLIENTS_OF_TABLE_III = dict(small=5, emnist=10, paper=10)


def _table1(base: dict[str, Any], scale: str) -> experiments.Rows:
  """Section II-B: K = 500, C = 0.05, E = 10, B = 20."""
  top_1 = dict(BAL1=79.99, BAL2=80.13, INS=81.60, LTRF1=73.68, LTRF2=75.40)
  return {
      name: _row(base, {'best_top_1': top_1[name]}, **_FED_AVG, **division)
      for name, division in _DIVISIONS_OF_TABLE_I[scale].items()
  }


def _alphas(base, local_epochs, in_paper) -> experiments.Rows:
  """Rows with the augmentation alone, and with rescheduling too."""
  fed_avg = dict(algorithm='fedavg', local_epochs=local_epochs)
  rows = {'FedAvg': _row(base, **fed_avg)}
  for alpha in _ALPHAS:
    for name, settings in (('augmentation', fed_avg), ('Astraea', {})):
      label = f'{name}, alpha {alpha:g}'
      if label == 'Astraea, alpha 0':
        label = 'rescheduling alone (NoAug)'
      if label != 'augmentation, alpha 0':  # That is FedAvg.
        rows[label] = _row(base, in_paper.get(label), alpha=alpha, **settings)
  return rows


def _fig4(base: dict[str, Any], scale: str) -> experiments.Rows:
  in_paper = {
      'augmentation, alpha 0.67': {'best_top_1': 73.77},
      'augmentation, alpha 0.83': {'gain': 1.28},
      'Astraea, alpha 0.67': {'best_top_1': 78.57},
  }
  return _alphas(base, 5, in_paper)


def _fig5(base: dict[str, Any], scale: str) -> experiments.Rows:
  in_paper = {
      'augmentation, alpha 1': {'gain': 4.12},
      'Astraea, alpha 0.67': {'gain': 5.89},
  }
  return _alphas(base, 1, in_paper)


def _groups(base, pairs, in_paper) -> experiments.Rows:
  """Rows with other numbers of clients, scheduled anew in every round."""
  rows = {}
  for c, gamma in pairs:
    name = f'c {c}, gamma {gamma}'
    rows[name] = _row(
        base,
        in_paper.get(name),
        schedule='per_round',
        clients_per_round=c,
        max_clients=gamma,
    )
  return rows


def _fig6(base: dict[str, Any], scale: str) -> experiments.Rows:
  last = {'best_top_1': 79.03, 'last_top_1': 77.79}
  # There are 60 clients at a fraction.
  pairs = [
      (c, gamma)
      for c, gamma in _PAIRS_OF_FIG_6
      if scale != 'emnist' or c <= 60
  ]
  return _groups(base, pairs, {'c 100, gamma 20': last})


def _fig7(base: dict[str, Any], scale: str) -> experiments.Rows:
  base = base | dict(alpha=0.83, rounds=20)
  clients = base | dict(algorithm='fedavg', schedule='per_round')
  return {
      'FedAvg': _row(clients, {'mean_kl': 0.550}, alpha=0.0),
      'Aug': _row(clients, {'mean_kl': 0.498}),
  } | _groups(base, _PAIRS_OF_FIG_7[scale], {})


def _fig8(base: dict[str, Any], scale: str) -> experiments.Rows:
  rows = {}
  for e in _LOCAL_EPOCHS_OF_FIG_8[scale]:
    for e_m in (1, 2):
      in_paper = {'gain': 1.4} if (e, e_m) == (1, 2) else {}
      rows[f'E {e}, E_m {e_m}'] = _row(
          base, in_paper, local_epochs=e, mediator_epochs=e_m
      )
  return rows


def _fig9(base: dict[str, Any], scale: str) -> experiments.Rows:
  rows = {'FedAvg': _row(base, **_FED_AVG, local_epochs=5)}
  for alpha in _ALPHAS:
    in_paper = {} if alpha else {'gain': 1.61, 'extra_storage': 0.0}
    rows[f'alpha {alpha:g}'] = _row(base, in_paper, alpha=alpha)
  return rows


def _table3(base: dict[str, Any], scale: str) -> experiments.Rows:
  fed_avg = _row(
      base,
      {'megabytes_to_target': 1176, 'paper_megabytes_to_target': 1176},
      algorithm='fedavg',
      clients_per_round=_FED_AVG_CLIENTS_OF_TABLE_III[scale],
      local_epochs=20,
  )
  return {'FedAvg': fed_avg} | {
      f'Med{e_m}': _row(
          base, {'paper_megabytes_to_target': cost}, mediator_epochs=e_m
      )
      for e_m, cost in {1: 284, 2: 215, 3: 221, 4: 284}.items()
  }


OF_THE_PAPER = {
    'table1': _table1,
    'fig1': _table1,
    'fig4': _fig4,
    'fig5': _fig5,
    'fig6': _fig6,
    'fig7': _fig7,
    'fig8': _fig8,
    'fig9': _fig9,
    'table3': _table3,
}
_ROWS = OF_THE_PAPER | own_experiments.ROWS
_TEXTS = tables.read_csv(
    pathlib.Path(__file__).with_name('experiments.csv'),
    'Restore it from the repository.',
    text=(
        'name', 'data', 'title', 'claim', 'columns', 'picture', 'baseline',
        'confusion_rows',
    ),
    integers=('small_seeds', 'emnist_seeds', 'paper_seeds', 'tuning_seeds'),
).set_index('name')


def _build(name: str, scale: str) -> experiments.Experiment:
  """Returns an experiment of one of `experiments.SCALES`."""
  about = _TEXTS.loc[name]
  base = dict(experiments.BASES[about['data']][scale])
  return experiments.Experiment(
      title=about['title'],
      claim=about['claim'].format_map(base),
      rows=_ROWS[name](base, scale),
      columns=tuple(about['columns'].split()),
      picture=about['picture'],
      baseline=about['baseline'] or None,
      target_accuracy=about[f'{scale}_target'],
      seeds=tuple(range(about[f'{scale}_seeds'])),
      tuning_seeds=experiments.TUNING_SEEDS[:about['tuning_seeds']],
      trains=about['picture'] != 'boxes',
      confusion_rows=tuple(about['confusion_rows'].split()),
  )


EXPERIMENTS: Mapping[str, Callable[[str], experiments.Experiment]] = (
    types.MappingProxyType(
        {name: functools.partial(_build, name) for name in _ROWS}
    )
)
