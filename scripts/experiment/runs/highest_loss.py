"""Mediators of the highest loss: Power-of-Choice, to compare policies with.

Cho, Wang and Joshi, "Towards understanding biased client selection in federated
learning" (AISTATS 2022): of the candidates of a round, those train whose own
examples the model fits worst. Wrong labels fit worst of all.
"""

from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import datasets
from astraea_tff import randomness
from astraea_tff.control import allocation
from astraea_tff.control import history
from astraea_tff.control import policies

# From a model to its mean loss on each of M mediators' examples, float64 [M].
Losses = Callable[[tff.learning.models.ModelWeights], np.ndarray]


def losses_of_mediators(
    data: datasets.PreparedDataset,
    mediators: Sequence[Sequence[int]],
    model: tf.keras.Model,
) -> Losses:
  """Returns what measures a model on the examples of each mediator.

  Args:
    data: The clients.
    mediators: The clients of each mediator.
    model: Returns logits. Its weights are overwritten.
  """
  loaded, owners = [], []
  for number, mediator in enumerate(mediators):
    for client in mediator:
      loaded.append(data.clients.load(client))
      owners += [number] * len(loaded[-1][1])
  features, labels = map(np.concatenate, zip(*loaded))
  counts = np.maximum(np.bincount(owners, minlength=len(mediators)), 1)
  batches = tf.data.Dataset.from_tensor_slices((features, labels)).batch(500)

  @tf.function
  def losses_of_batch(images, labels):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels, model(images, training=False)
    )

  def losses(weights: tff.learning.models.ModelWeights) -> np.ndarray:
    weights.assign_weights_to(model)
    each = np.concatenate([losses_of_batch(*batch) for batch in batches])
    return np.bincount(owners, each, len(mediators)) / counts

  return losses


class HighestLoss(history.ArrayState):
  """Gives a pass to the mediators of the highest loss, while they fit.

  What it would send to ask the candidates for their losses is not counted.
  """

  passes = (1,)

  def __init__(self, num_mediators: int, *, seed: int):
    """Begins without losses: the first round's mediators are drawn."""
    self._seed = seed
    self._arrays = {'losses': np.zeros(num_mediators)}

  def decide(
      self,
      round_num: int,
      observations: np.ndarray,
      budget: allocation.Budget,
      *,
      mediators: Optional[Sequence[int]] = None,
  ) -> policies.Decision:
    """See `MediatorPolicy.decide`."""
    mediators = policies.check_offer(
        self.passes, observations, budget, mediators
    )
    losses = self._arrays['losses']
    draws = randomness.round_generator(
        self._seed, round_num, randomness.POLICY_STREAM, 0
    ).random(len(losses))
    ranking = np.lexsort((draws[mediators], -losses[mediators]))
    choice = allocation.fill(budget, ranking)
    return policies.to_decision(
        self.passes, choice, losses[mediators][:, np.newaxis], budget, 0.0
    )

  def learn(self, report: policies.RoundReport) -> None:
    """Learns nothing of updates."""

  def watch(
      self,
      data: datasets.PreparedDataset,
      mediators: Sequence[Sequence[int]],
      model: tf.keras.Model,
  ) -> Callable[[tff.learning.models.ModelWeights], None]:
    """Returns what takes in the model that the next round begins with.

    Args, but for the weights, are those of `losses_of_mediators`.
    """
    losses = losses_of_mediators(data, mediators, model)

    def see(weights: tff.learning.models.ModelWeights) -> None:
      self._arrays = {'losses': losses(weights)}

    return see
