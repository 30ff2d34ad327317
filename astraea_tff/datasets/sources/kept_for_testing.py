"""The examples of a source that are for testing, as many of every class.

They are a property of the data set and not of a run, so the seed is fixed.
"""

import numpy as np

_SEED = 20190901


def split(
    labels: np.ndarray, num_classes: int, per_class: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the indices of the pool, ascending, and those of the test set.

  Args:
    labels: Integers `[n]`, in [0, N).
    num_classes: N.
    per_class: How many of each class are for testing; all where it has fewer.
  """
  order = np.random.default_rng(_SEED).permutation(len(labels))
  test = np.concatenate([
      order[labels[order] == label][:per_class] for label in range(num_classes)
  ])
  return np.setdiff1d(order, test), test
