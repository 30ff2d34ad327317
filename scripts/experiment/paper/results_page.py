"""docs/results.md: what the tables' CSV files say of the paper's claims."""

import collections
from collections.abc import Iterable, Iterator, Mapping
import math
import pathlib

import pandas as pd

from experiment.paper import caveats
from experiment.paper import claims
from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import findings
from experiment.paper import frontier
from experiment.paper import intervals
from experiment.paper import measured
from experiment.paper import paper_claims
from experiment.paper import paper_experiments
from experiment.paper import words
from experiment.runs import tables

_MISSING = 'not run'
# Whose runs are another's.
_SAME_RUNS = {'fig1': 'table1'}
# What the answers mean.
_ANSWERS = (
    'A difference is that of the same seeds, and the brackets are its 95 %'
    " interval (Student's t). A claim is confirmed where the interval is on"
    ' its side of zero, refuted where it is on the other side, and open'
    ' otherwise: with one seed always, and where all seeds have the same'
    ' difference, unless that is more than one evaluation step. That'
    ' something costs nothing or does not help is confirmed where the'
    f' interval is within {claims.MARGIN:g} points of zero, refuted where it'
    ' is above zero and not within, and open otherwise. A share above 100 %'
    ' is not comparable, as balance cannot give more. Accuracies are those of'
    ' the round that validation chose, or the best where no examples were'
    ' held out. The words in brackets after an answer say who chose; clients'
    ' train with Adam at 1e-3 where a row does not say otherwise, and what is'
    ' gained with a learning rate for each is in `headline` and'
    ' `headline_emnist`. At scale `small` MNIST, digits and CIFAR-10 stand in'
    ' for EMNIST and CINIC-10; at `emnist`, CIFAR-10 for CINIC-10, and EMNIST'
    " is the paper's at a fraction."
)


def format_results(
    all_results: measured.AllResults,
    *,
    folder: pathlib.Path,
    machine: str,
    command: str,
) -> str:
  """Returns the page, in Markdown.

  Args:
    all_results: What the experiments' runs measured.
    folder: Where the experiments' pages are, beside this page.
    machine: What the runs ran on.
    command: What makes this page.
  """
  # The largest scale first.
  all_curves = {
      one.folder: one.curves
      for one in sorted(
          all_results.values(),
          key=lambda one: experiments.SCALES.index(one.scale),
          reverse=True,
      )
      if one.curves is not None
  }
  num_lines = sum(
      len(one.results)
      for one in all_results.values()
      if one.name not in _SAME_RUNS
  )
  parts = [
      '# Results',
      f'    {command}',
      'Made from the CSV files beside the pages below, which'
      ' `scripts/reproduce.py --experiment=NAME --scale=SCALE` writes.'
      f' {machine}. {len(all_results)} experiments have {num_lines} lines of'
      " results, those of fig1, which are table1's, not counted. Training took"
      f' {_format_hours(all_results)}, as the runs counted it, other runs'
      ' beside them; a row that two experiments share is trained once and'
      ' counted in both.',
      '## The words',
      words.format_key(),
      '## Findings',
      '\n'.join(
          f'- {sentence}'
          for sentence in findings.find(all_results, all_curves)
      ),
      *_format_frontiers(all_curves, folder.name),
      '## What the paper claims',
      _ANSWERS,
      _format_claims(all_results),
      '## Not testable here',
      tables.markdown(
          ('claim', 'why'),
          (*paper_claims.NOT_TESTABLE, words.not_run_on_cifar(all_results)),
      ),
      '## What we asked besides',
      "The last column has what is left with Holm's correction: 5 % for all"
      ' answers of a table together.',
      *_format_questions(all_results),
      '## The tables',
      *(
          _format_experiment(one, f'{folder.name}/{one.folder}', all_results)
          for one in all_results.values()
      ),
  ]
  return '\n\n'.join(parts) + '\n'


def _format_hours(all_results: measured.AllResults) -> str:
  hours = {}
  for scale in reversed(experiments.SCALES):
    of_scale = {
        name: one for name, one in all_results.items() if one.scale == scale
    }
    if of_scale:
      hours[scale] = f'{measured.hours(of_scale):.1f} hours at `{scale}`'
  return ' and '.join(hours.values())


