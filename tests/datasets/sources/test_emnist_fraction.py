"""Table I at a fraction, on pools of single pixels, against its own numbers."""

import functools
import re

import numpy as np
import pytest

from astraea_tff import datasets
from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets.sources import emnist
from astraea_tff.datasets.sources import tfds_images
from experiment.runs import settings as settings_lib

_N = 47
# The rarest class of the official test split has 415 examples, of which 100 are
# for testing here.
_PER_CLASS, _TEST_PER_CLASS = 315, 100


def make_pool(sizes, test_per_class):
  def draw(of_class):
    labels = np.repeat(np.arange(_N, dtype=np.int32), of_class)
    return np.zeros([len(labels), 1, 1, 1], np.uint8), labels

  return federated_dataset.LabelledExamples(
      emnist.CLASS_NAMES, *draw(sizes), *draw([test_per_class] * _N)
  )


@pytest.fixture(name='load')
def fixture_load(monkeypatch):
  """Loads from a pool where any but the rare classes suffice for LTRF2."""
  sizes = np.full(_N, 3000)
  sizes[emnist.CLASS_NAMES.index('f')] = _PER_CLASS
  pool = make_pool(sizes, _TEST_PER_CLASS)
  monkeypatch.setattr(
      tfds_images, 'load_tfds_images', lambda name, data_dir=None: pool
  )
  return functools.partial(datasets.load, seed=0)


@pytest.mark.parametrize('name', emnist.TABLE_I)
def test_a_fraction_has_everything_in_proportion(load, name):
  data = load(name, fraction=0.12)
  counts = data.label_counts
  sizes = counts.sum(axis=1)
  # Of 500 clients, of 117,500 and 230,752 examples, and of 400 test images.
  assert len(sizes) == 60
  assert sizes.sum() == (27_690 if name == 'emnist_ltrf2' else 14_100)
  assert np.bincount(data.test_labels).tolist() == [48] * _N
  if name in ('emnist_bal1', 'emnist_bal2'):
    assert set(sizes) == {235}
  if name.startswith('emnist_bal') or name == 'emnist_ins':
    assert set(counts.sum(axis=0)) == {300}
  if name == 'emnist_bal1':
    assert (counts == 5).all()


def test_a_fraction_keeps_the_shares_of_letters_and_of_sizes(load):
  totals = load('emnist_ltrf1', fraction=0.12).label_counts.sum(axis=0)
  # Of Jones and Mewhort's table: T, both cases, of 65204503 letters.
  share = (325462 + 5507692) / 65204503
  is_t = [name in 'Tt' for name in emnist.CLASS_NAMES]
  assert totals[is_t].sum() == pytest.approx(14_100 * 37 / 47 * share, abs=1)
  np.testing.assert_allclose(totals[:10], 300, atol=1)
  ins, ltrf1 = (
      np.sort(load(name, fraction=0.12).label_counts.sum(axis=1))
      for name in ('emnist_ins', 'emnist_ltrf1')
  )
  np.testing.assert_array_equal(ins, ltrf1)


def test_a_fraction_of_one_is_all(load):
  with pytest.raises(ValueError) as all_of_it:
    load('emnist_bal1')
  with pytest.raises(ValueError) as one:
    load('emnist_bal1', fraction=1.0)
  assert str(one.value) == str(all_of_it.value)


def test_the_fraction_that_fits_has_enough_test_images_too(monkeypatch):
  # Enough for 0.126 in training, and for 0.1 in testing.
  pool = make_pool(np.full(_N, _PER_CLASS), 40)
  monkeypatch.setattr(
      tfds_images, 'load_tfds_images', lambda name, data_dir=None: pool
  )
  for fraction in (0.12, None):
    with pytest.raises(
        ValueError, match='at most 40, or .* fraction of .* at most 0.1;'
    ):
      datasets.load('emnist_bal1', seed=0, fraction=fraction)
  data = datasets.load('emnist_bal1', seed=0, fraction=0.1)
  assert len(data.test_labels) == 40 * _N


def test_what_the_caller_says_comes_before_the_fraction(load):
  data = load(
      'emnist_bal1', fraction=0.12, num_clients=30, num_examples=4700,
      test_per_class=100,
  )
  assert data.label_counts.shape == (30, _N)
  assert data.label_counts.sum(axis=0).tolist() == [100] * _N
  assert len(data.test_labels) == 4700


