"""Equal costs and who is first, from curves made by hand."""

import numpy as np
import pandas as pd
import pytest

from experiment.paper import frontier
from experiment.paper import intervals


def curve(method, seed, costs, top_1, regime='r'):
  """A line for each evaluated round, all axes alike but the rounds."""
  return [
      dict(regime=regime, method=method, seed=seed, round=index, top_1=accuracy)
      | {axis: cost for axis in frontier.AXES if axis != 'round'}
      for index, (cost, accuracy) in enumerate(zip(costs, top_1))
  ]


CURVES = pd.DataFrame([
    line
    for seed in (0, 1, 2)
    for line in (
        # A round of the chain costs three times as much.
        *curve('chain', seed, (0, 3, 6, 9), (10, 70 + seed, 80 + seed, 90)),
        *curve('side', seed, (0, 1, 2, 3), (10, 40, 60, 75)),
    )
])


def at(axis):
  found = frontier.at_equal_cost(CURVES, axis)
  return found.set_index(['method', 'seed'])


def test_runs_are_looked_at_where_they_have_spent_what_the_cheapest_spends():
  by_cost = at('megabytes')
  assert set(by_cost['budget']) == {3}
  assert by_cost.loc['chain', 'top_1'].tolist() == [70, 71, 72]
  assert by_cost.loc['side', 'top_1'].tolist() == [75, 75, 75]
  by_round = at('round')
  assert set(by_round['budget']) == {3}
  assert by_round.loc['chain', 'top_1'].tolist() == [90, 90, 90]


def test_a_method_alone_is_first_of_nobody():
  alone = pd.DataFrame(curve('chain', 0, (0, 3), (10, 20), regime='s'))
  both = pd.concat([CURVES, alone])
  assert frontier.compared(both) == ['r']
  firsts = frontier.firsts_in_words(both, 'round')
  assert firsts == frontier.firsts_in_words(CURVES, 'round')
  assert frontier.format_firsts(both) == frontier.format_firsts(CURVES)
  assert not frontier.firsts_in_words(alone, 'round')
  assert not frontier.format_firsts(alone)
  page = frontier.format_page_part(alone)
  assert '| s: chain |' in page and 'first' not in page


def test_axes_that_were_not_measured_are_left_out():
  curves = CURVES.drop(columns=['edge_seconds', 'edge_megabytes'])
  page = frontier.format_page_part(curves)
  assert 'megabytes' in page and 'edge' not in page
  assert len(frontier.axes_of(curves)) == len(frontier.AXES) - 2


def test_a_budget_belongs_to_its_regime():
  other = pd.DataFrame(curve('chain', 0, (0, 1), (10, 20), regime='s'))
  found = frontier.at_equal_cost(pd.concat([CURVES, other]), 'local_steps')
  budgets = found.groupby('regime')['budget'].unique()
  assert budgets['r'].tolist() == [3] and budgets['s'].tolist() == [1]


def test_the_first_is_told_with_the_interval_to_the_second():
  first = frontier.first_of(
      frontier.at_equal_cost(CURVES, 'megabytes'), 'r'
  )
  assert (first.method, first.second) == ('side', 'chain')
  expected = intervals.of_mean(np.array([5.0, 4.0, 3.0]))
  assert first.ahead == pytest.approx(expected)
  text = frontier.format_firsts(CURVES)
  for line in (
      # Equal differences tell nothing.
      '| synchronization rounds | chain; +15.0 points (the same on all 3 seeds)',
      '| megabytes sent | **side**; +4.0 points [+1.5, +6.5] (3 seeds) over',
  ):
    assert line in text
  assert frontier.firsts_in_words(CURVES, 'megabytes') == 'side in r'
  one_seed = CURVES[CURVES['seed'] == 0]
  assert frontier.firsts_in_words(one_seed, 'megabytes') == (
      'side in r (not told from chain)'
  )


def test_the_oracle_is_a_reference_and_never_first():
  oracle = [
      line
      for seed in (0, 1, 2)
      for line in curve('oracle', seed, (0, 1, 2, 3), (10, 40, 60, 77 + seed))
  ]
  curves = pd.concat([CURVES, pd.DataFrame(oracle)])
  first = frontier.first_of(frontier.at_equal_cost(curves, 'megabytes'), 'r')
  assert first[:2] == ('side', 'chain')
  # 77, 78 and 79 against 75.
  assert first.reference == pytest.approx(
      intervals.of_mean(np.array([2.0, 3.0, 4.0]))
  )
  assert (
      ' over chain (oracle, for reference: +3.0 points [+0.5, +5.5] (3 seeds)'
      ' over the first) |'
  ) in frontier.format_firsts(curves)
  # With one other method there is nothing to be first of.
  alone = pd.concat([CURVES[CURVES['method'] == 'side'], pd.DataFrame(oracle)])
  assert not frontier.compared(alone)


def test_methods_without_a_seed_in_common_are_not_told_apart():
  curves = CURVES[(CURVES['method'] == 'side') == (CURVES['seed'] == 0)]
  assert frontier.firsts_in_words(curves, 'megabytes') == (
      'side in r (not told from chain)'
  )
  assert (
      '| megabytes sent | side; no seed of both has a value over chain |'
      in frontier.format_firsts(curves)
  )


def test_the_tables_have_the_budgets_and_all_accuracies():
  text = frontier.format_values(CURVES)
  assert '| *r: budget* | 3 | 3 |' in text
  assert '| r: chain | 90.0 ± 0.0 | 71.0 ± 1.0 |' in text


def test_curves_are_kept_as_csv_and_drawn(tmp_path):
  frontier.write_curves(tmp_path / 'curves.csv', CURVES)
  read = frontier.read_curves(tmp_path / 'curves.csv')
  pd.testing.assert_frame_equal(
      read.astype(float, errors='ignore'),
      CURVES[read.columns].astype(float, errors='ignore'),
      check_dtype=False,
  )
  frontier.draw(tmp_path / 'frontier.png', read)
  assert (tmp_path / 'frontier.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize(
    'damage, fault',
    [
        (lambda curves: curves.drop(columns='top_1'), 'no column top_1'),
        (lambda curves: pd.concat([curves, curves[:1]]), 'two lines'),
        (lambda curves: curves[::-1], 'do not rise'),
    ],
)
def test_damaged_curves_are_an_error_that_says_what_to_do(
    tmp_path, damage, fault
):
  path = tmp_path / 'curves.csv'
  frontier.write_curves(path, damage(CURVES))
  with pytest.raises(
      ValueError, match=f'curves.csv is damaged .*{fault}.* Remove it'
  ):
    frontier.read_curves(path)
