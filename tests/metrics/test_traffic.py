import numpy as np
import pytest
import tensorflow as tf

from astraea_tff.metrics import traffic


def test_model_bytes_counts_every_array_by_its_own_type():
  weights = [np.zeros((3, 4), np.float32), np.zeros(5, np.float64),
             tf.zeros([2], tf.float16)]
  assert traffic.model_bytes(weights) == 48 + 40 + 4
  assert traffic.model_bytes(dict(zip('abc', weights))) == 48 + 40 + 4


def test_model_bytes_of_a_number_of_parameters():
  assert traffic.model_bytes(68_873) == 275_492
  assert traffic.model_bytes(np.int64(3)) == 12


@pytest.mark.parametrize('weights, error', [
    (0, ValueError), (-1, ValueError), ([], ValueError),
    (True, TypeError), (1.5, TypeError), ('weights', TypeError),
    (None, TypeError), (b'weights', TypeError), (['kernel'], TypeError),
    ([np.ones(3), None], TypeError), ({'a': {'b': np.ones(3)}}, TypeError),
])
def test_model_bytes_refuses(weights, error):
  with pytest.raises(error, match='weights must'):
    traffic.model_bytes(weights)


def test_fed_avg_round_by_hand():
  assert traffic.fed_avg_round_bytes(100, 7) == 1400


def test_astraea_round_is_the_papers_formula_for_one_mediator_epoch():
  # Table III: c = 50, gamma = 10, so five mediators.
  assert traffic.astraea_round_bytes(275_492, 50, 10) == (
      2 * 275_492 * 55)


@pytest.mark.parametrize('num_clients, max_clients, num_mediators', [
    (10, 3, 4), (9, 3, 3), (2, 5, 1), (4, 1, 4), (1, 1, 1)])
def test_the_last_mediator_may_be_short(
    num_clients, max_clients, num_mediators):
  assert traffic.astraea_round_bytes(3, num_clients, max_clients) == (
      6 * (num_mediators + num_clients))


def _walk(num_bytes, state_bytes, num_clients, max_clients, epochs):
  """Adds up a round's messages one by one."""
  total = 0
  clients = list(range(num_clients))
  for start in range(0, num_clients, max_clients):
    total += num_bytes  # Server to mediator.
    chain = clients[start : start + max_clients] * epochs
    for visit, _ in enumerate(chain):
      total += num_bytes + (state_bytes if visit else 0)
      total += num_bytes + (state_bytes if visit < len(chain) - 1 else 0)
    total += num_bytes  # And back.
  return total


@pytest.mark.parametrize('num_clients', [1, 2, 7, 10])
@pytest.mark.parametrize('max_clients', [1, 3, 20])
@pytest.mark.parametrize('epochs', [1, 2, 4])
@pytest.mark.parametrize('state_bytes', [0, 11])
def test_astraea_round_equals_its_messages(
    num_clients, max_clients, epochs, state_bytes):
  assert traffic.astraea_round_bytes(
      5, num_clients, max_clients, epochs,
      carry_optimizer_state_bytes=state_bytes
  ) == _walk(5, state_bytes, num_clients, max_clients, epochs)


def test_mediators_that_lost_clients_are_counted_as_they_are():
  # Three mediators of one client each; five models between any two successive
  # visits of a mediator.
  assert traffic.astraea_round_bytes(
      3, 3, 5, 2, carry_optimizer_state_bytes=5, num_mediators=3
  ) == 3 * (2 * 3 + 2 * 2 * 3 + 2 * 5)


@pytest.mark.parametrize('num_mediators', [1, 5])
def test_impossible_numbers_of_mediators_are_refused(num_mediators):
  with pytest.raises(ValueError, match=r'num_mediators must be in \[2, 4\]'):
    traffic.astraea_round_bytes(3, 4, 2, num_mediators=num_mediators)


