"""The ten sentences that docs/results.md begins with, computed."""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Optional

import pandas as pd

from experiment.paper import caveats
from experiment.paper import claims
from experiment.paper import differences
from experiment.paper import experiments
from experiment.paper import frontier
from experiment.paper import intervals
from experiment.paper import measured
from experiment.paper import methods
from experiment.paper import paper_claims
from experiment.paper import runner

# Of the headlines: what is compared, in words, and both methods. Of several
# the strongest counts.
_COMPARISONS = (
    (
        "The paper's Astraea over FedAvg with client Adam",
        'Astraea',
        ('FedAvg',),
    ),
    (
        'Astraea as recommended over the plain averaging that validation finds'
        ' strongest',
        'recommended',
        methods.PLAIN_AVERAGING,
    ),
    (
        'Astraea as recommended over the averaging with augmentation or the'
        ' label prior that validation finds strongest',
        'recommended',
        methods.AIDED_AVERAGING,
    ),
    (
        "Astraea as recommended over the paper's Astraea",
        'recommended',
        ('Astraea',),
    ),
    (
        'The augmentation alone, with client Adam',
        'FedAvg and augmentation',
        ('FedAvg',),
    ),
    (
        'Grouping by KL over the random mediators that validation finds'
        " strongest, in the paper's chain",
        'Astraea',
        ('Astraea, random mediators', 'Astraea, random mediators at its rate'),
    ),
)
_HEADLINES = ('headline_emnist', 'headline')
# Of the experiment `adaptive`: where credit is compared with one pass.
_REGIMES = (
    'wrong labels', 'wrong labels, recommended', 'honest', 'honest, recommended'
)


def find(
    all_results: measured.AllResults, all_curves: Mapping[str, pd.DataFrame]
) -> list[str]:
  """Returns the findings that the results allow, ten sentences at the most.

  Each is of the largest scale that an experiment was run at.

  Args:
    all_results: What the experiments' runs measured.
    all_curves: By folder, the curves of those that have costs.
  """
  return [
      *_of_claims(all_results),
      *_of_headlines(all_results),
      *_of_groupings(all_results),
      *_of_credit(all_results),
      *_of_costs(all_results, all_curves),
  ]


def _largest(
    name: str, all_results: measured.AllResults
) -> Optional[measured.Measured]:
  """Returns an experiment at the largest scale that it was run at."""
  found = [
      all_results[f'{name}_{scale}']
      for scale in experiments.SCALES
      if f'{name}_{scale}' in all_results
  ]
  return found[-1] if found else None


def _of_claims(all_results: measured.AllResults) -> Iterator[str]:
  decided = {claim.counted_as: None for claim in paper_claims.PAPER}
  num_answers = 0
  for claim in (*paper_claims.PAPER, *paper_claims.OURS):
    for one, finding in measured.judge(claim, all_results):
      num_answers += 1
      if claim.counted_as in decided:
        caveat = caveats.of(claim.parts, one.experiment, one.results)
        decided[claim.counted_as] = claim, finding.answer, caveat
  by_answer = collections.defaultdict(list)
  for found in decided.values():
    by_answer[found and found[1]].append(found)
  confirmed = by_answer[intervals.CONFIRMED]
  refuted = by_answer[intervals.REFUTED]
  untuned = [
      caveat for *_, caveat in confirmed if caveats.NOT_TUNED in caveat
  ]
  texts = [
      f'{len(confirmed)} are confirmed'
      + (f' ({len(untuned)} {caveats.NOT_TUNED})' if untuned else ''),
      f'{len(by_answer[intervals.OPEN])} open',
  ]
  if intervals.NOT_COMPARABLE in by_answer:
    texts.append(
        f'{len(by_answer[intervals.NOT_COMPARABLE])}'
        f' {intervals.NOT_COMPARABLE}'
    )
  if None in by_answer:
    texts.append(f'{len(by_answer[None])} not run')
  texts.append(f'{len(refuted)} refuted')
  quoted = ', '.join(
      f'"{claim.text}"' + (f' ({caveat})' if caveat else '')
      for claim, _, caveat in refuted
  )
  yield (
      f'Of {len(decided)} claims of the paper, each counted once and at the'
      f' largest scale it was run at, {", ".join(texts)}'
      f'{": " if refuted else ""}{quoted}; there are {num_answers} answers'
      f' below, each at {100 * intervals.CONFIDENCE:g} %, so that a twentieth'
      ' of them would be decided if nothing made any difference.'
  )


def _of_headlines(all_results: measured.AllResults) -> Iterator[str]:
  headlines = [_largest(name, all_results) for name in _HEADLINES]
  for text, method, others in _COMPARISONS:
    found = [
        part
        for one in headlines
        if one is not None
        and (part := _compare(method, others, one)) is not None
    ]
    if found:
      yield f'{text}, at equal rounds: {"; ".join(found)}.'


