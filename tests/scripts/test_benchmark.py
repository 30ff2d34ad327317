"""benchmark.py: what it compares."""

import script_runner

from experiment.benchmark import subjects as benchmark_subjects


def test_subjects_cover_what_the_report_compares():
  with script_runner.loaded('benchmark') as benchmark:
    subjects = benchmark._subjects('folder', 'small', 20)
  assert {name for parts in subjects.values() for name, _ in parts} == set(
      benchmark_subjects._SUBJECTS
  )
  assert 'astraea, gamma 1' in subjects and 'astraea, gamma 20' in subjects
