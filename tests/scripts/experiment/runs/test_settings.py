"""Settings: what they refuse, and the default that depends on another."""

import dataclasses

import pytest

from experiment.runs import settings as settings_lib


@pytest.mark.parametrize(
    'values, match',
    [
        (dict(algorithm='sgd'), "algorithm='sgd' must be one of astraea, fedavg"),
        (dict(grouping='best'), "grouping='best' must be one of greedy, random"),
        (dict(drop_probability=1.1), r'drop_probability=1.1 must be in \[0, 1\]'),
        (dict(drop_probability=float('nan')), 'drop_probability=nan must be in'),
        (dict(proximal_strength=-1.0), 'proximal_strength=-1.0 must be at least'),
        (dict(proximal_strength=float('inf')), 'proximal_strength=inf must be'),
        (dict(client_clipping_norm=0.0), 'client_clipping_norm=0.0 must be pos'),
        (dict(validation_fraction=1.0), 'validation_fraction=1.0 must be in'),
        (dict(global_distribution='x'), "global_distribution='x' must be one"),
        (dict(rounds=0), 'rounds=0 must be at least 1'),
        (dict(max_clients=-1), 'max_clients=-1 must be at least 1'),
        (dict(num_examples=0), 'num_examples=0 must be at least 1'),
        (dict(imbalance_factor=0.5), 'imbalance_factor=0.5 must be at least 1'),
        (dict(client_learning_rate=0.0), 'client_learning_rate=0.0 must be pos'),
        (dict(server_learning_rate=float('nan')), 'must be positive and finite'),
        (dict(beta=float('inf')), 'beta=inf must be positive and finite'),
        (
            dict(num_clients=5, clients_per_round=6),
            'clients_per_round=6 must not exceed num_clients=5',
        ),
        (
            dict(dataset='digits', clients_per_round=21),
            'clients_per_round=21 must not exceed num_clients=20',
        ),
        (
            dict(dataset='cifar10_imbalanced', clients_per_round=101),
            'clients_per_round=101 must not exceed num_clients=100',
        ),
        (dict(alpha=2.5), r'alpha=2.5 must be in \[0, 2\]'),
        (dict(alpha=float('nan')), r'alpha=nan must be in \[0, 2\]'),
    ],
)
def test_values_outside_their_range_are_refused_by_name(values, match):
  with pytest.raises(ValueError, match=match):
    settings_lib.Settings(**values)


def test_alpha_defaults_to_augmentation_for_astraea_alone():
  factors = [
      settings_lib.Settings(algorithm=a, alpha=alpha).augmentation_factor
      for a in ('astraea', 'fedavg', 'fedprox', 'mime_lite')
      for alpha in (None, 0.0, 0.33)
  ]
  assert factors == [0.67, 0.0, 0.33] + 3 * [0.0, 0.0, 0.33]


@pytest.mark.parametrize(
    'algorithm, max_clients, expected',
    [('astraea', 10, 3), ('astraea', 25, 1), ('astraea', 1, 25),
     ('fedavg', 10, 25), ('mime_lite', 10, 25)],
)
def test_a_round_trains_a_model_for_each_mediator_or_client(
    algorithm, max_clients, expected
):
  settings = settings_lib.Settings(
      dataset='mnist', num_clients=40, clients_per_round=25,
      algorithm=algorithm, max_clients=max_clients,
  )
  assert settings.models_per_round == expected


def test_division_of_a_name_that_says_nothing_has_the_defaults():
  assert settings_lib.Settings(dataset='mnist').division == dict(
      num_clients=20,
      global_distribution='natural',
      local_distribution='dirichlet',
      size_distribution='even',
      beta=0.5,
      classes_per_client=2,
      imbalance_factor=10.0,
  )


def test_division_is_what_the_name_says_unless_the_user_says_otherwise():
  division = settings_lib.Settings(dataset='emnist_ltrf2').division
  assert division['num_clients'] == 500
  assert division['num_examples'] == 230_752
  assert division['size_distribution'] == 'instagram'
  assert division['local_distribution'] == 'random'
  assert division['global_distribution'] == 'letter_frequency_any_case'
  division = settings_lib.Settings(
      dataset='emnist_ltrf2',
      num_clients=30,
      num_examples=1000,
      size_distribution='even',
      local_distribution='iid',
      global_distribution='zipf',
  ).division
  assert division['num_clients'] == 30
  assert division['num_examples'] == 1000
  assert division['size_distribution'] == 'even'
  assert division['local_distribution'] == 'iid'
  assert division['global_distribution'] == 'zipf'


def test_the_table_has_each_setting_with_its_help():
  fields = dataclasses.fields(settings_lib.Settings)
  assert list(settings_lib.ABOUT) == [field.name for field in fields]
  for about in settings_lib.ABOUT.values():
    assert about.help.endswith('.') and '{' not in about.help
  astraea = settings_lib.Settings()
  assert f'{astraea.augmentation_factor:g} for' in (
      settings_lib.ABOUT['alpha'].help
  )
