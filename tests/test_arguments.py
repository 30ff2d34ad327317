"""Tests of the checks of arguments."""

import fractions
import math
import numbers
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff import arguments


@pytest.mark.parametrize('value', [1, 3, np.int8(2), np.uint64(3)])
def test_an_integer_in_range_is_returned_as_int(value):
  checked = arguments.check_integer(value, 'rounds', 1, 3)
  assert checked == value and type(checked) is int


@pytest.mark.parametrize('value, error, message', [
    (0, ValueError, 'rounds must be at least 1, got 0'),
    (np.int64(4), ValueError, 'rounds must be at most 3, got 4'),
    (10**400, ValueError, 'rounds must be at most 3'),
    (1.0, TypeError, 'rounds must be an int, got 1.0'),
    (True, TypeError, 'rounds must be an int, got True'),
    ('1', TypeError, "rounds must be an int, got '1'"),
    (None, TypeError, 'rounds must be an int, got None'),
])
def test_other_integers_are_refused(value, error, message):
  with pytest.raises(error, match=message):
    arguments.check_integer(value, 'rounds', 1, 3)


@pytest.mark.parametrize(
    'value', [1, 1.5, np.float32(1.5), np.int64(1), fractions.Fraction(3, 2)]
)
def test_a_number_in_range_is_returned_as_float(value):
  checked = arguments.check_number(value, 'beta', 1)
  assert checked == value and type(checked) is float


@pytest.mark.parametrize('ends, low, high', [
    ('[]', True, True), ('[)', True, False), ('(]', False, True),
    ('()', False, False),
])
@pytest.mark.parametrize('highest', [2.0, math.inf])
def test_ends_belong_to_the_interval_as_it_is_written(ends, low, high, highest):
  for value, fits in ((1, low), (highest, high), (1.5, True), (0.5, False)):
    if fits:
      assert arguments.check_number(value, 'p', 1, highest, ends=ends) == value
    else:
      with pytest.raises(ValueError, match='p must be'):
        arguments.check_number(value, 'p', 1, highest, ends=ends)


@pytest.mark.parametrize('limits, message', [
    (dict(low=0, high=2), r'`a` must be in \[0, 2\], got nan\.'),
    (dict(low=0, high=1, ends='[)'), r'`a` must be in \[0, 1\), got nan\.'),
    (dict(low=0, ends='[)'), '`a` must be finite and at least 0, got nan'),
    (dict(low=0, ends='()'), '`a` must be finite and above 0, got nan'),
    (dict(low=1), r'`a` must be in \[1, inf\], got nan'),
    (dict(low=0, high=2, advice='0 is off'), r'2\], got nan; 0 is off\.'),
])
def test_the_message_says_what_would_do(limits, message):
  with pytest.raises(ValueError, match=message):
    arguments.check_number(math.nan, '`a`', **limits)


def test_what_no_float_holds_is_out_of_a_finite_range():
  with pytest.raises(ValueError, match='a must be finite and at least 0'):
    arguments.check_number(10**400, 'a', 0, ends='[)')
  with pytest.raises(ValueError, match='a must be finite'):
    arguments.check_number(-(10**400), 'a', 0, ends='[)')


@pytest.mark.parametrize('value', [True, np.bool_(True), '1', None, 1j, [1.0]])
def test_what_is_no_number_is_refused(value):
  with pytest.raises(TypeError, match='beta must be a number, got'):
    arguments.check_number(value, 'beta', 0)


def test_another_type_is_refused_by_its_whole_name():
  arguments.check_type(fractions.Fraction(1), '`share`', numbers.Rational)
  with pytest.raises(
      TypeError,
      match="`share` must be a fractions.Fraction, got 'a' of type str",
  ):
    arguments.check_type('a', '`share`', fractions.Fraction)


def test_a_dataset_is_called_as_users_write_it():
  with pytest.raises(TypeError, match='it must be a tf.data.Dataset, got None'):
    arguments.check_type(None, 'it', tf.data.Dataset)


@pytest.mark.parametrize(
    'values, message',
    [
        ('ab', "them must be a sequence of names, got 'ab'"),
        (b'ab', "them must be a sequence of names, got b'ab'"),
        (5, 'them must be a sequence of names, got 5'),
        (None, 'them must be a sequence of names, got None'),
        ([['a'], 'b'], r"them must be a sequence of names, got \[\['a'\], "),
    ],
)
def test_a_list_may_be_any_iterable_but_a_text(values, message):
  for given in (['a', 'b'], iter('ab'), np.array(['a', 'b']), dict(a=1, b=2)):
    assert arguments.check_list(given, 'them') == ['a', 'b']
  with pytest.raises(TypeError, match=message):
    arguments.check_list(values, 'them')


