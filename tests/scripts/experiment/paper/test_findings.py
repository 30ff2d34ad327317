"""The sentences of findings, from results made by hand."""

from experiment.paper import findings
from experiment.paper import measured
from experiment.paper import paper_experiments
from experiment.paper import runner


_ROWS = {'recommended, 0.001': 80.0, 'control, 0.01': 70.0}


def measure(name, scale, top_1):
  """Results of rows, each with its accuracy, a bit more with every seed."""
  experiment = paper_experiments.EXPERIMENTS[name](scale)
  results = runner.make_results({
      (row, seed): dict.fromkeys(
          ('best_top_1', 'last_top_1', 'best_validation_top_1'),
          value + 0.1 * seed * (index + 1),
      )
      for index, (row, value) in enumerate(top_1.items())
      for seed in experiment.seeds
  })
  one = measured.Measured(name, scale, experiment, results)
  return {one.folder: one}


def test_a_headline_says_what_is_left_for_the_chain():
  # Differences over seeds 0 to 4 of 10.0, 9.9, 9.8, 9.7 and 9.6: the mean 9.8,
  # and 2.78 standard errors of 0.0707 are 0.196.
  all_results = measure('headline_emnist', 'emnist', _ROWS)
  sentences = findings.find(all_results)
  assert sentences[0].startswith('1 experiments with 10 lines of results')
  assert (
      'What is left for the chain, Astraea as recommended over the control'
      ' (emnist_ltrf1, headline_emnist_emnist): +9.80 points [+9.60, +10.00] (5'
      ' seeds), a gain.'
  ) in sentences
  assert any('chosen with a seed that is reported' in s for s in sentences)
  # Nothing is said of what was not run.
  assert not any('client Adam' in sentence for sentence in sentences)


def test_the_largest_scale_counts():
  both = measure('headline_emnist', 'small', _ROWS) | measure(
      'headline_emnist', 'emnist', _ROWS
  )
  (said,) = [s for s in findings.find(both) if 'left for the chain' in s]
  assert 'headline_emnist_emnist' in said


def test_grouping_is_counted_over_its_settings_and_taken_together():
  rows = paper_experiments.EXPERIMENTS['grouping_recommended']('small').rows
  top_1 = {
      row: 50.0
      + 5.0 * row.endswith(': KL') * row.startswith('beta')
      - 5.0 * row.endswith(': KL') * row.startswith('1 class')
      for row in rows
  }
  experiment = measure('grouping_recommended', 'small', top_1)
  (said,) = [
      sentence
      for sentence in findings.find(experiment)
      if 'with the recommended optimizer' in sentence
  ]
  assert 'above random mediators in 4 of 6 settings, below in 2.' in said
  assert said.startswith('Grouping by KL over random mediators')


def test_one_seed_decides_nothing():
  all_results = measure('headline_emnist', 'emnist', _ROWS)
  (one,) = all_results.values()
  results = one.results[one.results.index.isin([0], level='seed')]
  alone = measured.Measured(one.name, one.scale, one.experiment, results)
  (said,) = [
      sentence
      for sentence in findings.find({one.folder: alone})
      if 'left for the chain' in sentence
  ]
  assert said.endswith('(one seed, no interval), which decides nothing.')
