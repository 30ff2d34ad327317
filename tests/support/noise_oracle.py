"""Whether noise is discrete Laplace noise, by SciPy."""

import numpy as np
import scipy.stats


def p_value(noise, decay):
  """Of the hypothesis that noise is k with probability ~ exp(-decay |k|)."""
  distribution = scipy.stats.dlaplace(decay)
  # Enough to make up bins of some size; what lies outside joins the last ones.
  width = int(distribution.isf(0.002))
  bins = np.arange(-width, width + 1)
  expected = distribution.pmf(bins)
  expected[[0, -1]] = distribution.cdf(-width)
  observed = np.array([(np.clip(noise, -width, width) == b).sum() for b in bins])
  return scipy.stats.chisquare(observed, expected * noise.size).pvalue
