import numpy as np
import pytest
import scipy.stats

from astraea_tff.labels import imbalance


def test_the_report_of_a_small_federation_by_hand():
  counts = [[4, 0, 0, 0], [3, 3, 3, 3], [0, 0, 0, 0], [1, 0, 1, 0]]
  report = imbalance.imbalance_report(counts)

  np.testing.assert_array_equal(report.client_sizes, [4, 12, 0, 2])
  assert report.size_variation == pytest.approx(np.sqrt(20.75) / 4.5)
  assert report.size_ratio == 6

  np.testing.assert_allclose(
      report.client_kl_divergence, [np.log(4), 0, np.log(4), np.log(2)]
  )
  np.testing.assert_array_equal(report.client_absent_classes, [3, 0, 4, 2])

  np.testing.assert_array_equal(report.class_sizes, [8, 3, 4, 3])
  assert report.kl_divergence == pytest.approx(
      scipy.stats.entropy([8, 3, 4, 3], [1, 1, 1, 1])
  )
  assert report.class_ratio == pytest.approx(8 / 3)
  assert report.absent_classes == ()


def test_the_report_measures_against_the_target_it_is_given():
  counts, target = np.array([[1, 3, 0], [2, 6, 0]]), [1, 3, 0]
  report = imbalance.imbalance_report(counts, target)
  np.testing.assert_allclose(report.client_kl_divergence, [0, 0], atol=1e-15)
  assert report.kl_divergence == pytest.approx(0, abs=1e-15)
  assert report.absent_classes == (2,)
  assert report.class_ratio == 3


def test_the_report_of_a_federation_without_examples_is_finite():
  report = imbalance.imbalance_report(np.zeros((2, 3), int))
  assert report.size_variation == 0
  assert report.size_ratio == report.class_ratio == 1
  assert report.absent_classes == (0, 1, 2)
  np.testing.assert_array_equal(report.client_kl_divergence, [np.log(3)] * 2)
  assert report.kl_divergence == np.log(3)


def test_the_report_cannot_be_changed_and_shares_nothing_with_the_counts():
  counts = np.array([[1, 2], [3, 4]])
  report = imbalance.imbalance_report(counts)
  for array in (
      report.client_sizes,
      report.client_kl_divergence,
      report.client_absent_classes,
      report.class_sizes,
  ):
    with pytest.raises(ValueError, match='read-only'):
      array[0] = 7
  with pytest.raises(AttributeError):
    report.kl_divergence = 0.0
  counts[:] = 0
  np.testing.assert_array_equal(report.client_sizes, [3, 7])


def test_the_report_prints_as_a_table():
  counts = [[4000, 0, 0], [3, 3, 3], [0, 0, 0]]
  assert str(imbalance.imbalance_report(counts)).splitlines() == [
      '3 clients, 3 classes, 4,009 examples',
      '                                       min          mean        median'
      '           max',
      'size    examples of a client           0.0       1,336.3           9.0'
      '       4,000.0',
      'local   KL of a client, nats        0.0000        0.7324        1.0986'
      '        1.0986',
      '        absent classes                 0.0           1.7           2.0'
      '           3.0',
      'global  examples of a class            3.0       1,336.3           3.0'
      '       4,003.0',
      'size    variation 1.41, largest to smallest 444.4, empty clients 1',
      'global  KL 1.0863 nats, largest to smallest 1,334.3, absent classes 0',
  ]


def test_the_report_refuses_wrong_counts_and_targets():
  with pytest.raises(ValueError, match=r'counts\[0, 1\] is -1'):
    imbalance.imbalance_report([[1, -1]])
  with pytest.raises(ValueError, match=r'target must have shape \[2\]'):
    imbalance.imbalance_report([[1, 1]], [1, 1, 1])
