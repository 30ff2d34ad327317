"""The kinds of data that a data set holds: images, rows of a table, texts.

A kind shows in the dtype and the shape of the features, and says which random
transform makes copies of them.
"""

from typing import Optional

import tensorflow as tf

from astraea_tff.augmentation import one_client
from astraea_tff.augmentation.transforms import tabular
from astraea_tff.augmentation.transforms import text

IMAGE, TABLE, TEXT = 'image', 'table', 'text'
# The ids of texts that stand for no word of the vocabulary.
PAD_TOKEN, UNKNOWN_TOKEN = 0, 1
# A vocabulary that we make has these words for them.
NAMES_OF_NO_WORDS = ('', '<unknown>')

_KINDS = {
    (tf.uint8, 3): IMAGE,
    (tf.float32, 1): TABLE,
    (tf.int32, 1): TEXT,
}
_TRANSFORMS = {
    IMAGE: one_client.DEFAULT_TRANSFORM,
    TABLE: tabular.TabularTransform(),
    TEXT: text.TextTransform(mask_token=UNKNOWN_TOKEN, pad_token=PAD_TOKEN),
}


def find_kind(feature_spec: tf.TensorSpec) -> Optional[str]:
  """Returns what features are, by their dtype and shape.

  Args:
    feature_spec: The spec of one example's features.

  Returns:
    'image' for uint8 `[H, W, C]`, 'table' for float32 `[D]`, 'text' for int32
    `[L]`, token ids; None for all others.
  """
  return _KINDS.get((feature_spec.dtype, feature_spec.shape.rank))


def transform_of(kind: str) -> one_client.Transform:
  """Returns the random transform that makes copies where none is given.

  Args:
    kind: What `find_kind` returned.

  Returns:
    An `AffineTransform`, a `TabularTransform`, or a `TextTransform` that knows
    padding and unknown words, which are what it masks with.
  """
  return _TRANSFORMS[kind]
