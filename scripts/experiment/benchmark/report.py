"""The figures of `scripts/benchmark.py` as ratios, in Markdown."""

from collections.abc import Mapping
from typing import Any

import numpy as np

# The subject whose clients have one batch each.
ONE_BATCH = 'astraea, one batch a client'
BATCH_SIZE = 20
# Those that start with nothing beside them, as their start is reported.
STARTED_ALONE = ('tff', 'astraea')


def _speeds(subject: Mapping[str, Any]) -> np.ndarray:
  """Examples per second of every round."""
  return subject['examples'] / np.array(subject['wall'])


def _cpus(subject: Mapping[str, Any]) -> np.ndarray:
  """CPU seconds per example of every round."""
  return np.array(subject['cpu']) / subject['examples']


def compute_ratios(results: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """Returns the figures that are asked for, by name.

  Where there are several references, the one with the best median is meant.

  Args:
    results: What `scripts/benchmark.py` measured.

  Returns:
    Arrays of ratios, shape `[rounds]`, float64: of examples per second and of
    CPU seconds per example in the rounds that took turns. The seconds from the
    start to the end of the first round, and peak memory, have one ratio.
  """
  rounds, memory = results['rounds'], results['memory']
  speeds = {name: _speeds(subject) for name, subject in rounds.items()}
  cpus = {name: _cpus(subject) for name, subject in rounds.items()}
  limits = [speeds['limit, one stream'], speeds['limit, a process per core']]
  limits_of_4 = limits + [speeds['limit of 4 epochs, a process per core']]
  tuned = ('tff tuned, reduce', 'tff tuned, iterator')
  gammas = [cpu for name, cpu in cpus.items() if 'gamma' in name]
  few, many = (sum(peak.values()) for peak in memory.values())
  speed, cpu = speeds['astraea'], cpus['astraea']
  return {
      'speed / limit': speed / max(limits, key=np.median),
      'speed / tff': speed / speeds['tff'],
      'speed / tff tuned': speed / max(
          (speeds[name] for name in tuned), key=np.median
      ),
      'speed of 4 epochs / limit': speeds['astraea, 4 mediator epochs'] / max(
          limits_of_4, key=np.median
      ),
      'CPU / tff tuned': cpu / min(
          (cpus[name] for name in tuned), key=np.median
      ),
      'CPU per example, stored augmentation / none': cpus[
          'astraea, stored augmentation'
      ] / cpu,
      'CPU per example, fresh augmentation / none': cpus[
          'astraea, fresh augmentation'
      ] / cpu,
      'start / tff': np.array(
          [rounds['astraea']['start'] / rounds['tff']['start']]
      ),
      'CPU, all clients in one mediator / one client a mediator': gammas[1]
      / gammas[0],
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


# What to reach: the least or the most that a ratio should be.
_GOALS = {
    'speed / limit': '>= 0.8',
    'speed / tff': '>= 3',
    'speed / tff tuned': '>= 1.2',
    'speed of 4 epochs / limit': '>= 0.95',
    'CPU / tff tuned': '<= 0.85',
    'CPU per example, stored augmentation / none': '<= 1.05',
    'CPU per example, fresh augmentation / none': '<= 1.3',
    'start / tff': '<= 1.0',
    'CPU, all clients in one mediator / one client a mediator': '<= 1.0',
    'peak memory, many clients on disk / few': '<= 1.1',
}


def write_report(results: Mapping[str, Any]) -> str:
  """Returns the report in Markdown.

  Args:
    results: What `scripts/benchmark.py` measured.
  """
  lines = [
      '# Benchmark',
      '',
      (
          f'{results["machine"]}; load before the start'
          f' {results["load_before"]:.2f}.'
          f' {results["clients"]} clients of 460 examples a round, gamma 10,'
          f' batches of 20, Adam; {results["repeats"]} rounds of each, in turn.'
      ),
      '',
      '| ratio | median | half of the rounds | to reach |',
      '|---|---|---|---|',
  ]
  for name, ratios in compute_ratios(results).items():
    low, median, high = np.quantile(ratios, (0.25, 0.5, 0.75))
    half = f'{low:.2f} to {high:.2f}' if ratios.size > 1 else 'measured once'
    lines.append(f'| {name} | {median:.2f} | {half} | {_GOALS[name]} |')
  step, visit = compute_costs(results)
  lines += [
      '',
      (
          f'A training step takes {1000 * step:.2f} ms of CPU, a visit of a'
          f' client besides {1000 * visit:.2f} ms (medians).'
      ),
      '',
      '| subject | examples/s, median | CPU s a round, median | to the end of'
      ' the first round (s) | peak MB parent + worker |',
      '|---|---|---|---|---|',
  ]
  for name, subject in results['rounds'].items():
    peak, start = subject['peak'], subject['start']
    lines.append(
        f'| {name} | {np.median(_speeds(subject)):,.0f} |'
        f' {np.median(subject["cpu"]):.2f} |'
        f' {"" if start is None else format(start, ".1f")} |'
        f' {peak["parent"]:.0f} + {peak["worker"]:.0f} |'
    )
  lines += ['', '| clients on disk | peak MB parent + worker |', '|---|---|']
  for population, peak in results['memory'].items():
    lines.append(
        f'| {int(population):,} | {peak["parent"]:.0f} + {peak["worker"]:.0f} |'
    )
  return '\n'.join(lines) + '\n'
