"""Tests of masking, dropping and swapping, against NumPy and by hand."""

import collections
import math

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.augmentation.transforms.text import TextTransform

SEED = (11, 7)
MASK = 1
NOTHING = dict(mask=0, drop=0, swap=0)


def texts(num_rows, length=12, dtype=np.int32, pads='after'):
  """Sequences of 1 to `length` tokens from 10 on, no two in a row alike."""
  random = np.random.default_rng(num_rows)
  tokens = np.zeros((num_rows, length), dtype)
  for row in tokens:
    size = random.integers(1, length + 1)
    words = 10 + random.permutation(100)[:size]
    row[slice(0, size) if pads == 'after' else slice(length - size, None)] = words
  return tokens


def words_of(row):
  return [int(token) for token in row if token]


def is_subsequence(part, whole):
  rest = iter(whole)
  return all(word in rest for word in part)


def test_masking_replaces_the_given_share_of_tokens_in_place():
  tokens = texts(2000)
  masked = TextTransform(MASK, mask=0.3, drop=0, swap=0)(tokens, SEED).numpy()
  changed = masked != tokens
  assert (masked[changed] == MASK).all()
  assert not changed[tokens == 0].any()
  assert abs(changed[tokens != 0].mean() - 0.3) < 0.015


def test_no_mask_token_means_no_masking():
  tokens = texts(50)
  np.testing.assert_array_equal(
      TextTransform(mask=0.9, drop=0, swap=0)(tokens, SEED), tokens
  )


@pytest.mark.parametrize('pads', ['after', 'before'])
def test_dropping_closes_the_gaps_on_the_side_of_the_padding(pads):
  tokens = texts(2000, pads=pads)
  dropped = TextTransform(mask=0, drop=0.3, swap=0)(tokens, SEED).numpy()
  kept, had = 0, 0
  for before, after in zip(tokens, dropped):
    words = words_of(after)
    assert words and is_subsequence(words, words_of(before))
    if pads == 'before' and before[0] == 0:
      np.testing.assert_array_equal(after[len(after) - len(words):], words)
    else:
      np.testing.assert_array_equal(after[:len(words)], words)
    if len(words_of(before)) > 4:
      kept += len(words)
      had += len(words_of(before))
  assert abs(kept / had - 0.7) < 0.015


def test_a_text_does_not_lose_all_its_tokens():
  tokens = np.array([[7, 0, 0], [0, 0, 0], [0, 0, 8]] * 200)
  transform = TextTransform(mask=0, drop=0.99, swap=0)
  np.testing.assert_array_equal(transform(tokens, SEED), tokens)


def test_padding_between_tokens_stays_there():
  tokens = np.tile([5, 0, 6, 7, 0, 0], (300, 1))
  dropped = TextTransform(mask=0, drop=0.4, swap=0)(tokens, SEED).numpy()
  assert {tuple(row) for row in dropped} == {
      (5, 0, 6, 7, 0, 0), (0, 6, 7, 0, 0, 0), (5, 0, 7, 0, 0, 0),
      (5, 0, 6, 0, 0, 0), (0, 7, 0, 0, 0, 0), (0, 6, 0, 0, 0, 0),
      (5, 0, 0, 0, 0, 0),
  }


def test_swapping_exchanges_neighbours_in_pairs():
  tokens = np.tile(np.arange(10, 17), (4000, 1))
  swapped = TextTransform(mask=0, drop=0, swap=0.5)(tokens, SEED).numpy()
  moves = swapped - tokens
  assert set(np.unique(moves)) == {-1, 0, 1}
  # A token that moved on by one came with one that moved back.
  np.testing.assert_array_equal(
      (moves == 1)[:, :-1], (moves == -1)[:, 1:]
  )
  assert not (moves[:, 0] == -1).any() and not (moves[:, -1] == 1).any()
  # A pair of places is one of the row's pairs in half of the rows.
  np.testing.assert_allclose(
      (moves == 1)[:, :-1].mean(axis=0), 0.25, atol=0.03
  )


def test_swapping_leaves_padding_and_fixed_tokens_where_they_are():
  tokens = np.tile([2, 11, 12, 13, 3, 0, 0], (500, 1))
  transform = TextTransform(
      MASK, mask=0.3, drop=0, swap=0.9, fixed_tokens=[2, 3]
  )
  changed = transform(tokens, SEED).numpy()
  np.testing.assert_array_equal(changed[:, [0, 4, 5, 6]], tokens[:, [0, 4, 5, 6]])
  inner = collections.Counter(
      tuple(sorted(row)) for row in changed[:, 1:4] if MASK not in row
  )
  assert set(inner) == {(11, 12, 13)}
  assert len({tuple(row) for row in changed[:, 1:4]}) > 6
  dropped = TextTransform(mask=0, drop=0.9, swap=0, fixed_tokens=[2, 3])(
      tokens, SEED
  ).numpy()
  assert ((dropped == 2).sum(axis=1) == 1).all()
  assert ((dropped == 3).sum(axis=1) == 1).all()


