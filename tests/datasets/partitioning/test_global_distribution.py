import numpy as np
import pytest
from scipy import stats

from astraea_tff.datasets.partitioning import distributions
from astraea_tff.datasets.partitioning import global_distribution

_POOL = np.array([100, 80, 60, 40])


@pytest.mark.parametrize('num_classes', [2, 10, 26, 47])
@pytest.mark.parametrize('name', global_distribution.GLOBAL_DISTRIBUTIONS[1:])
def test_shares_are_positive_and_sum_to_one(name, num_classes):
  shares = global_distribution.class_shares(name, num_classes)
  assert shares.shape == (num_classes,)
  assert (shares > 0).all()
  assert shares.sum() == pytest.approx(1, abs=1e-12)


def test_standard_normal_is_the_density_over_minus_two_to_two():
  density = stats.norm.pdf(np.linspace(-2, 2, 10))
  np.testing.assert_allclose(
      global_distribution.class_shares('standard_normal', 10),
      density / density.sum(), rtol=1e-12)


def test_zipf_by_hand():
  np.testing.assert_allclose(
      global_distribution.class_shares('zipf', 3), [6 / 11, 3 / 11, 2 / 11])


def test_long_tail_is_geometric_with_the_factor_between_its_ends():
  shares = global_distribution.class_shares('long_tail', 5, imbalance_factor=81)
  np.testing.assert_allclose(shares[:-1] / shares[1:], 3)


def test_letter_frequency_of_26_classes_is_the_alphabets():
  shares = global_distribution.class_shares('letter_frequency', 26)
  # The case-free column of another corpus ranks the commonest letters alike.
  rows = distributions.read_table('letter_frequencies.csv')
  other = np.array([float(row['norvig_google_books_billions']) for row in rows])
  np.testing.assert_allclose(shares, other / other.sum(), atol=0.009)
  assert shares.argmax() == ord('E') - ord('A')
  assert set(np.argsort(shares)[:4]) == {ord(c) - 65 for c in 'JQXZ'}
  # By hand for E: 138443 upper and 7741842 lower of 65204503.
  assert shares[4] == pytest.approx((138443 + 7741842) / 65204503)


def test_letter_frequency_of_few_classes_takes_the_first_letters():
  shares = global_distribution.class_shares('letter_frequency', 2)
  a, b = 280937 + 5263779, 169474 + 866156
  np.testing.assert_allclose(shares, [a / (a + b), b / (a + b)])


def test_letter_frequency_of_47_classes_follows_emnists_order():
  shares = global_distribution.class_shares('letter_frequency', 47)
  names = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt'
  share = dict(zip(names, shares))
  np.testing.assert_allclose(shares[:10], 1 / 47)
  unit = share['A'] / 280937
  assert share['a'] == pytest.approx(5263779 * unit)
  assert share['C'] == pytest.approx((229363 + 1960412) * unit)
  assert share['E'] == pytest.approx(138443 * unit)
  assert share['e'] == pytest.approx(7741842 * unit) == max(shares)
  assert share['Q'] == min(shares)
  assert share['t'] == pytest.approx(5507692 * unit)
  # All letters of the corpus are in, none twice.
  assert shares[10:].sum() == pytest.approx(65204503 * unit)


@pytest.mark.parametrize('num_classes', [27, 36, 46, 48, 100])
def test_letter_frequency_is_refused_for_other_numbers_of_classes(num_classes):
  with pytest.raises(ValueError, match=f'num_classes={num_classes}'):
    global_distribution.class_shares('letter_frequency', num_classes)


def test_natural_takes_the_whole_pool():
  counts = global_distribution.class_counts('natural', _POOL)
  assert counts.tolist() == _POOL.tolist()
  counts = global_distribution.class_counts('natural', _POOL, 140)
  assert counts.tolist() == [50, 40, 30, 20]


def test_natural_keeps_a_class_that_the_pool_lacks_empty():
  counts = global_distribution.class_counts('natural', np.array([4, 0, 2]))
  assert counts.tolist() == [4, 0, 2]


@pytest.mark.parametrize('name', global_distribution.GLOBAL_DISTRIBUTIONS)
def test_counts_have_the_total_and_fit_the_pool(name):
  rng = np.random.default_rng(1)
  for _ in range(50):
    pool = rng.integers(1, 3000, rng.integers(2, 27))
    largest = global_distribution.class_counts(name, pool)
    assert (largest <= pool).all()
    total = int(rng.integers(1, largest.sum() + 1))
    counts = global_distribution.class_counts(name, pool, total)
    assert counts.sum() == total and (counts <= pool).all()
    if name != 'natural':
      exact = total * global_distribution.class_shares(name, len(pool))
      assert (np.abs(counts - exact) < 1).all()


def test_without_a_number_the_largest_that_fits_is_taken():
  counts = global_distribution.class_counts('balanced', _POOL)
  assert counts.tolist() == [40] * 4
  # Class 0 has half of all: 100 / (8 / 15) = 187.5.
  counts = global_distribution.class_counts(
      'long_tail', _POOL, imbalance_factor=8)
  assert counts.sum() == 187 and counts[0] == 100


