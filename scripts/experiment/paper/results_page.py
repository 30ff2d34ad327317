"""docs/results.md: what the tables' CSV files say of the paper's claims."""

from collections.abc import Iterable, Mapping
import pathlib

import pandas as pd

from experiment.paper import claims
from experiment.paper import experiment_page
from experiment.paper import findings
from experiment.paper import frontier
from experiment.paper import measured
from experiment.paper import paper_claims
from experiment.runs import tables

_MISSING = 'not run'


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
  all_curves = {
      one.folder: frontier.read_curves(path)
      for one in all_results.values()
      if (path := folder / one.folder / frontier.CURVES_FILE).exists()
  }
  num_lines = sum(len(one.results) for one in all_results.values())
  parts = [
      '# Results',
      f'    {command}',
      'Made from the CSV files beside the pages below, which'
      ' `scripts/reproduce.py --experiment=NAME --scale=SCALE` writes.'
      f' {machine}. {len(all_results)} experiments have {num_lines} lines of'
      f' results. Training took {measured.hours(all_results):.1f} hours in'
      ' all, as the runs counted it, other runs beside them; a row that two'
      ' experiments share is trained once and counted in both, but for fig1,'
      ' whose runs are table1\'s.',
      '## Findings',
      '\n'.join(
          f'- {sentence}'
          for sentence in findings.find(all_results, all_curves)
      ),
      *_format_frontiers(all_curves, folder.name),
      '## What the paper claims',
      'A difference is that of the same seeds, and the brackets are its 95 %'
      " interval (Student's t). A claim is confirmed where the interval is on"
      ' its side of zero, refuted where it is on the other side, and open'
      ' otherwise: with one seed always. Accuracies are those of the round that'
      ' validation chose, or the best where no examples were held out. At scale'
      ' `small` MNIST, digits and CIFAR-10 stand in for EMNIST and CINIC-10; at'
      " `emnist`, CIFAR-10 for CINIC-10, and EMNIST is the paper's at a"
      ' fraction. Clients train with Adam at 1e-3 where a row does not say'
      ' otherwise; what is gained with a learning rate for each is in'
      ' `headline` and `headline_emnist`.',
      _format_claims(paper_claims.PAPER, all_results),
      '## Not testable here',
      tables.markdown(('claim', 'why'), paper_claims.NOT_TESTABLE),
      '## What we asked besides',
      _format_claims(paper_claims.OURS, all_results),
      '## The tables',
      *(
          _format_experiment(one, f'{folder.name}/{one.folder}')
          for one in all_results.values()
      ),
  ]
  return '\n\n'.join(parts) + '\n'


def _format_frontiers(
    all_curves: Mapping[str, pd.DataFrame], folder: str
) -> Iterable[str]:
  for name, curves in all_curves.items():
    yield f'## Who is first at equal cost: {name}'
    yield (
        f'{frontier.format_firsts(curves)}\n\n'
        f'![{name}]({folder}/{name}/{experiment_page.PICTURE_FILE})'
    )


def _format_claims(
    listed: Iterable[claims.Claim], all_results: measured.AllResults
) -> str:
  lines = []
  for claim in listed:
    answered = [
        (f'[{one.name}, {one.scale}](#{one.name}-{one.scale})', claim.text,
         finding.measured, finding.answer)
        for one, finding in measured.judge(claim, all_results)
    ]
    lines += answered or [(claim.experiment, claim.text, '', _MISSING)]
  return tables.markdown(
      ('from', 'statement', 'measured', 'answer'), lines
  )


def _format_experiment(one: measured.Measured, folder: str) -> str:
  missing = experiment_page.missing_rows(one.experiment, one.results)
  note = f'\n\nNot run: {"; ".join(missing)}.' if missing else ''
  return (
      f'### {one.name}, {one.scale}\n\n{one.experiment.title}'
      f' ([page]({folder}/{experiment_page.PAGE_FILE}),'
      f' [CSV]({folder}/{experiment_page.CSV_FILE})).{note}\n\n'
      f'{experiment_page.format_table(one.experiment, one.results)}\n\n'
      f'![{one.name}]({folder}/{experiment_page.PICTURE_FILE})'
  )
