"""The paper's claims, and what our tables say of each.

A claim compares rows, seed by seed. It is confirmed where the 95 % interval of
the mean difference is on its side of zero, refuted where the interval is on the
other side, and open otherwise: always with a single seed, or with equal values.
That there is no difference is confirmed within `MARGIN` of zero.
"""

import dataclasses
from typing import Optional

import pandas as pd

from experiment.paper import differences
from experiment.paper import experiments
from experiment.paper import intervals

# The points that count for nothing where a claim says that nothing is gained.
MARGIN = 2.0
# Who gets something back, of what the second would have, and who lost it.
_ROWS_OF_SHARE = ('Astraea', 'FedAvg, balanced classes', 'FedAvg')
_UNITS = {
    'mean_kl': ('nats', 3),
    'sd_kl': ('nats', 3),
    'megabytes_to_target': ('MB', 1),
    'paper_megabytes_to_target': ('MB', 1),
}


@dataclasses.dataclass(frozen=True)
class Finding:
  """What was measured, and what it says of the claim.

  Attributes:
    measured: In words.
    answer: `intervals.CONFIRMED`, `REFUTED`, `OPEN` or `NOT_COMPARABLE`.
    interval: Of the mean difference, where one comparison is all there is.
    is_measured: Whether there is a value of anything that it compares.
  """

  measured: str
  answer: str
  interval: Optional[intervals.Interval] = None
  is_measured: bool = True


@dataclasses.dataclass(frozen=True)
class Comparison:
  """That a row is above another, or is not measurably above it.

  Attributes:
    row: A row, or what is tuned. Of several, the one of the best mean accuracy.
    other: A row, or what is tuned.
    measure: A column of `experiment.paper.measures.COLUMNS`, or what
      `experiment.paper.differences` has besides.
    sign: 1 if the row is to be above the other, -1 if it is to be as good, to
      within `MARGIN`.
  """

  row: str | tuple[str, ...]
  other: str
  measure: str = differences.TOP_1
  sign: int = 1

  @property
  def rows(self) -> tuple[str, ...]:
    """All that it is about."""
    rows = (self.row,) if isinstance(self.row, str) else self.row
    return (*rows, self.other)


@dataclasses.dataclass(frozen=True)
class Together:
  """That rows are above others, all pairs of them taken together.

  Attributes:
    pairs: Rows, each with the one that it is compared with.
    names: What the first of all pairs are called, and the second.
    measure: As for `Comparison`.
  """

  pairs: tuple[tuple[str, str], ...]
  names: tuple[str, str]
  measure: str = differences.TOP_1

  @property
  def rows(self) -> tuple[str, ...]:
    """All that it is about."""
    return tuple(row for pair in self.pairs for row in pair)


@dataclasses.dataclass(frozen=True)
class Retrieved:
  """That Astraea gets at least a share back of what the imbalance costs."""

  share: float

  @property
  def rows(self) -> tuple[str, ...]:
    """All that it is about."""
    return _ROWS_OF_SHARE


Part = Comparison | Together | Retrieved


@dataclasses.dataclass(frozen=True)
class Claim:
  """A statement that an experiment tests.

  Attributes:
    experiment: The experiment's name.
    text: The statement, with the paper's number.
    parts: What has to hold, each of them.
    counted_as: What is the same for statements that are one claim.
  """

  experiment: str
  text: str
  parts: tuple[Part, ...]
  counted_as: str = ''


def judge(
    parts: tuple[Part, ...],
    experiment: experiments.Experiment,
    results: pd.DataFrame,
) -> Finding:
  """Finds out from results what they say of a claim, of which all must hold.

  It is refuted as soon as a part is. Parts about rows that the experiment has
  not at its scale are left out.

  Args:
    parts: The claim's, at least one `about` the experiment.
    experiment: The experiment.
    results: Its results.
  """
  findings = [
      _judge_part(part, experiment, results)
      for part in about(parts, experiment)
  ]
  if len(findings) == 1:
    return findings[0]
  answers = {finding.answer for finding in findings}
  answer = next(
      answer
      for answer in (
          intervals.REFUTED,
          intervals.NOT_COMPARABLE,
          intervals.OPEN,
          intervals.CONFIRMED,
      )
      if answer in answers
  )
  return Finding(
      '; '.join(finding.measured for finding in findings),
      answer,
      is_measured=any(finding.is_measured for finding in findings),
  )