def test_table_one_of_the_paper_is_exact():
  counts = global_distribution.class_counts('balanced', np.full(47, 2500))
  assert counts.tolist() == [2500] * 47


def test_given_counts_are_used_as_they_are():
  counts = global_distribution.class_counts([1, 80, 0, 3], _POOL)
  assert counts.tolist() == [1, 80, 0, 3]
  counts = global_distribution.class_counts([1, 80, 0, 3], _POOL, 84)
  assert counts.tolist() == [1, 80, 0, 3]


def test_a_pool_too_small_names_the_classes_and_what_is_missing():
  with pytest.raises(ValueError) as caught:
    global_distribution.class_counts('balanced', _POOL, 280)
  message = str(caught.value)
  assert 'class 2 needs 70 and has 60 (10 missing)' in message
  assert 'class 3 needs 70 and has 40 (30 missing)' in message
  assert 'largest num_examples that fits is 160' in message
  assert 'class 1 ' not in message


def test_given_counts_beyond_the_pool_are_refused():
  with pytest.raises(ValueError, match=r'class 3 needs 41 and has 40 \(1 miss'):
    global_distribution.class_counts([1, 1, 1, 41], _POOL)


def test_a_class_that_the_pool_lacks_is_named():
  with pytest.raises(ValueError, match='none of class 1'):
    global_distribution.class_counts('zipf', np.array([5, 0, 5]))


@pytest.mark.parametrize('arguments, error, message', [
    (dict(distribution='uniform'), ValueError, "'uniform' is unknown"),
    (dict(distribution='natural', num_examples=0), ValueError, 'at least 1'),
    (dict(distribution='natural', num_examples=2.0), TypeError, 'num_examples'),
    (dict(distribution='natural', num_examples=True), TypeError, 'an int'),
    (dict(distribution='natural', num_examples=281), ValueError, 'too small'),
    (dict(distribution=[1, 2, 3]), ValueError, r'shape \[4\]'),
    (dict(distribution=[1, 2, 3, -1]), ValueError, 'at index 3'),
    (dict(distribution=[1, 2, 3, 0.5]), TypeError, 'whole numbers'),
    (dict(distribution=[0, 0, 0, 0]), ValueError, 'positive for some class'),
    (dict(distribution=[1, 1, 1, 1], num_examples=5), ValueError, 'make 4'),
    (dict(distribution='long_tail', imbalance_factor=0.5), ValueError,
     'imbalance_factor must be finite and at least 1, got 0.5'),
    (dict(distribution='long_tail', imbalance_factor=float('nan')), ValueError,
     'nan'),
])
def test_bad_arguments_are_refused(arguments, error, message):
  with pytest.raises(error, match=message):
    global_distribution.class_counts(available=_POOL, **arguments)


def test_fewer_than_two_classes_are_refused():
  with pytest.raises(ValueError, match='num_classes must be at least 2'):
    global_distribution.class_shares('balanced', 1)


def _share_by_class_name(shares):
  return dict(zip('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt', shares))


def test_any_case_divides_a_letter_between_its_classes_as_the_pool_is():
  by_case = _share_by_class_name(
      global_distribution.class_shares('letter_frequency', 47))
  pool = np.random.default_rng(3).integers(1, 900, 47)
  available = _share_by_class_name(pool)
  share = _share_by_class_name(global_distribution.class_shares(
      'letter_frequency_any_case', 47, available=pool))
  for capital, small in zip('ABDEFGHNQRT', 'abdefghnqrt'):
    assert share[capital] + share[small] == pytest.approx(
        by_case[capital] + by_case[small])
    assert share[small] / share[capital] == pytest.approx(
        available[small] / available[capital])
  for name in '0123456789CIJKLMOPSUVWXYZ':
    assert share[name] == pytest.approx(by_case[name])


def test_any_case_divides_evenly_without_a_pool():
  share = _share_by_class_name(
      global_distribution.class_shares('letter_frequency_any_case', 47))
  assert share['e'] == pytest.approx(share['E'])
  assert share['e'] == pytest.approx(
      (138443 + 7741842) / 65204503 * 37 / 47 / 2)


def test_any_case_does_without_a_case_that_the_pool_lacks_but_not_a_letter():
  pool = np.full(47, 1000)
  pool[14] = 0  # E; small e is class 39.
  counts = global_distribution.class_counts(
      'letter_frequency_any_case', pool, 4700)
  assert counts[14] == 0
  assert counts[39] == pytest.approx(
      3700 * (138443 + 7741842) / 65204503, abs=1)
  pool[39] = 0
  with pytest.raises(ValueError, match='class 14 needs .* has 0'):
    global_distribution.class_counts('letter_frequency_any_case', pool, 4700)
  with pytest.raises(ValueError, match='has none of class 14'):
    global_distribution.class_counts('letter_frequency_any_case', pool)
