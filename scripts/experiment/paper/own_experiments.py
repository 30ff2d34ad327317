"""The rows of experiments that the paper has not, or only the outcome of."""

from typing import Any

from experiment.paper import adaptive_experiment
from experiment.paper import experiments
from experiment.paper import methods

_row = experiments.make_row

_ROUNDS_OF_GROUPING = dict(small=30, emnist=30, paper=300)
_GROUPS = {
    'FedAvg': methods.FED_AVG,
    'random': dict(grouping='random'),
    'greedy': dict(),
    'refined': dict(grouping='refined'),
    'greedy, pooled': dict(target='pooled'),
    'refined, pooled': dict(grouping='refined', target='pooled'),
}
_SKEWS = {
    'iid': dict(local_distribution='iid'),
    'beta 0.3': dict(),
    'beta 0.05': dict(beta=0.05),
    '1 class a client': dict(
        local_distribution='n_classes', classes_per_client=1
    ),
    'gamma 2': dict(max_clients=2),
    'skewed sizes': dict(size_distribution='power_law'),
}
_SKEWS_OF_SCALE = dict(
    small=_SKEWS,
    emnist={name: _SKEWS[name] for name in ('beta 0.3', '1 class a client')},
    paper={'gamma 20': dict(max_clients=20)} | _SKEWS,
)
# Where grouping pays with the recommended optimizer.
_RECOMMENDED_GROUPS = {
    'random': dict(grouping='random'),
    'KL': dict(),
    'pooled': dict(target='pooled'),
    'refined': dict(grouping='refined'),
}
_RECOMMENDED_SKEWS = {
    'beta 0.3': dict(local_distribution='dirichlet', beta=0.3),
    'beta 0.05': dict(local_distribution='dirichlet', beta=0.05),
    '1 class': dict(local_distribution='n_classes', classes_per_client=1),
}
_GAMMAS_OF_SCALE = dict(small=(2, 5), emnist=(10,), paper=(10, 25))
_ROUNDS_OF_GROUPING_RECOMMENDED = dict(small=20, emnist=30, paper=300)
_ROUNDS_OF_STABILITY = dict(small=150, emnist=60, paper=150)

_CHAINS = {
    'fresh Adam': dict(),
    'carried Adam': dict(carry_optimizer_state=True),
    'fresh Adam, clipped': dict(client_clipping_norm=1.0),
    'fresh Adam, server Adam': dict(
        server_optimizer='adam', server_learning_rate=1e-3
    ),
}

_ROUNDS_OF_HEADLINE_EMNIST = dict(small=60, emnist=30, paper=300)
# A row goes on so long at most, until validation stands still.
_LONGEST_OF_HEADLINE = dict(small=1, emnist=2, paper=3)

_REGIMES = {
    'mild skew': dict(local_distribution='dirichlet', beta=0.3),
    '2 classes': dict(local_distribution='n_classes', classes_per_client=2),
    '1 class': dict(local_distribution='n_classes', classes_per_client=1),
    'long tail': dict(
        local_distribution='dirichlet',
        beta=0.3,
        global_distribution='long_tail',
    ),
}
_METHODS_OF_FRONTIER = (
    'FedAvg, client SGD', 'FedAvg, server Adam', 'control', 'Astraea',
    'recommended',
)
# Four for everybody. With few classes a client the largest fails and is left
# out; the paper's chain has a smaller one in its place.
_RATES_OF_FRONTIER = {
    'FedAvg, client SGD': (0.03, 0.1, 0.3, 1.0),
    'FedAvg, server Adam': (3e-3, 1e-2, 3e-2, 0.1),
    'control': (3e-3, 1e-2, 3e-2, 0.1),
    'Astraea': (3e-4, 1e-3, 3e-3, 1e-2),
    'recommended': (1e-3, 2e-3, 4e-3, 8e-3),
}
_RATES_WITH_FEW_CLASSES = {
    name: rates[:3] for name, rates in _RATES_OF_FRONTIER.items()
} | {'Astraea': (1e-4, 3e-4, 1e-3, 3e-3)}
# As many as the pool has with a long tail.
_EXAMPLES_OF_FRONTIER = dict(small=600, emnist=13_500, paper=117_500)
# Of a chain; side by side, clients have twice as many.
_ROUNDS_OF_FRONTIER = dict(small=20, emnist=20, paper=200)


