"""What the paper says of each experiment, and what we ask besides.

claims.csv has a line for each part of a claim, and lines of the same statement
belong together. A line's `kind` says what its other cells mean:

  above      `row` is above `other` by `measure`; of several rows, parted by
             semicolons, the best
  not above  `row` is as good as `other`
  together   `row` is above `other`, taken with the statement's other lines
  back       Astraea gets at least the share `measure` of the loss back

Rows are those of `experiment.paper.paper_experiments` at one scale or several;
at scale 'small' other data stand in for EMNIST and CINIC-10, at scale 'emnist'
for CINIC-10. `measure` is a column of a table, `top_1` or `fall`
(`experiment.paper.differences`). Statements of the same `counted_as` are one
claim of the paper, that of the last of them that was run; an empty one is a
claim of its own.
"""

import pathlib

import pandas as pd

from experiment.paper import claims
from experiment.runs import tables

_CLAIMS = tables.read_csv(
    pathlib.Path(__file__).with_name('claims.csv'),
    'Restore it from the repository.',
    text=(
        'source', 'experiment', 'statement', 'kind', 'row', 'other', 'measure',
        'counted_as',
    ),
)


def _read_parts(lines: pd.DataFrame) -> tuple[claims.Part, ...]:
  """Returns what the lines of one statement say."""
  if (lines['kind'] == 'together').all():
    pairs = tuple(zip(lines['row'], lines['other']))
    # Called without the data, which differ from pair to pair.
    names = tuple(name.partition(': ')[2] for name in pairs[0])
    return (claims.Together(pairs, names, lines['measure'].iloc[0]),)
  return tuple(_read_part(line) for line in lines.itertuples())


def _read_part(line) -> claims.Part:
  if line.kind == 'back':
    return claims.Retrieved(float(line.measure))
  rows = tuple(line.row.split('; '))
  return claims.Comparison(
      rows if len(rows) > 1 else line.row,
      line.other,
      line.measure,
      {'above': 1, 'not above': -1}[line.kind],
  )


def _read_claims(source: str) -> tuple[claims.Claim, ...]:
  statements = _CLAIMS[_CLAIMS['source'] == source].groupby(
      ['experiment', 'statement'], sort=False
  )
  return tuple(
      claims.Claim(
          experiment,
          statement,
          _read_parts(lines),
          lines['counted_as'].iloc[0] or statement,
      )
      for (experiment, statement), lines in statements
  )


PAPER, OURS = _read_claims('paper'), _read_claims('ours')

# What no run here can show, and why.
NOT_TESTABLE = (
    (
        'Accuracies on EMNIST (73.77 %, 78.57 %, 79.03 %) and the gain of 5.59'
        ' points there.',
        'They need the official training split. `--scale=paper` runs it;'
        ' `--scale=emnist` has the same sets at a fraction.',
    ),
    (
        'Accuracies on CINIC-10 and the gain of 5.89 points there.',
        'CINIC-10 could not be downloaded here; imbalanced CIFAR-10 stands in.',
    ),
    (
        'The network of the CINIC-10 experiments.',
        "It takes twenty times as long a round; scales `small` and `emnist`"
        " train the paper's EMNIST network on CIFAR-10.",
    ),
    (
        'The overhead of mediators on phones, and augmentation that times out'
        ' with alpha 2.',
        'This is a simulation.',
    ),
)
