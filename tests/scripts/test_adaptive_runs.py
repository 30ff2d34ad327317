"""train.py with what adapts: what it refuses, records, and goes on from."""

from matplotlib import image
import numpy as np
import pytest
import quick_runs

from experiment.runs import adaptive
from experiment.runs import control_log
from experiment.runs import metrics_log
from experiment.runs import run as run_lib

_ARGUMENTS = (
    '--dataset=digits',
    '--num_clients=6',
    '--num_examples=120',
    '--global_distribution=long_tail',
    '--clients_per_round=4',
    '--max_clients=2',
    '--rounds=3',
    '--rounds_per_evaluation=2',
    '--validation_fraction=0.2',
)
# All of it at once.
_ADAPTIVE = (
    '--mediator_policy=learned',
    '--mediators_considered=3',
    '--sampling_weights=rarity',
    '--class_feedback=both',
    '--fresh_augmentation',
    '--class_priorities=3:2.0,7:1.5',
)


@pytest.fixture(name='run_train', scope='module')
def fixture_run_train():
  with quick_runs.train_runner(_ARGUMENTS) as run:
    yield run


@pytest.fixture(name='last_state', scope='module')
def fixture_last_state():
  """Holds the state after the round that was trained last."""
  kept = {}
  next_round = adaptive.AdaptiveProcess.next

  def next_and_keep(self, state, data):
    output = next_round(self, state, data)
    kept['state'] = output.state
    return output

  with pytest.MonkeyPatch.context() as patched:
    patched.setattr(adaptive.AdaptiveProcess, 'next', next_and_keep)
    yield kept


@pytest.fixture(name='unbroken', scope='module')
def fixture_unbroken(run_train, last_state, tmp_path_factory):
  folder = tmp_path_factory.mktemp('unbroken') / 'run'
  run_train(folder, *_ADAPTIVE)
  return folder, last_state['state']


def test_a_round_is_recorded_with_its_decisions(unbroken, tmp_path):
  rows = quick_runs.rows_but_seconds(unbroken[0])
  assert [row['round'] for row in rows] == [0, 1, 2, 3]
  for row in rows[1:]:
    mediators, passes, credits, weights = (
        control_log.read_list(row[name])
        for name in ('mediators', 'passes', 'credits', 'class_weights')
    )
    assert len(set(mediators)) == len(mediators) == len(passes) == len(credits)
    assert 1 <= len(mediators) <= 3 and (passes >= 1).all()
    # A full mediator of two clients is 3 models with one pass, 5 with two.
    assert (1 + 2 * passes).sum() <= 2 * 3
    assert np.abs(credits).max() > 0 and len(weights) == 10
  before, after = (
      control_log.read_list(rows[r]['class_weights']) for r in (1, 2)
  )
  np.testing.assert_array_equal(before[[0, 3, 7]], [1, 2, 1.5])
  assert (before != after).any()
  few, many = tmp_path / 'few.png', tmp_path / 'many.png'
  control_log.draw(few, rows, list('0123456789'))
  assert few.stat().st_size > 10_000
  # Those of more classes than there are colors have a row each.
  of_many = [
      row | {'class_weights': row['class_weights'] and '1 2 ' * 23 + '1'}
      for row in rows
  ]
  control_log.draw(many, of_many, [f'class {n}' for n in range(47)])
  heights = [image.imread(path).shape[0] for path in (few, many)]
  assert heights[1] > heights[0] + 300


def test_a_run_that_is_ended_after_every_round_is_the_unbroken_one(
    run_train, unbroken, last_state, tmp_path, monkeypatch
):
  whole, state = unbroken
  folder, release = tmp_path / 'run', metrics_log.TrainingLog.release
  for last_round in (1, 2):

    async def release_until(self, value, key, last_round=last_round):
      if key > last_round:
        raise ValueError('made up')
      await release(self, value, key)

    monkeypatch.setattr(metrics_log.TrainingLog, 'release', release_until)
    with pytest.raises(SystemExit, match='made up'):
      run_train(folder, *_ADAPTIVE)
    assert quick_runs.rows_but_seconds(folder)[-1]['round'] == last_round
  monkeypatch.setattr(metrics_log.TrainingLog, 'release', release)
  run_train(folder, *_ADAPTIVE)
  rows = quick_runs.rows_but_seconds
  assert rows(folder) == rows(whole)
  for name in (run_lib.WEIGHTS_FILE, 'schedule.json'):
    assert (folder / 'seed_0' / name).read_bytes() == (
        whole / 'seed_0' / name
    ).read_bytes()
  again = last_state['state']
  assert again is not state and again.round_num == state.round_num == 3
  assert again.control.keys() == state.control.keys()
  assert {'history/credit', 'policy/weights', 'feedback/recall'} <= set(
      state.control
  )
  for name, array in state.control.items():
    np.testing.assert_array_equal(again.control[name], array, err_msg=name)


