"""What trains a mediator's chain of clients (Algorithm 1, lines 9 to 13).

Starting a training loop in TFF's worker costs tens of milliseconds, a step
about one, so how the chain is run decides what a round costs. A mediator's
clients are joined to one dataset in the graph (`astraea_tff.training.chain_batches`) and
trained by one loop (`astraea_tff.training.chain`); here are the steps of that loop
for TFF's two kinds of models.
"""

import collections
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import chain
from astraea_tff.training import chain_batches
from astraea_tff.training import chain_options
from astraea_tff.training import mediator_result
from astraea_tff.training import optimizer_steps
from astraea_tff.training import visit as visit_lib


def _read(variables: Any) -> Any:
  return tf.nest.map_structure(lambda v: v.read_value(), variables)


def _assign(variables: Any, values: Any) -> None:
  tf.nest.map_structure(lambda v, value: v.assign(value), variables, values)


def build_variable_mediator_update(
    model: tff.learning.models.VariableModel,
    optimizer: tff.learning.optimizers.Optimizer,
    client_weighting: tff.learning.ClientWeighting,
    options: chain_options.ChainOptions,
) -> Callable[..., Any]:
  """Returns a `tf.function` that trains a mediator.

  It takes the optimizer's hyperparameters, the weights, the clients' datasets
  and their order (see `chain_batches.join_clients`), and returns the mediator's
  `tff.learning.templates.ClientResult`, the model's unfinalized metrics, and
  those of the chain: `num_non_finite_clients`, int64 [].
  """
  weights = tff.learning.models.ModelWeights.from_model(model)
  trainable = tf.nest.flatten(weights.trainable)
  steps = optimizer_steps.build_steps(optimizer, trainable)
  variables = (
      tuple(trainable),
      tuple(tf.nest.flatten(weights.non_trainable)),
      tuple(model.local_variables),
  )

  @tf.function
  def mediator_update(hparams, initial_weights, datasets, order=None):
    _assign(weights, initial_weights)
    fresh_optimizer_state = (
        steps.initialize(hparams),
        tuple(tf.zeros(m.shape, m.dtype) for m in steps.moments),
    )

    def read(state):
      num_examples, optimizer_state = state
      carried = ()
      if options.carry_optimizer_state:
        carried = optimizer_state, _read(steps.moments)
      trainable, non_trainable, metrics = _read(variables)
      return visit_lib.Handed(
          num_examples, trainable, non_trainable, carried, metrics
      )

    def write(handed):
      values = (handed.trainable, handed.non_trainable, handed.metrics)
      _assign(variables, values)
      optimizer_state, moments = fresh_optimizer_state
      if options.carry_optimizer_state:
        optimizer_state, moments = handed.optimizer_state
      _assign(steps.moments, moments)
      return handed.num_examples, optimizer_state

    def train_on_batch(state, batch):
      num_examples, optimizer_state = state
      with tf.GradientTape() as tape:
        output = model.forward_pass(batch, training=True)
      gradients = tape.gradient(output.loss, trainable)
      optimizer_state = steps.step(optimizer_state, gradients)
      if output.num_examples is None:
        batch_size = tf.shape(output.predictions, out_type=tf.int64)[0]
      else:
        batch_size = tf.cast(output.num_examples, tf.int64)
      return (num_examples + batch_size, optimizer_state), output.loss

    handed, non_finite_clients = chain.run_chain(
        chain_batches.join_clients(datasets, order, options),
        (tf.constant(0, tf.int64), fresh_optimizer_state[0]),
        read,
        write,
        train_on_batch,
        options,
    )
    write(handed)
    result = mediator_result.build_result(
        initial_weights.trainable,
        tf.nest.pack_sequence_as(
            initial_weights.trainable, tf.nest.flatten(handed.trainable)
        ),
        handed.num_examples,
        non_finite_clients,
        client_weighting,
        options,
    )
    return (
        result,
        model.report_local_unfinalized_metrics(),
        mediator_result.measure(non_finite_clients),
    )

  return mediator_update


def build_functional_mediator_update(
    model: tff.learning.models.FunctionalModel,
    optimizer: tff.learning.optimizers.Optimizer,
    client_weighting: tff.learning.ClientWeighting,
    options: chain_options.ChainOptions,
) -> Callable[..., Any]:
  """Returns a `tf.function` that trains a mediator.

  As `build_variable_mediator_update`, but it takes no hyperparameters, and the
  weights as a pair of the trainable and the other ones.
  """

  @tf.function
  def mediator_update(initial_weights, datasets, order=None):
    initial_trainable, non_trainable = initial_weights
    fresh_optimizer_state = optimizer_steps.initialize_optimizer(
        optimizer, initial_trainable
    )

    def read(state):
      if options.carry_optimizer_state:
        return state
      return state._replace(optimizer_state=())

    def write(handed):
      if options.carry_optimizer_state:
        return handed
      return handed._replace(optimizer_state=fresh_optimizer_state)

    def train_on_batch(state, batch):
      is_mapping = isinstance(batch, collections.abc.Mapping)
      features, labels = (batch['x'], batch['y']) if is_mapping else batch
      with tf.GradientTape() as tape:
        tape.watch(state.trainable)
        predictions = model.predict_on_batch(
            (state.trainable, non_trainable), features, training=True
        )
        loss = model.loss(output=predictions, label=labels)
      optimizer_state, trainable = optimizer.next(
          state.optimizer_state,
          state.trainable,
          tape.gradient(loss, state.trainable),
      )
      batch_size = tf.shape(tf.nest.flatten(predictions)[0])[0]
      metrics = model.update_metrics_state(
          state.metrics,
          labels=labels,
          batch_output=tff.learning.models.BatchOutput(
              loss=loss, predictions=predictions, num_examples=batch_size
          ),
      )
      state = visit_lib.Handed(
          num_examples=state.num_examples + tf.cast(batch_size, tf.int64),
          trainable=trainable,
          non_trainable=(),
          optimizer_state=optimizer_state,
          metrics=metrics,
      )
      return state, loss

    initial_state = visit_lib.Handed(
        num_examples=tf.constant(0, tf.int64),
        trainable=initial_trainable,
        non_trainable=(),
        optimizer_state=fresh_optimizer_state,
        metrics=model.initialize_metrics_state(),
    )
    handed, non_finite_clients = chain.run_chain(
        chain_batches.join_clients(datasets, order, options),
        initial_state,
        read,
        write,
        train_on_batch,
        options,
    )
    result = mediator_result.build_result(
        initial_trainable,
        handed.trainable,
        handed.num_examples,
        non_finite_clients,
        client_weighting,
        options,
    )
    return result, handed.metrics, mediator_result.measure(non_finite_clients)

  return mediator_update
