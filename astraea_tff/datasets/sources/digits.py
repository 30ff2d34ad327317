"""Scikit-learn's bundled handwritten digits, as 28x28 images.

1,797 real digits of 8x8 pixels with 17 grey levels (Alpaydin & Kaynak, UCI
Machine Learning Repository 1998), in every installation of scikit-learn: the
smallest data set on which Astraea can be tried without a download. They are
resized so that the paper's EMNIST network fits.
"""

import hashlib
import importlib.resources

import numpy as np
from sklearn import datasets as sklearn_datasets

from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets.sources import kept_for_testing

_SIZE = 28
_LARGEST_GREY_LEVEL = 16
_TEST_EXAMPLES_PER_CLASS = 30


def load_digits() -> federated_dataset.LabelledExamples:
  """Loads the digits.

  Returns:
    Images of 28x28x1. The test set is balanced, 300 digits that are the same
    every time; the pool is the other 1,497, 144 to 153 of a class.
  """
  images, labels = sklearn_datasets.load_digits(return_X_y=True)
  images = resize_bilinear(images.reshape(-1, 8, 8), _SIZE)
  images = np.rint(images * (255 / _LARGEST_GREY_LEVEL)).astype(np.uint8)
  images, labels = images[..., np.newaxis], labels.astype(np.int32)
  pool, test = kept_for_testing.split(labels, 10, _TEST_EXAMPLES_PER_CLASS)
  return federated_dataset.LabelledExamples(
      class_names=tuple(str(digit) for digit in range(10)),
      features=images[pool],
      labels=labels[pool],
      test_features=images[test],
      test_labels=labels[test],
  )


def source_state() -> str:
  """Returns a text that changes with the digits that scikit-learn has."""
  files = importlib.resources.files('sklearn.datasets.data')
  content = (files / 'digits.csv.gz').read_bytes()
  return hashlib.sha256(content).hexdigest()


def resize_bilinear(images: np.ndarray, size: int) -> np.ndarray:
  """Resizes square images with bilinear interpolation between pixel centres.

  Args:
    images: `[n, side, side]`.
    size: The new side, at least `side`.

  Returns:
    `float64 [n, size, size]`; beyond the outermost centres the edge goes on.
  """
  side = images.shape[1]
  centres = (np.arange(size) + 0.5) * (side / size) - 0.5
  centres = np.clip(centres, 0, side - 1)
  # Row i holds what each of the old pixels contributes to the new pixel i.
  distances = np.abs(centres[:, np.newaxis] - np.arange(side))
  weights = np.maximum(1 - distances, 0)
  return weights @ images @ weights.T
