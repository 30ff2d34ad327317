"""The rows of the experiment on what adapts while it trains.

A row is a regime and a method. All methods of a regime may send as much, and
each has learning rates of its own. The paper has nothing of it.
"""

import math
from typing import Any

from experiment.paper import experiments
from experiment.paper import methods

_row = experiments.make_row

_ROUNDS = dict(small=50, emnist=60, paper=300)
# Three mediators a round. A fresh Adam has too few steps at small clients.
_BASES = dict(
    small=dict(
        num_clients=50, clients_per_round=15, client_optimizer='sgd',
        validation_fraction=0.4,
    ),
    emnist=dict(client_optimizer='sgd'),
    paper=dict(clients_per_round=30, validation_fraction=0.2),
)
# Of classes of one size the pools have so many.
_BALANCED = dict(
    small=dict(),
    emnist=dict(num_examples=14_100),
    paper=dict(num_examples=117_500),
)
_RATES = dict(
    small=(0.03, 0.1, 0.3), emnist=(0.03, 0.1, 0.3), paper=(1e-3, 3e-3)
)
_MEDIATOR_RATES = (1.5e-3, 3e-3, 6e-3)
_DIRICHLET = dict(
    global_distribution='balanced', local_distribution='dirichlet', beta=0.3,
    alpha=0.0,
)
_TAIL = dict(
    local_distribution='dirichlet', beta=0.3, alpha=0.67,
    fresh_augmentation=True,
)
_LONG_TAIL = _TAIL | dict(global_distribution='long_tail')
# EMNIST's own is that of the letters' frequencies.
_TAILS = dict(
    small={
        'tail 10': _LONG_TAIL | dict(imbalance_factor=10.0),
        'tail 50': _LONG_TAIL | dict(imbalance_factor=50.0),
    },
    emnist={'tail': _TAIL},
    paper={'tail': _TAIL},
)
_REGIMES = {
    'unequal': _DIRICHLET | dict(
        client_worth='unequal', grouping='consecutive'
    ),
    'wrong labels': _DIRICHLET | dict(client_worth='wrong_labels'),
    'honest': _DIRICHLET,
}
_REGIMES |= {
    f'{name}, recommended': settings | methods.RECOMMENDED
    for name, settings in _REGIMES.items()
}
# All there are; of the 50 of the paper's scale, some.
_CONSIDERED = dict(small=10, emnist=6, paper=10)
_BY_KL = dict(mediator_policy='kl')
# Power-of-Choice: the three of the highest losses of six.
_HIGHEST_LOSS = dict(mediator_policy='highest_loss', mediators_considered=6)
_CREDIT = dict(mediator_policy='credit')
# With client SGD alone, where a path credit takes mediators of one class, which
# swing the model to and fro, for the best.
_CREDIT_ALONE = dict(mediator_credit='alone', credit_exploration=1.0)
_LEARNED = dict(mediator_policy='learned')
_OF_TAILS = {
    'one pass': dict(),
    'rarity': dict(sampling_weights='rarity'),
    'feedback': dict(class_feedback='both'),
    'rarity, copies by feedback': dict(
        sampling_weights='rarity', class_feedback='copies'
    ),
}
# Of a regime that needs no more to be told.
_NUM_SEEDS = {('unequal, recommended', 'emnist'): 3}
_METHODS = {
    'unequal': {
        'one pass': dict(),
        'two passes': dict(mediator_epochs=2),
        'fifty clients': dict(clients_per_round=50),
        'by KL': _BY_KL,
        'highest loss': _HIGHEST_LOSS,
        'credit': _CREDIT,
        'credit, two passes': _CREDIT | dict(credit_passes=2),
        'learned': _LEARNED,
        'oracle': dict(client_worth='unequal_good'),
    },
    'wrong labels': {
        'one pass': dict(),
        'by KL': _BY_KL,
        'highest loss': _HIGHEST_LOSS,
        'credit': _CREDIT,
        'learned': _LEARNED,
    },
    'honest': {
        'one pass': dict(),
        'random mediators': dict(grouping='random'),
        'highest loss': _HIGHEST_LOSS,
        'credit': _CREDIT,
        'learned': _LEARNED,
    },
}


def rows(base: dict[str, Any], scale: str) -> experiments.Rows:
  """Returns the rows at one of `experiments.SCALES`."""
  base = base | _BASES[scale] | dict(
      mediator_epochs=1, rounds_per_evaluation=5
  )
  made = {}
  for regime, of_regime in (_REGIMES | _TAILS[scale]).items():
    of_regime = base | of_regime
    if of_regime.get('global_distribution') == 'balanced':
      of_regime |= _BALANCED[scale]
    compared = _METHODS.get(regime.removesuffix(', recommended'), _OF_TAILS)
    tuned, rates = 'client_learning_rate', _RATES[scale]
    has_optimizer = 'mediator_optimizer' in of_regime
    if has_optimizer:
      tuned, rates = 'mediator_learning_rate', _MEDIATOR_RATES
    for method, settings in compared.items():
      settings = of_regime | settings
      if settings.get('mediator_policy') == 'credit' and not has_optimizer:
        settings |= _CREDIT_ALONE
      if 'mediator_policy' in settings:
        settings.setdefault('mediators_considered', _CONSIDERED[scale])
      rounds = _ROUNDS[scale] * _models(base) / _models(settings)
      for rate in rates:
        made[f'{regime}: {method}, {rate:g}'] = _row(
            settings | {tuned: rate},
            tuned=f'{regime}: {method}',
            rounds=round(rounds),
            num_seeds=_NUM_SEEDS.get((regime, scale)),
        )
  return made


def _models(settings: dict[str, Any]) -> float:
  """Returns how many models a round sends, as it would be at full mediators."""
  clients = settings['clients_per_round']
  mediators = math.ceil(clients / settings['max_clients'])
  # The budget suffices for as many visits, so for fewer mediators.
  passes = settings.get('credit_passes', 1)
  taken = mediators // passes / mediators
  return taken * (mediators + clients * settings['mediator_epochs'] * passes)
