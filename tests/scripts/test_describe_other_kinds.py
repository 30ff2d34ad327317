"""describe.py on a table and on texts."""

import re

import pytest
import script_runner

from experiment.runs import contact_sheet_plots


@pytest.fixture(scope='module')
def describe():
  with script_runner.loaded('describe') as script:
    yield script


@pytest.mark.parametrize(
    'name, plot, features',
    [
        ('wine', 'plot_rows', 'float32 rows of 13 columns, 130 training'),
        ('messages', 'plot_texts',
         r'int32 texts of 24 tokens out of \d+, 1,800 training'),
    ],
)
def test_a_table_and_texts_are_described(
    describe, tmp_path, monkeypatch, name, plot, features
):
  drawn = []
  draw = getattr(contact_sheet_plots, plot)

  def see(path, samples, *arguments):
    drawn.append(samples)
    draw(path, samples, *arguments)

  monkeypatch.setattr(contact_sheet_plots, plot, see)
  script_runner.run(describe, [
      f'--dataset={name}', '--num_clients=5', '--alpha=1', '--seed=2',
      f'--output_dir={tmp_path}',
  ])
  text = (tmp_path / 'describe.txt').read_text()
  assert re.match(f'{name}: {features}', text), text[:200]
  assert (tmp_path / 'contact_sheet.png').read_bytes().startswith(b'\x89PNG')
  (samples,) = drawn
  # Of each class some samples; where the plan makes copies, some have one.
  assert all(samples)
  if name == 'wine':
    has_copy = [any(copy is not None for _, copy in pairs) for pairs in samples]
    # 43, 55 and 32 rows: the largest class is not augmented.
    assert has_copy[2] and not has_copy[1]
