"""A mediator's optimizer by hand, in NumPy and float64."""

import copy

import numpy as np
import tensorflow_federated as tff

BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-4
RATES = {'sgd': 0.5, 'momentum': 0.2, 'adam': 0.003}
# TFF's optimizers that compute the same.
TFF_OPTIMIZERS = {
    'sgd': lambda: tff.learning.optimizers.build_sgdm(RATES['sgd']),
    'momentum': lambda: tff.learning.optimizers.build_sgdm(
        RATES['momentum'], momentum=BETA_1
    ),
    'adam': lambda: tff.learning.optimizers.build_adam(
        RATES['adam'], BETA_1, BETA_2, EPSILON
    ),
}


class NoServerState:
  """The mediator keeps nothing; see `server_state.ServerState`."""

  begin = staticmethod(lambda sent: ())
  change = staticmethod(lambda before, after, weight: ())


class MediatorByHand:
  """SGD, momentum or Adam as their papers write them.

  Attributes:
    first: The first moments, or the momentum; float64, one array a weight.
    second: The second moments.
    num_steps: The number of steps so far.
  """

  def __init__(self, kind, weights, step_power=1.0):
    self._kind = kind
    self._step_power = step_power
    self.first = [np.zeros(np.shape(w)) for w in weights]
    self.second = [np.zeros(np.shape(w)) for w in weights]
    self.num_steps = 0

  def step(self, before, after, num_batches):
    """What the mediator hands on after a visit."""
    self.num_steps += 1
    handed = []
    for i, (w_in, w_out) in enumerate(zip(before, after)):
      w_in, w_out = np.asarray(w_in, np.float64), np.asarray(w_out, np.float64)
      direction = self._direction(i, (w_in - w_out) / num_batches)
      rate = RATES[self._kind] * num_batches**self._step_power
      handed.append(w_in - rate * direction)
    return handed

  def _direction(self, i, gradient):
    if self._kind == 'sgd':
      return gradient
    if self._kind == 'momentum':
      self.first[i] = BETA_1 * self.first[i] + gradient
      return self.first[i]
    self.first[i] = BETA_1 * self.first[i] + (1 - BETA_1) * gradient
    self.second[i] = BETA_2 * self.second[i] + (1 - BETA_2) * gradient**2
    # With the epsilon of TFF and Keras, on the uncorrected second moment.
    correction = np.sqrt(1 - BETA_2**self.num_steps)
    correction /= 1 - BETA_1**self.num_steps
    return correction * self.first[i] / (np.sqrt(self.second[i]) + EPSILON)


def average(mediators, weights):
  """One whose state is the average of several mediators'."""
  result = copy.deepcopy(mediators[0])
  for name in ('first', 'second'):
    arrays = zip(*(getattr(mediator, name) for mediator in mediators))
    averaged = [np.average(np.stack(a), axis=0, weights=weights) for a in arrays]
    setattr(result, name, averaged)
  num_steps = [mediator.num_steps for mediator in mediators]
  result.num_steps = round(np.average(num_steps, weights=weights))
  return result
