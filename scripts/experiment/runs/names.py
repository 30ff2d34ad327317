"""Names of any text, for places that do not take any text.

A class, a run or a column may be called anything: a line break in a terminal's
table, a lone surrogate (what Python makes of a file name that is no UTF-8) in a
tag, or a Markdown sign in a cell would come out as something else.
"""

import re
from typing import Any
import unicodedata

# These characters turn the direction of all that follows them on a line.
_TURNING = re.compile('[\u202a-\u202e\u2066-\u2069]')
# What Markdown takes for its own; a _ within a word it leaves alone.
_MARKDOWN = re.compile(r'[\\`*\[\]<>&~$#]|(?<![^\W_])_|_(?![^\W_])')


def printable(name: Any) -> str:
  r"""Returns a name in which what cannot be printed is escaped, as in `\x1b`.

  Tabs and ends of lines stay.
  """
  return ''.join(
      escape(character)
      if unicodedata.category(character) in ('Cc', 'Cs')
      and character not in '\t\n\r'
      else character
      for character in str(name)
  )


def on_one_line(name: Any) -> str:
  """Returns a name as a part of a line that others share."""
  text = ' '.join(str(name).replace('\t', ' ').splitlines())
  return _TURNING.sub(lambda match: escape(match[0]), printable(text))


def in_markdown(name: Any) -> str:
  """Returns a name as a cell for `tables.markdown`, which escapes its |."""
  return _MARKDOWN.sub(r'\\\g<0>', on_one_line(name))


def escape(character: str) -> str:
  r"""Returns a character's escape, such as `\x1b`."""
  return character.encode('unicode_escape').decode()
