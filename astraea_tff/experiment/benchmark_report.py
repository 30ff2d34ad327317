"""The figures of `scripts/benchmark.py` as ratios, in Markdown."""

from collections.abc import Mapping
from typing import Any


# The subject whose clients have one batch each.
ONE_BATCH = 'astraea, one batch a client'
BATCH_SIZE = 20


def _speed(subject: Mapping[str, Any]) -> float:
  """Examples per second of a round."""
  return subject['examples'] / subject['wall']


def _cpu(subject: Mapping[str, Any]) -> float:
  """CPU seconds per example."""
  return subject['cpu'] / subject['examples']


def compute_ratios(results: Mapping[str, Any]) -> dict[str, float]:
  """Returns the figures that are asked for, by name.

  Args:
    results: What `scripts/benchmark.py` measured.

  Returns:
    Ratios of examples per second, of CPU seconds per example, of the seconds
    from the start to the end of the first round, and of peak memory.
  """
  rounds, memory = results['rounds'], results['memory']
  limit = max(
      _speed(rounds['limit, one stream']),
      _speed(rounds['limit, a process per core']),
  )
  tuned = [rounds['tff tuned, reduce'], rounds['tff tuned, iterator']]
  astraea = rounds['astraea']
  four = rounds['astraea, 4 mediator epochs']
  gammas = [
      subject for name, subject in rounds.items() if 'gamma' in name
  ]
  few, many = (sum(peak.values()) for peak in memory.values())
  return {
      'speed / limit': _speed(astraea) / limit,
      'speed / tff': _speed(astraea) / _speed(rounds['tff']),
      'speed / tff tuned': _speed(astraea) / max(map(_speed, tuned)),
      'speed of 4 epochs / limit': _speed(four) / max(
          limit, _speed(rounds['limit of 4 epochs, a process per core'])
      ),
      'CPU / tff tuned': _cpu(astraea) / min(map(_cpu, tuned)),
      'CPU per example, stored augmentation / none': _cpu(
          rounds['astraea, stored augmentation']
      ) / _cpu(astraea),
      'CPU per example, fresh augmentation / none': _cpu(
          rounds['astraea, fresh augmentation']
      ) / _cpu(astraea),
      'start / tff': astraea['start'] / rounds['tff']['start'],
      'CPU, all clients in one mediator / one client a mediator': _cpu(
          gammas[1]
      ) / _cpu(gammas[0]),
      'peak memory, many clients on disk / few': many / few,
  }


def compute_costs(results: Mapping[str, Any]) -> tuple[float, float]:
  """Returns the CPU seconds of a training step, and of a client's visit.

  From clients of 460 examples and of one batch: what the round of the former
  takes longer are its steps, and what is left of the latter are the visits,
  each with its share of the start of its mediator.
  """
  many, one = results['rounds']['astraea'], results['rounds'][ONE_BATCH]
  num_clients = results['clients']
  num_steps = (many['examples'] - one['examples']) / BATCH_SIZE
  step = (many['cpu'] - one['cpu']) / num_steps
  return step, one['cpu'] / num_clients - step


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
          f' batches of 20, Adam; medians of {results["repeats"]} interleaved'
          ' rounds.'
      ),
      '',
      '| ratio | measured | to reach |',
      '|---|---|---|',
  ]
  for name, ratio in compute_ratios(results).items():
    lines.append(f'| {name} | {ratio:.2f} | {_GOALS[name]} |')
  step, visit = compute_costs(results)
  lines += [
      '',
      (
          f'A training step takes {1000 * step:.2f} ms of CPU, a visit of a'
          f' client besides {1000 * visit:.2f} ms.'
      ),
      '',
      '| subject | examples/s | CPU s a round | to the end of the first round'
      ' (s) | peak MB parent + worker |',
      '|---|---|---|---|---|',
  ]
  for name, subject in results['rounds'].items():
    peak = subject['peak']
    lines.append(
        f'| {name} | {_speed(subject):,.0f} | {subject["cpu"]:.2f} |'
        f' {subject["start"]:.1f} | {peak["parent"]:.0f} + {peak["worker"]:.0f}'
        ' |'
    )
  lines += ['', '| clients on disk | peak MB parent + worker |', '|---|---|']
  for population, peak in results['memory'].items():
    lines.append(
        f'| {int(population):,} | {peak["parent"]:.0f} + {peak["worker"]:.0f} |'
    )
  return '\n'.join(lines) + '\n'