def test_too_few_of_a_class_is_one_line_with_the_fraction_that_fits(load):
  with pytest.raises(ValueError) as caught:
    load('emnist_bal1', fraction=0.2)
  assert str(caught.value) == (
      'The pool is too small for global_distribution: class 40 needs 500 and'
      ' has 315 (185 missing). The largest num_examples that fits is 14805. A'
      ' fraction of 0.126 of emnist_bal1 fits.'
  )
  assert load('emnist_bal1', fraction=0.126).label_counts.sum() == 14_805


@pytest.mark.parametrize(
    'name, fewest', [('emnist_bal1', 2), ('emnist_ltrf1', 1)]
)
def test_a_fraction_without_a_class_is_refused_with_one_that_has_it(
    load, name, fewest
):
  with pytest.raises(ValueError, match='it has 1 in all; give ') as caught:
    load(name, fraction=1e-6)
  enough = float(re.search(r'give ([\d.]+) or', str(caught.value))[1])
  totals = load(name, fraction=enough).label_counts.sum(axis=0)
  assert totals.min() == fewest
  # The fraction is not to blame for what the caller says.
  few = load(name, fraction=1e-6, num_examples=3)
  assert few.label_counts.sum() == 3


def test_too_few_test_images_are_one_line_with_what_fits(load):
  # Of 14,805 training images, of which there are enough for 0.126.
  with pytest.raises(
      ValueError,
      match='Give a test_per_class of at most 100, or leave it out with a'
      ' fraction of emnist_bal1 of at most 0.126;',
  ):
    load('emnist_bal1', fraction=0.126, test_per_class=101)
  missing = r'class 0 \(0\) has 100 \(300 missing\)'
  with pytest.raises(ValueError, match=missing):
    load('emnist_bal1')


@pytest.mark.parametrize(
    'name, options, match',
    [
        ('emnist_bal1', dict(fraction=0.0), r'fraction must be in \(0, 1\]'),
        ('emnist_bal1', dict(fraction=1.5), r'fraction must be in \(0, 1\]'),
        ('digits', dict(fraction=0.5), "Table I .*, got the data set 'digits'"),
        ('mnist', dict(test_per_class=5), "got the data set 'mnist'"),
        ('emnist_ins', dict(test_per_class=0), 'test_per_class must be'),
    ],
)
def test_other_portions_are_refused(name, options, match):
  with pytest.raises(ValueError, match=match):
    datasets.load(name, num_clients=2, seed=0, **options)
  with pytest.raises(ValueError, match=match):
    datasets.prepare(name, num_clients=2, seed=0, **options)


def test_prepared_portions_are_kept_apart(load, tmp_path, monkeypatch):
  del load  # Its pool is what is loaded.
  monkeypatch.setattr(tfds_images, 'source_state', lambda *_: 'there')
  prepare = functools.partial(
      datasets.prepare, 'emnist_bal1', seed=0, cache_dir=tmp_path
  )
  twelfth, other = prepare(fraction=0.02), prepare(fraction=0.04)
  assert len(twelfth.label_counts) == 10 and len(other.label_counts) == 20
  assert len(twelfth.test_labels) == 8 * _N
  more = prepare(fraction=0.02, test_per_class=9)
  assert len(more.test_labels) == 9 * _N
  again = prepare(fraction=0.02)
  assert again.content_hash == twelfth.content_hash


def test_settings_hand_the_portion_on():
  division = settings_lib.Settings(
      dataset='emnist_ltrf2', fraction=0.12, test_per_class=100
  ).division
  assert division['num_clients'] == 60 and division['num_examples'] == 27_690
  assert division['fraction'] == 0.12 and division['test_per_class'] == 100
  assert 'fraction' not in settings_lib.Settings(dataset='digits').division
  with pytest.raises(ValueError, match='clients_per_round=61 must not exceed'):
    settings_lib.Settings(
        dataset='emnist_bal1', fraction=0.12, clients_per_round=61
    )
  with pytest.raises(ValueError, match='fraction must be in'):
    settings_lib.Settings(dataset='emnist_bal1', fraction=2.0)
