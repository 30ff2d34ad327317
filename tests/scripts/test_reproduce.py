"""reproduce.py on a tiny experiment: its page, resuming, errors."""

import asyncio
import csv
import fcntl
import os
import re
import shutil
import types

from absl import flags
from absl.testing import flagsaver
import numpy as np
import pytest
import quick_runs
import script_runner

from experiment.paper import experiments
from experiment.paper import frontier_costs
from experiment.paper import kept_results
from experiment.paper import paper_experiments
from experiment.paper import runner
from experiment.runs import metrics_log
from experiment.runs import run as run_lib

_BASE = dict(
    dataset='digits',
    num_clients=6,
    num_examples=120,
    global_distribution='long_tail',
    clients_per_round=4,
    max_clients=2,
    rounds=2,
    rounds_per_evaluation=1,
)


def _tiny(scale):
  del scale
  return experiments.Experiment(
      title='Tiny',
      claim='Nothing.',
      rows={
          'FedAvg': experiments.make_row(_BASE, algorithm='fedavg'),
          'Astraea': experiments.make_row(_BASE, {'gain': 1.0}),
      },
      columns=('gain', 'extra_storage', 'best_top_1'),
      picture='scatter',
      baseline='FedAvg',
      target_accuracy=0.01,
      seeds=(0, 3),
      confusion_rows=('Astraea',),
  )


@pytest.fixture(name='reproduce', scope='module')
def fixture_reproduce():
  tables = dict(paper_experiments.EXPERIMENTS) | {'tiny': _tiny}
  with pytest.MonkeyPatch.context() as patched:
    patched.setattr(
        paper_experiments, 'EXPERIMENTS', types.MappingProxyType(tables)
    )
    with (
        script_runner.loaded('reproduce') as script,
        quick_runs.shared_processes(),
        quick_runs.small_networks(),
    ):

      def run(folder, *arguments):
        script_runner.run(script, [*arguments, f'--output_dir={folder}'])

      yield run


@pytest.fixture(autouse=True)
def event_loop_is_left_as_it_was():
  yield
  asyncio.set_event_loop(None)


def _read_csv(path):
  with path.open(newline='') as file:
    return list(csv.DictReader(file))


def test_interrupted_experiment_goes_on_and_finished_runs_are_kept(
    reproduce, tmp_path, monkeypatch, capsys
):
  trained = []
  train = run_lib.train

  def train_until_the_third(settings, seed, folder, **arguments):
    if len(trained) == 2:
      raise OSError('made up')
    trained.append((settings.algorithm, seed))
    train(settings, seed, folder, **arguments)

  monkeypatch.setattr(run_lib, 'train', train_until_the_third)
  with pytest.raises(SystemExit, match='made up'):
    reproduce(tmp_path, '--experiment=tiny')
  assert trained == [('fedavg', 0), ('astraea', 0)]
  capsys.readouterr()
  trained.clear()
  reproduce(tmp_path, '--experiment=tiny')
  assert trained == [('fedavg', 3), ('astraea', 3)]
  printed = capsys.readouterr().out
  assert 'tiny [3/4] FedAvg, seed 3; time left: unknown' in printed
  assert re.search(
      r'tiny \[4/4\] Astraea, seed 3; time left: \d+ min\n', printed
  )
  trained.clear()
  reproduce(tmp_path, '--experiment=tiny')
  assert not trained

  folder = tmp_path / 'tiny_small'
  page = (folder / 'results.md').read_text()
  assert '--experiment=tiny --scale=small' in page
  assert '| gain in best top-1 (points) | paper |' in page
  assert (folder / 'results.png').read_bytes().startswith(b'\x89PNG')
  assert '(confusion_Astraea.png)' in page
  assert (folder / 'confusion_Astraea.png').read_bytes().startswith(b'\x89PNG')
  rows = _read_csv(folder / 'results.csv')
  assert [(r['row'], r['seed']) for r in rows] == [
      ('FedAvg', '0'), ('Astraea', '0'), ('FedAvg', '3'), ('Astraea', '3')
  ]
  for row in rows:
    settings = _tiny('small').rows[row['row']].settings
    path = runner.run_folder(
        tmp_path / 'runs', settings, int(row['seed'])
    )
    accuracies = [r['top_1'] for r in metrics_log.read_rows(path / metrics_log.METRICS_FILE)]
    assert float(row['best_top_1']) == pytest.approx(100 * max(accuracies))
    # FedAvg augments nothing, Astraea with alpha 0.67.
    assert (float(row['extra_storage']) > 0) == (row['row'] == 'Astraea')
  _check_costs_follow_the_rounds(tmp_path)
  tops = [float(row['best_top_1']) for row in rows]
  assert [float(row['gain']) for row in rows] == pytest.approx(
      [0, tops[1] - tops[0], 0, tops[3] - tops[2]]
  )


