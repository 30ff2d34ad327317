"""Tests of the lines that errors of one client become."""

import forked_program
import patience
import pytest
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff import client_errors

GRAPH_ERROR = """Graph execution error:

Detected at node 'labels' defined at (most recent call last):
  File "a.py", line 3, in <module>
    call()
Node: 'labels'
indices[1] = 7 is not in [0, 5)
\t [[{{node labels}}]] [Op:__inference_f_3]"""
UNTRACED_ERROR = """Graph execution error:

Detected at node labels defined at (most recent call last):
<stack traces unavailable>
indices[1] = 7 is not in [0, 5)
\t [[{{node labels}}]] [Op:__inference_f_3]"""
PYTHON_ERROR = """{{function_node __wrapped__IteratorGetNext}} RuntimeError: broken
Traceback (most recent call last):

  File "a.py", line 3, in read
    raise RuntimeError('broken')

\t [[{{node PyFunc}}]] [Op:IteratorGetNext]"""


@pytest.mark.parametrize('message, reason', [
    (GRAPH_ERROR, 'indices[1] = 7 is not in [0, 5) (at labels)'),
    (UNTRACED_ERROR, 'indices[1] = 7 is not in [0, 5) (at labels)'),
    (PYTHON_ERROR, 'RuntimeError: broken'),
    ('Input is empty.\n\t [[{{node Decode}}]]', 'Input is empty.'),
    ('', ''),
])
def test_the_reason_is_one_line(message, reason):
  assert client_errors.first_reason(message) == reason


def test_long_texts_are_cut():
  assert arguments.shorten('a\n b') == 'a b'
  for long in ('x' * 5000, 'class ' * 900):
    assert len(arguments.shorten(long)) < 320
  spec = {f'feature {n}': tf.TensorSpec([None, n]) for n in range(200)}
  assert len(client_errors.describe(spec)) < 320


@pytest.mark.parametrize('spec, text', [
    ((tf.TensorSpec([8, 8, 1], tf.uint8), tf.TensorSpec([], tf.int32)),
     '(uint8 [8, 8, 1], int32 [])'),
    ({'x': tf.TensorSpec([None]), 'y': tf.TensorSpec(None, tf.string)},
     "{'x': float32 [None], 'y': string [...]}"),
])
def test_specs_are_described_shortly(spec, text):
  assert client_errors.describe(spec) == text


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
      client_errors.check_ends('a', dataset)
  for dataset in (
      endless.take_while(lambda x: x < 9),
      endless.filter(lambda x: x > 3).take(5),
      endless.filter(lambda x: x > 3).take(5).map(lambda x: x).batch(2),
      tf.data.Dataset.range(9).filter(lambda x: x > 9),
  ):
    client_errors.check_ends('a', dataset)


def test_a_filter_that_takes_all_of_an_endless_dataset_is_named():
  # In a program of its own, as nothing stops TensorFlow's reading.
  completed = forked_program.run(patience.SECONDS, code="""
import tensorflow as tf
from astraea_tff import client_errors

client_errors.SECONDS_TO_THE_FIRST_EXAMPLE = 0.05
nothing = tf.data.Dataset.range(9).repeat().filter(lambda x: x > 9)
some = tf.data.Dataset.range(9).filter(lambda x: x > 3)
for dataset in (nothing.take(2).batch(2), tf.data.Dataset.zip((some, nothing))):
  try:
    client_errors.check_ends('a', dataset)
  except ValueError as error:
    print(error)
""")
  assert completed.returncode == 0, completed.stderr
  lines = completed.stdout.splitlines()
  assert len(lines) == 2
  for line in lines:
    assert line.startswith('a gave no example in 0.05 seconds: its dataset')


def test_the_first_example_is_looked_for_once(monkeypatch):
  some = tf.data.Dataset.range(9).repeat().filter(lambda x: x > 3).take(5)
  client_errors.check_ends('a', some.batch(2))
  # Never enough.
  monkeypatch.setattr(client_errors, 'SECONDS_TO_THE_FIRST_EXAMPLE', 0.0)
  client_errors.check_ends('a', some.batch(2))


def test_examples_of_unknown_number_have_a_limit():
  unknown = tf.data.Dataset.range(9).filter(lambda x: x > 3)
  limit = client_errors.ExampleLimit("client 'a'", unknown)
  limit.add(client_errors.MOST_EXAMPLES_OF_UNKNOWN_NUMBER)
  with pytest.raises(ValueError, match="client 'a' was read for 100,001 examp"):
    limit.add(1)
  known = unknown.apply(tf.data.experimental.assert_cardinality(5))
  for dataset in (known, tf.data.Dataset.range(9)):
    client_errors.ExampleLimit('a', dataset).add(10**9)
  with pytest.raises(ValueError, match='b has a dataset that never ends'):
    client_errors.ExampleLimit('b', unknown.repeat())
