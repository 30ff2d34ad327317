"""Random transform of token sequences: masking, dropping and swapping.

The paper augments images. For texts we take the operations of "easy data
augmentation" (Wei and Zou 2019, EMNLP-IJCNLP) that need no dictionary, and
masking in place of its synonyms.
"""

import dataclasses
from typing import Optional

import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.augmentation.transforms import checks
from astraea_tff import randomness


@dataclasses.dataclass(frozen=True)
class TextTransform:
  """A random transform of token ids, with its own draws for each sequence.

  Tokens are masked, then dropped, then swapped, and a sequence keeps its
  length. Padding is no token: it is neither masked nor dropped nor swapped. In
  the place of dropped tokens there is more padding, before the tokens of a
  sequence that starts with padding and ends with a token, and after those of
  any other.

  Where every token has a label of its own, such as the next word, only masking
  keeps tokens and labels together: set `drop` and `swap` to 0.

  Attributes:
    mask_token: The id that a masked token becomes, such as that of unknown
      words. None: no token is masked.
    pad_token: The id of padding.
    mask: Probability that a token is masked, in [0, 1).
    drop: Probability that a token is dropped, in [0, 1). A sequence that would
      lose all its tokens loses none.
    swap: Probability that two tokens side by side change places, in [0, 1).
      Each token is in one pair at most.
    fixed_tokens: Ids that stay where they are, such as those of the beginning
      and the end of a sentence. (A token before one may be dropped, which moves
      it.)

  Raises:
    TypeError: A number is none, or an id is no int.
    ValueError: A number is out of range.
  """

  mask_token: Optional[int] = None
  pad_token: int = 0
  mask: float = 0.1
  drop: float = 0.1
  swap: float = 0.1
  fixed_tokens: tuple[int, ...] = ()

  def __post_init__(self):
    for name in ('mask', 'drop', 'swap'):
      arguments.check_number(
          getattr(self, name),
          f'`{name}`',
          0,
          1,
          ends='[)',
          advice='it is a probability, and 0 turns it off',
      )
    arguments.check_integer(self.pad_token, '`pad_token`', 0)
    if self.mask_token is not None:
      arguments.check_integer(self.mask_token, '`mask_token`', 0)
    tokens = arguments.check_integers(self.fixed_tokens, '`fixed_tokens`', 0)
    object.__setattr__(self, 'fixed_tokens', tokens)

  def __call__(self, tokens: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns `tokens`, each sequence transformed by its own draws.

    Args:
      tokens: Integers `[B, L]`, token ids; `B` may be unknown, or 0.
      seed: int32 or int64 `[2]`, a stateless seed. The draws of row `i` depend
        on `seed` and `i` only, not on `B`.

    Returns:
      A tensor of the dtype and shape of `tokens`.

    Raises:
      TypeError: `tokens` are no integers, or are a structure.
      ValueError: `tokens` or `seed` has another shape, or one of the ids does
        not fit into the dtype of `tokens`.
    """
    if tf.nest.is_nested(tokens) and not isinstance(tokens, (list, tuple)):
      raise checks.error_of_structure(
          'A TextTransform', 'token ids', type(tokens).__name__
      )
    tokens = tf.convert_to_tensor(tokens)
    if not tokens.dtype.is_integer:
      raise TypeError(
          f'`tokens` must be integers, got {tokens.dtype.name}.'
      )
    if tokens.shape.rank != 2 or tokens.shape[1] is None:
      raise ValueError(
          '`tokens` must have shape [B, L] with L known, got '
          f'{tokens.shape}.'
      )
    self._check_ids_fit(tokens.dtype)
    seed = tf.convert_to_tensor(seed)
    checks.check_seed(seed)
    length = tokens.shape[1]
    draws = randomness.uniform(
        tf.stack([tf.shape(tokens)[0], 3 * length + 2]), seed, tf.float32
    )
    masking, dropping, swapping, offset = tf.split(
        draws, [length, length, length + 1, 1], axis=1
    )
    if self.mask_token is not None:
      masked = tf.cast(self.mask_token, tokens.dtype)
      is_masked = self._is_free(tokens) & (masking < self.mask)
      tokens = tf.where(is_masked, masked, tokens)
    tokens = self._drop(tokens, dropping < self.drop)
    return self._swap(tokens, swapping < self.swap, offset < 0.5)

  def _check_ids_fit(self, dtype):
    """Raises for an id that a cast to the tokens' dtype would make another."""
    ids = [self.pad_token, *self.fixed_tokens]
    largest = max(ids if self.mask_token is None else [*ids, self.mask_token])
    if largest > dtype.max:
      raise ValueError(
          f'`tokens` must be of a dtype that holds the id {largest}, got'
          f' {dtype.name}; cast them to int32.'
      )

  def _is_free(self, tokens):
    """Whether a place holds a token that may be changed, bool `[B, L]`."""
    # Not `!=`, which in a TFF worker's graph compares identities.
    is_free = tf.ones_like(tokens, tf.bool)
    for token in (self.pad_token, *self.fixed_tokens):
      is_free &= tf.not_equal(tokens, tf.cast(token, tokens.dtype))
    return is_free

  def _drop(self, tokens, is_drawn):
    """Closes the gaps of dropped tokens, on the side away from the padding."""
    padding = tf.cast(self.pad_token, tokens.dtype)
    is_token = tf.not_equal(tokens, padding)
    is_dropped = self._is_free(tokens) & is_drawn
    is_dropped &= tf.reduce_any(
        is_token & ~is_dropped, axis=1, keepdims=True
    )
    pads_first = ~is_token[:, :1] & is_token[:, -1:]
    side = tf.where(pads_first, -1, 1)
    order = tf.argsort(
        tf.cast(is_dropped, tf.int32) * side, axis=1, stable=True
    )
    return tf.gather(
        tf.where(is_dropped, padding, tokens), order, batch_dims=1
    )

  def _swap(self, tokens, is_drawn, is_odd):
    """Swaps neighbours; the pairs of a sequence begin at 0 or at 1."""
    length = tokens.shape[1]
    places = tf.range(length) + tf.cast(is_odd, tf.int32)
    partners = tf.bitwise.bitwise_xor(places, 1)
    pairs = places // 2
    partners -= tf.cast(is_odd, tf.int32)
    is_inside = (partners >= 0) & (partners < length)
    partners = tf.where(is_inside, partners, tf.range(length))
    is_free = self._is_free(tokens)
    is_swapped = (
        tf.gather(is_drawn, pairs, batch_dims=1)
        & is_free
        & tf.gather(is_free, partners, batch_dims=1)
    )
    order = tf.where(is_swapped, partners, tf.range(length))
    return tf.gather(tokens, order, batch_dims=1)
