"""benchmark.py: what it compares."""

import numpy as np
import script_runner

from experiment.benchmark import report
from experiment.benchmark import subjects as benchmark_subjects


def test_subjects_cover_what_the_report_compares():
  with script_runner.loaded('benchmark') as benchmark:
    subjects = benchmark._subjects('folder', 'small', 20)
  assert {build.func for parts in subjects.values() for build in parts} == {
      benchmark_subjects.plain_loop,
      benchmark_subjects.fed_avg,
      benchmark_subjects.astraea,
      benchmark_subjects.handed_in,
  }
  assert 'astraea, gamma 1' in subjects and 'astraea, gamma 20' in subjects


def subject(seconds, cpu, python_cpu, *, examples=9200, start=None, peak=200.0):
  return dict(
      start=start,
      peak=dict(parent=700.0, worker=peak),
      examples=examples,
      wall=[seconds, 2 * seconds],
      cpu=[cpu, cpu],
      python_cpu=[python_cpu, python_cpu],
  )


def test_the_report_has_every_figure_as_a_ratio_within_the_run():
  """Of two rounds in turn, the second at half the speed of the first."""
  with script_runner.loaded('benchmark') as benchmark:
    names = list(benchmark._subjects('folder', 'small', 20))
  rounds = {name: subject(1.0, 1.0, 0.1) for name in names}
  rounds['tff'] = subject(
      4.0, 4.0, 0.1, start=dict(wall=[20.0], cpu=[16.0], build_cpu=[5.0])
  )
  rounds['astraea'] = subject(
      1.0, 1.0, 0.1, start=dict(wall=[10.0], cpu=[8.0], build_cpu=[2.0])
  )
  rounds[report.ONE_BATCH] = subject(0.2, 0.2, 0.1, examples=400)
  rounds[report.HANDED_IN_AGAIN] = subject(1.2, 1.0, 0.03, peak=150.0)
  rounds[report.HANDED_IN_ANEW] = subject(1.5, 1.0, 0.3, peak=300.0)
  results = dict(
      rounds=rounds,
      memory={
          500: dict(parent=700.0, worker=100.0),
          5000: dict(parent=740.0, worker=100.0),
      },
      clients=20,
      repeats=2,
      machine='a machine',
      load_before=0.0,
  )
  ratios = report.compute_ratios(results)
  for name, expected in {
      'speed / tff': [4.0, 4.0],
      'CPU to build the process / tff': [0.4],
      'CPU to the end of the first round / tff': [0.5],
      'CPU of Python, datasets handed in again / anew': [0.1, 0.1],
      'time, datasets handed in again / read by id': [1.2, 1.2],
      'peak memory of the worker, datasets handed in again / anew': [0.5],
      'peak memory, many clients on disk / few': [1.05],
  }.items():
    np.testing.assert_allclose(ratios[name], expected)
  text = report.write_report(results)
  assert all(f'| {name} |' in text for name in (*ratios, *names))
