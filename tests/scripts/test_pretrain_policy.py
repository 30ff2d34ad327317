"""pretrain_policy.py: a file that train.py takes, and what is refused."""

import dataclasses
import shutil

import forked_program
import numpy as np
import patience
import pytest
import quick_runs
import script_runner

from astraea_tff.control import learned
from experiment.runs import control_log
from experiment.runs import metrics_log
from experiment.runs import run as run_lib

_ARGUMENTS = (
    '--dataset=digits',
    '--num_clients=6',
    '--num_examples=120',
    '--clients_per_round=4',
    '--max_clients=2',
    '--rounds=5',
    '--mediators_considered=3',
    '--validation_fraction=0.2',
    '--alpha=0',
)


@pytest.fixture(scope='module', autouse=True)
def quick():
  with (
      quick_runs.shared_processes(),
      quick_runs.small_networks(),
      quick_runs.without_pictures(),
  ):
    yield


@pytest.fixture(scope='module')
def folder_of_policy(tmp_path_factory, quick):
  """Yields a folder with the policy of seeds 7 and 8, and a cache."""
  folder = tmp_path_factory.mktemp('policy')
  with script_runner.loaded('pretrain_policy') as pretrain:
    script_runner.run(
        pretrain,
        [*_ARGUMENTS, '--seeds=7,8', f'--cache_dir={folder / "cache"}',
         f'--output={folder / "policy.npz"}'],
    )
  return folder


def test_a_policy_is_trained_on_seeds_and_used_as_it_is(
    tmp_path, folder_of_policy
):
  path = folder_of_policy / 'policy.npz'
  fresh = learned.LearnedPasses(seed=7)
  policy = learned.LearnedPasses.frozen(path)
  assert policy.passes == fresh.passes
  assert (policy.state['weights'] != fresh.state['weights']).any()
  with script_runner.loaded('train') as train:
    arguments = [*_ARGUMENTS, '--mediator_policy=learned', '--seed=1']
    folder = tmp_path / 'run'
    script_runner.run(
        train,
        [*arguments, f'--policy_file={path}', f'--output_dir={folder}'],
    )
    for other, message in (
        (train.__file__, 'must be a policy that LearnedPasses.save wrote'),
        (tmp_path / 'nowhere.npz', 'nowhere.npz cannot be read'),
    ):
      with pytest.raises(SystemExit, match=message):
        script_runner.run(
            train,
            [*arguments, f'--policy_file={other}',
             f'--output_dir={tmp_path / "other"}'],
        )
    # A finished run is that of the policy that the file held.
    content = path.read_bytes()
    fresh.save(path)
    with pytest.raises(SystemExit, match='holds a run with other flags'):
      script_runner.run(
          train,
          [*arguments, f'--policy_file={path}', f'--output_dir={folder}'],
      )
    path.write_bytes(content)
  rows = metrics_log.read_rows(folder / 'seed_1' / metrics_log.METRICS_FILE)
  for row in rows[1:]:
    assert control_log.read_list(row['credits']).size
    passes = control_log.read_list(row['passes'])
    assert (1 + 2 * passes).sum() <= 6
  assert np.isfinite([row['price'] for row in rows[1:]]).all()


@pytest.mark.parametrize('seeds', ['1,x', '1,1', '-1'])
def test_bad_seeds_are_refused_in_one_line(tmp_path, seeds):
  with script_runner.loaded('pretrain_policy') as pretrain:
    with pytest.raises(SystemExit) as refusal:
      script_runner.run(
          pretrain,
          [*_ARGUMENTS, f'--seeds={seeds}', f'--output={tmp_path / "p.npz"}'],
      )
  assert '--seeds must be' in refusal.value.code
  assert not (tmp_path / 'p.npz').exists()


@pytest.mark.parametrize('output', ['.', 'nowhere/p.npz', 'file/p.npz'])
def test_an_output_that_cannot_be_written_is_refused_by_its_flag(
    tmp_path, output
):
  (tmp_path / 'file').touch()
  with script_runner.loaded('pretrain_policy') as pretrain:
    with pytest.raises(SystemExit) as refusal:
      script_runner.run(
          pretrain, [*_ARGUMENTS, '--seeds=7', f'--output={tmp_path / output}']
      )
  assert f'--output={tmp_path / output} cannot be' in refusal.value.code
  assert [*tmp_path.iterdir()] == [tmp_path / 'file']


def test_nothing_is_left_of_a_command_that_is_refused(
    tmp_path, folder_of_policy
):
  """With the cache of the policy above, so that the process is built already."""
  cache = folder_of_policy / 'cache'
  before = {*(cache / 'pretrain_policy').iterdir()}
  with script_runner.loaded('pretrain_policy') as pretrain:
    with pytest.raises(SystemExit) as refusal:
      script_runner.run(
          pretrain,
          [*_ARGUMENTS, '--seeds=7', '--round_budget=0.1',
           f'--cache_dir={cache}', f'--output={tmp_path / "p.npz"}'],
      )
  assert 'round_budget' in refusal.value.code
  assert not [*tmp_path.iterdir()]
  # The cache keeps the run, which other tests look for.
  for kept in {*(cache / 'pretrain_policy').iterdir()} - before:
    shutil.rmtree(kept)


def test_a_command_that_was_stopped_goes_on_to_the_same_policy(
    tmp_path, folder_of_policy, monkeypatch
):
  """In the third round of the second seed."""
  train, trained = run_lib.train, []

  def interrupted(settings, seed, folder, **options):
    if seed == 8:
      settings = dataclasses.replace(settings, rounds=3)
    train(settings, seed, folder, **options)
    if seed == 8:
      raise OSError('the power is cut')

  def counted(settings, seed, folder, **options):
    if seed == 7:
      # To the same file from other seeds.
      other = forked_program.run(
          patience.SECONDS,
          script=pretrain.__file__,
          arguments=[*arguments, '--seeds=9'],
      )
      assert other.returncode == 1
      assert other.stderr == (
          f'pretrain_policy.py: --output={stopped} is what another program'
          ' trains; wait for its end, or name another file.\n'
      )
    log = folder / metrics_log.METRICS_FILE
    rows = metrics_log.read_rows(log) if log.exists() else [{'round': 0}]
    trained.append((seed, rows[-1]['round']))
    train(settings, seed, folder, **options)

  cache, stopped = folder_of_policy / 'cache', tmp_path / 'stopped.npz'
  arguments = [
      *_ARGUMENTS, '--seeds=7,8', f'--cache_dir={cache}', f'--output={stopped}'
  ]
  with script_runner.loaded('pretrain_policy') as pretrain:
    monkeypatch.setattr(run_lib, 'train', interrupted)
    with pytest.raises(SystemExit, match='the power is cut'):
      script_runner.run(pretrain, arguments)
    # There another policy could have stood, which was finished.
    assert not stopped.exists()
    monkeypatch.setattr(run_lib, 'train', counted)
    script_runner.run(pretrain, arguments)
  assert trained == [(7, 5), (8, 3)]
  np.testing.assert_array_equal(
      learned.LearnedPasses.frozen(stopped).state['weights'],
      learned.LearnedPasses.frozen(folder_of_policy / 'policy.npz').state['weights'],
  )
  assert not [*(cache / 'pretrain_policy').iterdir()]
