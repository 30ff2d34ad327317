"""docs/results.md: what the tables' CSV files say of the paper's claims."""

from collections.abc import Iterable, Mapping
import pathlib
from typing import Optional

import pandas as pd

from experiment.paper import claims
from experiment.paper import experiment_page
from experiment.paper import experiments
from experiment.paper import paper_claims
from experiment.paper import paper_experiments
from experiment.runs import tables

SCALE = 'small'
_ANSWERS = {True: 'confirmed here', False: 'not confirmed here'}
_REPLIES = {True: 'yes', False: 'not measurably'}
_MISSING = 'not run'

# By experiment.
AllResults = Mapping[str, pd.DataFrame]


def read_all(folder: pathlib.Path) -> dict[str, pd.DataFrame]:
  """Reads results.csv of every experiment that has one under `folder`.

  Raises:
    ValueError: A file does not have the rows of its experiment.
  """
  found = {}
  for name, make in paper_experiments.EXPERIMENTS.items():
    path = folder / f'{name}_{SCALE}' / experiment_page.CSV_FILE
    if path.exists():
      results = experiment_page.read_csv(path)
      rows = make(SCALE).rows
      if set(results.index.unique('row')) != set(rows):
        raise ValueError(
            f'{path} must have the rows of {name}, which has changed since;'
            f' run scripts/reproduce.py --experiment={name} again.'
        )
      found[name] = results
  return found


def format_results(
    all_results: AllResults,
    *,
    folder: str,
    machine: str,
    command: str,
) -> str:
  """Returns the page, in Markdown.

  Args:
    all_results: By experiment, what its runs measured.
    folder: Where the experiments' pages are, from this page.
    machine: What the runs ran on.
    command: What makes this page.
  """
  seconds = sum(
      results['seconds'].sum()
      for name, results in all_results.items()
      # The runs of fig1 are those of table1.
      if name != 'fig1' and 'seconds' in results
  )
  parts = [
      '# Results',
      f'    {command}',
      'Made from the CSV files beside the pages below, which'
      f' `scripts/reproduce.py --experiment=NAME --scale={SCALE}` writes.'
      f' {machine}. Training took {seconds / 3600:.1f} hours in all, as the'
      ' runs counted it, other runs beside them; a row that two experiments'
      ' share is trained once and counted in both.',
      'A claim is confirmed where the mean difference over the seeds is more'
      ' than two standard errors on its side of zero; with one seed, where the'
      ' difference is on its side. ± is the sample standard deviation over'
      ' seeds. None of it is on the data of the paper: EMNIST is stood in for'
      ' by MNIST or digits, CINIC-10 by CIFAR-10. Clients train with Adam at'
      ' 1e-3 where a row does not say otherwise. That suits chains better than'
      ' FedAvg: what is gained with a learning rate for each is in `headline`'
      ' and `headline_emnist`.',
      '## What the paper claims',
      _format_claims(paper_claims.PAPER, all_results, _ANSWERS),
      '## Not testable here',
      tables.markdown(('claim', 'why'), paper_claims.NOT_TESTABLE),
      '## What we asked besides',
      _format_claims(paper_claims.OURS, all_results, _REPLIES),
      '## The tables',
      *(
          _format_experiment(
              name,
              make(SCALE),
              all_results.get(name),
              f'{folder}/{name}_{SCALE}',
          )
          for name, make in paper_experiments.EXPERIMENTS.items()
      ),
  ]
  return '\n\n'.join(parts) + '\n'


def _format_claims(
    listed: Iterable[claims.Claim],
    all_results: AllResults,
    answers: Mapping[bool, str],
) -> str:
  lines = []
  for claim in listed:
    link = f'[{claim.experiment}](#{claim.experiment})'
    if claim.experiment not in all_results:
      lines.append((link, claim.text, '', _MISSING))
      continue
    experiment = paper_experiments.EXPERIMENTS[claim.experiment](SCALE)
    finding = claims.judge(
        claim.parts, experiment, all_results[claim.experiment]
    )
    answer = 'undecided' if finding.holds is None else answers[finding.holds]
    lines.append((link, claim.text, finding.measured, answer))
  return tables.markdown(
      ('from', 'statement', 'measured', 'answer'), lines
  )


def _format_experiment(
    name: str,
    experiment: experiments.Experiment,
    results: Optional[pd.DataFrame],
    folder: str,
) -> str:
  heading = f'### {name}\n\n{experiment.title}'
  if results is None:
    return f'{heading}: {_MISSING} at this scale yet.'
  return (
      f'{heading} ([page]({folder}/{experiment_page.PAGE_FILE}),'
      f' [CSV]({folder}/{experiment_page.CSV_FILE})).\n\n'
      f'{experiment_page.format_table(experiment, results)}\n\n'
      f'![{name}]({folder}/{experiment_page.PICTURE_FILE})'
  )
