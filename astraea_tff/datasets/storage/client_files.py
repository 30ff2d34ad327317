"""A client's examples in a file of its own, read in one piece.

The file holds one `tf.train.Example` with all images and all labels of the
client. That is what a round wants: starting a `tf.data` pipeline over records
and parsing them one by one costs a client of a few hundred examples more CPU
time than its images' way through a small network.
"""

import os
import pathlib
from typing import Union

import numpy as np
import tensorflow as tf

# What a protocol buffer can hold.
_MAX_FILE_BYTES = 2**31 - 1


def serialize_examples(images: np.ndarray, labels: np.ndarray) -> bytes:
  """Returns the content of the file of a client.

  Args:
    images: `uint8 [n, H, W, C]`.
    labels: Integers `[n]`.

  Returns:
    A serialized `tf.train.Example` with the features 'images' (the bytes of all
    images) and 'labels'.

  Raises:
    ValueError: The client has more than 2 GB of images.
  """
  if images.nbytes + 10 * labels.size > _MAX_FILE_BYTES:
    raise ValueError(
        f'A client must have less than 2 GB of images, got {images.nbytes:,} '
        'bytes; divide them among more clients.'
    )
  features = {
      'images': tf.train.Feature(
          bytes_list=tf.train.BytesList(value=[images.tobytes()])
      ),
      'labels': tf.train.Feature(int64_list=tf.train.Int64List(value=labels)),
  }
  example = tf.train.Example(features=tf.train.Features(feature=features))
  return example.SerializeToString()


def read_examples(
    path: Union[str, bytes, tf.Tensor], image_shape: tuple[int, int, int]
) -> tf.data.Dataset:
  """Reads a client's file where the dataset is used, such as in a TFF worker.

  Args:
    path: The file; may be a `tf.string []` in a graph.
    image_shape: `(H, W, C)`.

  Returns:
    The examples `(image uint8 [H, W, C], label int32 [])`, in their order.
  """
  return tf.data.Dataset.from_tensor_slices(_parse(path, image_shape))


def load_examples(
    path: pathlib.Path, image_shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the images `uint8 [n, H, W, C]` and labels `int32 [n]` of a file.

  Args:
    path: The file.
    image_shape: `(H, W, C)`.
  """
  # tf.data reads on a CPU too.
  with tf.device('/CPU:0'):
    images, labels = _parse(os.fsencode(path), image_shape)
  return images.numpy(), labels.numpy()


def _parse(path, image_shape):
  parsed = tf.io.parse_single_example(
      tf.io.read_file(path),
      {
          'images': tf.io.FixedLenFeature([], tf.string),
          'labels': tf.io.FixedLenSequenceFeature(
              [], tf.int64, allow_missing=True
          ),
      },
  )
  images = tf.io.decode_raw(parsed['images'], tf.uint8)
  return (
      tf.reshape(images, [-1, *image_shape]),
      tf.cast(parsed['labels'], tf.int32),
  )
