"""The rows of experiments that the paper has not, or only the outcome of."""

from typing import Any

from experiment.paper import experiments

_row = experiments.make_row
_FED_AVG = dict(algorithm='fedavg')

_ROUNDS_OF_GROUPING = dict(small=30, emnist=60, paper=300)
_GROUPS = {
    'FedAvg': _FED_AVG,
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
    emnist=_SKEWS,
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
_GAMMAS_OF_SCALE = dict(small=(2, 5), emnist=(5, 10), paper=(10, 25))
_ROUNDS_OF_GROUPING_RECOMMENDED = dict(small=20, emnist=40, paper=300)

_CHAINS = {
    'fresh Adam': dict(),
    'carried Adam': dict(carry_optimizer_state=True),
    'fresh Adam, clipped': dict(client_clipping_norm=1.0),
    'fresh Adam, server Adam': dict(
        server_optimizer='adam', server_learning_rate=1e-3
    ),
}

# As scripts/flags has them, but for the rate that each has a grid of.
_RECOMMENDED = dict(
    client_optimizer='sgd',
    client_learning_rate=0.1,
    mediator_optimizer='adam',
    label_prior='mixed',
)
_CLIENT_SGD = _FED_AVG | dict(client_optimizer='sgd')
_SERVER_ADAM = _CLIENT_SGD | dict(
    client_learning_rate=0.1,
    server_optimizer='adam',
    server_epsilon=1e-5,
    server_beta_2=0.99,
)
_WITH_AUGMENTATION = dict(alpha=0.67)
_WITH_PRIOR = _WITH_AUGMENTATION | dict(label_prior='mixed')

_METHODS = {
    'FedAvg': _FED_AVG,
    'Astraea': dict(),
    'FedAvg, balanced classes': _FED_AVG | dict(global_distribution='balanced'),
    # With as many local steps as Astraea.
    'FedAvg and augmentation': _FED_AVG | dict(alpha=0.67),
    'rescheduling alone': dict(alpha=0.0),
    'Astraea, random mediators': dict(grouping='random'),
    'FedAvg, five local epochs': _FED_AVG | dict(local_epochs=5),
    'FedProx': dict(algorithm='fedprox'),
    'Mime Lite': dict(algorithm='mime_lite'),
    # The same three with each optimizer of FedAvg: plain, with the augmentation,
    # and with the label prior too; the last one of all is the control.
    'FedAvg, augmentation and prior': _FED_AVG | _WITH_PRIOR,
    'FedAvg, client SGD': _CLIENT_SGD,
    'FedAvg, client SGD and augmentation': _CLIENT_SGD | _WITH_AUGMENTATION,
    'FedAvg, client SGD, augmentation and prior': _CLIENT_SGD | _WITH_PRIOR,
    'FedAvg, server Adam': _SERVER_ADAM,
    'FedAvg, server Adam and augmentation': _SERVER_ADAM | _WITH_AUGMENTATION,
    'control': _SERVER_ADAM | _WITH_PRIOR,
    'Astraea, carried Adam': dict(carry_optimizer_state=True),
    'Astraea, client SGD': dict(client_optimizer='sgd'),
    'recommended': _RECOMMENDED,
    'recommended, random mediators': _RECOMMENDED | dict(grouping='random'),
    'recommended, rarity': _RECOMMENDED | dict(sampling_weights='rarity'),
    'recommended, feedback': _RECOMMENDED | dict(class_feedback='sampling'),
}
# What has its rate elsewhere than at the clients.
_RATE_OF = dict.fromkeys(
    (
        'FedAvg, server Adam', 'FedAvg, server Adam and augmentation', 'control'
    ),
    'server_learning_rate',
) | dict.fromkeys(
    (name for name in _METHODS if name.startswith('recommended')),
    'mediator_learning_rate',
)
# Shown beside what the paper compares; at the small scale with one seed.
_BESIDES = ('FedAvg, five local epochs', 'FedProx', 'Mime Lite')
# Clients that build on one another want smaller steps than clients that are
# averaged.
_FED_AVG_RATES = (3e-3, 1e-2)
_CHAIN_RATES = (1e-3, 3e-3)
_RATES = {
    'FedAvg': (1e-3, *_FED_AVG_RATES),
    'Astraea': (3e-4, *_CHAIN_RATES),
    'FedAvg, balanced classes': _FED_AVG_RATES,
    'FedAvg and augmentation': _FED_AVG_RATES,
    'rescheduling alone': _CHAIN_RATES,
    'Astraea, random mediators': _CHAIN_RATES,
    'FedAvg, five local epochs': (1e-3, *_FED_AVG_RATES),
    'FedProx': _FED_AVG_RATES,
    # Its second moments are of whole clients' gradients, which are smaller than
    # those of the batches that it steps by.
    'Mime Lite': (3e-4, 1e-3, 3e-3),
    'FedAvg, augmentation and prior': _FED_AVG_RATES,
    **dict.fromkeys(
        (
            'FedAvg, client SGD',
            'FedAvg, client SGD and augmentation',
            'FedAvg, client SGD, augmentation and prior',
        ),
        (0.1, 0.3),
    ),
    **dict.fromkeys(
        (
            'FedAvg, server Adam',
            'FedAvg, server Adam and augmentation',
            'control',
        ),
        (3e-3, 1e-2, 3e-2),
    ),
    'Astraea, carried Adam': _CHAIN_RATES,
    'Astraea, client SGD': (3e-2, 1e-1),
    **dict.fromkeys(
        (name for name in _METHODS if name.startswith('recommended')),
        (5e-4, 1e-3, 2e-3),
    ),
}
# Of the usual ones the largest was the best for every method.
_EMNIST_RATES = _RATES | {
    'FedAvg': (1e-3, *_FED_AVG_RATES, 3e-2, 1e-1),
    'Astraea': (3e-4, *_CHAIN_RATES, 1e-2),
    'FedAvg, balanced classes': (*_FED_AVG_RATES, 3e-2, 1e-1),
    'FedAvg and augmentation': (*_FED_AVG_RATES, 3e-2),
    'rescheduling alone': (*_CHAIN_RATES, 1e-2, 3e-2),
    'Astraea, random mediators': (*_CHAIN_RATES, 1e-2),
    'FedAvg, five local epochs': (1e-3, *_FED_AVG_RATES, 3e-2),
    'FedProx': (*_FED_AVG_RATES, 3e-2),
    'FedAvg, augmentation and prior': (*_FED_AVG_RATES, 3e-2),
}
# What takes five or ten times FedAvg's seconds a round has fewer rates.
_RATES_OF_HEADLINE = dict(
    small=_RATES | {'FedAvg, five local epochs': (1e-3,), 'Mime Lite': ()},
    emnist=_RATES | {'Mime Lite': ()},
    paper=_RATES,
)
_RATES_OF_HEADLINE_EMNIST = dict(
    small=_EMNIST_RATES | {'Mime Lite': (3e-4,)},
    emnist=_EMNIST_RATES | {'Mime Lite': (3e-4, 1e-3)},
    paper=_EMNIST_RATES,
)
_ROUNDS_OF_HEADLINE_EMNIST = dict(small=60, emnist=40, paper=300)
# A row goes on so long at most, until validation stands still.
_LONGEST_OF_HEADLINE = dict(small=1, emnist=3, paper=3)

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
# Two rates for everybody.
_RATES_OF_FRONTIER = {
    'FedAvg, client SGD': (0.1, 0.3),
    'FedAvg, server Adam': (1e-2, 3e-2),
    'control': (1e-2, 3e-2),
    'Astraea': (1e-3, 3e-3),
    'recommended': (1e-3, 2e-3),
}
# As many as the pool has with a long tail.
_EXAMPLES_OF_FRONTIER = dict(small=600, emnist=14_100, paper=117_500)
# Of a chain; side by side, clients have twice as many.
_ROUNDS_OF_FRONTIER = dict(small=20, emnist=40, paper=200)
# Where the rates are chosen, one for all regimes.
_REGIME_OF_RATES = 'long tail'


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
      rounds=150, rounds_per_evaluation=10, validation_fraction=0.2
  )
  return {
      f'{name}, {rate:g}': _row(base, client_learning_rate=rate, **settings)
      for name, settings in _CHAINS.items()
      for rate in (3e-4, 1e-3)
  }