def _format_frontiers(
    all_curves: Mapping[str, pd.DataFrame], folder: str
) -> Iterator[str]:
  for name, curves in all_curves.items():
    yield f'## Who is first at equal cost: {name}'
    yield (
        f'{frontier.format_firsts(curves)}\n\n'
        f'![{name}]({folder}/{name}/{experiment_page.PICTURE_FILE})'
    )


def _format_claims(all_results: measured.AllResults) -> str:
  lines = []
  for claim in paper_claims.PAPER:
    answered = [
        (_link(one), claim.text, finding.measured, _answer(claim, one, finding))
        for one, finding in measured.judge(claim, all_results)
    ]
    lines += answered[::-1] or [(claim.experiment, claim.text, '', _MISSING)]
  return tables.markdown(
      ('from', 'statement', 'measured', 'answer'), lines
  )


def _format_questions(all_results: measured.AllResults) -> Iterator[str]:
  """Yields a table for each experiment and scale, and what has no answer."""
  by_folder = collections.defaultdict(list)
  missing = {True: {}, False: {}}
  for claim in paper_claims.OURS:
    answered = list(measured.judge(claim, all_results))
    for one, finding in answered:
      by_folder[one.folder].append((claim, finding))
    if not answered:
      texts = missing[_is_of_paper_alone(claim)]
      texts.setdefault(claim.experiment, []).append(claim.text)
  names = dict.fromkeys(claim.experiment for claim in paper_claims.OURS)
  for name in names:
    for scale in reversed(experiments.SCALES):
      answers = by_folder.get(f'{name}_{scale}')
      if answers:
        yield _format_answers(all_results[f'{name}_{scale}'], answers)
  for of_paper_alone, head in (
      (True, 'Of rows that scale `paper` alone has'), (False, 'Not run')
  ):
    for name, texts in missing[of_paper_alone].items():
      yield f'{head}, of `{name}`: {" ".join(texts)}'


def _format_answers(
    one: measured.Measured, answers: list[tuple[claims.Claim, claims.Finding]]
) -> str:
  p_values = [
      intervals.p_value(finding.interval) if finding.interval else math.nan
      for _, finding in answers
  ]
  lines = [
      (
          claim.text,
          finding.measured,
          _answer(claim, one, finding),
          finding.answer if is_left else intervals.OPEN,
      )
      for (claim, finding), is_left in zip(answers, intervals.holm(p_values))
  ]
  table = tables.markdown(
      ('statement', 'measured', 'answer', "with Holm's correction"), lines
  )
  return f'{_link(one)}:\n\n{table}'


def _is_of_paper_alone(claim: claims.Claim) -> bool:
  make = paper_experiments.EXPERIMENTS[claim.experiment]
  return not any(
      claims.about(claim.parts, make(scale))
      for scale in experiments.SCALES
      if scale != 'paper'
  )


def _link(one: measured.Measured) -> str:
  return f'[{one.name}, {one.scale}](#{one.name}-{one.scale})'


def _answer(
    claim: claims.Claim, one: measured.Measured, finding: claims.Finding
) -> str:
  caveat = caveats.of(claim.parts, one.experiment, one.results)
  return finding.answer + (f' ({caveat})' if caveat else '')


def _format_experiment(
    one: measured.Measured, folder: str, all_results: measured.AllResults
) -> str:
  missing = experiment_page.missing_rows(one.experiment, one.results)
  note = f'\n\nNot run: {"; ".join(missing)}.' if missing else ''
  table = experiment_page.format_table(one.experiment, one.results)
  same = all_results.get(f'{_SAME_RUNS.get(one.name)}_{one.scale}')
  if same is not None:
    note, table = '', f'The table is that of {_link(same)}.'
  return (
      f'### {one.name}, {one.scale}\n\n{one.experiment.title}'
      f' ([page]({folder}/{experiment_page.PAGE_FILE}),'
      f' [CSV]({folder}/{experiment_page.CSV_FILE})).{note}\n\n{table}\n\n'
      f'![{one.name}]({folder}/{experiment_page.PICTURE_FILE})'
  )
