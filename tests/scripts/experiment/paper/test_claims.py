"""What decides a claim, by hand."""

import numpy as np
import pytest

from experiment.paper import claims
from experiment.paper import differences
from experiment.paper import experiments
from experiment.paper import intervals
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


def test_rows_are_compared_seed_by_seed():
  # Differences 5, 6 and 7: 4.30 standard errors of 1 / sqrt(3) are 2.48.
  experiment, results = make({'A': (54, 62, 74), 'B': (49, 56, 67)})
  finding = judge(experiment, results, above('A', 'B'))
  assert finding.measured == 'A - B: +6.00 points [+3.52, +8.48] (3 seeds)'
  assert finding.answer == intervals.CONFIRMED and finding.interval.size == 3
  for part, answer in (
      (above('B', 'A'), intervals.REFUTED),
      (not_above('A', 'B'), intervals.REFUTED),
      # Far below is not as good.
      (not_above('B', 'A'), intervals.OPEN),
  ):
    assert judge(experiment, results, part).answer == answer


def test_an_interval_across_zero_is_open_on_both_sides():
  # Differences 1, 2 and 3, of which 2 - 2.48 is below zero.
  experiment, results = make({'A': (50, 60, 70), 'B': (49, 58, 67)})
  for part in (above('A', 'B'), above('B', 'A'), not_above('A', 'B')):
    assert judge(experiment, results, part).answer == intervals.OPEN


def test_that_nothing_is_gained_is_confirmed_within_two_points():
  # Differences 0, 0.5 and 1: 0.5 +- 1.24.
  experiment, results = make({'A': (50, 60.5, 71), 'B': (50, 60, 70)})
  finding = judge(experiment, results, not_above('A', 'B'))
  assert finding.answer == intervals.CONFIRMED


def test_the_last_round_is_said():
  experiment, results = make({'A': (54, 62, 74), 'B': (49, 56, 67)})
  finding = judge(experiment, results, above('A', 'B', 'last_top_1'))
  assert finding.measured == (
      'A - B: +6.00 points [+3.52, +8.48] (3 seeds), last round'
  )


@pytest.mark.parametrize(
    'megabytes, answer', [(20, intervals.OPEN), (30, intervals.CONFIRMED)]
)
def test_costs_that_all_seeds_share_decide_beyond_one_evaluation(
    megabytes, answer
):
  experiment, results = make({'A': (1, 1, 1), 'B': (1, 1, 1)})
  # 4 MB a round, and five rounds from one evaluation to the next.
  cost = [40.0 + megabytes] * 3 + [40.0] * 3
  results['megabytes_to_target'] = cost
  results['rounds_to_target'] = [value / 4 for value in cost]
  finding = judge(experiment, results, above('A', 'B', 'megabytes_to_target'))
  assert finding.measured == (
      f'A - B: +{megabytes:.1f} MB (the same on all 3 seeds)'
  )
  assert finding.answer == answer


def test_one_seed_decides_nothing():
  experiment, results = make({'A': (90,), 'B': (10,)}, seeds=(0,))
  finding = judge(experiment, results, above('A', 'B'))
  assert finding.answer == intervals.OPEN and finding.is_measured
  assert finding.measured == 'A - B: +80.00 points (one seed, no interval)'


def test_the_round_that_validation_chose_counts_where_there_is_one():
  experiment, results = make({'A': (9, 9), 'B': (1, 1)}, seeds=(0, 1))
  results['chosen_top_1'] = [2.0, 4.0, 1.0, 1.0]
  values = differences.between(experiment, results, 'A', 'B', differences.TOP_1)
  assert values.tolist() == [1, 3]


def test_pairs_of_rows_are_judged_together():
  experiment, results = make(
      {'A': (3, 3, 3), 'B': (2, 1, 3), 'C': (9, 8, 9), 'D': (8, 8, 6)}
  )
  # Differences 1, 2, 0 and 1, 0, 3; of the seeds 1, 1 and 1.5. Their standard
  # error is 1/6, and 4.30 of them are 0.72.
  both = claims.Together((('A', 'B'), ('C', 'D')), ('new', 'old'))
  finding = judge(experiment, results, both)
  assert finding.measured == (
      'new - old: +1.17 points [+0.45, +1.88] (3 seeds)'
  )
  assert finding.answer == intervals.CONFIRMED
  last = claims.Together(both.pairs, both.names, 'last_top_1')
  finding = judge(experiment, results, last)
  assert finding.measured.endswith(' (3 seeds), last round')
  one_pair = claims.Together((('A', 'B'),), ('new', 'old'))
  assert judge(experiment, results, one_pair).answer == intervals.OPEN
  nothing = judge(experiment, results.iloc[:0], one_pair)
  assert nothing.answer == intervals.OPEN and not nothing.is_measured


def test_parts_about_rows_of_another_scale_are_left_out():
  experiment, results = make({'A': (3, 3.1), 'B': (2, 2)}, seeds=(0, 1))
  parts = (above('A', 'B'), above('A', 'another'))
  assert claims.about(parts, experiment) == parts[:1]
  assert judge(experiment, results, *parts).answer == intervals.CONFIRMED
  pairs = (('A', 'B'), ('A', 'another'))
  (kept,) = claims.about((claims.Together(pairs, ('x', 'y')),), experiment)
  assert kept.pairs == pairs[:1]
  assert not claims.about(parts[1:], experiment)


def test_a_seed_without_a_value_does_not_count():
  experiment, results = make({'A': (50, np.nan), 'B': (49, 58)}, seeds=(0, 1))
  results['megabytes_to_target'] = results['best_top_1']
  finding = judge(experiment, results, above('A', 'B', 'megabytes_to_target'))
  assert finding.measured == 'A - B: +1.0 MB (one seed, no interval)'
  results.loc[('A', 0), 'best_top_1'] = np.nan
  finding = judge(experiment, results, not_above('A', 'B'))
  assert finding.measured == 'A - B: no seed of both has a value'
  assert finding.answer == intervals.OPEN and not finding.is_measured


