"""The synthetic sets of `tff.simulation.datasets`, by name.

TFF has them for trying a program without a download: a handful of examples in
the form of EMNIST, CIFAR-100 and Stack Overflow. There are no others to test
on, so the test set is the pool: an accuracy says that a program learns, and
nothing about a model.

Stack Overflow's posts are told apart by their type, 'question' or 'answer'.
Shakespeare's snippets have no label.
"""

import hashlib

import numpy as np
import tensorflow_federated as tff

from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets import kinds

_LENGTH = 24
_NUM_CLASSES = {'tff_emnist': 10, 'tff_cifar100': 100}
# The clients that TFF divides each among.
NUM_CLIENTS = {'tff_emnist': 2, 'tff_cifar100': 2, 'tff_stackoverflow': 3}


def load_synthetic(name: str) -> federated_dataset.LabelledExamples:
  """Loads a synthetic set of TFF.

  Args:
    name: A key of `NUM_CLIENTS`.

  Returns:
    All clients' examples, as the pool and as the test set: images of 28x28x1
    (20, of ten digits) or 32x32x3 (10, of CIFAR-100's classes), or token ids of
    the posts' first 24 words (8).
  """
  if name == 'tff_stackoverflow':
    features, labels, class_names, words = _load_posts()
  else:
    features, labels = _load_images(name)
    class_names, words = map(str, range(_NUM_CLASSES[name])), None
  return federated_dataset.LabelledExamples(
      tuple(class_names), features, labels, features, labels,
      feature_names=words,
  )


def refuse_shakespeare() -> federated_dataset.LabelledExamples:
  """Says why a set without labels cannot be loaded.

  Raises:
    ValueError: Always.
  """
  raise ValueError(
      "TFF's synthetic Shakespeare has no labels, only lines of plays, of which"
      ' a model predicts the next character; train it with'
      ' tff.simulation.baselines.shakespeare (docs/tff_programs.md), or take'
      f' one of {", ".join(NUM_CLIENTS)}.'
  )


def source_state(name: str) -> str:
  """Returns a text that changes with the set that TFF has.

  Args:
    name: A key of `NUM_CLIENTS`.
  """
  data = load_synthetic(name)
  digest = hashlib.sha256(repr(data.feature_names).encode())
  for part in (data.features, data.labels):
    digest.update(np.ascontiguousarray(part))
  return digest.hexdigest()


def _load_images(name: str) -> tuple[np.ndarray, np.ndarray]:
  if name == 'tff_emnist':
    examples = _examples(tff.simulation.datasets.emnist.get_synthetic())
    gray = [np.rint(255 * example['pixels']) for example in examples]
    images = np.array(gray, np.uint8)[..., np.newaxis]
  else:
    examples = _examples(tff.simulation.datasets.cifar100.get_synthetic())
    images = np.array([example['image'] for example in examples])
  return images, np.array([example['label'] for example in examples], np.int32)


def _load_posts():
  """Returns token ids, labels, the classes and the vocabulary."""
  stackoverflow = tff.simulation.datasets.stackoverflow
  posts = _examples(stackoverflow.get_synthetic())
  words = (*kinds.NAMES_OF_NO_WORDS, *stackoverflow.get_synthetic_word_counts())
  places = {word: index for index, word in enumerate(words)}
  tokens = np.full([len(posts), _LENGTH], kinds.PAD_TOKEN, np.int32)
  for row, post in zip(tokens, posts):
    ids = [
        places.get(word, kinds.UNKNOWN_TOKEN)
        for word in post['tokens'].decode().split()[:_LENGTH]
    ]
    row[: len(ids)] = ids
  classes = sorted({post['type'].decode() for post in posts})
  labels = [classes.index(post['type'].decode()) for post in posts]
  return tokens, np.array(labels, np.int32), classes, words


def _examples(client_data: tff.simulation.datasets.ClientData) -> list:
  """Returns the examples of all clients, one client after another."""
  return [
      example
      for client_id in client_data.client_ids
      for example in client_data.create_tf_dataset_for_client(
          client_id
      ).as_numpy_iterator()
  ]
