"""The pictures of a comparison hold what they are given."""

import numpy as np
import pytest

from experiment.runs import cost_plots
from experiment.runs import costs
from experiment.runs import plots


@pytest.fixture(name='drawn')
def fixture_drawn(monkeypatch):
  figures = []
  monkeypatch.setattr(plots, 'save', lambda f, path: figures.append(f))
  return figures


def curve(last):
  return costs.Curve(np.array([0.0, last]), np.array([0.1, 0.9]))


def test_each_cost_has_a_panel_with_a_line_and_a_band(drawn, tmp_path):
  runs = {
      '_x $5': {
          'round': [curve(10), curve(10)],
          'megabytes': [curve(40), curve(40)],
          'local_steps': [curve(20_000), curve(20_000)],
          'simulated_seconds': [curve(36_000), curve(18_000)],
      },
      'old': {
          'round': [curve(20)],
          'megabytes': [curve(80)],
          'local_steps': None,
          'simulated_seconds': None,
      },
  }
  cost_plots.plot_costs(tmp_path / 'a.png', runs)
  panels = drawn[0].axes
  assert [axes.get_xlabel() for axes in panels] == [
      'synchronization rounds',
      'megabytes sent',
      'local steps of all clients',
      'simulated hours of the deployment',
  ]
  assert [len(axes.lines) for axes in panels] == [2, 2, 1, 1]
  # One seed has no band.
  assert [len(axes.collections) for axes in panels] == [1, 1, 1, 1]
  assert [axes.get_title() for axes in panels] == ['', ''] + [
      '1 of 2 runs did not note this'
  ] * 2
  np.testing.assert_allclose(panels[0].lines[0].get_xdata(), [0, 10])
  # Hours, up to where both seeds are.
  np.testing.assert_allclose(panels[3].lines[0].get_xdata(), [0, 5])
  mean = 0.1 + 0.8 * (1 + 0.5) / 2
  np.testing.assert_allclose(panels[3].lines[0].get_ydata(), [0.1, mean])
  (legend,) = drawn[0].legends
  assert [text.get_text() for text in legend.texts] == [r' _x \$5', 'old']


def test_many_runs_differ_in_color_or_line_and_have_a_short_name(
    drawn, tmp_path
):
  runs = {
      f'{number} {"name " * 40}': dict.fromkeys(costs.AXES, [curve(1)])
      for number in range(23)
  }
  cost_plots.plot_costs(tmp_path / 'a.png', runs)
  lines = drawn[0].axes[0].lines
  assert len({(l.get_color(), l.get_linestyle()) for l in lines}) == 23
  (legend,) = drawn[0].legends
  assert len(legend.texts) == 23
  assert all(len(text.get_text()) <= 110 for text in legend.texts)


@pytest.mark.parametrize('num_runs', [2, 6])
def test_each_class_has_a_line_with_every_run(drawn, tmp_path, num_runs):
  names = [f'a class with a long name, number {c}' for c in range(47)]
  recalls = {
      f'run {number}': np.stack([np.full(47, 0.2), np.full(47, 0.1 * number)])
      for number in range(num_runs)
  }
  cost_plots.plot_classes(tmp_path / 'a.png', recalls, names)
  axes = drawn[0].axes[0]
  labels = [label.get_text() for label in axes.get_yticklabels()]
  assert len(set(labels)) == 47 and max(map(len, labels)) <= 32
  # Lines of a quarter of an inch stay apart.
  assert drawn[0].get_figheight() > 47 * 0.2
  if num_runs == 2:
    dots = [container.lines[0] for container in axes.containers]
    for number, line in enumerate(dots):
      mean = (0.2 + 0.1 * number) / 2
      np.testing.assert_allclose(line.get_xdata(), np.full(47, mean))
      assert (np.rint(line.get_ydata()) == range(47)).all()
  else:
    cells = axes.images[0].get_array()
    means = [(0.2 + 0.1 * number) / 2 for number in range(6)]
    np.testing.assert_allclose(cells, np.tile(means, (47, 1)))
  (legend,) = drawn[0].legends
  assert legend.texts[1].get_text().endswith('run 1')


def test_seeds_of_one_recall_have_no_spread(drawn, tmp_path):
  # Their mean is rounded to the last digit, and lies beside some of them.
  recalls = np.tile(np.arange(1, 100) / 99, (3, 1))
  cost_plots.plot_classes(
      tmp_path / 'a.png', {'run': recalls}, [str(c) for c in range(99)]
  )
  dots = drawn[0].axes[0].containers[0].lines[0]
  np.testing.assert_array_equal(dots.get_xdata(), recalls[0])
