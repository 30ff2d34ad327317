"""The parts of Astraea's learning process, put together by TFF."""

import collections
from typing import Any, Optional

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.training import aggregation
from astraea_tff.training import chain_options
from astraea_tff.training import mediator
from astraea_tff.training import mediator_report
from astraea_tff.training import mediator_optimizer as mediator_optimizer_lib
from astraea_tff.training import model_parts
from astraea_tff.training import round_hparams
from astraea_tff.training import server_state as server_state_lib
from astraea_tff.training import unconverted
from astraea_tff.training import visit as visit_lib


def compose_astraea(
    model_fn: model_parts.ModelFn,
    client_optimizer_fn: tff.learning.optimizers.Optimizer,
    server_optimizer_fn: Optional[tff.learning.optimizers.Optimizer] = None,
    *,
    hparams: Optional[round_hparams.RoundHparams] = None,
    client_weighting: tff.learning.ClientWeighting = tff.learning.ClientWeighting.NUM_EXAMPLES,
    model_distributor: Optional[
        tff.learning.templates.DistributionProcess
    ] = None,
    model_aggregator: Optional[
        tff.aggregators.WeightedAggregationFactory
    ] = None,
    metrics_aggregator: Optional[Any] = None,
    report_mediators: bool = False,
    **chain_arguments: Any,
) -> tff.learning.templates.LearningProcess:
  """Composes the learning process of `astraea_tff.build_weighted_astraea`.

  Arguments that are not listed are those of that function.

  Args:
    hparams: The hyperparameters of the clients' optimizer, round by round; by
      default those that it has until a user sets others, or for a
      `FunctionalModel`, which has none in TFF, those that it was built with.
    **chain_arguments: The fields of `chain_options.ChainOptions`.

  Raises:
    TypeError: If an argument is not of the documented type.
    ValueError: If an argument is out of its range.
  """
  _check_arguments(
      model_fn,
      client_optimizer_fn,
      server_optimizer_fn,
      client_weighting,
      model_aggregator,
  )
  arguments.check_type(report_mediators, '`report_mediators`', bool)
  options = chain_options.ChainOptions(**chain_arguments)
  if hparams is None:
    hparams = _default_hparams(model_fn, client_optimizer_fn)
  model = model_parts.take(
      model_fn, client_optimizer_fn, options.carry_optimizer_state
  )
  model_weights_type = model.weights_type
  if server_optimizer_fn is None:
    server_optimizer_fn = tff.learning.optimizers.build_sgdm(learning_rate=1.0)
  if model_distributor is None:
    model_distributor = tff.learning.templates.build_broadcast_process(
        model_weights_type
    )
  if metrics_aggregator is None:
    metrics_aggregator = tff.learning.metrics.sum_then_finalize

  mediator_optimizer = _build_mediator_optimizer(
      options, model_weights_type.trainable
  )
  if mediator_optimizer is None:
    server_state = server_state_lib.of_clients(hparams)
  else:
    server_state = server_state_lib.of_clients_and_mediator(
        hparams,
        mediator_optimizer,
        model_aggregator,
        options.keep_mediator_state,
    )
  client_work = mediator.build_mediator_client_work(
      model,
      server_state,
      mediator_optimizer,
      client_weighting,
      metrics_aggregator,
      options,
      report_mediators,
  )
  aggregator = _create_aggregator(
      model_aggregator or tff.aggregators.MeanFactory(),
      model_weights_type.trainable,
  )
  if report_mediators:
    mediator_report.check_allowed(aggregator, client_work)
  return tff.learning.templates.compose_learning_process(
      model.initial_weights,
      model_distributor,
      client_work,
      aggregator,
      tff.learning.templates.build_apply_optimizer_finalizer(
          unconverted.optimizer(server_optimizer_fn),
          model_weights_type,
          should_reject_update=_reject_non_finite_update,
      ),
  )


def _default_hparams(
    model_fn: model_parts.ModelFn,
    client_optimizer_fn: tff.learning.optimizers.Optimizer,
) -> round_hparams.RoundHparams:
  """Returns the hyperparameters of the clients' optimizer, as TFF has them."""
  if isinstance(model_fn, tff.learning.models.FunctionalModel):
    return round_hparams.built_in()
  return round_hparams.kept(client_optimizer_fn)


def _build_mediator_optimizer(
    options: chain_options.ChainOptions, trainable_type: tff.types.Type
) -> Optional[mediator_optimizer_lib.MediatorOptimizer]:
  """Returns the mediators' optimizer for weights of a type; None for none."""
  if options.mediator_optimizer_fn is None:
    return None
  specs = [
      tf.TensorSpec(weight.shape, weight.dtype)
      for weight in tff.structure.flatten(trainable_type)
  ]
  return mediator_optimizer_lib.MediatorOptimizer(
      options.mediator_optimizer_fn, specs, options.visit_step_power
  )


@tf.autograph.experimental.do_not_convert
def _reject_non_finite_update(state, update):
  """As TFF's default, which AutoGraph would have to convert."""
  del state
  is_rejected = tf.logical_not(visit_lib.all_finite(update))
  measurement = tf.cast(is_rejected, tf.int32)
  return is_rejected, collections.OrderedDict(update_non_finite=measurement)


def _create_aggregator(
    factory: tff.aggregators.WeightedAggregationFactory,
    update_type: tff.types.Type,
) -> tff.templates.AggregationProcess:
  """Creates the aggregator and checks that it returns what it is given."""
  aggregator = aggregation.create(factory, update_type)
  given = aggregator.next.type_signature.parameter[1].member
  returned = aggregator.next.type_signature.result[1].member
  if given != returned:
    raise TypeError(
        '`model_aggregator` must return the structure it is given, got'
        f' {given} != {returned}.'
    )
  return aggregator


def _check_arguments(
    model_fn,
    client_optimizer_fn,
    server_optimizer_fn,
    client_weighting,
    model_aggregator,
):
  """Raises a TypeError for an argument that is not of its documented type."""
  check_type = arguments.check_type
  if not callable(model_fn):
    check_type(model_fn, '`model_fn`', tff.learning.models.FunctionalModel)
  optimizer_type = tff.learning.optimizers.Optimizer
  check_type(client_optimizer_fn, '`client_optimizer_fn`', optimizer_type)
  if server_optimizer_fn is not None:
    check_type(server_optimizer_fn, '`server_optimizer_fn`', optimizer_type)
  check_type(
      client_weighting, '`client_weighting`', tff.learning.ClientWeighting
  )
  if model_aggregator is not None:
    check_type(
        model_aggregator,
        '`model_aggregator`',
        tff.aggregators.WeightedAggregationFactory,
    )
