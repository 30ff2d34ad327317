"""A page of HTML that needs nothing but itself.

Pictures are inside it as data URIs, and its policy keeps a browser from loading
anything else. Names and values are escaped, whatever they hold.
"""

import base64
from collections.abc import Iterable, Sequence
import html
import pathlib
from typing import Any

from experiment.runs import names as names_lib

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1c1c1c; margin: 0 auto;
       max-width: 1500px; padding: 1.5rem; }
h1 { font-size: 1.6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc;
     overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.6rem 0; font-size: 0.9rem;
        font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: 0.25rem 0.7rem;
         text-align: right; vertical-align: top; }
td { white-space: nowrap; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom;
           min-width: 5rem; max-width: 16rem; overflow-wrap: break-word; }
th:first-child { text-align: left; }
tbody th { font-weight: 600; min-width: 7rem; max-width: 32rem;
           overflow-wrap: break-word; background: #fff; position: sticky;
           left: 0; }
td.best { font-weight: 700; background: #e4f2e4; }
tbody tr:hover td { background: #f3f3f3; }
summary { cursor: pointer; margin: 0.5rem 0; overflow-wrap: anywhere; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
.pictures img { max-width: min(100%, 46rem); align-self: flex-start; }
@media print { .wide { overflow: visible; } details > * { display: block; } }
"""


def escape(value: Any) -> str:
  """Returns a value as text of a page."""
  return html.escape(names_lib.printable(value))


def heading(text: Any) -> str:
  """Returns the heading of a section."""
  return f'<h2>{escape(text)}</h2>'


def paragraph(text: Any) -> str:
  """Returns a paragraph."""
  return f'<p>{escape(text)}</p>'


def picture(path: pathlib.Path, about: str) -> str:
  """Returns a picture with its bytes in it.

  Args:
    path: A PNG file.
    about: What it shows, for those who cannot see it.
  """
  data = base64.b64encode(path.read_bytes()).decode()
  return f'<img alt="{escape(about)}" src="data:image/png;base64,{data}">'


def pictures(parts: Iterable[str]) -> str:
  """Returns pictures side by side."""
  return f'<div class="pictures">{"".join(parts)}</div>'


def table(
    heads: Sequence[Any],
    lines: Iterable[Sequence[Any]],
    best: Iterable[tuple[int, int]] = (),
) -> str:
  """Returns a table whose first column names its lines.

  Args:
    heads: The head of each column.
    lines: The cells of each line.
    best: Line and column of the cells that stand out, from 0.
  """
  best = set(best)
  head = ''.join(f'<th scope="col">{escape(cell)}</th>' for cell in heads)
  rows = []
  for place, (name, *cells) in enumerate(lines):
    row = [f'<th scope="row">{escape(name)}</th>']
    for column, cell in enumerate(cells, start=1):
      style = ' class="best"' if (place, column) in best else ''
      row.append(f'<td{style}>{escape(cell)}</td>')
    rows.append(f'<tr>{"".join(row)}</tr>')
  return (
      '<div class="wide"><table>'
      f'<thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
      '</table></div>'
  )


def folded(summary: Any, body: str, is_open: bool = False) -> str:
  """Returns what a reader can show and hide; hidden at first by default."""
  state = ' open' if is_open else ''
  return (
      f'<details{state}><summary>{escape(summary)}</summary>{body}</details>'
  )


def whole(title: Any, parts: Iterable[str]) -> str:
  """Returns the page.

  Args:
    title: Its title.
    parts: What is on it, as the functions above return it.
  """
  body = '\n'.join(parts)
  return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""
