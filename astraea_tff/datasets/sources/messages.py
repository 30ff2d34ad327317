"""Short messages to a shop, drawn from a grammar: a text set without download.

A message has one of six topics, its class, and this form, each part drawn
uniformly unless a probability is given:

  message  = [opening] body [closing]                    (each there with 1/2)
  body     = clause of the topic                                       (0.5)
           | "last time" clause of another topic "but now" clause of the topic
                                                                       (0.25)
           | clause of the topic "and not like" clause of another topic
                                                                       (0.25)
  clause   = "my" thing "is" state | "the" thing "was" state "again"
           | "i ask about the" thing | "there is a" state thing
           | "where is my" thing

Each topic has six things of its own and shares its states with other topics.
Afterwards each word becomes an unknown one with probability 0.1, as words that
are misspelt would. So a topic is told by one word or two, which half of the
messages have of two topics, and some messages cannot be told at all.
"""

from collections.abc import Sequence
import hashlib

import numpy as np

from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets import kinds

_LENGTH = 24
_POOL_PER_CLASS, _TEST_PER_CLASS = 300, 50
# The messages are a property of the data set and not of a run.
_SEED = 20190901
_SHARE_UNKNOWN = 0.1

_THINGS = {
    'delivery': 'parcel courier shipment tracking address driver',
    'payment': 'invoice card refund price voucher bill',
    'product': 'lamp kettle chair camera phone jacket',
    'account': 'password login email profile newsletter username',
    'repair': 'warranty battery spare screen workshop technician',
    'store': 'opening parking assistant counter queue branch',
}
_STATES = {
    'delivery': 'late missing wrong slow',
    'payment': 'wrong missing high double',
    'product': 'broken wrong small loud',
    'account': 'blocked missing wrong old',
    'repair': 'slow broken high old',
    'store': 'slow loud small blocked',
}
_OPENINGS = ('hello', 'good morning', 'dear team', 'hi there')
_CLOSINGS = ('please help', 'many thanks', 'thank you', 'please answer soon')
_CLAUSES = (
    'my {thing} is {state}',
    'the {thing} was {state} again',
    'i ask about the {thing}',
    'there is a {state} {thing}',
    'where is my {thing}',
)
_BODIES = (
    '{clause}',
    '{clause}',
    'last time {other} but now {clause}',
    '{clause} and not like {other}',
)


def load_messages() -> federated_dataset.LabelledExamples:
  """Draws the messages, always the same.

  Returns:
    Token ids int32 `[n, 24]`, padded behind; `feature_names` is the vocabulary.
    The pool has 300 messages of each of the six topics, the test set 50.
  """
  vocabulary = _vocabulary()
  rng = np.random.default_rng(_SEED)
  per_class = _POOL_PER_CLASS + _TEST_PER_CLASS
  labels = np.repeat(np.arange(len(_THINGS), dtype=np.int32), per_class)
  tokens = np.stack([_draw_tokens(label, vocabulary, rng) for label in labels])
  is_test = np.arange(len(labels)) % per_class >= _POOL_PER_CLASS
  return federated_dataset.LabelledExamples(
      class_names=tuple(_THINGS),
      features=tokens[~is_test],
      labels=labels[~is_test],
      test_features=tokens[is_test],
      test_labels=labels[is_test],
      feature_names=tuple(vocabulary),
  )


def source_state() -> str:
  """Returns a text that changes with the messages."""
  data = load_messages()
  digest = hashlib.sha256(repr(data.feature_names).encode())
  for tokens in (data.features, data.test_features):
    digest.update(tokens)
  return digest.hexdigest()


def _vocabulary() -> dict[str, int]:
  """Returns the id of every word, of padding and of unknown words."""
  texts = (
      *_THINGS.values(), *_STATES.values(),
      *_OPENINGS, *_CLOSINGS, *_CLAUSES, *_BODIES,
  )
  words = {
      word for text in texts for word in text.split() if '{' not in word
  }
  names = [*kinds.NAMES_OF_NO_WORDS, *sorted(words)]
  return {name: index for index, name in enumerate(names)}


def _draw_tokens(
    label: int, vocabulary: dict[str, int], rng: np.random.Generator
) -> np.ndarray:
  """Draws a message of a topic, int32 `[24]`."""
  topics = list(_THINGS)
  other = topics[(label + rng.integers(1, len(topics))) % len(topics)]
  parts = [
      _pick(_OPENINGS, rng) if rng.random() < 0.5 else '',
      _pick(_BODIES, rng).format(
          clause=_draw_clause(topics[label], rng),
          other=_draw_clause(other, rng),
      ),
      _pick(_CLOSINGS, rng) if rng.random() < 0.5 else '',
  ]
  words = np.array([vocabulary[word] for word in ' '.join(parts).split()])
  words[rng.random(len(words)) < _SHARE_UNKNOWN] = kinds.UNKNOWN_TOKEN
  tokens = np.full(_LENGTH, kinds.PAD_TOKEN, np.int32)
  tokens[: len(words)] = words
  return tokens


def _draw_clause(topic: str, rng: np.random.Generator) -> str:
  return _pick(_CLAUSES, rng).format(
      thing=_pick(_THINGS[topic].split(), rng),
      state=_pick(_STATES[topic].split(), rng),
  )


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
  # Much quicker than `rng.choice`, which makes an array of the options.
  return options[rng.integers(len(options))]
