"""The tables: that they are whole, and that the paper's numbers are its own."""

import pytest

from experiment.paper import experiments
from experiment.paper import measures
from experiment.paper import paper_experiments

BOTH = [
    (name, scale)
    for name in paper_experiments.EXPERIMENTS
    for scale in experiments.SCALES
]


def test_every_experiment_of_the_list_is_there():
  assert set(paper_experiments.EXPERIMENTS) == {
      'table1', 'fig1', 'fig4', 'fig5', 'fig6', 'fig7', 'fig8', 'fig9',
      'table3', 'grouping', 'grouping_recommended', 'stability', 'headline',
      'headline_emnist', 'frontier', 'adaptive',
  }


@pytest.mark.parametrize('name, scale', BOTH)
def test_columns_exist_and_the_papers_numbers_are_shown(name, scale):
  experiment = paper_experiments.EXPERIMENTS[name](scale)
  assert set(experiment.columns) <= measures.COLUMNS.keys()
  for row in experiment.rows.values():
    assert row.paper.keys() <= set(experiment.columns)
    if 'chosen_top_1' in experiment.columns:
      assert row.settings.validation_fraction > 0
  if 'gain' in experiment.columns:
    assert experiment.baseline is not None
  for row in experiment.rows.values():
    # Rates and the end of training are chosen on validation examples.
    if row.longest or (row.tuned and len(experiment.grids()[row.tuned]) > 1):
      assert row.settings.validation_fraction > 0
    assert row.longest is None or row.longest > row.settings.rounds
  # What stands at one rate stands at those of its grid as well.
  settings = [
      repr(row.settings)
      for label, row in experiment.rows.items()
      if 'at its rate' not in label and 'at a smaller rate' not in label
  ]
  assert len(set(settings)) == len(settings), 'a row is there twice'


@pytest.mark.parametrize('name', paper_experiments.EXPERIMENTS)
def test_paper_scale_is_on_the_papers_data_with_its_numbers_of_clients(name):
  for row in paper_experiments.EXPERIMENTS[name]('paper').rows.values():
    num_clients = row.settings.division['num_clients']
    dataset = row.settings.dataset
    assert (dataset.split('_')[0], num_clients, row.settings.batch_size) in (
        ('emnist', 500, 20), ('cinic10', 100, 50)
    )
    if name in paper_experiments.OF_THE_PAPER:
      assert row.settings.client_optimizer == 'adam'


@pytest.mark.parametrize('name', paper_experiments.EXPERIMENTS)
def test_emnist_scale_is_table_i_at_a_fraction_that_the_pool_has(name):
  for row in paper_experiments.EXPERIMENTS[name]('emnist').rows.values():
    settings = row.settings
    if settings.dataset == 'cifar10_imbalanced':
      continue
    division = settings.division
    # Of 300 images a class, in clients of the paper's sizes.
    assert division['num_clients'] == 60 and division['fraction'] == 0.12
    # A long tail needs more of its largest classes than the pool has of some.
    if name == 'frontier':
      assert division['num_examples'] == 13_500
    else:
      assert division['num_examples'] in (14_100, 27_690)
    assert settings.test_per_class == 100


def test_all_of_a_headline_is_there_with_a_grid_of_its_own():
  experiment = paper_experiments.EXPERIMENTS['headline_emnist']('emnist')
  grids = experiment.grids()
  for optimizer in ('', ', client SGD', ', server Adam'):
    assert f'FedAvg{optimizer}' in grids
  assert {
      'control', 'recommended', 'Astraea', 'Astraea, random mediators',
      'Astraea, carried Adam', 'FedProx', 'Mime Lite',
      'FedAvg, five local epochs', 'recommended, random mediators',
  } <= set(grids)
  # The rate of another is no choice.
  assert len(grids.pop('Astraea, random mediators at its rate')) == 1
  assert min(map(len, grids.values())) >= 2 and len(experiment.seeds) == 5
  control = experiment.rows['control, 0.01'].settings
  assert control.algorithm == 'fedavg' and control.server_optimizer == 'adam'
  assert control.label_prior == 'mixed' and control.alpha == 0.67
  assert control.client_optimizer == 'sgd'
  assert control.server_learning_rate == 0.01
  recommended = experiment.rows['recommended, 0.001'].settings
  assert recommended.mediator_optimizer == 'adam'
  assert recommended.mediator_learning_rate == 0.001


def test_methods_of_a_frontier_differ_in_nothing_but_themselves():
  experiment = paper_experiments.EXPERIMENTS['frontier']('small')
  rates = {}
  for tuned, rows in experiment.grids().items():
    rates.setdefault(tuned.partition(': ')[0], set()).add(len(rows))
  assert rates == {
      'mild skew': {4}, '2 classes': {3, 4}, '1 class': {3, 4},
      'long tail': {4},
  }
  assert experiment.tuning_seeds == (100, 101) and len(experiment.seeds) == 5
  regimes = {}
  for name, row in experiment.rows.items():
    regimes.setdefault(name.partition(': ')[0], []).append(row.settings)
  assert set(regimes) == {'mild skew', '2 classes', '1 class', 'long tail'}
  for rows in regimes.values():
    assert len({repr(settings.division) for settings in rows}) == 1


def test_some_rows_come_with_all_their_rates():
  frontier = paper_experiments.EXPERIMENTS['frontier']('small')
  some = frontier.only(['1 class: control'])
  assert some.grids() == {
      '1 class: control': frontier.grids()['1 class: control']
  }
  assert some.seeds == frontier.seeds and some.baseline is None
  with pytest.raises(ValueError, match="row='nobody' must be one of "):
    frontier.only(['nobody'])


def test_settings_of_table_iii():
  rows = paper_experiments.EXPERIMENTS['table3']('paper').rows
  fed_avg = rows['FedAvg'].settings
  assert (fed_avg.clients_per_round, fed_avg.local_epochs) == (10, 20)
  for e_m in (1, 2, 3, 4):
    settings = rows[f'Med{e_m}'].settings
    assert settings.mediator_epochs == e_m and settings.local_epochs == 1
    assert settings.clients_per_round == 50 and settings.max_clients == 10
    assert settings.augmentation_factor == 0.67


@pytest.mark.parametrize(
    'changes, match',
    [
        (dict(picture='pie'), "picture='pie' must be one of curves"),
        (dict(baseline='x'), "baseline='x' must be a row"),
    ],
)
def test_impossible_experiments_are_refused(changes, match):
  arguments = dict(title='t', claim='c', rows={}, columns=('gain',))
  with pytest.raises(ValueError, match=match):
    experiments.Experiment(**(arguments | changes))


def test_what_adapts_may_send_as_much_as_what_does_not():
  rows = paper_experiments.EXPERIMENTS['adaptive']('small').rows
  # Models a round: 3 mediators and 15 clients, or 3 and 30, or 1 and 10, as two
  # passes of a second mediator would be beyond 15.
  for method, models in (
      ('one pass', 18), ('two passes', 33), ('credit, two passes', 11)
  ):
    rounds = rows[f'unequal: {method}, 0.1'].settings.rounds
    assert abs(rounds * models - 50 * 18) <= models / 2
