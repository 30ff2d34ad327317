"""Pictures are written, and the mean curve is over the rounds all runs have."""

import numpy as np
import pytest

from experiment.runs import picture_text
from experiment.runs import plots

PNG = b'\x89PNG'


@pytest.mark.parametrize('num_classes', [3, 47])
def test_every_picture_is_a_png(tmp_path, num_classes):
  rng = np.random.default_rng(0)
  counts = rng.integers(100, size=num_classes)
  confusion = rng.integers(9, size=(num_classes, num_classes))
  confusion[0] = 0
  curve = ([0, 5, 10], [0.1, 0.5, 0.7])
  plots.plot_accuracy(tmp_path / 'a.png', {'x': [curve, curve], 'y': [curve]})
  plots.plot_kl_divergence(
      tmp_path / 'b.png', {'clients': rng.random(9), 'mediators': rng.random(2)}
  )
  names = [str(label) for label in range(num_classes)]
  plots.plot_label_histogram(
      tmp_path / 'c.png', {'before': counts, 'after': 2 * counts}, names
  )
  plots.plot_confusion_matrix(tmp_path / 'd.png', confusion, names)
  plots.plot_client_sizes(tmp_path / 'e.png', counts)
  plots.plot_contact_sheet(
      tmp_path / 'f.png',
      rng.integers(256, size=(6 * num_classes, 60, 3), dtype=np.uint8),
      [str(label) for label in range(num_classes)],
      ('before', 'after'),
  )
  values = {'x': np.array([1.0, 2.0]), 'y': np.array([3.0, np.nan])}
  plots.plot_bars(tmp_path / 'g.png', values, 'size')
  plots.plot_trade_off(tmp_path / 'h.png', values, values, ('size', 'size'))
  for name in 'abcdefgh':
    assert (tmp_path / f'{name}.png').read_bytes().startswith(PNG)


def test_mean_curve_is_over_the_rounds_that_all_runs_have(tmp_path, monkeypatch):
  drawn = []
  monkeypatch.setattr(plots, 'save', lambda f, path: drawn.append(f))
  runs = {'x': [([0, 5, 10], [0.1, 0.5, 0.7]), ([0, 5], [0.3, 0.7])]}
  plots.plot_accuracy(tmp_path / 'a.png', runs)
  (mean,) = [
      line for line in drawn[0].axes[0].lines if line.get_label() == 'x'
  ]
  np.testing.assert_allclose(mean.get_xdata(), [0, 5])
  np.testing.assert_allclose(mean.get_ydata(), [0.2, 0.6])


def test_error_bars_are_the_sample_standard_deviation(tmp_path, monkeypatch):
  drawn = []
  monkeypatch.setattr(plots, 'save', lambda f, path: drawn.append(f))
  x = {'of three': np.array([1.0, 2.0, 3.0]), 'of one': np.array([5.0])}
  y = {'of three': np.array([10.0, 20.0, 60.0]), 'of one': np.array([7.0])}
  plots.plot_trade_off(tmp_path / 'a.png', x, y, ('x', 'y'))
  (bar,) = drawn[0].axes[0].collections
  ((_, low), (_, high)), = bar.get_segments()
  deviation = np.sqrt((20**2 + 10**2 + 30**2) / 2)
  np.testing.assert_allclose([low, high], [30 - deviation, 30 + deviation])


def test_bars_are_means_of_the_seeds_that_have_a_value(tmp_path, monkeypatch):
  drawn = []
  monkeypatch.setattr(plots, 'save', lambda f, path: drawn.append(f))
  nan = np.nan
  values = {'x': np.array([1.0, 2.0, nan]), 'y': np.array([nan, nan, nan])}
  plots.plot_bars(tmp_path / 'a.png', values, 'megabytes')
  (axes,) = drawn[0].axes
  assert [bar.get_width() for bar in axes.patches] == [1.5]
  (points,) = [line for line in axes.lines if len(line.get_xdata()) == 2]
  assert list(points.get_xdata()) == [1, 2]
  assert [tick.get_text() for tick in axes.get_yticklabels()] == ['x', 'y']
  assert axes.get_xlabel() == 'megabytes'


@pytest.mark.parametrize('sizes', [[5], [3, 3, 3], [0, 1, 1, 40, 40, 40, 40]])
def test_size_histogram_holds_every_client_and_the_mean(
    tmp_path, monkeypatch, sizes
):
  drawn = []
  monkeypatch.setattr(plots, 'save', lambda f, path: drawn.append(f))
  plots.plot_client_sizes(tmp_path / 'a.png', np.array(sizes))
  (axes,) = drawn[0].axes
  edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
  heights = [bar.get_height() for bar in axes.patches]
  assert sum(heights) == len(sizes)
  low, high = edges[int(np.argmax(heights))]
  most = max(set(sizes), key=sizes.count)
  assert low - 1e-9 <= most <= high + 1e-9
  assert axes.lines[0].get_xdata()[0] == pytest.approx(np.mean(sizes))


