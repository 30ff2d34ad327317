"""What the page of results says of its data."""

import pandas as pd

from experiment.paper import measured
from experiment.paper import paper_experiments
from experiment.paper import runner
from experiment.paper import words


def test_the_key_has_at_most_eight_lines_and_the_sizes_of_the_sets():
  key = words.format_key()
  assert len(key.splitlines()) <= 8
  for text in (
      '14,100 images',
      'a fraction of 0.12 of Table I: 60 clients, 30 a round, where the paper'
      ' has 500 and 50',
      'Of 4,700 held-out images 1,410 are for validation and 3,290 for the'
      ' test. 30 rounds',
      'cifar10_imbalanced: 20,000 images on 100 clients, 50 a round',
      'digits: 1,497 images on 20 clients, 10 a round',
      'mnist: 2,500 images on 100 clients, 50 a round',
  ):
    assert text in key


def test_what_cifar_has_not_is_named_with_what_another_scale_has():
  claim, why = words.not_run_on_cifar({})
  assert '; FedAvg, five local epochs; FedProx; Mime Lite; ' in claim
  assert 'control' not in claim and '%' not in why
  experiment = paper_experiments.EXPERIMENTS['headline']('small')
  row = 'FedAvg, five local epochs, 0.001'
  results = runner.make_results({(row, 0): dict(chosen_top_1=41.9875)})
  assert isinstance(results, pd.DataFrame)
  small = measured.Measured('headline', 'small', experiment, results)
  _, why = words.not_run_on_cifar({small.folder: small})
  assert 'FedAvg, five local epochs, which has 41.99 % with seed 0' in why
