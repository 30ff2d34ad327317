"""What a table says of runs, by hand."""

import numpy as np
import pytest

import astraea_tff
from experiment.paper import experiments
from experiment.paper import measures
from experiment.paper import runner
from experiment.runs import settings as settings_lib


def row(round_num, top_1=None, validation=None, **others):
  evaluated = dict.fromkeys(
      ('macro_f1', 'worst_class_recall', 'calibration_error'), top_1
  )
  return evaluated | dict(
      round=round_num,
      top_1=top_1,
      validation_top_1=validation,
      mean_kl_divergence=None if round_num == 0 else 0.1 * round_num,
      megabytes=10.0 * round_num,
      megabytes_in_paper=6.0 * round_num,
      seconds=2.0 * round_num,
  ) | others


ROWS = [
    row(0, 0.1, 0.2),
    row(1),
    row(2, 0.8, 0.7),
    row(3, 0.9, 0.6, mean_kl_divergence=None),
    row(4, 0.7, 0.7),
]


def test_a_run_by_hand():
  measured = measures.measure_run(ROWS, 0.75)
  assert measured == pytest.approx({
      'best_top_1': 90,
      'last_top_1': 70,
      'macro_f1': 0.7,
      'worst_class_recall': 0.7,
      'calibration_error': 0.7,
      'rounds_to_target': 2,
      'megabytes_to_target': 20,
      'paper_megabytes_to_target': 12,
      'megabytes': 40,
      'mean_kl': (0.1 + 0.2 + 0.4) / 3,
      'seconds': 8,
      # Of the two rounds that validation likes best, the first.
      'best_validation_top_1': 70,
      'chosen_top_1': 80,
  })


def test_simulated_seconds_are_measured_where_they_were_noted():
  noted = [r | {'simulated_seconds': 3.0 * r['round']} for r in ROWS]
  assert measures.measure_run(noted, 0.75)['simulated_seconds'] == 12
  # All empty: of a run that was begun before they were.
  empty = [r | {'simulated_seconds': None} for r in ROWS]
  assert measures.measure_run(empty, 0.75) == measures.measure_run(ROWS, 0.75)


def test_a_run_without_validation_that_does_not_reach_the_target():
  rows = [r | {'validation_top_1': None} for r in ROWS]
  measured = measures.measure_run(rows, 0.95)
  assert 'chosen_top_1' not in measured
  assert np.isnan(measured['megabytes_to_target'])
  assert measured.keys() <= measures.COLUMNS.keys()


@pytest.mark.parametrize('patience, expected', [(2, True), (3, False)])
def test_validation_stands_still_when_its_best_round_is_long_ago(
    patience, expected
):
  # Best in round 2, again in round 4, which is the last.
  assert measures.stands_still(ROWS, patience) == expected
  risen = [*ROWS, row(5, 0.1, 0.71)]
  assert not measures.stands_still(risen, 1)


def test_gains_are_over_the_baseline_of_the_same_seed():
  tops = {('a', 0): 50, ('a', 1): 60, ('b', 0): 58, ('b', 1): 57, ('b', 2): 9}
  results = runner.make_results(
      {key: {'best_top_1': top} for key, top in tops.items()}
  )
  measures.add_gains(results, None)
  assert list(results) == ['best_top_1']
  measures.add_gains(results, 'a')
  assert results['gain'].fillna('none').tolist() == [0, 0, 8, -3, 'none']


def test_of_several_learning_rates_the_best_is_chosen():
  groups = {'x, 1': 'x', 'x, 2': 'x', 'y, 1': 'y', 'z': None, 'y, 2': 'y'}
  top_1 = {'x, 1': 0.5, 'x, 2': 0.6, 'y, 1': 0.4, 'z': 0.9, 'y, 2': 0.4}
  experiment = experiments.Experiment(
      title='',
      claim='',
      rows={
          name: experiments.make_row({}, tuned=group)
          for name, group in groups.items()
      },
      columns=('best_top_1',),
  )
  results = runner.make_results(
      {(name, 0): {'best_validation_top_1': top_1[name]} for name in groups}
  )
  chosen = runner.choose_rows(experiment, results)
  assert chosen == {'x': 'x, 2', 'y': 'y, 1'}


COUNTS = np.random.default_rng(0).multinomial(40, [0.4, 0.3, 0.2, 0.1], size=9)


def test_divergences_of_clients_and_of_the_mediators_of_all_rounds():
  arguments = dict(num_clients=9, clients_per_round=6, max_clients=3, rounds=4)
  fed_avg = settings_lib.Settings(algorithm='fedavg', **arguments)
  np.testing.assert_allclose(
      measures.measure_divergences(fed_avg, COUNTS, 1),
      astraea_tff.kl_divergence(COUNTS),
  )
  np.testing.assert_allclose(
      measures.measure_divergences(
          settings_lib.Settings(
              algorithm='fedavg', target='pooled', **arguments
          ),
          COUNTS,
          1,
      ),
      astraea_tff.kl_divergence(COUNTS, COUNTS.sum(axis=0)),
  )
  astraea = settings_lib.Settings(schedule='per_round', **arguments)
  divergences = measures.measure_divergences(astraea, COUNTS, 1)
  expected = [
      astraea_tff.reschedule_round(
          COUNTS, 6, 3, seed=1, round_num=round_num
      ).kl_divergence
      for round_num in (1, 2, 3, 4)
  ]
  np.testing.assert_allclose(divergences, np.concatenate(expected))
  assert measures.summarize_divergences(divergences) == pytest.approx({
      'mean_kl': divergences.mean(),
      'median_kl': np.median(divergences),
      'sd_kl': divergences.std(),
  })
  with pytest.raises(ValueError, match="schedule=per_round, got 'static'"):
    measures.measure_divergences(
        settings_lib.Settings(**arguments), COUNTS, 1
    )
