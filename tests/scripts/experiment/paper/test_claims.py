"""What decides a claim, by hand."""

import numpy as np
import pytest

from experiment.paper import claims
from experiment.paper import experiments
from experiment.paper import paper_claims
from experiment.paper import paper_experiments
from experiment.paper import runner


def judge(experiment, results, *parts):
  return claims.judge(parts, experiment, results)


def above(row, other, *measure):
  return claims.Comparison(row, other, *measure)


def not_above(row, other):
  return claims.Comparison(row, other, sign=-1)


def make(values, seeds=(0, 1, 2), tuned=None):
  """An experiment and its results, from each row's best_top_1 by seed."""
  rows = {
      name: experiments.make_row(
          {}, tuned=(tuned or {}).get(name), client_learning_rate=0.1 + index
      )
      for index, name in enumerate(values)
  }
  experiment = experiments.Experiment(
      title='', claim='', rows=rows, columns=('best_top_1',), seeds=seeds
  )
  results = runner.make_results({
      (name, seed): dict(
          best_top_1=value, last_top_1=value - 1, best_validation_top_1=value
      )
      for name, by_seed in values.items()
      for seed, value in zip(seeds, by_seed)
  })
  return experiment, results


@pytest.mark.parametrize(
    'values, expected',
    [
        # Standard errors: 0, 1/sqrt(3), 2/sqrt(3) = 1.15.
        ([1, 1, 1], True),
        ([1, 2, 3], True),
        ([0, 2, 4], False),
        ([-1, -1, -1], False),
        ([0.5], True),
        ([0.0], False),
    ],
)
def test_positive_is_two_standard_errors_above_zero(values, expected):
  assert claims.is_positive(np.array(values, float)) == expected


def test_rows_are_compared_seed_by_seed():
  experiment, results = make({'A': (50, 60, 70), 'B': (49, 58, 67)})
  finding = judge(experiment, results, above('A', 'B'))
  assert finding == claims.Finding(
      'A - B: +2.00 ± 1.00 points (3 seeds)', True
  )
  assert not judge(experiment, results, above('B', 'A')).holds
  assert not judge(experiment, results, not_above('A', 'B')).holds
  assert judge(experiment, results, not_above('B', 'A')).holds


def test_pairs_of_rows_are_judged_together():
  experiment, results = make(
      {'A': (3, 3, 3), 'B': (2, 1, 3), 'C': (9, 8, 9), 'D': (8, 8, 6)}
  )
  # Differences 1, 2, 0 and 1, 0, 3: of mean 7/6, standard error 0.48.
  both = claims.Together((('A', 'B'), ('C', 'D')), ('new', 'old'))
  assert judge(experiment, results, both) == claims.Finding(
      'new - old: +1.17 ± 1.17 points (6 pairs)', True
  )
  one_pair = claims.Together((('A', 'B'),), ('new', 'old'))
  assert not judge(experiment, results, one_pair).holds  # 1.0, standard error 0.58.
  assert judge(experiment, results.iloc[:0], one_pair).holds is None


def test_a_seed_without_a_value_does_not_count():
  experiment, results = make({'A': (50, np.nan), 'B': (49, 58)}, seeds=(0, 1))
  results['megabytes_to_target'] = results['best_top_1']
  finding = judge(experiment, results, above('A', 'B', 'megabytes_to_target'))
  assert finding.measured == 'A - B: +1.0 MB (one seed)' and finding.holds
  results.loc[('A', 0), 'best_top_1'] = np.nan
  finding = judge(experiment, results, not_above('A', 'B'))
  assert finding == claims.Finding('no seed of both has a value', None)


def test_a_claim_of_parts_holds_if_each_does():
  experiment, results = make({'A': (3, 3), 'B': (2, 2), 'C': (np.nan,) * 2},
                             seeds=(0, 1))
  both = judge(experiment, results, above('A', 'B'), above('B', 'A'))
  assert both.holds is False and both.measured.count(';') == 1
  open_part = judge(experiment, results, above('A', 'B'), above('A', 'C'))
  assert open_part.holds is None
  lost = judge(experiment, results, above('B', 'A'), above('A', 'C'))
  assert lost.holds is False


def test_the_best_of_rows_is_the_one_of_the_best_mean():
  experiment, results = make({'A': (1, 9), 'B': (4, 4), 'C': (2, 2)}, (0, 1))
  finding = judge(experiment, results, above(('A', 'B'), 'C'))
  assert finding.measured.startswith('A - C: +3.00 ± 5.66 ')


def test_what_is_tuned_stands_for_its_best_rate():
  experiment, results = make(
      {'A, 1': (5, 5), 'A, 2': (7, 1), 'B': (4, 4)},
      seeds=(0, 1),
      tuned={'A, 1': 'A', 'A, 2': 'A'},
  )
  values = claims.differences(experiment, results, 'A', 'B', 'best_top_1')
  # By the first seed, which is all that decides.
  assert values.tolist() == [3, -3]
  falls = claims.differences(experiment, results, 'A', 'B', claims.FALL)
  assert falls.tolist() == [0, 0]


@pytest.mark.parametrize(
    'claim',
    [*paper_claims.PAPER, *paper_claims.OURS],
    ids=lambda claim: f'{claim.experiment}: {claim.text[:40]}',
)
def test_every_claim_is_about_rows_that_are_there(claim):
  experiment = paper_experiments.EXPERIMENTS[claim.experiment]('small')
  results = runner.make_results({
      (name, seed): dict.fromkeys(
          (
              'best_top_1', 'last_top_1', 'chosen_top_1', 'mean_kl', 'sd_kl',
              'best_validation_top_1', 'megabytes_to_target',
              'paper_megabytes_to_target',
          ),
          float(index),
      )
      for index, name in enumerate(experiment.rows)
      for seed in experiment.seeds
  })
  finding = claims.judge(claim.parts, experiment, results)
  assert 'no seed' not in finding.measured and finding.holds is not None
