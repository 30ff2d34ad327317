"""The rows of experiments that the paper has not, or only the outcome of."""

from typing import Any

from experiment.paper import experiments

_row = experiments.make_row
_FED_AVG = dict(algorithm='fedavg')

_ROUNDS_OF_GROUPING = dict(small=30, paper=300)
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
    small=_SKEWS, paper={'gamma 20': dict(max_clients=20)} | _SKEWS
)

_CHAINS = {
    'fresh Adam': dict(),
    'carried Adam': dict(carry_optimizer_state=True),
    'fresh Adam, clipped': dict(client_clipping_norm=1.0),
    'fresh Adam, server Adam': dict(
        server_optimizer='adam', server_learning_rate=1e-3
    ),
}

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
}
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
}
# What takes five or ten times FedAvg's seconds a round has fewer rates.
_RATES_OF_HEADLINE = dict(
    small=_RATES | {'FedAvg, five local epochs': (1e-3,), 'Mime Lite': ()},
    paper=_RATES,
)
_RATES_OF_HEADLINE_EMNIST = dict(
    small=_EMNIST_RATES | {'Mime Lite': (3e-4,)}, paper=_EMNIST_RATES
)
_ROUNDS_OF_HEADLINE_EMNIST = dict(small=60, paper=300)


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


def _headline(base: dict[str, Any], scale: str) -> experiments.Rows:
  return _tuned_methods(base, scale, _RATES_OF_HEADLINE[scale])


def _headline_emnist(base: dict[str, Any], scale: str) -> experiments.Rows:
  base = base | dict(rounds=_ROUNDS_OF_HEADLINE_EMNIST[scale])
  return _tuned_methods(base, scale, _RATES_OF_HEADLINE_EMNIST[scale])


def _tuned_methods(base, scale, rates) -> experiments.Rows:
  """Rows of all methods, each at its learning rates."""
  base = base | dict(mediator_epochs=1, validation_fraction=0.2)
  return {
      f'{name}, {rate:g}': _row(
          base,
          tuned=name,
          has_one_seed=scale == 'small' and name in _BESIDES,
          client_learning_rate=rate,
          **settings,
      )
      for name, settings in _METHODS.items()
      for rate in rates[name]
  }


ROWS = {
    'grouping': _grouping,
    'stability': _stability,
    'headline': _headline,
    'headline_emnist': _headline_emnist,
}
