"""compare.py: the table's figures from runs written by hand."""

import base64
import contextlib
import io
import json
import shutil

from absl import app
from absl import flags
import numpy as np
import pytest
import script_runner

from experiment.runs import costs
from experiment.runs import report

HEADER = (
    'round,top_1,loss,train_loss,mean_kl_divergence,megabytes,'
    'megabytes_in_paper,seconds\n'
)


@pytest.fixture(scope='module')
def compare():
  with script_runner.loaded('compare') as script:
    yield script


def write_run(folder, *seeds):
  """Writes a run; a seed is its rows (round, top-1, KL, megabytes, seconds)."""
  folder.mkdir()
  flags = {'seed': list(range(len(seeds)))}
  (folder / 'flags.json').write_text(json.dumps(flags))
  for seed, rows in enumerate(seeds):
    (folder / f'seed_{seed}').mkdir()
    lines = [f'{r},{a},,,{kl},{mb},{mb},{s}\n' for r, a, kl, mb, s in rows]
    text = HEADER + ''.join(lines)
    (folder / f'seed_{seed}' / 'metrics.csv').write_text(text)
  return folder


def cells(output, name):
  (line,) = [l for l in output.splitlines() if l.startswith(f'| {name} ')]
  return [cell.strip() for cell in line.strip('|').split('|')]


def test_table_holds_means_spreads_and_costs_to_the_target(
    compare, tmp_path, capsys
):
  one = write_run(
      tmp_path / 'one',
      [(0, 0.1, '', 0, 0), (1, '', 0.2, 5, 1), (2, 0.8, 0.4, 10, 3)],
      [(0, 0.1, '', 0, 0), (1, 0.9, 0.6, 5, 2), (2, 0.7, 0.8, 10, 5)],
  )
  two = write_run(tmp_path / 'two', [(0, 0.1, '', 0, 0), (4, 0.2, 0.5, 8, 1)])
  output = tmp_path / 'comparison'
  script_runner.run(
      compare,
      [f'--output_dir={output}', '--target_accuracy=0.75', str(one), str(two)],
  )
  printed = capsys.readouterr().out
  assert cells(printed, 'one') == [
      'one',
      '2',
      '75.00 ± 7.07',
      '85.00 ± 7.07',
      '1.5 ± 0.7',
      '7.5 ± 3.5',
      '5.00',
      '0.500',
      '4.0 ± 1.4',
      'not noted',
      'not noted',
  ]
  assert cells(printed, 'two')[4:7] == ['not reached', 'not reached', '2.00']
  assert 'rounds to 75 %' in printed
  assert (output / 'comparison.md').read_text() == printed
  assert (output / 'accuracy.png').stat().st_size > 1000
  # By the fewest rounds and megabytes: 2 and 8; `one` is between its rounds.
  (rounds,) = [l for l in printed.splitlines() if l.startswith('| 2 rounds ')]
  assert '| 75.00 ± 7.07 | 15.00 |' in rounds
  (sent,) = [l for l in printed.splitlines() if l.startswith('| 8 MB ')]
  assert '| 72.00 ± 8.49 | 20.00 |' in sent


def test_a_target_that_some_seeds_reach_says_how_many(
    compare, tmp_path, capsys
):
  run = write_run(
      tmp_path / 'one',
      [(0, 0.1, '', 0, 0), (1, 0.8, 0.4, 10, 3)],
      [(0, 0.1, '', 0, 0), (1, 0.5, 0.4, 10, 3)],
  )
  script_runner.run(compare, [f'--output_dir={tmp_path}', str(run)])
  assert cells(capsys.readouterr().out, 'one')[4] == '1.0 (1/2)'


def test_steps_and_simulated_time_to_the_target(compare, tmp_path, capsys):
  run = write_run(tmp_path / 'one', [(0, 0.1, '', 0, 0), (1, 0.9, 0.4, 1, 3)])
  path = run / 'seed_0' / 'metrics.csv'
  header, first, second = path.read_text().splitlines()
  path.write_text(
      f'{header},local_steps,simulated_seconds\n{first},0,0\n{second},40,12.6\n'
  )
  script_runner.run(compare, [f'--output_dir={tmp_path}', str(run)])
  assert cells(capsys.readouterr().out, 'one')[-2:] == ['40', '13']


