"""Tests of the lines that errors of one client become."""

import pytest
import tensorflow as tf

from astraea_tff import arguments
from astraea_tff.client_datasets import errors as client_errors

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
    ('Out of range.\n\t [[{{node map/id_must_be_known}}]]',
     'Out of range. (at id_must_be_known)'),
    ('Input is empty. [Op:IteratorGetNext] name: ', 'Input is empty.'),
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
