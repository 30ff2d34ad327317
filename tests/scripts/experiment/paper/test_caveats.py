"""Who chose what is compared, by hand."""

import pytest

from experiment.paper import caveats
from experiment.paper import claims
from experiment.paper import differences
from experiment.paper import experiments
from experiment.paper import runner

_TUNING = experiments.TUNING_SEEDS[0]


def of(part, tuned=(), seeds=(0, 1), columns=(), trains=True):
  """The caveat of a part, with two rates for each that is tuned."""
  rows = {
      name: experiments.make_row({}, client_learning_rate=0.1 + index)
      for index, name in enumerate(('A', 'B', 'C'))
      if name not in tuned
  } | {
      f'{name}, {rate}': experiments.make_row(
          {}, tuned=name, client_learning_rate=rate
      )
      for name in tuned
      for rate in (0.1, 0.2)
  }
  experiment = experiments.Experiment(
      title='', claim='', rows=rows, columns=(), seeds=(0, 1), trains=trains
  )
  results = runner.make_results({
      (row, seed): dict.fromkeys(('best_top_1', *columns), 1.0)
      for row in rows
      for seed in seeds
  })
  return caveats.of((part,), experiment, results)


_HELD_OUT = ('best_validation_top_1', 'chosen_top_1')
_PAIR = claims.Comparison('A', 'B')
_BEST = claims.Comparison(('A', 'B'), 'C')


@pytest.mark.parametrize(
    'part, about, expected',
    [
        (_PAIR, dict(), 'at one rate, not tuned; round chosen by the test'
         ' accuracy'),
        (_PAIR, dict(columns=_HELD_OUT), 'at one rate, not tuned'),
        (_PAIR, dict(columns=_HELD_OUT, tuned='AB'),
         'rates chosen with a reported seed'),
        (_PAIR, dict(columns=_HELD_OUT, tuned='AB', seeds=(_TUNING, 0)), ''),
        (_PAIR, dict(columns=_HELD_OUT, tuned='A', seeds=(_TUNING, 0)),
         'B: at one rate, not tuned'),
        (_BEST, dict(columns=_HELD_OUT),
         'at one rate, not tuned; row chosen with the reported seeds'),
        (_BEST, dict(), 'at one rate, not tuned; row chosen by the test'
         ' accuracy; round chosen by the test accuracy'),
        # No round is chosen, and no rate if nothing is trained.
        (claims.Comparison('A', 'B', differences.LAST_TOP_1), dict(),
         'at one rate, not tuned'),
        (claims.Together((('A', 'B'),), ('A', 'B')), dict(columns=_HELD_OUT),
         'at one rate, not tuned'),
        (_PAIR, dict(trains=False), ''),
    ],
)
def test_who_chose_is_said(part, about, expected):
  assert of(part, **about) == expected
