"""The figures of `scripts/benchmark.py` as ratios, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from experiment.runs import tables

# The subject whose clients have one batch each.
ONE_BATCH = 'astraea, one batch a client'
BATCH_SIZE = 20
HANDED_IN_AGAIN = 'astraea, datasets handed in again'
HANDED_IN_ANEW = 'astraea, datasets handed in anew'

# The least or the most to reach, by ratio.
_GOALS = {
    'speed / limit': '>= 0.8',
    'speed / tff': '>= 3',
    'speed / tff tuned': '>= 1.2',
    'speed of 4 epochs / limit': '>= 0.95',
    'CPU / tff tuned': '<= 0.85',
    'CPU per example, stored augmentation / none': '<= 1.05',
    'CPU per example, fresh augmentation / none': '<= 1.3',
    'CPU to build the process / tff': '<= 0.5',
    'CPU to the end of the first round / tff': '<= 0.65',
    'CPU of Python, datasets handed in again / anew': '<= 0.2',
    'time, datasets handed in again / read by id': '<= 1.25',
    'peak memory of the worker, datasets handed in again / anew': '<= 0.7',
    'CPU, all clients in one mediator / one client a mediator': '<= 1.0',
    'peak memory, many clients on disk / few': '<= 1.1',
}


def _speeds(subject: Mapping[str, Any]) -> np.ndarray:
  """Examples per second of every round."""
  return subject['examples'] / np.array(subject['wall'])


def compute_ratios(results: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """Returns the figures that are asked for, by name.

  Where there are several references, the one with the best median is meant.

  Args:
    results: What `scripts/benchmark.py` measured.

  Returns:
    Arrays of ratios, shape `[rounds]`, float64: of examples per second and of
    CPU seconds per example in the rounds that took turns. The CPU seconds to
    build a process and from the start to the end of the first round have a
    ratio for each start that was measured, and peak memory has one.
  """
  rounds = results['rounds']
  speeds = {name: _speeds(subject) for name, subject in rounds.items()}
  cpus = {
      name: np.array(subject['cpu']) / subject['examples']
      for name, subject in rounds.items()
  }

  def fastest(*names):
    return max((speeds[name] for name in names), key=np.median)

  limits = ('limit, one stream', 'limit, a process per core')
  again, anew = rounds[HANDED_IN_AGAIN], rounds[HANDED_IN_ANEW]

  def start(figure):
    ours, theirs = (
        np.array(rounds[name]['start'][figure]) for name in ('astraea', 'tff')
    )
    return ours / theirs

  one, everyone = (cpus[name] for name in cpus if 'gamma' in name)
  few, many = (sum(peak.values()) for peak in results['memory'].values())
  speed, cpu = speeds['astraea'], cpus['astraea']
  return {
      'speed / limit': speed / fastest(*limits),
      'speed / tff': speed / speeds['tff'],
      'speed / tff tuned': speed / speeds['tff tuned'],
      'speed of 4 epochs / limit': speeds['astraea, 4 mediator epochs']
      / fastest(*limits, 'limit of 4 epochs, a process per core'),
      'CPU / tff tuned': cpu / cpus['tff tuned'],
      'CPU per example, stored augmentation / none': (
          cpus['astraea, stored augmentation'] / cpu
      ),
      'CPU per example, fresh augmentation / none': (
          cpus['astraea, fresh augmentation'] / cpu
      ),
      'CPU to build the process / tff': start('build_cpu'),
      'CPU to the end of the first round / tff': start('cpu'),
      'CPU of Python, datasets handed in again / anew': (
          np.array(again['python_cpu']) / anew['python_cpu']
      ),
      'time, datasets handed in again / read by id': (
          speed / speeds[HANDED_IN_AGAIN]
      ),
      'peak memory of the worker, datasets handed in again / anew': np.array(
          [again['peak']['worker'] / anew['peak']['worker']]
      ),
      'CPU, all clients in one mediator / one client a mediator': (
          everyone / one
      ),
      'peak memory, many clients on disk / few': np.array([many / few]),
  }


def compute_costs(results: Mapping[str, Any]) -> tuple[float, float]:
  """Returns the CPU seconds of a training step, and of a client's visit.

  From the median rounds of clients of 460 examples and of one batch: what the
  former takes longer are its steps, and what is left of the latter are the
  visits, each with its share of the start of its mediator.
  """
  many, one = results['rounds']['astraea'], results['rounds'][ONE_BATCH]
  num_clients = results['clients']
  num_steps = (many['examples'] - one['examples']) / BATCH_SIZE
  step = (np.median(many['cpu']) - np.median(one['cpu'])) / num_steps
  return step, np.median(one['cpu']) / num_clients - step


def write_report(results: Mapping[str, Any]) -> str:
  """Returns the report in Markdown.

  Args:
    results: What `scripts/benchmark.py` measured.
  """
  ratios = []
  for name, values in compute_ratios(results).items():
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
    half = f'{low:.2f} to {high:.2f}' if values.size > 1 else 'measured once'
    ratios.append((name, f'{median:.2f}', half, _GOALS[name]))
  step, visit = compute_costs(results)
  subjects = [
      (
          name,
          f'{np.median(_speeds(subject)):,.0f}',
          f'{np.median(subject["cpu"]):.2f}',
          f'{np.median(subject["python_cpu"]):.3f}',
          _format_start(subject['start']),
          _format_peak(subject['peak']),
      )
      for name, subject in results['rounds'].items()
  ]
  populations = [
      (f'{int(population):,}', _format_peak(peak))
      for population, peak in results['memory'].items()
  ]
  parts = [
      '# Benchmark',
      f'{results["machine"]}; load before the start'
      f' {results["load_before"]:.2f}.'
      f' {results["clients"]} clients of 460 examples a round, gamma 10,'
      f' batches of 20, Adam; {results["repeats"]} rounds of each, in turn.',
      tables.markdown(
          ('ratio', 'median', 'half of the rounds', 'to reach'), ratios
      ),
      f'A training step takes {1000 * step:.2f} ms of CPU, a visit of a client'
      f' besides {1000 * visit:.2f} ms (medians).',
      tables.markdown(
          (
              'subject',
              'examples/s, median',
              'CPU s a round, median',
              'of it Python',
              'start: CPU s to build, to the end of the first round',
              'peak MB parent + worker',
          ),
          subjects,
      ),
      tables.markdown(
          ('clients on disk', 'peak MB parent + worker'), populations
      ),
  ]
  return '\n\n'.join(parts) + '\n'


def _format_start(start: Optional[Mapping[str, Sequence[float]]]) -> str:
  """Returns the medians of a subject's starts."""
  if start is None:
    return ''
  medians = {figure: np.median(values) for figure, values in start.items()}
  return '{build_cpu:.1f}, {cpu:.1f} ({wall:.1f} s)'.format(**medians)


def _format_peak(peak: Mapping[str, float]) -> str:
  return f'{peak["parent"]:.0f} + {peak["worker"]:.0f}'
