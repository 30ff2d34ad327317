"""Tests of the checks of arrays; those of counts are in labels/test_counts."""

import numpy as np
import pytest

from astraea_tff import arrays


@pytest.mark.parametrize('values', [[], [[1, 2]], 3, [0.5], np.uint8([7])])
def test_numbers_come_back_as_an_array_of_their_dtype(values):
  for check in (arrays.check_numbers, arrays.check_finite):
    checked = check(values, 'them')
    np.testing.assert_array_equal(checked, values)
    assert checked.dtype == np.asarray(values).dtype


@pytest.mark.parametrize(
    'values, error, message',
    [
        ([[1], [1, 2]], ValueError, 'them must be rows of one length'),
        (['1'], TypeError, 'them must hold integers or floats .* dtype <U1'),
        ([True], TypeError, 'them must hold integers or floats .* dtype bool'),
        ([1j], TypeError, 'them must hold integers or floats .* complex128'),
        ([[0, np.inf]], ValueError, r'be finite, but them\[0, 1\] is inf\.'),
        (np.nan, ValueError, r'them must be finite, but them\[\] is nan\.'),
    ],
)
def test_what_holds_no_numbers_is_refused(values, error, message):
  for check in (arrays.check_numbers, arrays.check_finite):
    with pytest.raises(error, match=message):
      check(values, 'them')


def test_some_numbers_may_be_negative_and_others_not():
  assert arrays.check_finite([-1], 'them').tolist() == [-1]
  with pytest.raises(ValueError, match=r'be zero or more, but them\[1\] is -2'):
    arrays.check_numbers([0, -2], 'them')


@pytest.mark.parametrize('dtype', [np.int8, np.int64, np.uint8, np.uint64])
def test_labels_come_back_in_their_dtype(dtype):
  for num_classes, length in ((3, None), (None, None), (3, 4)):
    labels = np.array([0, 2, 1, 2], dtype)
    checked = arrays.check_labels(labels, num_classes, length=length)
    np.testing.assert_array_equal(checked, labels)
    assert checked.dtype == dtype


@pytest.mark.parametrize(
    'labels, arguments, error, message',
    [
        ([0.0], {}, TypeError, 'y must be integers, got dtype float64'),
        ([True], {}, TypeError, 'y must be integers, got dtype bool'),
        ([[0, 1]], {}, ValueError, r'at least one example, got shape \[1, 2\]\.'),
        (1, {}, ValueError, r'at least one example, got shape \[\]\.'),
        (np.zeros(0, int), {}, ValueError, r'got shape \[0\]\.'),
        ([0], dict(length=2), ValueError, r'got shape \[1\] for 2 examples\.'),
        (np.zeros(0, int), dict(length=0), ValueError, 'at least one example'),
        ([0, 3], {}, ValueError, r'y must lie in \[0, 3\), but y\[1\] is 3\.'),
        ([-1], {}, ValueError, r'y must lie in \[0, 3\), but y\[0\] is -1\.'),
        (
            [-1], dict(num_classes=None), ValueError,
            r'y must lie in \[0, inf\), but y\[0\] is -1\.',
        ),
    ],
)
def test_other_labels_are_refused(labels, arguments, error, message):
  with pytest.raises(error, match=message):
    arrays.check_labels(labels, **(dict(num_classes=3, name='y') | arguments))


@pytest.mark.parametrize('largest', [0.0, 3.0, 1e308, 5e-324])
def test_scaled_numbers_have_the_same_shares(largest):
  values = np.array([largest, -largest, largest / 4])
  scaled = arrays.scaled(values)
  assert np.abs(scaled).max() <= 1
  np.testing.assert_array_equal(scaled * largest, values * scaled[0])
