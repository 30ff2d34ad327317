"""Datasets of random images by label, and what reading one gives."""

import collections

import numpy as np
import tensorflow as tf

ALPHAS = (0, 0.33, 0.67, 0.83, 1, 2)
# The mean is 70: the last class but one is 7 times below it, the last 1.75.
COUNTS = np.array([100, 100, 100, 10, 40])
Point = collections.namedtuple('Point', ['image', 'label'])


def unchanged(images, seed):
  del seed
  return images


def negative(images, seed):
  del seed
  return -images


def examples(labels, shape=(6, 6, 1), dtype=np.uint8, label_dtype=np.int64):
  """Random images, no two alike, with the given labels."""
  random = np.random.default_rng(len(labels))
  images = random.integers(0, 256, (len(labels), *shape)).astype(dtype)
  return images, np.asarray(labels, label_dtype)


def all_labels(counts=COUNTS):
  labels = np.repeat(np.arange(len(counts)), counts)
  return np.random.default_rng(0).permutation(labels)


def as_dataset(labels, **kwargs):
  return tf.data.Dataset.from_tensor_slices(examples(labels, **kwargs))


def read(dataset):
  """What one reading gives: images and labels in order, as bytes and ints."""
  return [
      (image.tobytes(), int(label))
      for images, labels in dataset.batch(1000).as_numpy_iterator()
      for image, label in zip(images, labels)
  ]


def counts_of(dataset, num_classes=5):
  """Labels as training meets them: shuffled, batched, counted in the graph."""
  return (
      dataset.shuffle(100, seed=1)
      .batch(20)
      .reduce(
          tf.zeros([num_classes], tf.int64),
          lambda total, batch: total
          + tf.math.bincount(
              tf.cast(batch[1], tf.int32),
              minlength=num_classes,
              dtype=tf.int64,
          ),
      )
      .numpy()
  )


def sent(dataset):
  """The dataset as another process gets it; fails if it has outside state."""
  graph = tf.raw_ops.DatasetToGraphV2(
      input_dataset=tf.data.experimental.to_variant(dataset),
      external_state_policy=2,
  )
  return tf.data.experimental.from_variant(
      tf.raw_ops.DatasetFromGraph(graph_def=graph), dataset.element_spec
  )
