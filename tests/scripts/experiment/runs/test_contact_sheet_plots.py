"""Contact sheets of tables and texts: what is drawn, and where."""

import numpy as np
import pytest

from experiment.runs import contact_sheet_plots
from experiment.runs import plots

_VOCABULARY = ('', '<unknown>', 'my', 'red', 'lamp', 'is', '$old$')


@pytest.fixture
def drawn(monkeypatch):
  figures = []
  monkeypatch.setattr(plots, 'save', lambda f, path: figures.append(f))
  return figures


def test_rows_stand_beside_their_copies(drawn, tmp_path):
  rng = np.random.default_rng(0)
  a, copy_of_a, b, c, copy_of_c = rng.normal(size=(5, 3))
  contact_sheet_plots.plot_rows(
      tmp_path / 'a.png',
      [[(a, copy_of_a), (b, None)], [], [(c, copy_of_c)]],
      ['x', 'y', 'z'],
      ('mean_$', 'p', 'q'),
  )
  left, right = drawn[0].axes[:2]
  np.testing.assert_array_equal(left.images[0].get_array(), [a, b, c])
  shown = right.images[0].get_array()
  np.testing.assert_array_equal(shown[[0, 2]], [copy_of_a, copy_of_c])
  assert np.ma.getmaskarray(np.ma.masked_invalid(shown))[1].all()
  assert [t.get_text() for t in left.get_yticklabels()] == ['x', 'y', 'z']
  np.testing.assert_allclose(left.get_yticks()[[0, 2]], [0.5, 2])
  assert [t.get_text() for t in right.get_xticklabels()] == ['mean_$', 'p', 'q']
  # Both sides have one scale, with 0 in its middle.
  low, high = left.images[0].get_clim()
  assert -low == high > 0 and right.images[0].get_clim() == (low, high)


def test_changed_words_are_colored(drawn, tmp_path):
  sample = np.array([2, 3, 4, 5, 6, 0])
  masked_and_dropped = np.array([2, 1, 4, 5, 0, 0])
  contact_sheet_plots.plot_texts(
      tmp_path / 'a.png',
      [[(sample, masked_and_dropped), (sample, None)], []],
      ['things', 'none'],
      _VOCABULARY,
  )
  (axes,) = drawn[0].axes
  lines = {}
  for word in axes.texts:
    column, row = word.get_position()
    lines.setdefault(row, []).append((column, word))
  words = [
      [word.get_text().strip() for _, word in sorted(
          line, key=lambda pair: pair[0])]
      for _, line in sorted(lines.items())
  ]
  text = ['my', 'red', 'lamp', 'is', '$old$']
  assert words == [
      ['things'], ['', *text], ['>', 'my', '<unknown>', 'lamp', 'is'],
      ['', *text], ['none'],
  ]
  colored = {
      word.get_text(): word.get_color()
      for word in axes.texts if word.get_color() != 'black'
  }
  assert set(colored) == {'red', '<unknown>', '$old$'}
  assert colored['red'] == colored['$old$'] != colored['<unknown>']
  # No word runs into the next.
  for line in lines.values():
    ends = [column + len(word.get_text()) for column, word in line]
    starts = [column for column, _ in line]
    assert all(end < start for end, start in zip(ends, starts[1:]))


def test_a_long_text_is_cut(drawn, tmp_path):
  sample = np.full(200, 4)
  contact_sheet_plots.plot_texts(
      tmp_path / 'a.png', [[(sample, sample)]], ['x'], _VOCABULARY
  )
  (axes,) = drawn[0].axes
  assert [w.get_text() for w in axes.texts].count('...') == 2
  assert max(w.get_position()[0] for w in axes.texts) < axes.get_xlim()[1]


def test_pictures_are_written(tmp_path):
  row, tokens = np.array([0.5, -2.0]), np.array([2, 4, 0])
  contact_sheet_plots.plot_rows(
      tmp_path / 'a.png', [[(row, row)], [(row, None)]], ['x', 'y$'], None
  )
  contact_sheet_plots.plot_texts(
      tmp_path / 'b.png', [[(tokens, tokens)]], ['$x'], _VOCABULARY
  )
  for name in 'ab':
    assert (tmp_path / f'{name}.png').read_bytes().startswith(b'\x89PNG')