def test_bytes_are_exact_beyond_floating_point():
  huge = 2**60 + 1
  assert traffic.astraea_round_bytes(huge, 3, 1, 5) == 36 * huge
  assert isinstance(
      traffic.fed_avg_round_bytes(np.int64(5), np.int32(2)), int)


@pytest.mark.parametrize('function, arguments, error, message', [
    (traffic.fed_avg_round_bytes, (0, 1), ValueError, 'bytes_per_model'),
    (traffic.fed_avg_round_bytes, (1, 0), ValueError, 'num_clients'),
    (traffic.fed_avg_round_bytes, (1.5, 1), TypeError, 'bytes_per_model'),
    (traffic.fed_avg_round_bytes, (1, True), TypeError, 'num_clients'),
    (traffic.astraea_round_bytes, (0, 1, 1), ValueError, 'bytes_per_mod'),
    (traffic.astraea_round_bytes, (1, 0, 1), ValueError, 'num_clients'),
    (traffic.astraea_round_bytes, (1, 1, 0), ValueError, 'max_clients'),
    (traffic.astraea_round_bytes, (1, 1, 1, 0), ValueError, 'mediator'),
    (traffic.astraea_round_bytes, (1, 1, 1, 1.0), TypeError, 'mediator'),
])
def test_bad_arguments_are_refused(function, arguments, error, message):
  with pytest.raises(error, match=message):
    function(*arguments)


def test_a_negative_state_is_refused():
  with pytest.raises(ValueError, match='carry_optimizer_state_bytes'):
    traffic.astraea_round_bytes(1, 1, 1, carry_optimizer_state_bytes=-1)


def test_cost_is_that_of_the_first_time_the_target_is_reached():
  accuracies = [0.1, 0.5, 0.75, 0.6, 0.8]
  costs = [10, 20, 30, 40, 50]
  assert traffic.cost_to_accuracy(accuracies, costs, 0.75) == 30
  assert traffic.cost_to_accuracy(accuracies, costs, 0.76) == 50
  assert traffic.cost_to_accuracy(accuracies, costs, 0.05) == 10


def test_cost_is_none_if_the_target_is_never_reached():
  assert traffic.cost_to_accuracy([0.1, 0.7], [1, 2], 0.71) is None
  assert traffic.cost_to_accuracy([], [], 0.5) is None


def test_an_accuracy_that_is_no_number_reaches_nothing():
  assert traffic.cost_to_accuracy(
      [float('nan'), 0.6], [1, 2], 0.5) == 2


def test_costs_stay_exact():
  assert traffic.cost_to_accuracy([1.0], [2**60 + 1], 0.5) == 2**60 + 1


@pytest.mark.parametrize('accuracies, costs, target, message', [
    ([0.1], [1, 2], 0.5, 'of one length'),
    ([[0.1]], [[1]], 0.5, 'of one length'),
    ([0.1], [1], 0.0, 'target must be in'),
    ([0.1], [1], 1.1, 'target must be in'),
    ([0.1], [1], float('nan'), 'target must be in'),
    ([75.0], [1], 0.5, 'not percent'),
    ([-0.1], [1], 0.5, r'must be in \[0, 1\]'),
    ([0.1, 0.2], [2, 1], 0.5, 'never fall'),
    ([0.1], [-1], 0.5, 'nonnegative'),
    ([0.1], [float('nan')], 0.5, 'nonnegative'),
])
def test_cost_to_accuracy_refuses(accuracies, costs, target, message):
  with pytest.raises(ValueError, match=message):
    traffic.cost_to_accuracy(accuracies, costs, target)


def test_a_kept_mediator_state_goes_to_every_mediator_and_back():
  # 3 mediators of 5, 3 and 1 clients, two passes, Adam's two models of state.
  num_bytes = traffic.astraea_round_bytes(
      100, 9, 5, 2, mediator_state_bytes=200, num_mediators=3
  )
  assert num_bytes == 2 * (100 * (3 + 2 * 9) + 200 * 3)
