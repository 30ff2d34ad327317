"""Tests of what is known of a dataset's end before it is read."""

import forked_program
import patience
import pytest
import tensorflow as tf

from astraea_tff.client_datasets import endings as client_endings


def test_what_goes_through_an_endless_dataset_is_refused_before_it_is_read():
  endless = tf.data.Dataset.range(9).repeat()
  nothing = endless.filter(lambda x: x > 9)
  for dataset in (
      endless,
      nothing,
      nothing.map(lambda x: x + 1).batch(2),
      endless.flat_map(lambda x: tf.data.Dataset.range(x * 0)),
      endless.unique(),
  ):
    with pytest.raises(ValueError, match='^a has a dataset that never ends;'):
      client_endings.check_ends('a', dataset)
  for dataset in (
      endless.take_while(lambda x: x < 9),
      endless.filter(lambda x: x > 3).take(5),
      endless.filter(lambda x: x > 3).take(5).map(lambda x: x).batch(2),
      tf.data.Dataset.range(9).filter(lambda x: x > 9),
  ):
    client_endings.check_ends('a', dataset)


def test_a_filter_that_takes_all_of_an_endless_dataset_is_named():
  # In a program of its own, as nothing stops TensorFlow's reading.
  completed = forked_program.run(patience.SECONDS, code="""
import itertools
import tensorflow as tf
from astraea_tff.client_datasets import endings as client_endings

client_endings.SECONDS_TO_THE_FIRST_EXAMPLE = 0.05
nothing = tf.data.Dataset.range(9).repeat().filter(lambda x: x > 9)
some = tf.data.Dataset.range(9).filter(lambda x: x > 3)
count = tf.data.Dataset.from_generator(
    itertools.count, output_signature=tf.TensorSpec([], tf.int64)
)
for dataset in (
    nothing.take(2).batch(2),
    tf.data.Dataset.zip((some, nothing)),
    count.filter(lambda x: x < 0),
    tf.data.Dataset.range(1).flat_map(lambda x: nothing.map(lambda y: x + y)),
    tf.data.Dataset.range(1).interleave(lambda x: tf.data.Dataset.range(9).map(
        lambda y: x + y).repeat().filter(lambda y: y > 9)),
):
  try:
    client_endings.check_ends('a', dataset)
  except ValueError as error:
    print(error)
""")
  assert completed.returncode == 0, completed.stderr
  lines = completed.stdout.splitlines()
  assert len(lines) == 5
  for line in lines:
    assert line.startswith('a gave no example in 0.05 seconds: its dataset')


def test_the_first_example_is_looked_for_once(monkeypatch):
  few = tf.data.Dataset.range(9)
  generated = tf.data.Dataset.from_generator(
      lambda: range(9), output_signature=tf.TensorSpec([], tf.int64)
  )
  all_some = (
      few.repeat().filter(lambda x: x > 3).take(5),
      generated.filter(lambda x: x > 3),
      few.flat_map(lambda x: few.filter(lambda y: y > x)),
  )
  for some in all_some:
    client_endings.check_ends('a', some.batch(2))
  # Never enough.
  monkeypatch.setattr(client_endings, 'SECONDS_TO_THE_FIRST_EXAMPLE', 0.0)
  for some in all_some:
    client_endings.check_ends('a', some.batch(2))


def test_what_no_filter_holds_back_is_not_read(monkeypatch):
  monkeypatch.setattr(client_endings, 'SECONDS_TO_THE_FIRST_EXAMPLE', 0.0)
  few = tf.data.Dataset.range(9)
  generated = tf.data.Dataset.from_generator(
      lambda: range(9), output_signature=tf.TensorSpec([], tf.int64)
  )
  for dataset in (
      generated,
      generated.map(lambda x: x + 1).batch(2),
      few.flat_map(tf.data.Dataset.range),
      few.filter(lambda x: x > 3),
  ):
    client_endings.check_ends('a', dataset)


def test_examples_of_unknown_number_have_a_limit():
  unknown = tf.data.Dataset.range(9).filter(lambda x: x > 3)
  limit = client_endings.ExampleLimit("client 'a'", unknown)
  limit.add(client_endings.MOST_EXAMPLES_OF_UNKNOWN_NUMBER)
  with pytest.raises(ValueError, match="client 'a' was read for 100,001 examp"):
    limit.add(1)
  known = unknown.apply(tf.data.experimental.assert_cardinality(5))
  for dataset in (known, tf.data.Dataset.range(9)):
    client_endings.ExampleLimit('a', dataset).add(10**9)
  with pytest.raises(ValueError, match='b has a dataset that never ends'):
    client_endings.ExampleLimit('b', unknown.repeat())
