"""Random shift, rotation, shear and zoom of a batch of images.

These are the four kinds of augmentation that Duan et al. (2019), section III-C,
name for the `Augment` function of Algorithm 2, line 11. The paper does not give
their ranges. The defaults of `AffineTransform` are ours: small enough that a
character stays the same character (no 6 becomes a 9, no n a z) and that the
subject of a small photo stays in the frame.

The four are drawn for each image and composed into one affine map, so that a
pixel is interpolated once, and a batch is transformed by one kernel.
"""

from collections.abc import Mapping
import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.augmentation.transforms import checks
from astraea_tff import randomness

_FILL_MODES = ('nearest', 'constant', 'reflect')
# Below what a range must be, and what it is measured in.
_RANGES = {
    'shift': (1, 'a fraction of height and width'),
    'rotation': (360, 'in degrees'),
    'shear': (90, 'in degrees'),
    'zoom': (1, 'a relative change of size'),
}


def _checked_images(images: Any) -> tf.Tensor:
  """Returns `images`, uint8 or float `[B, H, W, C]`, `B` free, or raises."""
  if isinstance(images, (Mapping, tuple)):
    given = f'{type(images).__name__} of {len(images)}'
    raise checks.error_of_structure('An AffineTransform', 'images', given)
  images = tf.convert_to_tensor(images)
  if images.dtype != tf.uint8 and not images.dtype.is_floating:
    raise TypeError(
        '`images` must be uint8 or of a float dtype, got '
        f'{images.dtype.name}; cast them first.'
    )
  if images.shape.rank != 4 or not images.shape[1:].is_fully_defined():
    raise ValueError(
        '`images` must have shape [B, H, W, C] with H, W and C known, got '
        f'{images.shape}; give a single image or a channel its own axis with '
        '`tf.newaxis`.'
    )
  return images


@dataclasses.dataclass(frozen=True)
class AffineTransform:
  """A random affine transform, with its own draws for each image.

  An input pixel `p` goes to `c + t + R S Z (p - c)`: zoomed, sheared, rotated
  about the centre `c` of the image, then shifted by `t`. Every draw is uniform
  in its range, each axis has its own shift and its own zoom, and an image keeps
  its size. All ranges at 0 give the images back as they are.

  Attributes:
    shift: The largest shift, as a fraction of the height and of the width, in
      [0, 1): `t` is in [-shift, shift] times the size.
    rotation: The largest angle, in degrees, in [0, 360), either way.
    shear: The largest shear angle, in degrees, in [0, 90), either way: rows
      slide along the x axis by `tan(angle)` pixels a row.
    zoom: The largest relative change of size, in [0, 1): an axis is magnified
      by a factor in [1 - zoom, 1 + zoom].
    fill_mode: What is seen beyond the border. 'nearest' (default) continues the
      border pixel, which suits photos as well as characters on a black or a
      white ground; 'constant' is 0; 'reflect' mirrors the image.

  Raises:
    TypeError: A range is not a number.
    ValueError: A range is NaN or outside the interval given above, or
      `fill_mode` is unknown.
  """

  shift: float = 0.1
  rotation: float = 10.0
  shear: float = 10.0
  zoom: float = 0.1
  fill_mode: str = 'nearest'

  def __post_init__(self):
    for name, (below, unit) in _RANGES.items():
      arguments.check_number(
          getattr(self, name),
          f'`{name}`',
          0,
          below,
          ends='[)',
          advice=f'it is {unit}, and 0 turns it off',
      )
    arguments.check_choice(self.fill_mode, '`fill_mode`', _FILL_MODES)

  def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns `images`, each transformed by its own draws.

    Args:
      images: uint8 or float `[B, H, W, C]`; `B` may be unknown, or 0.
      seed: int32 or int64 `[2]`, a stateless seed. The draws of row `i` depend
        on `seed` and `i` only, not on `B`.

    Returns:
      A tensor of the dtype and shape of `images`. Pixels are interpolated
      linearly in float32; uint8 is rounded.

    Raises:
      TypeError: `images` is neither uint8 nor float.
      ValueError: `images` or `seed` has another shape.
    """
    images = _checked_images(images)
    height, width = images.shape[1:3]
    num_images = tf.unstack(tf.shape(images))[0]
    a, b, c, d, e, f = self._map_columns(num_images, height, width, seed)
    perspective = tf.zeros_like(a)
    transformed = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=tf.stack(
            [a, b, c, d, e, f, perspective, perspective], axis=1
        ),
        output_shape=tf.constant([height, width]),
        fill_value=0.0,
        interpolation='BILINEAR',
        fill_mode=self.fill_mode.upper(),
    )
    if images.dtype == tf.uint8:
      # Between the values of pixels, so that nothing is to be saturated.
      transformed = tf.round(transformed)
    transformed = tf.cast(transformed, images.dtype)
    transformed.set_shape(images.shape)
    return transformed

  def _map_columns(
      self, num_images: tf.Tensor, height: int, width: int, seed: tf.Tensor
  ) -> tuple[tf.Tensor, ...]:
    """Draws the maps from a pixel of the output to its place in the input.

    The pixel `(x, y)` of the output comes from `(a x + b y + c, d x + e y + f)`
    of the input. A pipeline opens this for every client, which takes longer
    than computing it and the longer the more operations there are; hence
    vectors, no slices.

    Returns:
      The numbers a to f, float32 `[B]` each.
    """
    seed = tf.convert_to_tensor(seed)
    checks.check_seed(seed)
    largest = np.array(
        [
            self.shift * width,
            self.shift * height,
            math.radians(self.rotation),
            math.radians(self.shear),
            self.zoom,
            self.zoom,
        ],
        np.float32,
    )
    draws = randomness.uniform(
        tf.stack([num_images, len(largest)]), seed, tf.float32
    )
    draws = draws * (2 * largest) - largest
    shift_x, shift_y, rotation, shear, zoom_x, zoom_y = tf.unstack(
        draws, num=len(largest), axis=1
    )
    sine, cosine, slide = tf.sin(rotation), tf.cos(rotation), tf.tan(shear)
    one = tf.constant(1.0)
    width_factor, height_factor = one + zoom_x, one + zoom_y
    # The inverse of R S Z: S^-1 R^-1, whose rows Z^-1 then divides.
    a = (cosine + slide * sine) / width_factor
    b = (sine - slide * cosine) / width_factor
    d = -sine / height_factor
    e = cosine / height_factor
    centre_x = tf.constant((width - 1) / 2)
    centre_y = tf.constant((height - 1) / 2)
    from_x, from_y = centre_x + shift_x, centre_y + shift_y
    # Not `+`, which constant folding, where it is on, would round otherwise.
    c = centre_x - tf.add_n([a * from_x, b * from_y])
    f = centre_y - tf.add_n([d * from_x, e * from_y])
    return a, b, c, d, e, f
