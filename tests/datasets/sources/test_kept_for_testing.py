import numpy as np

from astraea_tff.datasets.sources import kept_for_testing


def test_the_split_is_the_one_that_results_were_measured_with():
  pool, test = kept_for_testing.split(np.arange(30) % 3, 3, 4)
  assert test.tolist() == [6, 18, 9, 24, 25, 19, 16, 28, 29, 26, 23, 17]
  assert pool.tolist() == sorted(set(range(30)) - set(test.tolist()))
