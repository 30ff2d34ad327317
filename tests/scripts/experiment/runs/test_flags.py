"""Flags of settings: what is made of a field, and what is read back."""

from absl import flags
from absl.testing import flagsaver
import pytest
import script_runner

from experiment.runs import flags as flags_lib
from experiment.runs import settings as settings_lib


@pytest.fixture
def define():
  """Defines flags that are gone after the test."""
  before = set(flags.FLAGS)
  yield flags_lib.define_flags
  for name in set(flags.FLAGS) - before:
    delattr(flags.FLAGS, name)


def read(arguments, *names, **others):
  with flagsaver.flagsaver():
    flags.FLAGS.unparse_flags()
    flags.FLAGS(['script', *arguments])
    return flags_lib.read_settings(*names, **others)


def test_without_arguments_the_settings_have_their_defaults(define):
  define()
  assert read([]) == settings_lib.Settings()


def test_every_kind_of_flag_is_read_back(define):
  define()
  arguments = [
      '--algorithm=fedavg',
      '--num_examples=7',
      '--beta=0.25',
      '--carry_optimizer_state',
      '--alpha=1.5',
      '--client_clipping_norm=2',
  ]
  assert read(arguments) == settings_lib.Settings(
      algorithm='fedavg',
      num_examples=7,
      beta=0.25,
      carry_optimizer_state=True,
      alpha=1.5,
      client_clipping_norm=2.0,
  )


def test_only_the_named_settings_have_flags_and_others_are_given(define):
  before = set(flags.FLAGS)
  names = ['num_clients', 'beta']
  define(names)
  assert set(flags.FLAGS) - before == set(names)
  settings = read(['--num_clients=3'], names, clients_per_round=2)
  assert settings == settings_lib.Settings(num_clients=3, clients_per_round=2)


def test_flags_belong_to_the_script_that_asked_for_them(define):
  define(['num_clients'])
  assert flags.FLAGS.find_module_defining_flag('num_clients') == __name__


@pytest.mark.parametrize(
    'argument', ['--algorithm=sgd', '--num_clients=many', '--beta=wide']
)
def test_values_of_another_kind_are_refused_when_parsing(define, argument):
  define()
  with pytest.raises(flags.IllegalFlagValueError):
    read([argument])


@pytest.mark.parametrize('script', [
    'describe', 'soak', 'study_hostile_clients', 'study_kinds', 'study_privacy',
    'study_scheduling', 'train',
])
@pytest.mark.parametrize('seed', ['-1', str(2**32), '1.5'])
def test_every_script_takes_the_same_seeds(script, seed):
  with script_runner.loaded(script) as loaded:
    values = [loaded.__file__, '--output_dir=out']
    with pytest.raises(flags.IllegalFlagValueError, match=f'--seed={seed}: '):
      flags.FLAGS([*values, f'--seed={seed}'])


def test_values_out_of_range_are_refused_when_reading(define):
  define(['num_clients'])
  with pytest.raises(ValueError, match='num_clients=0 must be at least 1'):
    read(['--num_clients=0'], ['num_clients'])


@pytest.mark.parametrize(
    'function', [flags_lib.define_flags, flags_lib.read_settings]
)
def test_unknown_settings_are_refused(function):
  with pytest.raises(ValueError, match="must be settings, got 'gamma'"):
    function(['num_clients', 'gamma'])
