"""What the words of docs/results.md mean, and what its data are."""

from astraea_tff.datasets.sources import emnist
from experiment.paper import experiments
from experiment.paper import measured
from experiment.paper import methods
from experiment.paper import runner
from experiment.runs import settings as settings_lib

_METHODS = (
    '*Astraea* is the paper\'s: a *mediator* has gamma clients at most, grouped'
    ' so that their labels together are near uniform (*by KL*, Algorithm 3; or'
    ' *random mediators*), who train one after another (the *chain*) with a'
    ' fresh Adam each and augmentation (alpha 0.67). *Recommended* has client'
    ' SGD, Adam at the mediators and a label prior instead of the fresh Adam.',
    '*Control* is recommended without chains: FedAvg, whose clients train side'
    ' by side, with client SGD, Adam at the server, the same augmentation and'
    ' the same label prior.',
    'c is the clients of a round, gamma those of a mediator at most, E the'
    ' epochs at a client, E_m the passes through a chain in a round. MB are'
    ' sent in both directions.',
    '*One pass* trains all mediators of a round once, *credit* those whose'
    ' updates have helped most on validation examples, *learned* those that a'
    ' network takes; the *oracle* knows which clients are good, which nobody'
    ' can choose: it is a reference and never first. With *wrong labels* a'
    ' fifth of the clients have labels at random.',
)


def format_key() -> str:
  """Returns what a reader has to know before the findings, in Markdown."""
  lines = [*_METHODS, _of_emnist(), *_of_others()]
  return '\n'.join(f'- {line}' for line in lines)


def _settings(data: str, scale: str) -> settings_lib.Settings:
  return settings_lib.Settings(**experiments.BASES[data][scale])


def _of_emnist() -> str:
  settings = _settings('emnist', 'emnist')
  paper = _settings('emnist', 'paper')
  division = settings.division
  num_classes = len(emnist.CLASS_NAMES)
  held_out = num_classes * settings.test_per_class
  validation = num_classes * round(
      settings.validation_fraction * settings.test_per_class
  )
  return (
      f'emnist_ltrf1 (scale `emnist`): {division["num_examples"]:,} images of'
      " EMNIST's official bymerge test split, a fraction of"
      f' {settings.fraction:g} of Table I: {division["num_clients"]} clients,'
      f' {settings.clients_per_round} a round, where the paper has'
      f' {paper.division["num_clients"]} and {paper.clients_per_round}, and'
      ' LTRF1 where it uses LTRF2; the largest three of its clients hold 49 %'
      ' of the images, but in `frontier` all are of one size. Of'
      f' {held_out:,} held-out images {validation:,} are for validation and'
      f' {held_out - validation:,} for the test.'
      f' {settings.rounds} rounds; a headline goes on until validation stands'
      f' still, to {2 * settings.rounds} at most.'
  )


def _of_others() -> list[str]:
  cifar = {
      scale: _settings('cinic10', scale).rounds for scale in ('emnist', 'small')
  }
  return [
      f'{_in_short("cinic10")}, with classes as a standard normal has them, in'
      ' the place of CINIC-10; of 10,000 test images 2,000 are for validation.'
      f' {cifar["emnist"]} rounds at scale `emnist` (a headline to'
      f' {2 * cifar["emnist"]} at most), {cifar["small"]} at `small`.',
      f'{_in_short("digits")}, 300 test images,'
      f' {_settings("digits", "small").rounds} rounds or as a row has;'
      f' {_in_short("emnist")}, 10,000 test images,'
      f' {_settings("emnist", "small").rounds} rounds. Both stand in for EMNIST'
      ' at scale `small`.',
  ]


def _in_short(data: str) -> str:
  settings = _settings(data, 'small')
  # Of the digits all that are not for the test.
  num_examples = settings.division.get('num_examples') or 1497
  return (
      f'{settings.dataset}: {num_examples:,} images on'
      f' {settings.division["num_clients"]} clients,'
      f' {settings.clients_per_round} a round'
  )


def not_run_on_cifar(all_results: measured.AllResults) -> tuple[str, str]:
  """Returns which methods CIFAR-10 has not at scale 'emnist', and why."""
  rates = methods.RATES_OF_HEADLINE['emnist']
  missing = [name for name in methods.METHODS if not rates[name]]
  why = 'CIFAR-10 takes long, so that the rows are those that answers need.'
  name = 'FedAvg, five local epochs'
  small = all_results.get('headline_small')
  if small is not None and name in missing:
    chosen = runner.choose_rows(small.experiment, small.results).get(name)
    if (chosen, 0) in small.results.index:
      top_1 = small.results.loc[(chosen, 0), 'chosen_top_1']
      why += (
          f' {name}, which has {top_1:.2f} % with seed 0 at scale `small`, is'
          ' among them.'
      )
  return f'On CIFAR-10 at scale `emnist`: {"; ".join(missing)}.', why
