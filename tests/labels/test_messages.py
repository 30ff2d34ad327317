import collections

import numpy as np
import pytest

import astraea_tff
from astraea_tff.labels import counts as counts_lib

_MESSAGES = {'b': [1, 0, 2], 'a': (0, 4, 0), 7: np.array([5, 5, 5], np.uint8)}
_LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    'messages',
    [
        _MESSAGES,
        collections.OrderedDict(_MESSAGES),
        list(_MESSAGES.items()),
        iter(_MESSAGES.items()),
        [list(message) for message in _MESSAGES.items()],
    ],
    ids=['dict', 'mapping', 'pairs', 'iterator', 'lists'],
)
def test_messages_become_rows_in_their_order(messages):
  clients, counts = counts_lib.assemble_counts(messages, 3)
  assert clients == ('b', 'a', 7)
  assert counts.dtype == np.int64
  np.testing.assert_array_equal(counts, [[1, 0, 2], [0, 4, 0], [5, 5, 5]])


def test_a_schedule_of_the_rows_names_clients_by_index():
  clients, counts = counts_lib.assemble_counts(
      {'x': [4, 0], 'y': [4, 0], 'z': [0, 4]}, 2
  )
  schedule = astraea_tff.reschedule(counts, 2)
  named = [{clients[k] for k in mediator} for mediator in schedule.mediators]
  assert named == [{'x', 'z'}, {'y'}]


@pytest.mark.parametrize(
    'counts, error, message',
    [
        ([1, 2], ValueError, r"'evil'\] must have shape \[3\].*shape \[2\]"),
        ([1, 2, 3, 4], ValueError, r'got shape \[4\]'),
        ([[1, 2, 3]], ValueError, r'got shape \[1, 3\]'),
        (3, ValueError, r'got shape \[\]'),
        ([], ValueError, r'got shape \[0\]'),
        ([1, -2, 3], ValueError, r"messages\['evil'\]\[1\] is -2"),
        ([1, np.nan, 3], ValueError, r"messages\['evil'\]\[1\] is nan"),
        ([np.inf, 0, 3], ValueError, r"messages\['evil'\]\[0\] is inf"),
        ([1, 2.5, 3], ValueError, r"whole, but messages\['evil'\]\[1\]"),
        ([1.0, 2.0, 3.0], TypeError, r"messages\['evil'\] must hold integers"),
        ([2**70, 0, 0], TypeError, r"messages\['evil'\] must hold integers"),
        (['1', '2', '3'], TypeError, r"messages\['evil'\] must hold integers"),
        ([True, False, True], TypeError, r"messages\['evil'\] must hold"),
        ([None, 1, 2], TypeError, r"messages\['evil'\] must hold integers"),
        (None, TypeError, r"messages\['evil'\] must hold integers"),
        ([[1], [2, 3], 4], ValueError, r"messages\['evil'\] must be rows of"),
        ([_LARGEST, 1, 0], ValueError, r"messages\['evil'\] adds up to"),
        (
            np.array([2**64 - 1, 2**64 - 1, 2], np.uint64),
            ValueError,
            r"messages\['evil'\] adds up to",
        ),
    ],
)
@pytest.mark.parametrize('as_pairs', [False, True])
def test_counts_that_are_no_histogram_are_refused_by_client(
    counts, error, message, as_pairs
):
  messages = {'good': [1, 2, 3], 'evil': counts, 'other': [0, 0, 0]}
  if as_pairs:
    messages = list(messages.items())
  with pytest.raises(error, match=message):
    counts_lib.assemble_counts(messages, 3)


def test_a_client_that_sends_twice_is_refused():
  messages = [('a', [1, 2]), ('b', [1, 2]), ('a', [1, 2])]
  with pytest.raises(ValueError, match=r"messages\['a'\] is there twice"):
    counts_lib.assemble_counts(messages, 2)


def test_claims_that_overflow_together_are_refused_at_the_one_too_many():
  messages = {'a': [_LARGEST - 5, 0], 'b': [0, 5], 'c': [0, 1]}
  with pytest.raises(ValueError, match=r"messages\['c'\] brings the total"):
    counts_lib.assemble_counts(messages, 2)
  del messages['c']
  _, counts = counts_lib.assemble_counts(messages, 2)
  assert counts.sum() == _LARGEST


def test_a_claim_above_the_bound_is_refused():
  messages = {'a': [60, 40], 'b': [60, 41]}
  with pytest.raises(
      ValueError, match=r"'b'\] adds up to 101.*max_examples_per_client=100"
  ):
    counts_lib.assemble_counts(messages, 2, max_examples_per_client=100)
  counts_lib.assemble_counts(messages, 2, max_examples_per_client=101)


@pytest.mark.parametrize(
    'messages, error, message',
    [
        ({}, ValueError, 'at least one histogram'),
        ([], ValueError, 'at least one histogram'),
        (5, TypeError, 'messages must be a mapping'),
        ('ab', TypeError, 'messages must be a mapping'),
        ([('a', [1, 2], 3)], TypeError, r'messages\[0\] must be a pair'),
        ([('a', [1, 2]), 'bc'], TypeError, r'messages\[1\] must be a pair'),
        ([(['a'], [1, 2])], TypeError, r'messages\[0\] .*hashable client id'),
    ],
)
def test_what_holds_no_messages_is_refused(messages, error, message):
  with pytest.raises(error, match=message):
    counts_lib.assemble_counts(messages, 2)


def test_numbers_are_checked_by_name():
  with pytest.raises(ValueError, match='num_classes must be at least 2'):
    counts_lib.assemble_counts({'a': [1]}, 1)
  with pytest.raises(TypeError, match='max_examples_per_client must be an int'):
    counts_lib.assemble_counts(
        {'a': [1, 2]}, 2, max_examples_per_client=1.5
    )