def about(
    parts: tuple[Part, ...], experiment: experiments.Experiment
) -> tuple[Part, ...]:
  """Returns the parts whose rows an experiment has."""
  names = {*experiment.rows, *experiment.grids()}
  found = []
  for part in parts:
    if isinstance(part, Together):
      pairs = tuple(pair for pair in part.pairs if names.issuperset(pair))
      if pairs:
        found.append(dataclasses.replace(part, pairs=pairs))
    elif isinstance(part, Retrieved):
      found.append(part)
    elif names.issuperset(part.rows):
      found.append(part)
  return tuple(found)


def _judge_part(part: Part, experiment, results) -> Finding:
  if isinstance(part, Retrieved):
    return _judge_share(part.share, experiment, results)
  if isinstance(part, Together):
    by_pair = [
        differences.between(experiment, results, *pair, part.measure)
        for pair in part.pairs
    ]
    # The pairs of a seed share its clients, and count as one value.
    values = pd.concat(by_pair, axis=1).dropna().mean(axis=1)
    return _find(values, part.names, 'points', note=_round_of(part.measure))
  row = part.row
  note = _round_of(part.measure)
  if not isinstance(row, str):
    row, chosen_by = differences.best_of(row, results)
    note += chosen_by
  values = differences.between(
      experiment, results, row, part.other, part.measure
  )
  unit, digits = _UNITS.get(part.measure, ('points', 2))
  step = differences.evaluation_step(
      experiment, results, (row, part.other), part.measure
  )
  finding = _find(values, (row, part.other), unit, digits, note, step)
  if part.sign < 0:
    answer = intervals.equivalence(finding.interval, MARGIN)
    finding = dataclasses.replace(finding, answer=answer)
  return finding


def _round_of(measure: str) -> str:
  """Returns a note if it is not the chosen round whose accuracy is compared."""
  return ', last round' if measure == differences.LAST_TOP_1 else ''


def _judge_share(paper_share: float, experiment, results) -> Finding:
  """The share s of the loss is back where A - F - s (B - F) is above zero."""
  share = retrieved_share(experiment, results)
  gains, losses = _gains_and_losses(experiment, results)
  values = (gains - paper_share * losses).dropna()
  if share is None or values.empty:
    return Finding(
        'the imbalance costs FedAvg nothing',
        intervals.OPEN,
        is_measured=not values.empty,
    )
  measured = f'{100 * share:.1f} % of the loss'
  interval = intervals.of_mean(values.to_numpy())
  answer = intervals.verdict(interval)
  if share > 1:
    measured += ', so balance is not all that it gains by'
    answer = intervals.NOT_COMPARABLE
  return Finding(
      f'{measured}; above {100 * paper_share:.2f} % of it by'
      f' {intervals.describe(interval, "points")}',
      answer,
      interval,
  )


def retrieved_share(
    experiment: experiments.Experiment, results: pd.DataFrame
) -> Optional[float]:
  """Returns how much of what the imbalance costs Astraea gets back.

  `(Astraea - FedAvg) / (FedAvg on balanced classes - FedAvg)`, of
  `chosen_top_1` at each one's own learning rate, means over seeds. None where
  there are no such rows, or the imbalance costs nothing.
  """
  gains, losses = _gains_and_losses(experiment, results)
  return gains.mean() / losses.mean() if losses.mean() > 0 else None


def _gains_and_losses(experiment, results) -> tuple[pd.Series, pd.Series]:
  return tuple(
      differences.between(experiment, results, row, 'FedAvg', 'chosen_top_1')
      for row in _ROWS_OF_SHARE[:2]
  )


def _find(
    values: pd.Series,
    names: tuple[str, str],
    unit: str,
    digits: int = 2,
    note: str = '',
    step: Optional[float] = None,
) -> Finding:
  """What differences say, described as `intervals.describe` does."""
  if values.empty:
    return Finding(
        f'{" - ".join(names)}: {intervals.describe(None, unit)}',
        intervals.OPEN,
        is_measured=False,
    )
  interval = intervals.of_mean(values.to_numpy())
  text = intervals.describe(interval, unit, digits)
  return Finding(
      f'{" - ".join(names)}: {text}{note}',
      intervals.verdict(interval, step),
      interval,
  )