def _compare(
    method: str, others: Iterable[str], one: measured.Measured
) -> Optional[str]:
  """Says how far a method is ahead of the strongest of others that were run."""
  of_others = _of_validation(others, one)
  if not of_others:
    return None
  other = max(of_others, key=of_others.get)
  parts = claims.about((claims.Comparison(method, other),), one.experiment)
  if not parts:
    return None
  finding = claims.judge(parts, one.experiment, one.results)
  if not finding.is_measured:
    return None
  about = [one.folder]
  if len(tuple(others)) > 1:
    about.insert(0, f'{other}, of {len(of_others)} that were run')
  # What favours whoever has more rates, and the like.
  about += filter(None, [caveats.of(parts, one.experiment, one.results)])
  traffic = _traffic(method, other, one)
  return f'{one.data} ({", ".join(about)}) {_in_words(finding, traffic)}'


def _traffic(method: str, other: str, one: measured.Measured) -> str:
  """Says what a method sends relative to another; nothing if unknown."""
  reported = runner.reported(one.results)
  if 'megabytes' not in reported:
    return ''
  chosen = runner.choose_rows(one.experiment, one.results)
  means = reported['megabytes'].groupby(level='row').mean()
  ratio = f'{means[chosen[method]] / means[chosen[other]]:.1f}'
  if ratio == '1.0':
    return ' with the same traffic'
  return f' with {ratio} times the traffic'


def _of_validation(
    names: Iterable[str], one: measured.Measured
) -> dict[str, float]:
  """Returns the accuracies on validation of those that were run.

  Each is at its best rate.
  """
  chosen = runner.choose_rows(one.experiment, one.results)
  reported = runner.reported(one.results)
  accuracies = reported.get('best_validation_top_1', reported['best_top_1'])
  means = accuracies.groupby(level='row').mean()
  return {
      name: means[chosen[name]]
      for name in names
      if chosen.get(name) in means
  }


def _of_groupings(all_results: measured.AllResults) -> Iterator[str]:
  one = _largest('grouping_recommended', all_results)
  if one is None:
    return
  counts = collections.Counter()
  together = None
  caveat = ''
  for claim in paper_claims.OURS:
    parts = claims.about(claim.parts, one.experiment)
    if claim.experiment != one.name or not parts or not _is_of_kl(parts[0]):
      continue
    finding = claims.judge(parts, one.experiment, one.results)
    if isinstance(parts[0], claims.Together):
      together = finding
      caveat = caveats.of(parts, one.experiment, one.results)
    else:
      counts[finding.answer] += 1
  if together is not None and together.is_measured:
    yield (
        'Grouping by KL over random mediators, with the recommended optimizer,'
        f' in the last round: {one.data} ({one.folder}, {caveat}) over all'
        ' settings together'
        f' {_in_words(together)}; above random mediators in'
        f' {counts[intervals.CONFIRMED]} of {sum(counts.values())} settings,'
        f' below in {counts[intervals.REFUTED]}.'
    )


def _is_of_kl(part: claims.Part) -> bool:
  """Whether a part compares Algorithm 3 with random mediators."""
  if isinstance(part, claims.Together):
    row, other = part.pairs[0]
  elif isinstance(part, claims.Comparison) and isinstance(part.row, str):
    row, other = part.row, part.other
  else:
    return False
  return row.endswith((': greedy', ': KL')) and other.endswith(': random')


def _of_credit(all_results: measured.AllResults) -> Iterator[str]:
  one = _largest('adaptive', all_results)
  if one is None:
    return
  found = []
  for regime in _REGIMES:
    part = claims.Comparison(
        f'{regime}: credit',
        f'{regime}: one pass',
        # Of the validation examples credit learns: they choose no round.
        differences.LAST_TOP_1,
    )
    if claims.about((part,), one.experiment):
      finding = claims.judge((part,), one.experiment, one.results)
      if finding.is_measured:
        found.append(f'{regime} {_in_words(finding)}')
  if found:
    yield (
        'Mediators chosen by credit over all of them in turn (one pass), at'
        f' equal traffic, in the last round: {one.data} ({one.folder})'
        f' {"; ".join(found)}.'
    )


def _of_costs(
    all_results: measured.AllResults, all_curves: Mapping[str, pd.DataFrame]
) -> Iterator[str]:
  one = _largest('frontier', all_results)
  if one is None or one.folder not in all_curves:
    return
  found = [
      f'at equal {frontier.AXES[axis]}: {firsts}'
      for axis in ('megabytes', 'simulated_seconds')
      if (firsts := frontier.firsts_in_words(all_curves[one.folder], axis))
  ]
  if found:
    yield f'First ({one.folder}) {", and ".join(found)}.'


def _in_words(finding: claims.Finding, about: str = '') -> str:
  interval = finding.interval
  text = intervals.describe(interval, 'points') + about
  if interval is None or not interval.has_spread or interval.size == 1:
    return f'{text}, which decides nothing'
  meaning = {
      intervals.CONFIRMED: 'a gain',
      intervals.REFUTED: 'a loss',
      intervals.OPEN: 'no difference that the seeds tell',
  }[finding.answer]
  return f'{text}, {meaning}'
