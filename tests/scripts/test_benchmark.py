"""benchmark.py: what it compares."""

import script_runner

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
