"""The mediator update: a chain of clients as a TFF client work (Algorithm 1).

Algorithm 1, lines 8 to 15. In a synchronization round a mediator m receives the
model w and runs

    for each of E_m mediator epochs:                             (line 9)
      for each of its own clients, in the schedule's order:      (line 10)
        for each of E local epochs:                              (line 11)
          for each batch of the client: w <- optimizer(w, batch) (lines 13, 14)

A client starts from the weights its predecessor left, and the second mediator
epoch from where the first ended. A client that goes non-finite leaves what it
was handed (`astraea_tff.training.visit`). The mediator returns
`initial - trained`, TFF's sign convention, so that the server's SGD(1.0) adds
the progress (the paper's lines 6 and 15 disagree about the sign), with the
weight n_m, the number of examples of its clients, augmented ones included,
without those undone.

To TFF one mediator is one element at `tff.CLIENTS`, and its data is a struct of
`max_clients` sequences, one for each client; short mediators are padded with
empty ones. Everything else about the learning process is TFF's.
"""

import collections
from typing import Any, Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import chain_options
from astraea_tff.training import mediator_optimizer as mediator_optimizer_lib
from astraea_tff.training import mediator_report
from astraea_tff.training import mediator_update as mediator_update_lib
from astraea_tff.training import model_parts
from astraea_tff.training import server_state as server_state_lib

# A secure sum of a count of clients has room for so many bits.
_BITS_OF_A_COUNT = 20


def build_mediator_client_work(
    model: model_parts.ModelParts,
    server_state: server_state_lib.ServerState,
    mediator_optimizer: Optional[mediator_optimizer_lib.MediatorOptimizer],
    client_weighting: tff.learning.ClientWeighting,
    metrics_aggregator: Any,
    options: chain_options.ChainOptions,
    report_mediators: bool = False,
) -> tff.learning.templates.ClientWorkProcess:
  """Builds the mediator update as a client work.

  The counterpart of `tff.learning.templates.build_model_delta_client_work` and
  `build_functional_model_delta_client_work`, whose state and measurements
  (`train`) it shares; beside `train` it measures `chain`, which has
  `num_non_finite_clients`, int64. Its client data have the type
  `<B*, ..., B*>@CLIENTS`, `max_clients` sequences, and with reshuffled clients
  `<order=int32[max_clients]*,clients=<B*, ..., B*>>@CLIENTS`. With the report
  they are such a struct that ends in `mediator=int32*`.

  Args:
    model: The model, with the clients' optimizer.
    server_state: What the server keeps of that and of the mediators' optimizer.
    mediator_optimizer: The mediators' optimizer; None for none.
    client_weighting: `NUM_EXAMPLES` weighs a mediator by the examples of its
      clients (n_m), `UNIFORM` by 1, or 0 without an example.
    metrics_aggregator: As in `tff.learning.algorithms.build_weighted_fed_avg`.
    options: How a chain is trained.
    report_mediators: Whether the measurements have `mediators` too, what
      `mediator_report.collect` returns.

  Returns:
    A `tff.learning.templates.ClientWorkProcess`.
  """
  data_type = _mediator_type(model.input_spec, options, report_mediators)

  @tff.tensorflow.computation(
      server_state.send.type_signature.result, model.weights_type, data_type
  )
  def mediator_update_computation(sent, initial_weights, mediator_data):
    mediator_update = mediator_update_lib.build_mediator_update(
        model.start_chain(),
        mediator_optimizer,
        server_state,
        client_weighting,
        options,
    )
    # TFF optimizes the graph before a device is chosen for it, and layers are
    # only fused where it is known to be this one, a worker's.
    with tf.device('/device:CPU:0'):
      return mediator_update(
          sent, initial_weights, *_clients_and_order(mediator_data)
      )

  @tff.federated_computation(
      server_state.initialize.type_signature.result,
      tff.FederatedType(model.weights_type, tff.CLIENTS),
      tff.FederatedType(data_type, tff.CLIENTS),
  )
  def next_fn(state, weights, mediator_data):
    sent = tff.federated_broadcast(
        tff.federated_map(server_state.send, state)
    )
    outputs = tff.federated_map(
        mediator_update_computation, (sent, weights, mediator_data)
    )
    measurements = _aggregate(
        metrics_aggregator,
        model.metric_finalizers,
        outputs.model_metrics,
        outputs.chain_metrics,
        tff.federated_map(server_state.measure, state),
        mediator_report.collect(outputs.result, mediator_data['mediator'])
        if report_mediators
        else None,
    )
    state = server_state.after_round(
        state, outputs.state_change, outputs.result.update_weight
    )
    return tff.templates.MeasuredProcessOutput(
        state, outputs.result, measurements
    )

  return tff.learning.templates.ClientWorkProcess(
      server_state.initialize,
      next_fn,
      get_hparams_fn=server_state.get_hparams,
      set_hparams_fn=server_state.set_hparams,
  )


