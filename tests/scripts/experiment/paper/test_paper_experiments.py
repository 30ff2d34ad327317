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
      'table3', 'grouping', 'stability', 'headline', 'headline_emnist',
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
  settings = [repr(row.settings) for row in experiment.rows.values()]
  assert len(set(settings)) == len(settings), 'a row is there twice'


@pytest.mark.parametrize('name', paper_experiments.EXPERIMENTS)
def test_paper_scale_is_on_the_papers_data_with_its_numbers_of_clients(name):
  for row in paper_experiments.EXPERIMENTS[name]('paper').rows.values():
    num_clients = row.settings.division['num_clients']
    dataset = row.settings.dataset
    assert (dataset.split('_')[0], num_clients, row.settings.batch_size) in (
        ('emnist', 500, 20), ('cinic10', 100, 50)
    )
    assert row.settings.client_optimizer == 'adam' or name == 'stability'


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