def test_seconds_of_the_deployment_are_rationed(run_train, tmp_path):
  arguments = (
      '--mediator_policy=learned',
      '--policy_objective=seconds',
      '--class_feedback=both',
      '--fresh_augmentation',
  )
  folder = tmp_path / 'run'
  run_train(folder, *arguments, '--round_budget=4')
  rows = quick_runs.rows_but_seconds(folder)
  seconds = np.diff([row['simulated_seconds'] for row in rows])
  assert (seconds > 0).all() and (seconds <= 4).all()


@pytest.mark.parametrize(
    'arguments, message',
    [
        (
            ['--mediator_policy=credit', '--validation_fraction=0'],
            'mediator_policy=credit needs a validation_fraction above 0',
        ),
        (
            ['--class_feedback=sampling', '--validation_fraction=0'],
            'class_feedback=sampling needs a validation_fraction above 0',
        ),
        (
            ['--mediator_policy=kl', '--algorithm=fedavg'],
            'mediator_policy=kl needs algorithm=astraea',
        ),
        (
            ['--mediator_policy=kl', '--schedule=per_round'],
            'mediator_policy=kl needs schedule=static',
        ),
        (
            ['--mediator_policy=learned', '--mediator_epochs=2'],
            'mediator_policy=learned decides the passes itself; leave',
        ),
        (['--round_budget=6'], 'round_budget=6.0 needs a mediator_policy'),
        (
            ['--mediators_considered=2'],
            'mediators_considered=2 needs a mediator_policy',
        ),
        (
            ['--policy_objective=seconds'],
            'policy_objective=seconds needs a mediator_policy',
        ),
        (['--mediator_credit=alone'], 'needs a mediator_policy that learns'),
        (
            ['--credit_passes=2', '--mediator_policy=kl'],
            'credit_passes=2 needs mediator_policy=credit, got kl',
        ),
        (
            ['--credit_exploration=1', '--mediator_policy=kl'],
            'credit_exploration=1.0 needs mediator_policy=credit, got kl',
        ),
        (['--policy_file=x.npz'], 'needs mediator_policy=learned, got fixed'),
        (['--class_feedback=copies'], 'needs fresh_augmentation'),
        (['--class_priorities=3:2'], 'needs a class_feedback'),
        (
            ['--class_feedback=sampling', '--class_priorities=3'],
            'class_priorities=3 must be one factor for each of some classes',
        ),
        (
            ['--class_feedback=sampling', '--class_priorities=1:2,1:5'],
            'class 1 is given twice',
        ),
        (
            ['--class_feedback=sampling', '--class_priorities=10:2'],
            'a class of priorities must be at most 9, got 10',
        ),
        (
            ['--mediator_policy=kl', '--round_budget=1'],
            'round_budget must be finite and at least 2',
        ),
        (
            ['--mediator_policy=kl', '--mediators_considered=9'],
            'mediators_considered=9 must be at most the 3 mediators',
        ),
        (
            ['--mediator_policy=highest_loss', '--policy_objective=seconds'],
            'mediator_policy=highest_loss needs policy_objective=traffic',
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    run_train, tmp_path, arguments, message
):
  with pytest.raises(SystemExit) as refusal:
    run_train(tmp_path / 'run', *arguments)
  assert message in refusal.value.code and '\n' not in refusal.value.code
  # So that the folder takes the flags that are mended.
  left = {path.name for path in (tmp_path / 'run').glob('*')}
  assert left <= {'flags.json', '.lock'}