def _mediator_type(
    input_spec: Any, options: chain_options.ChainOptions, has_number: bool
) -> tff.types.Type:
  """Returns the type of a mediator's data.

  `<B*, ..., B*>`, the batches of gamma clients; where the clients' order comes
  with the data, `<order=int32[gamma]*,clients=<B*, ..., B*>>`, one order for
  each of E_m passes. The mediator's number is under `mediator`. (Sequences: TFF
  takes nothing else as clients' data.)
  """
  sequence_type = tff.SequenceType(tff.types.tensorflow_to_type(input_spec))
  clients_type = tff.types.to_type((sequence_type,) * options.max_clients)
  if not (options.has_orders or has_number):
    return clients_type
  parts = collections.OrderedDict()
  if options.has_orders:
    order_type = tff.TensorType(np.int32, [options.max_clients])
    parts['order'] = tff.SequenceType(order_type)
  parts['clients'] = clients_type
  if has_number:
    parts['mediator'] = tff.SequenceType(np.int32)
  return tff.types.to_type(parts)


def _clients_and_order(mediator_data):
  """Returns the clients' datasets and their order, None for as they stand."""
  if isinstance(mediator_data, collections.OrderedDict):
    return mediator_data['clients'], mediator_data.get('order')
  return mediator_data, None


def _aggregate(
    metrics_aggregator: Any,
    finalizers: Any,
    model_metrics: tff.Value,
    chain_metrics: tff.Value,
    round_metrics: tff.Value,
    report: Optional[tff.Value],
) -> tff.Value:
  """Returns the measurements: FedAvg's `train`, `chain`, and the round's.

  The metrics of the chains go through the same aggregator as the model's, so
  that a secure one lets the server see no mediator's; in a call of their own,
  so that `train` is what it is in FedAvg.
  """
  return tff.federated_zip(
      collections.OrderedDict(
          train=metrics_aggregator(finalizers)(model_metrics),
          chain=_aggregate_chains(
              metrics_aggregator, finalizers, chain_metrics
          ),
          **({} if report is None else dict(mediators=report)),
          **{
              name: round_metrics[name]
              for name in tff.structure.name_list(
                  round_metrics.type_signature.member
              )
          },
      )
  )


def _aggregate_chains(
    metrics_aggregator: Any, finalizers: Any, chain_metrics: tff.Value
) -> tff.Value:
  """Returns the metrics of the chains; see `_aggregate`."""
  # The finalizers of a `FunctionalModel` are one function of all metrics, those
  # of a `VariableModel` one for each.
  if callable(finalizers):
    chain_finalizers = lambda metrics: metrics
  else:
    chain_finalizers = collections.OrderedDict(
        num_non_finite_clients=lambda count: count
    )
  try:
    return metrics_aggregator(chain_finalizers)(chain_metrics)
  except Exception:  # pylint: disable=broad-except
    # Such an aggregator asks for the model's metrics by name, and may raise
    # anything. It may hide mediators, so this sum hides them too.
    count = tff.federated_secure_sum_bitwidth(
        chain_metrics.num_non_finite_clients, _BITS_OF_A_COUNT
    )
    return tff.federated_zip(
        collections.OrderedDict(num_non_finite_clients=count)
    )