@pytest.mark.parametrize('dtype', [np.int32, np.int64, np.uint8, np.uint16])
def test_zero_probabilities_give_the_tokens_back_exactly(dtype):
  tokens = texts(40, dtype=dtype)
  changed = TextTransform(MASK, **NOTHING)(tokens, SEED)
  assert changed.dtype == tokens.dtype
  np.testing.assert_array_equal(changed, tokens)


def test_another_padding_is_left_alone():
  tokens = np.where(texts(300) == 0, 99_999, texts(300))
  changed = TextTransform(MASK, pad_token=99_999, mask=0.9)(tokens, SEED).numpy()
  size = (tokens != 99_999).sum(axis=1)
  for row, count in zip(changed, size):
    assert (row[count:] == 99_999).all()


def test_draws_depend_on_seed_and_row_and_not_on_the_batch():
  transform, tokens = TextTransform(MASK, mask=0.3), texts(40)
  whole = transform(tokens, SEED).numpy()
  np.testing.assert_array_equal(transform(tokens, SEED), whole)
  np.testing.assert_array_equal(transform(tokens[:13], SEED), whole[:13])
  assert (transform(tokens, (11, 8)).numpy() != whole).any(axis=1).sum() > 30


def test_each_text_has_its_own_draws():
  tokens = np.tile(np.arange(10, 60), (50, 1))
  changed = TextTransform(MASK)(tokens, SEED).numpy()
  assert len({row.tobytes() for row in changed}) == 50


def test_the_static_shape_is_kept_in_a_graph():
  @tf.function(autograph=False)
  def traced(tokens):
    changed = TextTransform(MASK)(tokens, SEED)
    assert changed.shape.as_list() == [None, 12]
    return changed

  concrete = traced.get_concrete_function(tf.TensorSpec([None, 12], tf.int64))
  for size in (0, 1, 30):
    tokens = texts(size, dtype=np.int64)
    np.testing.assert_array_equal(
        concrete(tf.constant(tokens)), TextTransform(MASK)(tokens, SEED)
    )


@pytest.mark.parametrize('name', ['mask', 'drop', 'swap'])
@pytest.mark.parametrize('value', [-0.1, 1, math.nan])
def test_refuses_a_probability_out_of_bounds(name, value):
  with pytest.raises(ValueError, match=rf'`{name}` must be in \[0, 1\)'):
    TextTransform(**{name: value})


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        (dict(mask='0.1'), TypeError, '`mask` must be a number'),
        (dict(mask_token=1.0), TypeError, '`mask_token` must be an int'),
        (dict(pad_token=-1), ValueError, '`pad_token` must be at least 0'),
        (dict(fixed_tokens=3), TypeError, 'must be a sequence of ints'),
        (dict(fixed_tokens=[None]), TypeError, '`fixed_tokens` must be an int'),
    ],
)
def test_refuses_arguments(arguments, error, message):
  with pytest.raises(error, match=message):
    TextTransform(**arguments)


@pytest.mark.parametrize(
    'tokens, error, message',
    [
        (np.zeros([2, 3], np.float32), TypeError, 'must be integers, got float'),
        (np.zeros([3], np.int32), ValueError, r'must have shape \[B, L\]'),
        (np.zeros([3, 2, 1], np.int32), ValueError, r'must have shape \[B, L\]'),
        ({'tokens': texts(2)}, TypeError, 'takes one tensor of token ids'),
    ],
)
def test_refuses_other_tokens(tokens, error, message):
  with pytest.raises(error, match=message):
    TextTransform()(tokens, SEED)


@pytest.mark.parametrize('seed', [7, (1, 2, 3), (0.5, 1.5)])
def test_refuses_a_seed_that_is_not_two_integers(seed):
  with pytest.raises(ValueError, match='`seed` must be two int32 or int64'):
    TextTransform()(texts(1), seed)


@pytest.mark.parametrize('ids', [
    dict(mask_token=300), dict(pad_token=256), dict(fixed_tokens=(1, 999)),
])
def test_an_id_that_the_tokens_cannot_hold_is_refused(ids):
  tokens = texts(3, dtype=np.uint8)
  with pytest.raises(ValueError, match='of a dtype that holds the id'):
    TextTransform(**ids)(tokens, SEED)
  assert TextTransform(mask_token=255)(tokens, SEED).dtype == np.uint8