def test_the_page_has_pictures_tables_and_flags_of_every_run(
    compare, tmp_path, capsys
):
  rows = [(0, 0.1, '', 0, 0), (1, 0.8, 0.4, 10, 3)]
  one = write_run(tmp_path / 'one <b>', rows, rows)
  two = write_run(tmp_path / 'two', *[rows] * 11)
  classes = ['<i>', *map(str, range(46))]
  for folder, recall in ((one, 0.25), (two, 0.75)):
    lines = [f'{r},{c},0,{r * recall},0' for r in (0, 1) for c in classes]
    for seed_folder in folder.glob('seed_*'):
      (seed_folder / 'per_class.csv').write_text(
          '\n'.join(['round,class,precision,recall,f1', *lines, ''])
      )
      (seed_folder / 'confusion_matrix.png').write_bytes(b'png')
  output = tmp_path / 'comparison'
  script_runner.run(compare, [f'--output_dir={output}', str(one), str(two)])
  capsys.readouterr()
  text = (output / 'report.html').read_text()
  assert 'one &lt;b&gt;' in text and '<b>' not in text
  for picture in ('accuracy.png', 'classes.png'):
    data = base64.b64encode((output / picture).read_bytes()).decode()
    assert f'base64,{data}"' in text
  # The class's recall, the flag in which the runs differ, a seed's pictures.
  assert (
      '<th scope="row">&lt;i&gt;</th><td>25.0 ± 0.0</td><td>75.0 ± 0.0</td>'
  ) in text
  assert '<th scope="row">seed</th><td>[0, 1]</td><td>[0, 1, 2, 3' in text
  assert text.count(base64.b64encode(b'png').decode()) == 2
  # Of one run alone each seed's, in the order of their numbers.
  script_runner.run(compare, [f'--output_dir={output}', str(two)])
  text = (output / 'report.html').read_text()
  assert text.count(base64.b64encode(b'png').decode()) == 11
  assert text.index('>seed 2<') < text.index('>seed 10<')
  assert '<title>two</title>' in text


@pytest.mark.parametrize(
    'make, match',
    [
        (lambda path: path / 'nothing', 'is not the folder of a run'),
        (lambda path: write_run(path / 'empty'), 'holds no evaluated round'),
        (
            lambda path: write_run(path / 'early', [(1, '', 0.1, 1, 1)]),
            'holds no evaluated round',
        ),
    ],
)
def test_folders_without_results_are_refused_in_one_line(
    compare, tmp_path, make, match
):
  with pytest.raises(SystemExit, match=f'^compare.py: .*{match}'):
    script_runner.run(
        compare, [f'--output_dir={tmp_path}', str(make(tmp_path))]
    )


def test_a_copy_of_a_seed_is_no_seed(compare, tmp_path, capsys):
  rows = [(0, 0.1, '', 0, 0), (1, 0.8, 0.4, 10, 3)]
  run = write_run(tmp_path / 'one', rows, [(0, 0.1, '', 0, 0)] + rows[1:])
  for name in ('seed_0 (copy)', 'seed_0_1', 'seed_00', 'seed_'):
    shutil.copytree(run / 'seed_0', run / name)
  script_runner.run(compare, [f'--output_dir={tmp_path}', str(run)])
  assert cells(capsys.readouterr().out, 'one')[1] == '2'


