"""Tests of the package's streams of random numbers.

Recorded results depend on every formula, so each has a value here that was
drawn before the formulas were put together.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from astraea_tff import datasets
from astraea_tff import randomness
from astraea_tff.labels import client_reports
from astraea_tff.labels import privacy
from astraea_tff.scheduling import greedy
from astraea_tff.scheduling import sampling


@pytest.mark.parametrize('dtype', [tf.float32, tf.float64])
@pytest.mark.parametrize('shape', [[], [7], [40, 3], [0, 5]])
def test_draws_are_tensorflows(shape, dtype):
  draws = randomness.uniform(shape, (3, 2**40), dtype)
  expected = tf.random.stateless_uniform(shape, (3, 2**40), dtype=dtype)
  assert draws.dtype == dtype
  np.testing.assert_array_equal(draws, expected)


def test_another_seed_gives_other_draws():
  draws = randomness.uniform([100], (1, 2), tf.float32).numpy()
  others = randomness.uniform([100], (1, 3), tf.float32).numpy()
  assert not np.isin(draws, others).any()


ROUND = dict(seed=7, round_num=3)


def test_a_round_draws_what_it_drew():
  assert sampling.sample_mediators(50, 5, **ROUND) == (15, 2, 46, 7, 22)
  assert sampling.sample_clients(50, 5, **ROUND) == [43, 34, 7, 33, 0]
  assert sampling.available_clients(range(12), 0.5, **ROUND) == (
      1, 3, 4, 5, 8, 9)
  orders = sampling.reshuffled_orders([5, 4], 5, 2, **ROUND)
  assert orders.tolist() == [
      [[1, 3, 2, 0, 4], [2, 0, 4, 3, 1]], [[0, 1, 3, 2, 4], [0, 1, 2, 3, 4]]]


def test_orders_are_not_drawn_from_the_stream_of_the_drop_outs():
  streams = (
      None, randomness.AVAILABILITY_STREAM, randomness.ORDER_STREAM)
  drawn = [
      tuple(randomness.round_generator(7, 3, stream).integers(10**9, size=4))
      for stream in streams
  ]
  assert len(set(drawn)) == 3
  generator = randomness.round_generator(7, 3, randomness.ORDER_STREAM)
  (order,), = sampling.reshuffled_orders([40], 40, 1, **ROUND)
  np.testing.assert_array_equal(order, generator.permutation(40))
  for other in streams[:2]:
    generator = randomness.round_generator(7, 3, other)
    assert (order != generator.permutation(40)).any()


def test_worth_is_drawn_from_no_other_stream():
  streams = (
      None, randomness.AVAILABILITY_STREAM, randomness.ORDER_STREAM,
      randomness.POLICY_STREAM, randomness.SPEED_STREAM,
      randomness.WORTH_STREAM)
  drawn = {
      tuple(randomness.round_generator(7, 0, stream).integers(10**9, size=4))
      for stream in streams
  }
  assert len(drawn) == len(streams)
  generator = randomness.round_generator(7, 0, randomness.WORTH_STREAM)
  assert generator.integers(10**6, size=3).tolist() == [397964, 867589, 513506]


def test_schedules_are_drawn_as_they_were():
  assert randomness.grouping_seed(7, 3) == 3466196061
  schedule = greedy.random_schedule(np.ones((10, 3), int), 4, seed=7)
  assert schedule.mediators == ((8, 0, 7, 1), (3, 6, 2, 4), (5, 9))


def test_orders_of_examples_have_the_seeds_that_they_had():
  assert randomness.shuffle_seed(7, 3, 2) == 2682643779


@pytest.mark.parametrize('round_num, error', [
    (-1, ValueError), ([1, 2], TypeError), (b'1', TypeError), (True, TypeError),
    (1.5, TypeError), (None, TypeError),
])
def test_what_is_no_round_is_refused(round_num, error):
  with pytest.raises(error, match='^round_num must be'):
    randomness.shuffle_seed(7, round_num, 2)
  with pytest.raises(error, match='^round_num must be'):
    randomness.grouping_seed(7, round_num)


@pytest.mark.parametrize('seed, pair', [
    ((7,), [6781963452579423780, 584733394075220684]),
    ((7, 2), [8544671972787240305, -6534550302156506887]),
    ((7, 2, 3), [-5496772168914319601, 6889213077687290364]),
])
def test_copies_have_the_seeds_that_they_had(seed, pair):
  assert randomness.seed_pair(seed).tolist() == pair


def test_copies_by_client_id_have_the_seeds_that_they_had():
  pair = randomness.client_id_pair(
      randomness.seed_pair((7,)), tf.constant('client 猫'))
  assert pair.numpy().tolist() == [4215959590105971514, 3940977250268916351]


def test_private_counts_are_drawn_as_they_were():
  private = privacy.privatize_counts(np.full((2, 4), 100), 0.1, seed=7)
  assert private.tolist() == [[101, 107, 97, 116], [99, 136, 77, 96]]
  report = client_reports.locally_private(0.1, seed=7)(
      tf.fill([4], tf.constant(100, tf.int64)), tf.constant(2, tf.int64))
  assert report.numpy().tolist() == [100, 99, 111, 106]


def test_layers_have_the_seeds_that_they_had():
  seeds = list(itertools.islice(randomness.layer_seeds(7), 3))
  assert seeds == [600562731, 1809491585, 1915825222]


def test_partitions_are_drawn_as_they_were():
  drawn = [
      int(generator.integers(10**6))
      for generator in randomness.partition_generators(7)
  ]
  assert drawn == [305369, 681396, 396636]
  partition = datasets.partition(
      np.repeat(np.arange(3), 20), 3, 4, seed=7,
      global_distribution='natural', local_distribution='dirichlet',
      size_distribution='even')
  assert partition.counts.tolist() == [
      [6, 4, 10, 0], [6, 9, 5, 0], [8, 7, 5, 0]]
  assert partition.client_indices[0][:5].tolist() == [40, 37, 42, 58, 39]
