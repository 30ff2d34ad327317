"""compare.py: the table's figures from runs written by hand."""

import json

import pytest
import script_runner

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
  ]
  assert cells(printed, 'two')[4:7] == ['not reached', 'not reached', '2.00']
  assert 'rounds to 75 %' in printed
  assert (output / 'comparison.md').read_text() == printed
  assert (output / 'accuracy.png').stat().st_size > 1000


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
