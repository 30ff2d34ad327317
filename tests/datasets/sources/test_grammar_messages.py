"""The text set: every message follows the grammar, and says so little."""

import re

import numpy as np
import pytest
from sklearn import feature_extraction
from sklearn import linear_model

from astraea_tff.datasets.sources import messages

_THINGS = {
    thing: topic
    for topic, things in messages._THINGS.items() for thing in things.split()
}


@pytest.fixture(scope='module')
def data():
  return messages.load_messages()


def _texts(tokens, vocabulary):
  words = np.array(vocabulary)[tokens]
  return [' '.join(filter(None, row)) for row in words]


def test_sizes_and_the_vocabulary(data):
  assert data.kind == 'text' and data.features.shape == (1800, 24)
  assert data.class_names == tuple(messages._THINGS)
  np.testing.assert_array_equal(np.bincount(data.labels), 300)
  np.testing.assert_array_equal(np.bincount(data.test_labels), 50)
  assert data.feature_names[:2] == ('', '<unknown>')
  used = set(np.unique(data.features))
  assert used == set(range(len(data.feature_names)))
  # Things are of one topic only, so that a message can be told by them.
  assert len(_THINGS) == 36


def test_padding_comes_after_the_words_only(data):
  is_word = data.features != 0
  assert (np.diff(is_word.astype(int), axis=1) <= 0).all()
  lengths = is_word.sum(axis=1)
  assert 4 <= lengths.min() and lengths.max() < 24


def test_a_tenth_of_the_words_are_unknown(data):
  words = data.features[data.features != 0]
  assert 0.09 < (words == 1).mean() < 0.11


def test_whole_messages_follow_the_grammar(data):
  word = '[a-z]+'
  clause = (
      f'(?:my {word} is {word}|the {word} was {word} again'
      f'|i ask about the {word}|there is a {word} {word}|where is my {word})'
  )
  opening, closing = (
      '|'.join(parts) for parts in (messages._OPENINGS, messages._CLOSINGS)
  )
  form = re.compile(
      f'(?:(?:{opening}) )?(?:(?P<only>{clause})|last time {clause} but now'
      f' (?P<last>{clause})|(?P<first>{clause}) and not like {clause})'
      f'(?: (?:{closing}))?'
  )
  texts = _texts(data.features, data.feature_names)
  whole = [
      (text, label) for text, label in zip(texts, data.labels)
      if '<unknown>' not in text
  ]
  assert len(whole) > 300
  for text, label in whole:
    match = form.fullmatch(text)
    assert match, text
    (told,) = filter(None, match.groupdict().values())
    (thing,) = [word for word in told.split() if word in _THINGS]
    assert _THINGS[thing] == data.class_names[label]


def test_a_bag_of_words_does_not_suffice(data):
  """Two topics in a message are told apart by the order of words."""
  bags = feature_extraction.text.CountVectorizer(token_pattern=r'\S+')
  pool = bags.fit_transform(_texts(data.features, data.feature_names))
  test = bags.transform(_texts(data.test_features, data.feature_names))
  model = linear_model.LogisticRegression(max_iter=300).fit(pool, data.labels)
  assert 0.5 < model.score(test, data.test_labels) < 0.85


def test_the_messages_are_always_the_same(data):
  again = messages.load_messages()
  np.testing.assert_array_equal(again.features, data.features)
  np.testing.assert_array_equal(again.test_features, data.test_features)
  assert messages.source_state() == messages.source_state()