def test_a_row_alone_and_the_others_named(reproduce, tmp_path, monkeypatch):
  trained = []

  def train(settings, seed, folder, **arguments):
    trained.append((settings.algorithm, seed))
    run_lib_train(settings, seed, folder, **arguments)

  run_lib_train = run_lib.train
  monkeypatch.setattr(run_lib, 'train', train)
  # The pictures of these runs are those of the test above.
  with quick_runs.without_pictures():
    _check_rows_alone(reproduce, tmp_path, trained)
  with pytest.raises(SystemExit, match="row='Fed' must be one of FedAvg; Astr"):
    reproduce(tmp_path, '--experiment=tiny', '--row=Fed')


def _check_rows_alone(reproduce, tmp_path, trained):
  reproduce(tmp_path, '--experiment=tiny', '--row=FedAvg')
  assert trained == [('fedavg', 0), ('fedavg', 3)]
  page = (tmp_path / 'tiny_small' / 'results.md').read_text()
  assert 'Not run yet: Astraea.' in page
  assert '--experiment=tiny --scale=small --row=FedAvg\n' in page
  rows = _read_csv(tmp_path / 'tiny_small' / 'results.csv')
  assert [row['row'] for row in rows] == ['FedAvg', 'FedAvg']
  assert [float(row['gain']) for row in rows] == [0, 0]
  # The other row alone, where the first one's runs are gone.
  trained.clear()
  shutil.rmtree(tmp_path / 'runs')
  reproduce(tmp_path, '--experiment=tiny', '--row=Astraea')
  assert trained == [('astraea', 0), ('astraea', 3)]
  page = (tmp_path / 'tiny_small' / 'results.md').read_text()
  assert 'Not run yet' not in page and '--scale=small\n' in page
  both = _read_csv(tmp_path / 'tiny_small' / 'results.csv')
  assert [row['row'] for row in both] == ['FedAvg', 'Astraea'] * 2
  assert both[::2] == rows
  assert [float(row['gain']) for row in both[1::2]] == pytest.approx([
      float(ours['best_top_1']) - float(theirs['best_top_1'])
      for theirs, ours in zip(both[::2], both[1::2])
  ])


def _check_costs_follow_the_rounds(folder):
  reproduction = runner.Reproduction('tiny', _tiny('small'), folder / 'runs')
  (curves,) = [
      lines
      for method, lines in frontier_costs.measure(
          reproduction, reproduction
      ).groupby('method')
  ]
  # Rows without a regime: FedAvg and Astraea in turn, three rounds each.
  assert len(curves) == 12
  settings = reproduction.experiment.rows['Astraea'].settings
  noted = reproduction.metrics('Astraea', 3)
  again = frontier_costs.follow_rounds(
      settings, reproduction.population('Astraea', 3), settings.rounds
  )
  # Where the mediators stand on the server, as the run had them.
  assert again.seconds == pytest.approx(
      [row['simulated_seconds'] for row in noted]
  )
  # Six model transfers a mediator of two clients, one of them at the edge's.
  visits = noted[-1]['megabytes'] / noted[0 + 1]['megabytes']
  assert visits == settings.rounds
  assert again.megabytes[-1] == pytest.approx(noted[-1]['megabytes'] / 3)


def test_divergences_need_no_training(reproduce, tmp_path, monkeypatch):
  monkeypatch.delattr(run_lib, 'train')
  reproduce(tmp_path, '--experiment=fig7')
  rows = _read_csv(tmp_path / 'fig7_small' / 'results.csv')
  means = {
      name: np.mean([float(r['mean_kl']) for r in rows if r['row'] == name])
      for name in ('FedAvg', 'Aug', 'c 10, gamma 5')
  }
  assert means['FedAvg'] > means['Aug'] > means['c 10, gamma 5'] > 0
  assert '| FedAvg | ' in (tmp_path / 'fig7_small' / 'results.md').read_text()
  assert not (tmp_path / 'runs').exists()


def test_data_that_are_not_there_are_one_line(reproduce, tmp_path):
  with pytest.raises(SystemExit) as end:
    reproduce(
        tmp_path / 'output',
        '--experiment=fig7',
        '--scale=paper',
        f'--data_dir={tmp_path}/nothing',
    )
  assert end.value.code.startswith('reproduce.py: ')
  assert '\n' not in end.value.code and 'data_dir' in end.value.code