def _grouping_recommended(base: dict[str, Any], scale: str) -> experiments.Rows:
  base = base | _RECOMMENDED | dict(
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
      settings = base | division | _METHODS[method]
      factor = 2 if settings.get('algorithm') == 'fedavg' else 1
      settings['rounds'] = factor * _ROUNDS_OF_FRONTIER[scale]
      settings['rounds_per_evaluation'] = factor * 2
      name = f'{regime}: {method}'
      for rate in _RATES_OF_FRONTIER[method]:
        judge = f'{_REGIME_OF_RATES}: {method}, {rate:g}'
        rows[f'{name}, {rate:g}'] = _row(
            settings | {_rate_of(method): rate},
            tuned=name,
            judged_by=None if regime == _REGIME_OF_RATES else judge,
        )
  return rows


def _headline(base: dict[str, Any], scale: str) -> experiments.Rows:
  return _tuned_methods(base, scale, _RATES_OF_HEADLINE[scale])


def _headline_emnist(base: dict[str, Any], scale: str) -> experiments.Rows:
  base = base | dict(rounds=_ROUNDS_OF_HEADLINE_EMNIST[scale])
  return _tuned_methods(base, scale, _RATES_OF_HEADLINE_EMNIST[scale])


def _tuned_methods(base, scale, rates) -> experiments.Rows:
  """Rows of all methods, each at its learning rates."""
  base = dict(validation_fraction=0.2) | base | dict(mediator_epochs=1)
  longest = _LONGEST_OF_HEADLINE[scale] * base['rounds']
  return {
      f'{name}, {rate:g}': _row(
          base | settings | {_rate_of(name): rate},
          tuned=name,
          has_one_seed=scale == 'small' and name in _BESIDES,
          longest=longest if longest > base['rounds'] else None,
      )
      for name, settings in _METHODS.items()
      for rate in rates[name]
  }


def _rate_of(method: str) -> str:
  return _RATE_OF.get(method, 'client_learning_rate')


ROWS = {
    'grouping': _grouping,
    'grouping_recommended': _grouping_recommended,
    'stability': _stability,
    'headline': _headline,
    'headline_emnist': _headline_emnist,
    'frontier': _frontier,
}
