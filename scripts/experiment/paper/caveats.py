"""What stands beside an answer: who chose its rates, rows and rounds."""

from collections.abc import Iterator

import pandas as pd

from experiment.paper import claims
from experiment.paper import differences
from experiment.paper import experiments
from experiment.paper import runner

NOT_TUNED = 'at one rate, not tuned'
_REPORTED = 'rates chosen with a reported seed'
_BY_TEST, _BY_VALIDATION = (
    'row chosen by the test accuracy',
    'row chosen with the reported seeds',
)
_BEST_ROUND = 'round chosen by the test accuracy'


def of(
    parts: tuple[claims.Part, ...],
    experiment: experiments.Experiment,
    results: pd.DataFrame,
) -> str:
  """Returns what speaks against what a claim's parts say; nothing is empty.

  Args:
    parts: The claim's; those about rows of another scale are left out.
    experiment: The experiment.
    results: Its results.
  """
  if not experiment.trains:
    return ''
  found = [
      text
      for part in claims.about(parts, experiment)
      for text in _of_part(part, experiment, results)
  ]
  return '; '.join(dict.fromkeys(found))


def _of_part(
    part: claims.Part,
    experiment: experiments.Experiment,
    results: pd.DataFrame,
) -> Iterator[str]:
  rows, grids = part.rows, experiment.grids()
  untuned = [row for row in rows if len(grids.get(row, ())) < 2]
  if len(untuned) == len(rows):
    yield NOT_TUNED
  else:
    yield from (f'{row}: {NOT_TUNED}' for row in untuned)
    if not runner.is_tuning(results).any():
      yield _REPORTED
  if isinstance(part, claims.Comparison) and not isinstance(part.row, str):
    has_validation = 'best_validation_top_1' in results
    yield _BY_VALIDATION if has_validation else _BY_TEST
  is_of_round = getattr(part, 'measure', None) == differences.TOP_1
  if is_of_round and 'chosen_top_1' not in results:
    yield _BEST_ROUND