@pytest.mark.parametrize('experiment', ['fig4', 'fig7'])
def test_a_refused_start_leaves_no_folder(reproduce, tmp_path, experiment):
  there = tmp_path / 'there'
  there.mkdir()
  arguments = [
      f'--experiment={experiment}',
      '--scale=emnist',
      f'--data_dir={tmp_path}/nothing',
      f'--runs_dir={there}/a/b',
  ]
  with pytest.raises(SystemExit, match='^reproduce.py: .*data_dir'):
    reproduce(there / 'c' / 'd', *arguments)
  with pytest.raises(SystemExit, match="^reproduce.py: row='none' must be"):
    reproduce(there / 'c' / 'd', *arguments, '--row=none')
  assert not [*there.iterdir()]
  # What was there stays.
  kept = [there / 'a' / 'b' / 'other', there / 'c' / f'{experiment}_emnist']
  for path in kept:
    path.mkdir(parents=True)
  with pytest.raises(SystemExit, match='^reproduce.py: .*data_dir'):
    reproduce(there / 'c', *arguments)
  assert {*there.rglob('*')} == {
      *kept, kept[0].parent, kept[0].parent.parent, kept[1].parent
  }


@pytest.mark.parametrize('scale', experiments.SCALES)
@pytest.mark.parametrize('name', paper_experiments.EXPERIMENTS)
def test_every_experiment_has_a_flagfile(reproduce, name, scale):
  del reproduce  # Its flags are those of the script.
  path = script_runner.SCRIPTS / f'flags/experiments/{name}_{scale}.flags'
  with flagsaver.flagsaver():
    flags.FLAGS.unparse_flags()
    flags.FLAGS(['reproduce.py', f'--flagfile={path}'])
    assert (flags.FLAGS.experiment, flags.FLAGS.scale) == (name, scale)
    assert flags.FLAGS.runs_dir == 'runs/reproduce'


def _refuse_to_train(*_):
  raise AssertionError('It trains.')


@pytest.mark.parametrize(
    'damage, match',
    [
        (lambda path: path.write_text(''), '--output_dir=.* cannot be made'),
        (
            lambda path: (path.mkdir(), (path / 'results.csv').write_text('')),
            'results.csv is damaged',
        ),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_training(
    reproduce, tmp_path, monkeypatch, damage, match
):
  monkeypatch.setattr(runner.Reproduction, 'train', _refuse_to_train)
  damage(tmp_path / 'tiny_small')
  with pytest.raises(SystemExit, match=f'^reproduce.py: .*{match}'):
    reproduce(
        tmp_path, '--experiment=tiny', f'--runs_dir={tmp_path / "runs"}'
    )


def test_a_row_alone_does_not_delete_rows_that_name_no_runs(
    reproduce, tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr(runner.Reproduction, 'train', _refuse_to_train)
  path = tmp_path / 'fig7_small' / 'results.csv'
  reproduce(tmp_path, '--experiment=fig7')
  before = path.read_text()
  capsys.readouterr()
  with pytest.raises(
      SystemExit, match='^reproduce.py: .* do not say which settings .*--row'
  ):
    reproduce(tmp_path, '--experiment=fig7', '--row=Aug')
  assert path.read_text() == before
  # The whole experiment, which has lost a row since.
  path.write_text(before + 'gone,0,1.0,1.0,1.0\n')
  reproduce(tmp_path, '--experiment=fig7')
  assert path.read_text() == before
  assert f'{path}: 1 of its {before.count(chr(10))} lines are' in (
      capsys.readouterr().out
  )


def test_a_folder_of_runs_that_cannot_be_made_is_refused_by_its_flag(
    reproduce, tmp_path, monkeypatch
):
  monkeypatch.setattr(runner.Reproduction, 'train', _refuse_to_train)
  (tmp_path / 'file').touch()
  with pytest.raises(SystemExit, match='^reproduce.py: --runs_dir=.*/file cannot'):
    reproduce(
        tmp_path, '--experiment=tiny', f'--runs_dir={tmp_path / "file"}'
    )


def test_no_other_program_changes_a_page_that_is_being_added_to(
    reproduce, tmp_path, monkeypatch
):
  monkeypatch.setattr(runner.Reproduction, 'train', lambda _: None)
  monkeypatch.setattr(runner.Reproduction, 'measure', lambda _: None)
  tried = []

  def add(path, *_):
    handle = os.open(path.parent, os.O_RDONLY)
    try:
      fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      tried.append(path.name)
    finally:
      os.close(handle)
    raise ValueError('enough')

  monkeypatch.setattr(kept_results, 'add', add)
  with pytest.raises(SystemExit, match='enough'):
    reproduce(tmp_path, '--experiment=tiny')
  assert tried == ['results.csv']
