"""Astraea as a TFF learning process (Algorithm 1).

Duan et al., "Astraea: Self-balancing federated learning for improving
classification accuracy of mobile deep learning applications", ICCD 2019,
https://arxiv.org/abs/1907.01132.

One synchronization round, with TFF's part in brackets:

  1. The server sends the model to the mediators [the distributor].
  2. Every mediator trains it on its clients one after another, E_m times, and
     undoes those that go non-finite (`astraea_tff.training.mediator`).
  3. The server averages the mediators' updates with weights n_m / n
     [the aggregator],
  4. and adds the average to the model [the finalizer].

Who is a mediator's client is decided before, by `astraea_tff.reschedule`.
"""

from typing import Any, Optional

import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.training import model_parts
from astraea_tff.training import process


def build_weighted_astraea(
    model_fn: model_parts.ModelFn,
    client_optimizer_fn: tff.learning.optimizers.Optimizer,
    server_optimizer_fn: Optional[tff.learning.optimizers.Optimizer] = None,
    *,
    client_weighting: tff.learning.ClientWeighting = (
        tff.learning.ClientWeighting.NUM_EXAMPLES
    ),
    model_distributor: Optional[
        tff.learning.templates.DistributionProcess
    ] = None,
    model_aggregator: Optional[
        tff.aggregators.WeightedAggregationFactory
    ] = None,
    metrics_aggregator: Optional[Any] = None,
    loop_implementation: tff.learning.LoopImplementation = (
        tff.learning.LoopImplementation.DATASET_ITERATOR
    ),
    max_clients: int,
    mediator_epochs: Optional[int] = 1,
    local_epochs: int = 1,
    carry_optimizer_state: bool = False,
    client_order: str = 'scheduled',
    client_clipping_norm: Optional[float] = None,
    mediator_optimizer_fn: Optional[tff.learning.optimizers.Optimizer] = None,
    keep_mediator_state: bool = True,
    visit_step_power: float = 1.0,
    report_mediators: bool = False,
) -> tff.learning.templates.LearningProcess:
  """Builds a learning process that performs Astraea (Algorithm 1).

  Takes the arguments of `tff.learning.algorithms.build_weighted_fed_avg`, and
  after them Astraea's own. State and metrics have the same structure as
  FedAvg's, with `client_work/chain/num_non_finite_clients` (int64) added, and
  with `max_clients=1` the process trains exactly what FedAvg trains. The type
  signatures are

  *   `initialize`: `( -> S@SERVER)`, `S` a
      `tff.learning.templates.LearningAlgorithmState`;
  *   `next`: `(<S@SERVER, {<B*, ..., B*>}@CLIENTS> -> <L@SERVER>)`. A mediator
      is one element at `CLIENTS`: a tuple of `max_clients` datasets of batches,
      in training order, empty ones where it has fewer clients
      (`astraea_tff.Schedule.rounds` makes them); with
      `client_order='reshuffled'` or `mediator_epochs=None` it is
      `<order=int32[gamma]*,clients=<B*, ..., B*>>`, with an order for each
      mediator epoch;
  *   `get_model_weights`, `set_model_weights`, `get_hparams`, `set_hparams`: as
      FedAvg's.

  With `mediator_optimizer_fn` the state's `client_work` is
  `<clients=C,mediator=M,averages=A>`: FedAvg's, the state of the mediators'
  optimizer (its hyperparameters alone if it is not kept), and those of the
  aggregators that average it. Its hyperparameters are FedAvg's and `mediator`.

  A client whose training goes non-finite (a loss, a weight, or the state of the
  optimizer that it would hand along) is undone: the chain goes on from what the
  client was handed, and neither its examples nor its metrics count.
  `num_non_finite_clients` counts each such client of a mediator once a round.
  If only some of its visits were undone, the others count.

  A mediator without an example, of which every client dropped out or was
  undone, counts as nothing. (An unweighted FedAvg counts a client without an
  example as an update of zero.) A round in which all mediators are so leaves
  the model as it was, and the states of the optimizers and of the aggregator;
  `finalizer/update_non_finite` is 1, as in FedAvg. The number of mediators that
  count is summed at the server, securely under a secure aggregator. Not so with
  a differentially private aggregator, whose noise would not cover that number:
  there such a mediator is an update of zero, and such a round one of noise.

  Training one client after another usually wants a smaller client learning rate
  than training them side by side, 3 to 30 times smaller in the grid searches of
  the literature on sequential federated learning. And with an adaptive
  optimizer, a state that is initialized afresh at every visit (the default, and
  the paper's) moves every weight by the learning rate, whatever the gradient.
  `carry_optimizer_state` hands the state on.

  Args:
    model_fn: A no-argument function that returns a new
      `tff.learning.models.VariableModel` at each call, or a
      `tff.learning.models.FunctionalModel`.
    client_optimizer_fn: A `tff.learning.optimizers.Optimizer`, with which every
      client of a chain trains.
    server_optimizer_fn: A `tff.learning.optimizers.Optimizer`. SGD with a
      learning rate of 1.0 by default: the average update is added (line 6).
    client_weighting: `NUM_EXAMPLES` (default) weighs a mediator by the number
      of examples its clients trained on, n_m (line 6); `UNIFORM` weighs all
      with an example alike.
    model_distributor: A `tff.learning.templates.DistributionProcess`; by
      default the model is broadcast.
    model_aggregator: A `tff.aggregators.WeightedAggregationFactory` for the
      mediators' updates; by default the weighted mean.
    metrics_aggregator: As in FedAvg; `tff.learning.metrics.sum_then_finalize`
      by default.
    loop_implementation: The TensorFlow loop that runs a chain. The iterator is
      quicker here (`docs/performance.md`); `DATASET_REDUCE` is FedAvg's
      default. With the latter, Keras layers that draw from a stream of their
      own, such as `Dropout` with a seed, start it again at every mediator; with
      the former they go on from call to call.
    max_clients: How many clients a mediator has at the most, gamma; at least 1.
    mediator_epochs: How often a mediator runs its chain in a round, E_m; at
      least 1. None for as often as its data hold orders, so that each mediator
      has its own number in every round, 0 if it is to sit out
      (`astraea_tff.Schedule.rounds` with `passes`). Its weight does not grow
      with the passes.
    local_epochs: How many epochs a client trains at each visit, E; at least 1.
    carry_optimizer_state: If True, a client takes over the optimizer's state
      from its predecessor (and the first client of the second mediator epoch
      from the last of the first); every round still starts afresh. It costs the
      traffic of that state at every hop. If False, every client initializes its
      optimizer at every visit.
    client_order: 'scheduled' (default), the clients are visited in the order of
      the mediator's data in every mediator epoch; or 'reshuffled', each epoch
      has an order of its own, which is part of the data
      (`astraea_tff.Schedule.rounds` with `reshuffled_epochs`), so that it is
      the same on any number of workers.
    client_clipping_norm: The largest L2 norm of what one visit of a client
      changes in all trainable weights together; a longer update is scaled down
      to it at the end of the visit. None (default) for no limit.
    mediator_optimizer_fn: A `tff.learning.optimizers.Optimizer` with which the
      mediator steps between two visits. For its gradient it takes the client's
      mean step, `g = (w_in - w_out) / s`, where s is the number of batches the
      client trained on in the visit, over its local epochs; and it hands on
      `w_in + s**visit_step_power * (next(w_in, g) - w_in)`. An undone visit
      makes no step, and clipping comes before it. None (default) hands on what
      the client left, the paper's chain.
    keep_mediator_state: If True (default), the state of the mediators'
      optimizer is kept from round to round: it is part of the process's state,
      and what the mediators change in it is averaged with their weights by an
      aggregator of `model_aggregator`'s kind (numbers of steps by a plain
      weighted mean, rounded). That is refused for secure and differentially
      private aggregators. If False, the state is new in every round.
    visit_step_power: The power of s by which a step is multiplied, at least 0.
      At 1.0 (default) a visit moves the model by as many steps as it took.
    report_mediators: Whether the metrics' `client_work` has every mediator's
      update, as `mediators`: `<mediator=int32[R],weight=float32[R],
      update=float32[R,P]>`, R rows in no certain order, an update being
      `initial - trained` with its tensors flattened one after another, float64
      if one of them is. A mediator's data are then a struct that ends in
      `mediator=int32*`, its number in a list (`astraea_tff.Schedule.rounds`
      with `report_mediators`).
      It shows the server what secure aggregation and differential privacy hide,
      and is refused beside them.

  Returns:
    A `tff.learning.templates.LearningProcess`.

  Raises:
    TypeError: If an argument is not of the documented type.
    ValueError: If `max_clients`, `mediator_epochs` or `local_epochs` is less
      than 1, `client_clipping_norm` is not positive, `visit_step_power` is
      negative, `client_order` is unknown, `keep_mediator_state` does not go
      with `model_aggregator`, or `report_mediators` does not go with a secure
      or a private aggregator.
  """
  return process.compose_astraea(
      model_fn,
      client_optimizer_fn,
      server_optimizer_fn,
      client_weighting=client_weighting,
      model_distributor=model_distributor,
      model_aggregator=model_aggregator,
      metrics_aggregator=metrics_aggregator,
      loop_implementation=loop_implementation,
      max_clients=max_clients,
      mediator_epochs=mediator_epochs,
      local_epochs=local_epochs,
      carry_optimizer_state=carry_optimizer_state,
      client_order=client_order,
      client_clipping_norm=client_clipping_norm,
      mediator_optimizer_fn=mediator_optimizer_fn,
      keep_mediator_state=keep_mediator_state,
      visit_step_power=visit_step_power,
      report_mediators=report_mediators,
  )


