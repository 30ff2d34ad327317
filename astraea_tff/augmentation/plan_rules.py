"""How many copies of a sample of each class a rule wants.

Our readings of the paper (Duan et al. 2019), for `C_y` examples of class y and
their mean `C_bar`:

* `(C_bar / C_y) ** alpha`, "the number of augmentations", is the TOTAL number
  of copies of a sample, itself included: alpha = 0 then costs no storage, as in
  section IV-C, and alpha = 1 lifts a class to the mean.
* 'extra' is the literal reading, that many on top of the sample.
* 'z_score' is that of the journal's version (TPDS 32(1), 2021), as far as it is
  known to us second-hand; it thins out the largest classes too.
"""

import numpy as np

RULES = ('total', 'extra', 'z_score')


def apply(
    rule: str, counts: np.ndarray, alpha: float, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns what a rule wants, without a cap.

  Args:
    rule: One of `RULES`.
    counts: int64 `[N]`, examples of each class over all clients.
    alpha: The augmentation factor, of 'total' and 'extra'.
    threshold: T of 'z_score'.

  Returns:
    For each class copies of a sample, itself included, float64 `[N]`; the
    probability with which a sample is kept, float64 `[N]`; and whether the
    class is augmented, bool `[N]`.
  """
  if rule == 'z_score':
    copies, kept = _z_score(counts, threshold)
    return copies, kept, copies > 1
  augmented = (counts > 0) & (counts < counts.mean())
  copies = np.ones(len(counts))
  copies[augmented] = (counts.mean() / counts[augmented]) ** alpha
  if rule == 'extra':
    copies[augmented] += 1
  return copies, np.ones(len(counts)), augmented


def _z_score(
    counts: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
  """Returns copies and shares that are kept, float64 [N], by 'z_score'."""
  mean, deviation = counts.mean(), counts.std()
  copies, kept = np.ones(len(counts)), np.ones(len(counts))
  if deviation == 0:
    return copies, kept
  z = (counts - mean) / deviation
  few = (counts > 0) & (z < -1 / threshold)
  many = z > threshold
  wanted_of_few = mean - deviation * np.sqrt(-z[few] / threshold)
  wanted_of_many = mean + deviation * np.sqrt(z[many] * threshold)
  # At the border they are 1, but for rounding.
  copies[few] = np.maximum(wanted_of_few / counts[few], 1)
  kept[many] = np.minimum(wanted_of_many / counts[many], 1)
  return copies, kept