def test_contact_sheet_names_stand_beside_the_middle_of_their_rows(
    tmp_path, monkeypatch
):
  drawn = []
  monkeypatch.setattr(plots, 'save', lambda f, path: drawn.append(f))
  picture = np.zeros((30, 80, 3), np.uint8)
  plots.plot_contact_sheet(
      tmp_path / 'a.png', picture, ['x', 'y', 'z'], ('before', 'after')
  )
  (axes,) = drawn[0].axes
  assert [label.get_text() for label in axes.get_yticklabels()] == list('xyz')
  np.testing.assert_allclose(axes.get_yticks(), [4.5, 14.5, 24.5])
  np.testing.assert_allclose(axes.get_xticks(), [20, 60])
  np.testing.assert_array_equal(axes.images[0].get_array(), picture)


def test_class_names_that_would_overlap_are_turned(tmp_path, monkeypatch):
  drawn = []
  monkeypatch.setattr(plots, 'save', lambda f, path: drawn.append(f))
  for names in (['cat', 'dog'], ['a long name'] * 10):
    plots.plot_label_histogram(
        tmp_path / 'a.png', {'x': np.ones(len(names))}, names
    )
  rotations = [f.axes[0].get_xticklabels()[0].get_rotation() for f in drawn]
  assert rotations == [0, 90]


def test_names_that_would_hide_the_curves_stand_below_them(
    tmp_path, monkeypatch
):
  drawn = []
  monkeypatch.setattr(plots, 'save', lambda f, path: drawn.append(f))
  curve = ([0, 5], [0.1, 0.5])
  for names in (['x', '_y'], ['a name of a row ' * 9], map(str, range(25))):
    plots.plot_accuracy(tmp_path / 'a.png', {name: [curve] for name in names})
  few, long_name, many = drawn
  (inside,) = [few.axes[0].get_legend()]
  assert [text.get_text() for text in inside.texts] == ['x', ' _y']
  for below in (long_name, many):
    assert below.axes[0].get_legend() is None and len(below.legends) == 1
  assert len(long_name.legends[0].texts[0].get_text()) == 70
  means = [line for line in many.axes[0].lines if line.get_linewidth() == 2]
  assert len({(l.get_color(), l.get_linestyle()) for l in means}) == 25


def test_long_names_leave_their_bars_room(tmp_path, monkeypatch):
  drawn = []
  monkeypatch.setattr(plots, 'save', lambda f, path: drawn.append(f))
  for names in (['0'] * 47, ['a class with a very long name'] * 47):
    plots.plot_label_histogram(tmp_path / 'a.png', {'x': np.ones(47)}, names)
    plots.plot_confusion_matrix(tmp_path / 'b.png', np.eye(47, dtype=int), names)
  for short, long in ((drawn[0], drawn[2]), (drawn[1], drawn[3])):
    labels = [text.get_text() for text in long.axes[0].get_xticklabels()]
    assert {len(label) for label in labels} == {24}
    assert long.get_figheight() > short.get_figheight() + 1


@pytest.mark.parametrize('name, drawn', [
    ('abc', 'abc'),
    # Hebrew from right to left, what is Latin in it from left to right.
    ('\u05d0\u05d1\u05d2 $x', r'x\$ ' + '\u05d2\u05d1\u05d0'),
    # Beh, at its word's end, and at its beginning.
    ('\u0628\u0628', '\ufe90\ufe91'),
    # Lam and alef are one.
    ('\u0644\u0627', '\ufefb'),
    # A vowel sign stays.
    ('\u0628\u064e', '\u064e\ufe8f'),
    ('a (\u0628)', 'a (\ufe8f)'),
    # An emoji is in no font, a long dash in every one.
    ('\U0001f680\u2014', r'\U0001f680' + '\u2014'),
])
def test_letters_are_joined_and_stand_as_they_are_read(name, drawn):
  assert picture_text.plain(name) == drawn


def test_every_name_has_glyphs(tmp_path, recwarn):
  names = (
      '\u0627\u0644\u0644\u0647', '\u05e9\u05dc\u05d5\u05dd', '\u06af\u067e',
      '\U0001f680', '\u4e2d', '\U0001f1e9\u200d\ufe0f',
  )
  plots.plot_bars(
      tmp_path / 'a.png', {name: np.array([1.0]) for name in names}, 'size'
  )
  assert not [str(w.message) for w in recwarn if 'Glyph' in str(w.message)]
