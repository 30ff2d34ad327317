"""Names of any text in Matplotlib's pictures."""

import functools
from typing import Any
import unicodedata

import arabic_reshaper
import bidi
from matplotlib import font_manager
from matplotlib import text

from experiment.runs import names as names_lib

# The most characters of a text in a picture.
_LONGEST = 40
# The classes of Hebrew, of Arabic, and of Arabic's digits.
_FROM_THE_RIGHT = frozenset({'R', 'AL', 'AN'})
# Vowel signs are a part of a name; and that ligature is in few fonts.
_RESHAPER = arabic_reshaper.ArabicReshaper(
    {'delete_harakat': False, 'ARABIC LIGATURE ALLAH': False}
)
# Matplotlib's own has no letters of East Asia, for example.
_FONTS = ['DejaVu Sans'] + sorted({
    font.name
    for font in font_manager.fontManager.ttflist
    if font.name.startswith(('Noto Sans', 'WenQuanYi', 'Droid Sans Fallback'))
})


def shorten(name: Any, longest: int = _LONGEST) -> str:
  """Returns a name on one line, as Matplotlib is to draw it.

  Args:
    name: The name.
    longest: The characters that there is room for; the middle of a longer name
      is left out, as names often differ at their end.
  """
  line = _with_glyphs(names_lib.on_one_line(name))
  if len(line) > longest:
    head = (longest - 1) // 2
    line = f'{line[:head]}…{line[len(line) - (longest - 1 - head):]}'
  return _in_order_of_sight(line)


def as_drawn(line: str) -> str:
  """Returns a line of a text as Matplotlib is to draw it."""
  return _in_order_of_sight(_with_glyphs(line))


def _with_glyphs(line: str) -> str:
  r"""Returns a line in which what no font has is escaped, as in `\U0001f680`.

  Matplotlib would draw the same box for all of it.
  """
  return ''.join(
      c if c.isascii() or _is_from_the_right(c) or ord(c) in _glyphs()
      else names_lib.escape(c)
      for c in line
  )


def _in_order_of_sight(line: str) -> str:
  """Returns a line for Matplotlib, which knows letters from left to right.

  Arabic letters become the forms that join their neighbours, and what is read
  from right to left stands in the order in which it is seen.
  """
  if not any(map(_is_from_the_right, line)):
    return line
  return bidi.get_display(_RESHAPER.reshape(line))


def _is_from_the_right(character: str) -> bool:
  return unicodedata.bidirectional(character) in _FROM_THE_RIGHT


def plain(name: Any, longest: int = _LONGEST) -> str:
  """Returns a short name for Matplotlib, which takes $ for mathematics."""
  return shorten(name, longest).replace('$', r'\$')


def legend_name(name: Any, longest: int = _LONGEST) -> str:
  """Returns a name for a legend, which leaves out what begins with _."""
  text = plain(name, longest)
  return f' {text}' if text.startswith('_') else text


def set_fonts(label: text.Text) -> None:
  """Gives a text fonts for its letters."""
  if not label.get_text().isascii():
    label.set_fontfamily(_FONTS)


@functools.cache
def _glyphs() -> frozenset[int]:
  """Returns the characters that one of the fonts has."""
  return frozenset().union(*(
      font_manager.get_font(font_manager.findfont(name)).get_charmap()
      for name in _FONTS
  ))
