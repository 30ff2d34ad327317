"""Tests of the random affine transform, against SciPy and by hand."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from astraea_tff.augmentation.transforms.affine import AffineTransform

SEED = (11, 7)
NOTHING = AffineTransform(shift=0, rotation=0, shear=0, zoom=0)
# SciPy's names for the same ways to continue an image beyond its border.
SCIPY_MODES = {
    'nearest': 'nearest',
    'constant': 'grid-constant',
    'reflect': 'reflect',
}


def photos(batch_size, shape=(28, 28, 1), dtype=np.uint8):
  pixels = np.random.default_rng(0).integers(0, 256, (batch_size, *shape))
  return pixels.astype(dtype)


def maps_of(transform, num_images, height=28, width=28):
  """Returns float64 [B, 2, 3], `((a, b, c), (d, e, f))` of each image."""
  columns = transform._map_columns(num_images, height, width, SEED)
  return np.stack(columns, axis=1).reshape(-1, 2, 3).astype(np.float64)


def scipy_transform(image, output_to_input, mode):
  """Resamples one image; SciPy orders axes (y, x), the map (x, y)."""
  swapped = output_to_input[::-1]
  matrix, offset = swapped[:, [1, 0]], swapped[:, 2]
  channels = [
      scipy.ndimage.affine_transform(
          channel, matrix, offset, order=1, mode=mode, cval=0.0
      )
      for channel in np.moveaxis(image.astype(np.float64), -1, 0)
  ]
  return np.stack(channels, axis=-1)


def with_map(monkeypatch, output_to_input):
  """A transform that applies one given map to every image."""
  monkeypatch.setattr(
      AffineTransform,
      '_map_columns',
      lambda self, num_images, height, width, seed: tuple(
          tf.fill([num_images], float(number))
          for row in output_to_input
          for number in row
      ),
  )
  return AffineTransform(fill_mode='constant')


@pytest.mark.parametrize('fill_mode', sorted(SCIPY_MODES))
@pytest.mark.parametrize('shape', [(28, 28, 1), (32, 32, 3), (9, 14, 2)])
def test_pixels_agree_with_scipy(shape, fill_mode):
  transform = AffineTransform(0.2, 40, 20, 0.3, fill_mode=fill_mode)
  images = photos(6, shape, np.float32)
  actual = transform(images, SEED).numpy()
  for image, output_to_input, transformed in zip(
      images, maps_of(transform, 6, *shape[:2]), actual
  ):
    expected = scipy_transform(image, output_to_input, SCIPY_MODES[fill_mode])
    np.testing.assert_allclose(transformed, expected, atol=0.02)


def test_uint8_is_the_float_result_rounded():
  images = photos(8)
  as_float = AffineTransform()(images.astype(np.float32), SEED).numpy()
  as_bytes = AffineTransform()(images, SEED).numpy()
  assert as_bytes.dtype == np.uint8
  np.testing.assert_array_equal(as_bytes, np.round(as_float))
  assert (as_bytes != images).any(axis=(1, 2, 3)).all()


def test_white_stays_white():
  images = np.full((16, 28, 28, 1), 255, np.uint8)
  np.testing.assert_array_equal(AffineTransform()(images, SEED), images)


@pytest.mark.parametrize('dtype', ['uint8', 'float16', 'bfloat16', 'float32'])
@pytest.mark.parametrize('shape', [(28, 28, 1), (32, 32, 3), (5, 8, 1)])
def test_zero_ranges_give_the_images_back_exactly(shape, dtype):
  images = tf.cast(photos(4, shape), dtype)
  transformed = NOTHING(images, SEED)
  assert transformed.dtype == images.dtype
  np.testing.assert_array_equal(transformed, images)


def test_a_map_by_whole_pixels_is_a_shift(monkeypatch):
  transform = with_map(monkeypatch, [[1, 0, 2], [0, 1, -3]])
  images = photos(2)
  transformed = transform(images, SEED).numpy()
  expected = np.zeros_like(images)
  expected[:, 3:, :-2] = images[:, :-3, 2:]
  np.testing.assert_array_equal(transformed, expected)


def test_a_quarter_turn_map_is_numpys_rot90(monkeypatch):
  # Output (x, y) from input (27 - y, x), in image coordinates.
  transform = with_map(monkeypatch, [[0, -1, 27], [1, 0, 0]])
  images = photos(2)
  np.testing.assert_array_equal(
      transform(images, SEED), np.rot90(images, k=1, axes=(1, 2))
  )


def test_shifts_fill_their_range_on_each_axis():
  transform = dataclasses.replace(NOTHING, shift=0.25)
  maps = maps_of(transform, 2000, height=20, width=40)
  np.testing.assert_array_equal(
      maps[:, :, :2], np.tile(np.eye(2), (2000, 1, 1))
  )
  for axis, size in ((0, 40), (1, 20)):
    shifts = maps[:, axis, 2]
    assert np.abs(shifts).max() <= 0.25 * size + 1e-5
    assert shifts.min() < -0.24 * size and shifts.max() > 0.24 * size
  assert abs(np.corrcoef(maps[:, 0, 2], maps[:, 1, 2])[0, 1]) < 0.1


def test_a_rotation_keeps_distances_and_the_centre():
  maps = maps_of(dataclasses.replace(NOTHING, rotation=30), 2000, 20, 40)
  linear, offset = maps[:, :, :2], maps[:, :, 2]
  np.testing.assert_allclose(
      linear @ linear.transpose(0, 2, 1),
      np.tile(np.eye(2), (2000, 1, 1)),
      atol=1e-6,
  )
  angles = np.degrees(np.arctan2(linear[:, 0, 1], linear[:, 0, 0]))
  assert np.abs(angles).max() <= 30 + 1e-4
  assert angles.min() < -29 and angles.max() > 29
  centre = np.array([19.5, 9.5])
  np.testing.assert_allclose(
      linear @ centre + offset, np.tile(centre, (2000, 1)), atol=1e-4
  )


def test_a_shear_slides_rows_along_themselves():
  maps = maps_of(dataclasses.replace(NOTHING, shear=20), 2000)
  np.testing.assert_array_equal(maps[:, 1], np.tile([0, 1, 0], (2000, 1)))
  np.testing.assert_array_equal(maps[:, 0, 0], 1)
  angles = np.degrees(np.arctan(maps[:, 0, 1]))
  assert np.abs(angles).max() <= 20 + 1e-4
  assert angles.min() < -19 and angles.max() > 19


def test_a_zoom_magnifies_each_axis_within_its_range():
  maps = maps_of(dataclasses.replace(NOTHING, zoom=0.4), 2000)
  np.testing.assert_array_equal(maps[:, 0, 1], 0)
  np.testing.assert_array_equal(maps[:, 1, 0], 0)
  for axis in (0, 1):
    factors = 1 / maps[:, axis, axis]
    assert factors.min() >= 0.6 - 1e-5 and factors.max() <= 1.4 + 1e-5
    assert factors.min() < 0.61 and factors.max() > 1.39
  assert abs(np.corrcoef(maps[:, 0, 0], maps[:, 1, 1])[0, 1]) < 0.1


def test_a_zoom_is_about_the_centre():
  maps = maps_of(dataclasses.replace(NOTHING, zoom=0.4), 2000, 20, 40)
  centre = np.array([19.5, 9.5])
  np.testing.assert_allclose(
      maps[:, :, :2] @ centre + maps[:, :, 2],
      np.tile(centre, (2000, 1)),
      atol=1e-4,
  )


def test_the_four_are_composed_as_documented():
  transform = AffineTransform(shift=0.2, rotation=25, shear=15, zoom=0.3)
  centre = np.array([19.5, 9.5])
  for output_to_input in maps_of(transform, 200, height=20, width=40):
    # Input to output is c + t + R S Z (p - c). R S Z = Q U with U upper
    # triangular and positive on its diagonal has one solution only.
    forward = np.linalg.inv(output_to_input[:, :2])
    rotation, upper = np.linalg.qr(forward)
    signs = np.sign(np.diag(upper))
    rotation, upper = rotation * signs, (upper.T * signs).T
    angle = math.degrees(math.atan2(rotation[1, 0], rotation[0, 0]))
    assert abs(angle) <= 25.01
    zoom_x, zoom_y = np.diag(upper)
    assert 0.699 <= zoom_x <= 1.301 and 0.699 <= zoom_y <= 1.301
    assert abs(math.degrees(math.atan(upper[0, 1] / zoom_y))) <= 15.01
    came_from = output_to_input[:, 2]
    shift = -forward @ (came_from - centre) - centre
    assert abs(shift[0]) <= 0.2 * 40 + 1e-3 and abs(shift[1]) <= 0.2 * 20 + 1e-3


def test_each_image_has_its_own_draws():
  images = np.repeat(photos(1), 12, axis=0)
  transformed = AffineTransform()(images, SEED).numpy()
  assert len({image.tobytes() for image in transformed}) == 12


def test_draws_depend_on_seed_and_row_and_not_on_the_batch():
  transform, images = AffineTransform(), photos(9)
  whole = transform(images, SEED).numpy()
  np.testing.assert_array_equal(transform(images, SEED), whole)
  np.testing.assert_array_equal(transform(images[:4], SEED), whole[:4])
  other = transform(images, (11, 8)).numpy()
  assert (other != whole).any(axis=(1, 2, 3)).all()


def test_the_static_shape_is_kept_in_a_graph():
  @tf.function
  def traced(images):
    transformed = AffineTransform()(images, SEED)
    assert transformed.shape.as_list() == [None, 32, 32, 3]
    return transformed

  images = photos(5, (32, 32, 3))
  concrete = traced.get_concrete_function(
      tf.TensorSpec([None, 32, 32, 3], tf.uint8)
  )
  np.testing.assert_array_equal(
      concrete(tf.constant(images)), AffineTransform()(images, SEED)
  )


def test_no_images_give_no_images():
  assert AffineTransform()(photos(0), SEED).shape == [0, 28, 28, 1]


@pytest.mark.parametrize('name', ['shift', 'rotation', 'shear', 'zoom'])
@pytest.mark.parametrize('value', [-0.1, 360.0, math.nan, math.inf])
def test_refuses_a_range_out_of_bounds(name, value):
  with pytest.raises(ValueError, match=rf'`{name}` must be in \[0, '):
    AffineTransform(**{name: value})


@pytest.mark.parametrize('name', ['shift', 'rotation', 'shear', 'zoom'])
@pytest.mark.parametrize('value', [True, '0.1', None])
def test_refuses_a_range_that_is_no_number(name, value):
  with pytest.raises(TypeError, match=f'`{name}` must be a number'):
    AffineTransform(**{name: value})


@pytest.mark.parametrize(
    'name, limit', [('shift', 1), ('shear', 90), ('zoom', 1)]
)
def test_refuses_the_upper_limit(name, limit):
  with pytest.raises(ValueError, match=rf'`{name}` must be in .*{limit}\)'):
    AffineTransform(**{name: limit})


def test_refuses_an_unknown_fill_mode():
  with pytest.raises(ValueError, match='`fill_mode` must be one of .*mirror'):
    AffineTransform(fill_mode='mirror')


def test_refuses_integer_images():
  with pytest.raises(TypeError, match='`images` must be uint8 .*got int32'):
    AffineTransform()(photos(2, dtype=np.int32), SEED)


def test_refuses_several_tensors():
  with pytest.raises(TypeError, match='takes one tensor .* got dict of 2; give'):
    AffineTransform()({'image': photos(2), 'place': np.zeros(2)}, SEED)


@pytest.mark.parametrize('shape', [(28, 28), (28, 28, 1), (1, 2, 28, 28, 1)])
def test_refuses_images_of_another_rank(shape):
  with pytest.raises(ValueError, match=r'`images` must have shape \[B, H, W'):
    AffineTransform()(np.zeros(shape, np.uint8), SEED)


def test_refuses_images_of_unknown_size():
  traced = tf.function(lambda images: AffineTransform()(images, SEED))
  with pytest.raises(ValueError, match='with H, W and C known'):
    traced.get_concrete_function(tf.TensorSpec([None, None, 28, 1], tf.uint8))


@pytest.mark.parametrize('seed', [7, (1, 2, 3), (0.5, 1.5)])
def test_refuses_a_seed_that_is_not_two_integers(seed):
  with pytest.raises(ValueError, match='`seed` must be two int32 or int64'):
    AffineTransform()(photos(1), seed)
