"""TFF's synthetic sets by name: the same images, labels and words."""

import numpy as np
import pytest
import tensorflow_federated as tff

from astraea_tff import datasets
from astraea_tff.datasets.sources import tff_synthetic


def _examples(client_data):
  return [
      example
      for name in client_data.client_ids
      for example in client_data.create_tf_dataset_for_client(
          name
      ).as_numpy_iterator()
  ]


@pytest.mark.parametrize(
    'name, source, key, scale, shape',
    [
        ('tff_emnist', tff.simulation.datasets.emnist, 'pixels', 255,
         (20, 28, 28, 1)),
        ('tff_cifar100', tff.simulation.datasets.cifar100, 'image', 1,
         (10, 32, 32, 3)),
    ],
)
def test_images_are_tffs_own(name, source, key, scale, shape):
  data = tff_synthetic.load_synthetic(name)
  examples = _examples(source.get_synthetic())
  assert data.features.shape == shape
  expected = np.array([example[key] for example in examples]) * scale
  np.testing.assert_allclose(
      data.features.reshape(expected.shape), expected, atol=0.5
  )
  assert data.labels.tolist() == [example['label'] for example in examples]
  assert data.num_classes == (10 if name == 'tff_emnist' else 100)


def test_posts_come_back_as_their_words():
  data = tff_synthetic.load_synthetic('tff_stackoverflow')
  posts = _examples(tff.simulation.datasets.stackoverflow.get_synthetic())
  assert data.class_names == ('answer', 'question')
  for tokens, label, post in zip(data.features, data.labels, posts):
    words = post['tokens'].decode().split()
    found = [data.feature_names[token] for token in tokens if token]
    assert found == [
        word if word in data.feature_names else '<unknown>'
        for word in words[:24]
    ]
    assert data.class_names[label] == post['type'].decode()
  assert (data.features > 1).sum() > 50


@pytest.mark.parametrize('name', tff_synthetic.NUM_CLIENTS)
def test_a_name_says_how_many_clients(name, tmp_path):
  data = datasets.prepare(name, seed=0, cache_dir=tmp_path)
  assert len(data.clients) == tff_synthetic.NUM_CLIENTS[name]
  np.testing.assert_array_equal(
      np.sort(data.test_labels),
      np.repeat(np.arange(data.num_classes), data.label_counts.sum(axis=0)),
  )


def test_a_set_without_labels_is_refused_in_one_line(tmp_path):
  with pytest.raises(ValueError, match='Shakespeare has no labels') as caught:
    datasets.prepare('tff_shakespeare', seed=0, cache_dir=tmp_path)
  assert '\n' not in str(caught.value)
  with pytest.raises(ValueError, match='has no labels'):
    datasets.load('tff_shakespeare', num_clients=2, seed=0)
