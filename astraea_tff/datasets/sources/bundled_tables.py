"""Scikit-learn's bundled tables for classification, standardised.

'breast_cancer' has 569 rows of 30 measurements of cell nuclei, malignant or
benign (Wolberg, Mangasarian, Street & Street, UCI Machine Learning Repository
1995). 'wine' has 178 rows of 13 measurements of wines from three growers
(Aeberhard & Forina, UCI 1991). Both are real, and in every installation of
scikit-learn.

Every column is brought to mean 0 and deviation 1 over the pool, that is over
all training examples of all clients together: what clients get who send the
server their numbers, sums and sums of squares once. The test set is scaled by
the same two numbers and has no part in them.
"""

import hashlib
import importlib.resources

import numpy as np
from sklearn import datasets as sklearn_datasets

from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets.sources import kept_for_testing

_LOADERS = {
    'breast_cancer': sklearn_datasets.load_breast_cancer,
    'wine': sklearn_datasets.load_wine,
}
_FILES = {'breast_cancer': 'breast_cancer.csv', 'wine': 'wine_data.csv'}
_TEST_EXAMPLES_PER_CLASS = {'breast_cancer': 50, 'wine': 16}

NAMES = tuple(_LOADERS)


def load_table(name: str) -> federated_dataset.LabelledExamples:
  """Loads a table.

  Args:
    name: One of `NAMES`.

  Returns:
    Standardised rows float32 `[n, D]`. The test set is balanced and the same
    every time: 50 rows of each of the two classes of 'breast_cancer' and 16 of
    each of the three of 'wine'. The pool is the other 469 or 130.
  """
  table = _LOADERS[name]()
  labels = table.target.astype(np.int32)
  pool, test = kept_for_testing.split(
      labels, len(table.target_names), _TEST_EXAMPLES_PER_CLASS[name]
  )
  of_pool = table.data[pool]
  rows = (table.data - of_pool.mean(axis=0)) / of_pool.std(axis=0)
  rows = rows.astype(np.float32)
  return federated_dataset.LabelledExamples(
      class_names=tuple(str(label) for label in table.target_names),
      features=rows[pool],
      labels=labels[pool],
      test_features=rows[test],
      test_labels=labels[test],
      feature_names=tuple(str(column) for column in table.feature_names),
  )


def source_state(name: str) -> str:
  """Returns a text that changes with the table that scikit-learn has.

  Args:
    name: One of `NAMES`.
  """
  files = importlib.resources.files('sklearn.datasets.data')
  return hashlib.sha256((files / _FILES[name]).read_bytes()).hexdigest()