def _grouping(base: dict[str, Any], scale: str) -> experiments.Rows:
  base = base | dict(
      rounds=_ROUNDS_OF_GROUPING[scale],
      local_distribution='dirichlet',
      beta=0.3,
  )
  return {
      f'{skew}: {group}': _row(base | division, **how)
      for skew, division in _SKEWS_OF_SCALE[scale].items()
      for group, how in _GROUPS.items()
  }


def _stability(base: dict[str, Any], scale: str) -> experiments.Rows:
  base = base | dict(
      rounds=_ROUNDS_OF_STABILITY[scale],
      rounds_per_evaluation=10,
      validation_fraction=0.2,
  )
  return {
      f'{name}, {rate:g}': _row(base, client_learning_rate=rate, **settings)
      for name, settings in _CHAINS.items()
      for rate in (3e-4, 1e-3)
  }


def _grouping_recommended(base: dict[str, Any], scale: str) -> experiments.Rows:
  base = base | methods.RECOMMENDED | dict(
      rounds=_ROUNDS_OF_GROUPING_RECOMMENDED[scale],
      mediator_epochs=1,
      rounds_per_evaluation=5,
  )
  return {
      f'{skew}, gamma {gamma}: {group}': _row(
          base, max_clients=gamma, **division, **how
      )
      for skew, division in _RECOMMENDED_SKEWS.items()
      for gamma in _GAMMAS_OF_SCALE[scale]
      for group, how in _RECOMMENDED_GROUPS.items()
  }


def _frontier(base: dict[str, Any], scale: str) -> experiments.Rows:
  base = base | dict(
      mediator_epochs=1, validation_fraction=0.3,
      global_distribution='balanced', size_distribution='even',
      num_examples=_EXAMPLES_OF_FRONTIER[scale],
  )
  rows = {}
  for regime, division in _REGIMES.items():
    for method in _METHODS_OF_FRONTIER:
      settings = base | division | methods.METHODS[method]
      factor = 2 if settings.get('algorithm') == 'fedavg' else 1
      settings['rounds'] = factor * _ROUNDS_OF_FRONTIER[scale]
      settings['rounds_per_evaluation'] = factor * 2
      name = f'{regime}: {method}'
      has_few_classes = 'classes_per_client' in division
      grid = _RATES_WITH_FEW_CLASSES if has_few_classes else _RATES_OF_FRONTIER
      for rate in grid[method]:
        rows[f'{name}, {rate:g}'] = _row(
            settings | {methods.rate_of(method): rate}, tuned=name
        )
  return rows


def _headline(base: dict[str, Any], scale: str) -> experiments.Rows:
  return _tuned_methods(base, scale, methods.RATES_OF_HEADLINE[scale])


def _headline_emnist(base: dict[str, Any], scale: str) -> experiments.Rows:
  base = base | dict(rounds=_ROUNDS_OF_HEADLINE_EMNIST[scale])
  return _tuned_methods(base, scale, methods.RATES_OF_HEADLINE_EMNIST[scale])


def _tuned_methods(base, scale, rates) -> experiments.Rows:
  """Rows of all methods, each at its learning rates."""
  base = dict(validation_fraction=0.2) | base | dict(mediator_epochs=1)
  longest = _LONGEST_OF_HEADLINE[scale] * base['rounds']
  return {
      f'{name}, {rate:g}': _row(
          base | settings | {methods.rate_of(name): rate},
          tuned=name,
          num_seeds=1 if scale == 'small' and name in methods.BESIDES else None,
          longest=longest if longest > base['rounds'] else None,
      )
      for name, settings in methods.METHODS.items()
      for rate in rates[name]
  }


ROWS = {
    'grouping': _grouping,
    'grouping_recommended': _grouping_recommended,
    'stability': _stability,
    'headline': _headline,
    'headline_emnist': _headline_emnist,
    'frontier': _frontier,
    'adaptive': adaptive_experiment.rows,
}
