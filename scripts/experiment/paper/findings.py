"""The ten sentences that docs/results.md begins with, computed from the results."""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Optional

import pandas as pd

from experiment.paper import claims
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
        'Astraea as recommended over the averaging with augmentation or the label'
        ' prior that validation finds strongest',
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
        "Grouping by KL over random mediators, in the paper's chain",
        'Astraea',
        ('Astraea, random mediators',),
    ),
)
_HEADLINES = ('headline_emnist', 'headline')


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
  answers = collections.defaultdict(list)
  for claim in paper_claims.PAPER:
    found = [
        finding.answer for _, finding in measured.judge(claim, all_results)
    ]
    answers[found[-1] if found else None].append(claim.text)
  counts = {answer: len(texts) for answer, texts in answers.items()}
  refuted = answers[intervals.REFUTED]
  texts = [
      f'{counts.get(intervals.CONFIRMED, 0)} are confirmed',
      f'{counts.get(intervals.OPEN, 0)} open',
  ]
  if None in counts:
    texts.append(f'{counts[None]} not run')
  texts.append(f'{len(refuted)} refuted')
  quoted = ''.join(f' "{text}"' for text in refuted)
  yield (
      f'Of {len(paper_claims.PAPER)} claims of the paper, each at the largest'
      f' scale it was run at, {", ".join(texts)}'
      f'{":" if refuted else "."}{quoted}'
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
      yield f'{text}: {"; ".join(found)}.'


def _compare(
    method: str, others: Iterable[str], one: measured.Measured
) -> Optional[str]:
  """Says how far a method is ahead of the strongest of others, if it was run."""
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
  if not runner.is_tuning(one.results).any():
    # Which favours whoever has more of them.
    about.append('rates chosen with a seed that is reported')
  return f'{one.data} ({", ".join(about)}) {_in_words(finding)}'


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
  for claim in paper_claims.OURS:
    parts = claims.about(claim.parts, one.experiment)
    if claim.experiment != one.name or not parts or not _is_of_kl(parts[0]):
      continue
    finding = claims.judge(parts, one.experiment, one.results)
    if isinstance(parts[0], claims.Together):
      together = finding
    else:
      counts[finding.answer] += 1
  if together is not None and together.is_measured:
    yield (
        'Grouping by KL over random mediators, with the recommended optimizer:'
        f' {one.data} ({one.folder}) over all settings together'
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


def _of_costs(
    all_results: measured.AllResults, all_curves: Mapping[str, pd.DataFrame]
) -> Iterator[str]:
  one = _largest('frontier', all_results)
  if one is None or one.folder not in all_curves:
    return
  for axis in ('megabytes', 'simulated_seconds'):
    firsts = frontier.firsts_in_words(all_curves[one.folder], axis)
    if firsts:
      yield f'First at equal {frontier.AXES[axis]} ({one.folder}): {firsts}.'


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