def test_seeds_that_are_not_finished_are_named(compare, tmp_path, capsys):
  rows = [(0, 0.1, '', 0, 0), (1, 0.8, 0.4, 10, 3), (2, 0.9, 0.4, 20, 6)]
  one = write_run(tmp_path / 'one', rows, rows[:2])
  flags = {'seed': [0, 1, 2], 'rounds': 2}
  (one / 'flags.json').write_text(json.dumps(flags))
  two = write_run(tmp_path / 'two', rows, rows)
  arguments = [f'--output_dir={tmp_path}', str(one), str(two)]
  script_runner.run(compare, arguments)
  note = (
      'Not finished: one, seed 1 (round 1 of 2); one, seed 2 (round 0 of 2).'
  )
  assert f'\n\n{note}\n\n' in capsys.readouterr().out
  assert note in (tmp_path / 'report.html').read_text()
  script_runner.run(compare, [arguments[0], str(two)])
  assert 'Not finished' not in capsys.readouterr().out


def test_a_run_given_twice_is_refused(compare, tmp_path):
  run = write_run(tmp_path / 'one', [(1, 0.8, 0.4, 10, 3)])
  with pytest.raises(SystemExit, match='one must be given once'):
    script_runner.run(
        compare, [f'--output_dir={tmp_path}', str(run), f'{run}/../one']
    )


@pytest.mark.parametrize('arguments', [[''], ['--target_accuracy=0', 'one']])
def test_an_empty_path_and_no_accuracy_are_refused(
    compare, tmp_path, arguments, capsys
):
  with pytest.raises((SystemExit, app.UsageError, flags.Error)) as refusal:
    script_runner.run(compare, [f'--output_dir={tmp_path}', *arguments])
  said = str(refusal.value) + capsys.readouterr().err
  assert 'give . for the folder at hand' in said or 'in (0, 1]' in said


class _Closed(io.StringIO):
  """What standard output is to a program whose reader has gone."""

  def reconfigure(self, **_):
    pass

  def write(self, text):
    raise BrokenPipeError('gone')


def test_all_is_written_though_nobody_reads_what_is_printed(
    compare, tmp_path, monkeypatch
):
  run = write_run(tmp_path / 'one', [(1, 0.8, 0.4, 10, 3)])
  for name, stdout in (('pipe', _Closed()), ('closed', None)):
    output = tmp_path / name
    monkeypatch.setattr('sys.stdout', stdout)
    with (
        pytest.raises(SystemExit, match='gone')
        if stdout
        else contextlib.nullcontext()
    ):
      script_runner.run(compare, [f'--output_dir={output}', str(run)])
    assert {path.name for path in output.iterdir()} == {
        'comparison.md', 'accuracy.png', 'report.html'
    }


def test_equal_runs_are_equally_good_and_the_deployment_is_told():
  curve = costs.Curve(np.array([0.0, 10.0]), np.array([0.1, 0.5]))
  budgets = report.compare_at_budgets(
      {name: dict.fromkeys(costs.AXES, [curve]) for name in ('one', 'other')}
  )
  assert budgets.best == [
      (line, column) for line in range(len(costs.AXES)) for column in (1, 2)
  ]
  differ, shared = report._flags({
      'one': report.Run(None, {'mediator_place': 'edge'}, {}),
      'other': report.Run(None, {}, {}),
  })
  assert 'edge' in differ and 'server' in differ
  assert 'seconds_per_step' in shared and '0.1' in shared


def test_a_run_that_begins_beyond_the_budget_is_not_the_best():
  def curves(*points):
    return dict.fromkeys(costs.AXES, [costs.Curve(*map(np.array, zip(*points)))])

  budgets = report.compare_at_budgets({
      'late': curves((30.0, 0.9), (40.0, 0.9)),
      'short': curves((0.0, 0.1), (10.0, 0.5)),
  })
  assert [line[1:] for line in budgets.lines] == [['', '50.00']] * len(costs.AXES)
  assert budgets.best == [(line, 2) for line in range(len(costs.AXES))]
  # At 20 nobody of these has a value.
  nobody = {
      'late': curves((30.0, 0.9), (40.0, 0.9)),
      'later': curves((50.0, 0.1), (60.0, 0.5)),
      'once': curves((20.0, float('nan'))),
  }
  assert report.compare_at_budgets(nobody).best == []