def test_a_function_may_be_left_out():
  arguments.check_function(None, 'it')
  arguments.check_function(len, 'it')
  with pytest.raises(TypeError, match='it must be a function, got 5 of type'):
    arguments.check_function(5, 'it')


@pytest.mark.parametrize('value', ['c', '', None, 1, ['a'], np.array(['a'])])
def test_a_choice_is_one_of_the_texts(value):
  for choices in (('a', 'b'), dict(a=1, b=2), iter('ab')):
    arguments.check_choice('b', 'it', choices)
  with pytest.raises(ValueError, match='it must be one of a, b, got') as raised:
    arguments.check_choice(value, 'it', ('a', 'b'))
  assert str(raised.value).endswith(f'got {value!r}.')


def test_long_values_are_cut_in_messages():
  for check in (
      lambda value: arguments.check_integer(value, 'n', 0),
      lambda value: arguments.check_number(value, 'n', 0),
      lambda value: arguments.check_type(value, 'n', int),
      lambda value: arguments.check_list([value], 'n'),
      lambda value: arguments.check_function(value, 'n'),
  ):
    with pytest.raises(TypeError, match='n must be') as raised:
      check(list(range(10_000)))
    assert len(str(raised.value)) < 450 and '\n' not in str(raised.value)


def test_a_sequence_of_integers_comes_back_as_a_tuple():
  assert arguments.check_integers([3, np.int64(0)], 'them', 0) == (3, 0)
  assert arguments.check_integers((), 'them', 0) == ()
  with pytest.raises(TypeError, match='them must be a sequence of ints, got 3'):
    arguments.check_integers(3, 'them', 0)
  with pytest.raises(TypeError) as refusal:
    arguments.check_integers(set(range(10_000)), 'them', 0)
  assert len(str(refusal.value)) < 400
  with pytest.raises(TypeError, match='them must be an int, got 1.5'):
    arguments.check_integers([1.5], 'them', 0)
  with pytest.raises(ValueError, match='them must be at least 0, got -1'):
    arguments.check_integers([2, -1], 'them', 0)


def test_a_path_may_begin_with_the_home(monkeypatch):
  monkeypatch.setenv('HOME', '/home/me')
  assert arguments.expand_path('~/a b', 'it') == '/home/me/a b'
  assert arguments.expand_path(pathlib.Path('~'), 'it') == '/home/me'
  assert arguments.expand_path(b'a/\xff', 'it') == 'a/\udcff'


@pytest.mark.parametrize(
    'value, error, message',
    [
        ('~nobody-of-this-name/a', ValueError, "'~nobody.*, and there is no home"),
        ('a\0b', ValueError, 'it must be a path without NUL'),
        (None, TypeError, 'it must be a path, got None of type NoneType'),
        (3, TypeError, 'it must be a path, got 3 of type int'),
    ],
)
def test_what_is_no_path_is_refused(value, error, message):
  with pytest.raises(error, match=message):
    arguments.expand_path(value, 'it')


@pytest.mark.parametrize('values', [[], [[1, 2]], 3, [0.5], np.uint8([7])])
def test_numbers_come_back_as_an_array_of_their_dtype(values):
  for check in (arguments.check_numbers, arguments.check_finite):
    checked = check(values, 'them')
    np.testing.assert_array_equal(checked, values)
    assert checked.dtype == np.asarray(values).dtype


@pytest.mark.parametrize(
    'values, error, message',
    [
        ([[1], [1, 2]], ValueError, 'them must be rows of one length'),
        (['1'], TypeError, 'them must hold integers or floats .* dtype <U1'),
        ([True], TypeError, 'them must hold integers or floats .* dtype bool'),
        ([1j], TypeError, 'them must hold integers or floats .* complex128'),
        ([[0, np.inf]], ValueError, r'be finite, but them\[0, 1\] is inf\.'),
        (np.nan, ValueError, r'them must be finite, but them\[\] is nan\.'),
    ],
)
def test_what_holds_no_numbers_is_refused(values, error, message):
  for check in (arguments.check_numbers, arguments.check_finite):
    with pytest.raises(error, match=message):
      check(values, 'them')


def test_some_numbers_may_be_negative_and_others_not():
  assert arguments.check_finite([-1], 'them').tolist() == [-1]
  with pytest.raises(ValueError, match=r'be zero or more, but them\[1\] is -2'):
    arguments.check_numbers([0, -2], 'them')
