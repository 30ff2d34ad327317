"""A client's examples in a file of its own, read in one piece.

The file holds one `tf.train.Example` with all features and all labels of the
client. That is what a round wants: starting a `tf.data` pipeline over records
and parsing them one by one costs a client of a few hundred examples more CPU
time than its examples' way through a small network.
"""

import os
import pathlib
from typing import Union

import numpy as np
import tensorflow as tf

# What a protocol buffer can hold.
_MAX_FILE_BYTES = 2**31 - 1


def serialize_examples(features: np.ndarray, labels: np.ndarray) -> bytes:
  """Returns the content of the file of a client.

  Args:
    features: `[n, ...]`, numbers.
    labels: Integers `[n]`.

  Returns:
    A serialized `tf.train.Example` with 'features', the bytes of all of them,
    little-endian, and 'labels'.

  Raises:
    ValueError: The client has more than 2 GB of features.
  """
  if features.nbytes + 10 * labels.size > _MAX_FILE_BYTES:
    raise ValueError(
        f'A client must have less than 2 GB of features, got'
        f' {features.nbytes:,} bytes; divide them among more clients.'
    )
  little_endian = features.astype(features.dtype.newbyteorder('<'), copy=False)
  feature = {
      'features': tf.train.Feature(
          bytes_list=tf.train.BytesList(value=[little_endian.tobytes()])
      ),
      'labels': tf.train.Feature(int64_list=tf.train.Int64List(value=labels)),
  }
  example = tf.train.Example(features=tf.train.Features(feature=feature))
  return example.SerializeToString()


def read_examples(
    path: Union[str, bytes, tf.Tensor], feature_spec: tf.TensorSpec
) -> tf.data.Dataset:
  """Reads a client's file where the dataset is used, such as in a TFF worker.

  Args:
    path: The file; may be a `tf.string []` in a graph.
    feature_spec: The spec of one example's features.

  Returns:
    The examples `(features, label int32 [])`, in their order.
  """
  return tf.data.Dataset.from_tensor_slices(_parse(path, feature_spec))


def load_examples(
    path: pathlib.Path, feature_spec: tf.TensorSpec
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the features `[n, ...]` and labels `int32 [n]` of a file.

  Args:
    path: The file.
    feature_spec: The spec of one example's features.
  """
  # tf.data reads on a CPU too.
  with tf.device('/CPU:0'):
    features, labels = _parse(os.fsencode(path), feature_spec)
  return features.numpy(), labels.numpy()


def _parse(path, feature_spec):
  parsed = tf.io.parse_single_example(
      tf.io.read_file(path),
      {
          'features': tf.io.FixedLenFeature([], tf.string),
          'labels': tf.io.FixedLenSequenceFeature(
              [], tf.int64, allow_missing=True
          ),
      },
  )
  features = tf.io.decode_raw(parsed['features'], feature_spec.dtype)
  return (
      tf.reshape(features, [-1, *feature_spec.shape]),
      tf.cast(parsed['labels'], tf.int32),
  )
