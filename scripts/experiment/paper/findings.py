"""The sentences that docs/results.md begins with, computed from the results."""

import collections
from collections.abc import Iterator
from typing import Optional

from experiment.paper import claims
from experiment.paper import experiments
from experiment.paper import intervals
from experiment.paper import measured
from experiment.paper import paper_claims
from experiment.paper import runner

# Of a headline: what is compared, in words, and both rows.
_COMPARISONS = (
    ("the paper's Astraea over FedAvg with client Adam", 'Astraea', 'FedAvg'),
    (
        "the paper's Astraea over FedAvg with client SGD and server Adam",
        'Astraea',
        'FedAvg, server Adam',
    ),
    (
        'Astraea as recommended over FedAvg with client SGD and server Adam',
        'recommended',
        'FedAvg, server Adam',
    ),
    (
        "Astraea as recommended over the paper's Astraea",
        'recommended',
        'Astraea',
    ),
    (
        'what is left for the chain, Astraea as recommended over the control',
        'recommended',
        'control',
    ),
    (
        'grouping by KL over random mediators, as in the paper',
        'Astraea',
        'Astraea, random mediators',
    ),
    (
        'the augmentation alone, with client Adam',
        'FedAvg and augmentation',
        'FedAvg',
    ),
)
_HEADLINES = ('headline', 'headline_emnist')
_GROUPINGS = {
    'grouping': 'as in the paper',
    'grouping_recommended': 'with the recommended optimizer',
}


def find(all_results: measured.AllResults) -> list[str]:
  """Returns the findings that the results allow, a sentence or two each."""
  runs = sum(len(one.results) for one in all_results.values())
  return [
      f'{len(all_results)} experiments with {runs} lines of results are behind'
      ' this page.',
      *_of_claims(all_results),
      *_of_headlines(all_results),
      *_of_groupings(all_results),
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
  answers = collections.defaultdict(list)
  for claim in paper_claims.PAPER:
    found = [
        finding.answer for _, finding in measured.judge(claim, all_results)
    ]
    answers[found[-1] if found else None].append(claim.text)
  counts = {answer: len(texts) for answer, texts in answers.items()}
  yield (
      f'Of {len(paper_claims.PAPER)} claims of the paper, each at the largest'
      f' scale that it was run at, {counts.get(intervals.CONFIRMED, 0)} are'
      f' confirmed, {counts.get(intervals.REFUTED, 0)} refuted and'
      f' {counts.get(intervals.OPEN, 0)} open; {counts.get(None, 0)} were not'
      ' run.'
  )
  refuted = answers[intervals.REFUTED]
  if refuted:
    quoted = ' '.join(f'"{text}"' for text in refuted)
    yield f'Refuted where it was run: {quoted}'


def _of_headlines(all_results: measured.AllResults) -> Iterator[str]:
  for name in _HEADLINES:
    one = _largest(name, all_results)
    if one is None:
      continue
    for text, row, other in _COMPARISONS:
      finding = claims.judge(
          (claims.Comparison(row, other),), one.experiment, one.results
      )
      if finding.is_measured:
        yield (
            f'{_capitalized(text)} ({one.data}, {one.folder}):'
            f' {_in_words(finding)}.'
        )
    if not runner.is_tuning(one.results).any():
      yield (
          f'In {one.folder} the learning rates were chosen with a seed that is'
          ' reported too, which favours whoever has more of them.'
      )


def _of_groupings(all_results: measured.AllResults) -> Iterator[str]:
  for name, how in _GROUPINGS.items():
    one = _largest(name, all_results)
    if one is None:
      continue
    counts = collections.Counter()
    together = None
    for claim in paper_claims.OURS:
      parts = claims.about(claim.parts, one.experiment)
      if claim.experiment != name or not parts or not _is_of_kl(parts[0]):
        continue
      finding = claims.judge(parts, one.experiment, one.results)
      if isinstance(parts[0], claims.Together):
        together = finding
      else:
        counts[finding.answer] += 1
    if together is not None and together.is_measured:
      yield (
          f'Grouping by KL over random mediators, {how} ({one.data},'
          f' {one.folder}): over all settings together'
          f' {_in_words(together)}; it is above random mediators in'
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


def _in_words(finding: claims.Finding) -> str:
  interval = finding.interval
  text = intervals.describe(interval, 'points')
  if interval is None or interval.size == 1:
    return f'{text}, which decides nothing'
  meaning = {
      intervals.CONFIRMED: 'a gain',
      intervals.REFUTED: 'a loss',
      intervals.OPEN: 'no difference that the seeds tell',
  }[finding.answer]
  return f'{text}, {meaning}'


def _capitalized(text: str) -> str:
  return text[0].upper() + text[1:]