def build_unweighted_astraea(
    model_fn: model_parts.ModelFn,
    client_optimizer_fn: tff.learning.optimizers.Optimizer,
    server_optimizer_fn: Optional[tff.learning.optimizers.Optimizer] = None,
    model_distributor: Optional[
        tff.learning.templates.DistributionProcess
    ] = None,
    model_aggregator: Optional[
        tff.aggregators.UnweightedAggregationFactory
    ] = None,
    metrics_aggregator: Optional[Any] = None,
    loop_implementation: tff.learning.LoopImplementation = (
        tff.learning.LoopImplementation.DATASET_ITERATOR
    ),
    *,
    max_clients: int,
    mediator_epochs: Optional[int] = 1,
    local_epochs: int = 1,
    carry_optimizer_state: bool = False,
    client_order: str = 'scheduled',
    client_clipping_norm: Optional[float] = None,
    mediator_optimizer_fn: Optional[tff.learning.optimizers.Optimizer] = None,
    keep_mediator_state: bool = True,
    visit_step_power: float = 1.0,
    report_mediators: bool = False,
) -> tff.learning.templates.LearningProcess:
  """Builds a learning process that performs Astraea with equal mediators.

  The counterpart of `tff.learning.algorithms.build_unweighted_fed_avg`: every
  mediator with an example counts alike in the average, however many it has.
  Arguments that are not listed are those of `build_weighted_astraea`.

  A mediator without an example counts as nothing wherever the average is that
  of `tff.aggregators.UnweightedMeanFactory`, which most aggregators of TFF have
  inside (`robust_aggregator`, `secure_aggregator`, `compression_aggregator`).
  Clipping and zeroing norms that adapt see its update of zeros. In a sum the
  zeros add nothing. An aggregator that divides in another way, such as a
  differentially private one by its fixed number of clients, takes them for an
  update.

  Args:
    model_aggregator: A `tff.aggregators.UnweightedAggregationFactory`; by
      default `tff.aggregators.UnweightedMeanFactory`.

  Returns:
    A `tff.learning.templates.LearningProcess`.

  Raises:
    TypeError: If an argument is not of the documented type.
    ValueError: As `build_weighted_astraea`.
  """
  if model_aggregator is None:
    model_aggregator = tff.aggregators.UnweightedMeanFactory()
  arguments.check_type(
      model_aggregator,
      '`model_aggregator`',
      tff.aggregators.UnweightedAggregationFactory,
  )
  return build_weighted_astraea(
      model_fn,
      client_optimizer_fn,
      server_optimizer_fn,
      client_weighting=tff.learning.ClientWeighting.UNIFORM,
      model_distributor=model_distributor,
      model_aggregator=tff.aggregators.as_weighted_aggregator(model_aggregator),
      metrics_aggregator=metrics_aggregator,
      loop_implementation=loop_implementation,
      max_clients=max_clients,
      mediator_epochs=mediator_epochs,
      local_epochs=local_epochs,
      carry_optimizer_state=carry_optimizer_state,
      client_order=client_order,
      client_clipping_norm=client_clipping_norm,
      mediator_optimizer_fn=mediator_optimizer_fn,
      keep_mediator_state=keep_mediator_state,
      visit_step_power=visit_step_power,
      report_mediators=report_mediators,
  )
