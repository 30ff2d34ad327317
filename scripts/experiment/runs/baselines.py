"""The baselines: TFF's own algorithms, whose clients train side by side."""

from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.metrics import traffic
from experiment.runs import optimizers
from experiment.runs import settings as settings_lib


def build_process(
    settings: settings_lib.Settings, model_fn: Any
) -> tff.learning.templates.LearningProcess:
  """Builds TFF's weighted FedAvg, FedProx or Mime Lite."""
  both = (
      optimizers.build_client_optimizer(settings),
      optimizers.build_server_optimizer(settings),
  )
  options = dict(
      # The quicker of TFF's two loops, and the one that our chains have.
      loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
  )
  algorithms = tff.learning.algorithms
  if settings.algorithm == 'fedprox':
    return algorithms.build_weighted_fed_prox(
        model_fn, settings.proximal_strength, *both, **options
    )
  if settings.algorithm == 'mime_lite':
    # Mime Lite reads the data twice. Under an iterator it would train in
    # another order than the other algorithms.
    options['loop_implementation'] = (
        tff.learning.LoopImplementation.DATASET_REDUCE
    )
    # The mean update of a round in which everyone dropped out is NaN, which
    # TFF's server refuses; nothing refuses such a gradient.
    mean = tff.aggregators.MeanFactory(no_nan_division=True)
    return algorithms.build_weighted_mime_lite(
        model_fn, *both, full_gradient_aggregator=mean, **options
    )
  return algorithms.build_weighted_fed_avg(model_fn, *both, **options)


def bytes_each_way(
    settings: settings_lib.Settings,
    weights: tff.learning.models.ModelWeights,
) -> tuple[int, int]:
  """Returns the bytes that a client gets in a round, and those it returns.

  Mime Lite sends the optimizer's state beside the model, and returns a gradient
  as well.

  Args:
    settings: The settings.
    weights: The model's weights, of which only shapes and dtypes matter.
  """
  down = up = traffic.model_bytes(tf.nest.flatten(weights))
  if settings.algorithm == 'mime_lite':
    down += optimizers.state_bytes(
        optimizers.build_client_optimizer(settings), weights.trainable
    )
    up += traffic.model_bytes(weights.trainable)
  return down, up
