"""How many examples each client has: the paper's scalar (size) axis.

The paper (Duan et al. 2019, Table I) uses even sizes and sizes that follow the
upload counts of Instagram users, from a data set of which it prints nothing
(Bodaghi & Goliaei 2017, doi 10.5281/zenodo.823283). Our 'instagram' is a
log-normal through two published figures of a sample that RJMetrics took from
Instagram's own interface (TechCrunch, 10 March 2011): 37.5 % of the users never
uploaded a photo and 5 % uploaded more than 50. It puts 27 % of the users at one
to three photos, where an account of 2012 says 25 %. Users without a photo are
no clients. 'emnist_writers' are real sizes: those of federated EMNIST's 3,400
writers, 16 to 418 examples each.
"""

import math
import statistics

import numpy as np

from astraea_tff import arguments
from astraea_tff.datasets.partitioning import distributions

SIZE_DISTRIBUTIONS = ('even', 'power_law', 'instagram', 'emnist_writers')

_SHARE_WITHOUT_UPLOAD = 0.375
_SHARE_ABOVE_50_UPLOADS = 0.05


def client_sizes(
    distribution: distributions.Distribution,
    num_clients: int,
    total: int,
    rng: np.random.Generator,
    *,
    min_size: int = 1,
    power_law_exponent: float = 2.5,
) -> np.ndarray:
  """How many examples each client has.

  The K sizes of a named distribution are its quantiles at (k + 1/2) / K, scaled
  to the total: the histogram of sizes is the same for every seed, and only
  which client has which size is drawn. Clients that would fall below `min_size`
  get exactly that, and the others are scaled to what is left.

  Args:
    distribution: 'even' (sizes differ by at most one), 'power_law' (a Pareto
      density, proportional to `size ** -power_law_exponent`), 'instagram',
      'emnist_writers'; or K sizes, used as they are.
    num_clients: K, at least 1.
    total: Sum of the result, at least 1.
    rng: Draws the order of the sizes.
    min_size: At least 1.
    power_law_exponent: Greater than 1; the smaller, the heavier the tail.

  Returns:
    `int64 [K]` of sum `total`, each at least `min_size`.

  Raises:
    TypeError: An argument has a wrong type.
    ValueError: Unknown name, argument out of range, wrong number of sizes, or a
      total that they do not sum to or that does not suffice.
  """
  if not isinstance(distribution, str):
    sizes = distributions.check_given_counts(
        distribution, 'size_distribution', num_clients, min_size
    )
    if sizes.sum() != total:
      raise ValueError(
          f'The sizes of size_distribution make {sizes.sum()}, but '
          f'{total} examples are to be dealt out; the two must agree.'
      )
    return sizes
  if num_clients * min_size > total:
    raise ValueError(
        f'{total} examples do not suffice for num_clients={num_clients} with '
        f'min_size={min_size} or more each; lower one of the two.'
    )
  weights = _quantiles(distribution, num_clients, power_law_exponent)
  sizes = _scale_to_total(weights, total, min_size)
  return sizes if distribution == 'even' else rng.permutation(sizes)


def _quantiles(
    distribution: str, num_clients: int, power_law_exponent: float
) -> np.ndarray:
  """`float64 [K]`, ascending, of any scale."""
  quantiles = (np.arange(num_clients) + 0.5) / num_clients
  if distribution == 'even':
    return np.ones(num_clients)
  if distribution == 'power_law':
    exponent = arguments.check_number(
        power_law_exponent, 'power_law_exponent', 1, ends='()'
    )
    # The largest is 1; counting from there, no quantile can overflow.
    return ((1 - quantiles) / (1 - quantiles[-1])) ** (-1 / (exponent - 1))
  if distribution == 'instagram':
    return _instagram_uploads(quantiles)
  if distribution == 'emnist_writers':
    rows = distributions.read_table('client_sizes_emnist_writers.csv')
    sizes = [int(row['num_examples']) for row in rows]
    return np.quantile(sizes, quantiles, method='inverted_cdf')
  raise ValueError(
      f'size_distribution {distribution!r} is unknown; known are '
      f'{", ".join(SIZE_DISTRIBUTIONS)}, or give a size for each client.'
  )


def _instagram_uploads(quantiles: np.ndarray) -> np.ndarray:
  """Uploads at quantiles of the users with at least one upload."""
  standard = statistics.NormalDist()
  below_one = standard.inv_cdf(_SHARE_WITHOUT_UPLOAD)
  below_51 = standard.inv_cdf(1 - _SHARE_ABOVE_50_UPLOADS)
  deviation = math.log(51) / (below_51 - below_one)
  logarithms = statistics.NormalDist(-below_one * deviation, deviation)
  of_all_users = _SHARE_WITHOUT_UPLOAD + (1 - _SHARE_WITHOUT_UPLOAD) * quantiles
  return np.exp([logarithms.inv_cdf(quantile) for quantile in of_all_users])


def _scale_to_total(
    weights: np.ndarray, total: int, min_size: int
) -> np.ndarray:
  """Divides a total in proportion to weights, nobody below `min_size`."""
  raised = np.zeros(len(weights), bool)
  while True:
    rest = total - min_size * int(raised.sum())
    shares = weights * (rest / weights[~raised].sum())
    too_small = ~raised & (shares < min_size - 1e-9)
    if not too_small.any():
      break
    raised |= too_small
  sizes = np.full(len(weights), min_size, np.int64)
  sizes[~raised] = distributions.largest_remainder(weights[~raised], rest)
  return sizes
