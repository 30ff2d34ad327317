import numpy as np
import pytest

from experiment.benchmark import report as benchmark_report

_PEAK = {'parent': 700.0, 'worker': 100.0}


def _subject(
    examples,
    wall,
    cpu,
    start=None,
    slowness=(0.5, 1.0, 3.0),
    python_cpu=0.1,
    peak=_PEAK,
):
  """A subject on a machine that is slower in some rounds than in others."""
  return dict(
      examples=examples,
      wall=[wall * factor for factor in slowness],
      cpu=[cpu * factor for factor in slowness],
      python_cpu=[python_cpu * factor for factor in slowness],
      start=start,
      peak=peak,
  )


_OUR_START = {
    'wall': [9.0, 10.0, 30.0], 'cpu': [12.0, 11.0, 14.0],
    'build_cpu': [2.0, 1.0, 4.0],
}
_THEIR_START = {
    'wall': [20.0, 20.0, 20.0], 'cpu': [16.0, 16.0, 16.0],
    'build_cpu': [5.0, 5.0, 5.0],
}
_RESULTS = {
    'machine': 'a processor, 2 cores',
    'load_before': 0.1,
    'clients': 10,
    'repeats': 3,
    'rounds': {
        'limit, one stream': _subject(1000, 2.0, 2.0),
        'limit, a process per core': _subject(1000, 1.0, 2.0),
        'limit of 4 epochs, a process per core': _subject(4000, 4.0, 8.0),
        'tff': _subject(1000, 4.0, 6.0, start=_THEIR_START),
        'tff tuned': _subject(1000, 2.0, 4.0),
        'astraea': _subject(1000, 1.25, 2.0, start=_OUR_START),
        'astraea, datasets handed in again': _subject(
            1000,
            1.5,
            2.2,
            python_cpu=0.03,
            peak={'parent': 800.0, 'worker': 120.0},
        ),
        'astraea, datasets handed in anew': _subject(
            1000,
            1.8,
            2.5,
            python_cpu=0.3,
            peak={'parent': 800.0, 'worker': 240.0},
        ),
        'astraea, 4 mediator epochs': _subject(4000, 4.0, 7.0),
        'astraea, stored augmentation': _subject(1500, 2.0, 3.0),
        'astraea, fresh augmentation': _subject(1500, 2.0, 3.6),
        'astraea, one batch a client': _subject(200, 0.5, 0.4),
        'astraea, gamma 1': _subject(1000, 1.0, 2.0),
        'astraea, gamma 20': _subject(1000, 1.0, 1.8),
    },
    'memory': {
        500: {'parent': 700.0, 'worker': 100.0},
        5000: {'parent': 720.0, 'worker': 120.0},
    },
}


def test_ratios_are_those_of_the_best_reference():
  ratios = benchmark_report.compute_ratios(_RESULTS)
  assert {name: np.median(ratio) for name, ratio in ratios.items()} == (
      pytest.approx({
          'speed / limit': 0.8,
          'speed / tff': 3.2,
          'speed / tff tuned': 1.6,
          'speed of 4 epochs / limit': 1.0,
          'CPU / tff tuned': 0.5,
          'CPU per example, stored augmentation / none': 1.0,
          'CPU per example, fresh augmentation / none': 1.2,
          'CPU to build the process / tff': 0.4,
          'CPU to the end of the first round / tff': 0.75,
          'CPU of Python, datasets handed in again / anew': 0.1,
          'time, datasets handed in again / read by id': 1.2,
          'peak memory of the worker, datasets handed in again / anew': 0.5,
          'CPU, all clients in one mediator / one client a mediator': 0.9,
          'peak memory, many clients on disk / few': 1.05,
      })
  )


def test_a_ratio_is_of_rounds_of_the_same_turn():
  ratios = benchmark_report.compute_ratios(_RESULTS)
  # All were as much slower in the same turn, so no ratio changes.
  np.testing.assert_allclose(ratios['speed / tff'], [3.2] * 3)
  alone = {'tff': _subject(1000, 4.0, 6.0, _THEIR_START, slowness=(0.5, 1.0, 1.5))}
  uneven = _RESULTS | {'rounds': _RESULTS['rounds'] | alone}
  np.testing.assert_allclose(
      benchmark_report.compute_ratios(uneven)['speed / tff'], [3.2, 3.2, 1.6]
  )


def test_a_step_and_a_visit_account_for_both_rounds():
  step, visit = benchmark_report.compute_costs(_RESULTS)
  assert 50 * step + 10 * visit == pytest.approx(2.0)
  assert 10 * step + 10 * visit == pytest.approx(0.4)


def test_the_report_shows_each_ratio_beside_its_goal():
  text = benchmark_report.write_report(_RESULTS)
  assert '| speed / tff | 3.20 | 3.20 to 3.20 | >= 3 |' in text
  build = 'CPU to build the process / tff'
  assert f'| {build} | 0.40 | 0.30 to 0.60 | <= 0.5 |' in text
  start = '2.0, 12.0 (10.0 s)'
  assert f'| astraea | 800 | 2.00 | 0.100 | {start} | 700 + 100 |' in text
  assert '| astraea, gamma 1 | 1,000 | 2.00 | 0.100 |  | 700 + 100 |' in text
  assert '| 5,000 | 720 + 120 |' in text
  assert 'step takes 40.00 ms of CPU, a visit of a client besides 0.00' in text