def test_a_claim_of_parts_is_confirmed_if_each_is_and_refuted_if_one_is():
  experiment, results = make(
      {'A': (3, 3.1), 'B': (2, 2), 'C': (np.nan,) * 2}, seeds=(0, 1)
  )
  both = judge(experiment, results, above('A', 'B'), above('B', 'A'))
  assert both.answer == intervals.REFUTED and both.measured.count(';') == 1
  open_part = judge(experiment, results, above('A', 'B'), above('A', 'C'))
  assert open_part.answer == intervals.OPEN
  lost = judge(experiment, results, above('B', 'A'), above('A', 'C'))
  assert lost.answer == intervals.REFUTED
  twice = judge(experiment, results, above('A', 'B'), above('A', 'B'))
  assert twice.answer == intervals.CONFIRMED


def test_the_best_of_rows_is_the_one_of_the_best_mean():
  experiment, results = make({'A': (1, 9), 'B': (4, 4), 'C': (2, 2)}, (0, 1))
  finding = judge(experiment, results, above(('A', 'B'), 'C'))
  assert finding.measured.startswith('A - C: +3.00 points [')
  assert finding.measured.endswith(', the best of 2 by validation')
  results['best_validation_top_1'] = [1.0, 2, 3, 4, 0, 0]
  finding = judge(experiment, results, above(('A', 'B'), 'C'))
  assert finding.measured.startswith('B - C: +2.00 points (the same on all 2')
  finding = judge(
      experiment,
      results.drop(columns='best_validation_top_1'),
      above(('A', 'B'), 'C'),
  )
  assert finding.measured.startswith('A - C: +3.00 points [')
  assert finding.measured.endswith(', the best of 2 by its test accuracy')


def test_what_is_tuned_stands_for_its_best_rate():
  experiment, results = make(
      {'A, 1': (5, 5), 'A, 2': (7, 1), 'B': (4, 4)},
      seeds=(0, 1),
      tuned={'A, 1': 'A', 'A, 2': 'A'},
  )
  values = differences.between(experiment, results, 'A', 'B', 'best_top_1')
  # Results of before there were tuning seeds: the first seed decides.
  assert values.tolist() == [3, -3]
  falls = differences.between(experiment, results, 'A', 'B', differences.FALL)
  assert falls.tolist() == [0, 0]


@pytest.mark.parametrize(
    'claim',
    [*paper_claims.PAPER, *paper_claims.OURS],
    ids=lambda claim: f'{claim.experiment}: {claim.text[:40]}',
)
def test_every_claim_is_about_rows_that_are_there(claim):
  scales = {
      scale: paper_experiments.EXPERIMENTS[claim.experiment](scale)
      for scale in experiments.SCALES
  }
  found = [claims.about(claim.parts, one) for one in scales.values()]
  assert claim.parts in found or any(
      isinstance(part, claims.Together) for part in claim.parts
  )
  experiment = next(one for one, parts in zip(scales.values(), found) if parts)
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
  assert 'no seed' not in finding.measured and finding.is_measured


def test_the_share_of_a_loss_is_judged_seed_by_seed():
  names = ('FedAvg', 'FedAvg, balanced classes', 'Astraea')
  experiment, results = make(
      {
          'FedAvg, 1': (50, 50, 50),
          'FedAvg, balanced classes, 1': (60, 62, 58),
          'Astraea, 1': (59, 61, 57),
      },
      tuned={f'{name}, 1': name for name in names},
  )
  results['chosen_top_1'] = results['best_top_1']
  # Of losses 10, 12 and 8, Astraea gets all back but one point: 90 % of the
  # mean; above a half by 4, 5 and 3, above 0.99 by less than nothing.
  finding = judge(experiment, results, claims.Retrieved(0.5))
  assert finding.measured == (
      '90.0 % of the loss; above 50.00 % of it by +4.00 points [+1.52, +6.48]'
      ' (3 seeds)'
  )
  assert finding.answer == intervals.CONFIRMED
  assert (
      judge(experiment, results, claims.Retrieved(0.99)).answer
      == intervals.REFUTED
  )
  # More than all there is to get back.
  is_ours = results.index.isin(['Astraea, 1'], level='row')
  results.loc[is_ours, 'chosen_top_1'] += 3.0
  finding = judge(experiment, results, claims.Retrieved(0.5))
  assert finding.answer == intervals.NOT_COMPARABLE
  assert finding.measured.startswith('120.0 % of the loss, so balance is not')


def test_statements_of_one_claim_are_counted_as_one():
  counted = [claim.counted_as for claim in paper_claims.PAPER]
  assert len(counted) == 27 and len(set(counted)) == 25
  assert counted.count('EMNIST: Astraea above FedAvg') == 2
  assert all(claim.counted_as == claim.text for claim in paper_claims.OURS)


def test_tuning_seeds_choose_and_are_not_compared():
  tuning = experiments.TUNING_SEEDS[0]
  experiment, results = make(
      {'A, 1': (9, 1, 1), 'A, 2': (2, 8, 8), 'B': (0, 0, 0)},
      seeds=(tuning, 0, 1),
      tuned={'A, 1': 'A', 'A, 2': 'A'},
  )
  assert runner.choose_rows(experiment, results) == {'A': 'A, 1'}
  values = differences.between(experiment, results, 'A', 'B', differences.TOP_1)
  assert values.index.tolist() == [0, 1] and values.tolist() == [1, 1]
