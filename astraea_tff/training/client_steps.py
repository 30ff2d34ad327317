"""How a client of a chain trains, for TFF's two kinds of models.

The chain's loop (`astraea_tff.training.chain`) knows nothing of models and
optimizers. It has four functions of them, in the sense of the `client_init`,
`client_step` and `client_final` of fedjax.

References:
  Ro et al., "FedJAX: Federated learning simulation with JAX",
  https://arxiv.org/abs/2108.02117.
"""

import collections
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import flat_optimizer
from astraea_tff.training import optimizer_steps
from astraea_tff.training import unconverted
from astraea_tff.training import visit as visit_lib


class ClientSteps(NamedTuple):
  """How a client trains.

  Attributes:
    begin: Takes what the client is handed; returns the state in which it
      begins.
    step: Takes a state and a batch; returns the state after the step and the
      batch's loss (lines 13 and 14).
    hand_on: Takes a state; returns what the client would hand on.
    report: Takes what the last client handed on; returns its trainable weights
      and the model's unfinalized metrics.
  """

  begin: Callable[[visit_lib.Handed], Any]
  step: Callable[[Any, Any], tuple[Any, tf.Tensor]]
  hand_on: Callable[[Any], visit_lib.Handed]
  report: Callable[[visit_lib.Handed], tuple[Any, Any]]


# Takes the hyperparameters of the clients' optimizer and the server's weights;
# returns the steps and what the first client is handed.
StartChain = Callable[
    [Optional[Any], tff.learning.models.ModelWeights],
    tuple[ClientSteps, visit_lib.Handed],
]


def start_variable_chain(
    model: tff.learning.models.VariableModel,
    made_with_model: Sequence[tf.Variable],
    build_optimizer: Callable[..., Any],
    carry_optimizer_state: bool,
) -> StartChain:
  """Returns what starts the chain of a `tff.learning.models.VariableModel`.

  It creates variables, so it must be called outside of a `tf.function`; what it
  returns is called inside.

  Args:
    model: The model, in whose variables the clients train.
    made_with_model: All variables that were made with it. Those that it does
      not tell TFF of, such as the state of a stateful recurrent layer, are what
      they were before the first client whenever a visit begins; but for those
      that its metrics are made of, which add up over the chain.
    build_optimizer: What `optimizer_steps.quickest` returned: from the
      trainable variables to the optimizer's steps on them.
    carry_optimizer_state: Whether the optimizer's state is handed along.

  Returns:
    A function of the optimizer's hyperparameters and the server's weights; see
    `StartChain`.
  """
  weights = tff.learning.models.ModelWeights.from_model(model)
  trainable = tf.nest.flatten(weights.trainable)
  optimizer = build_optimizer(trainable)
  forward_pass = unconverted.model_method(model, 'forward_pass')
  report_metrics = unconverted.model_method(
      model, 'report_local_unfinalized_metrics'
  )
  variables = (
      tuple(trainable),
      tuple(tf.nest.flatten(weights.non_trainable)),
      tuple(model.local_variables),
  )
  untold = _floats_beside(tf.nest.flatten(variables), made_with_model)
  if untold:
    untold = _not_read_by(report_metrics, untold)

  def start(hparams, initial_weights):
    untold_values = _read(untold)
    _assign(weights, initial_weights)
    fresh_optimizer_state = optimizer.initialize(hparams)

    def begin(handed):
      values = (handed.trainable, handed.non_trainable, handed.metrics)
      _assign(variables, values)
      _assign(untold, untold_values)
      optimizer_state = fresh_optimizer_state
      if carry_optimizer_state:
        optimizer_state = handed.optimizer_state
      return handed.num_examples, optimizer.load(optimizer_state)

    def step(state, batch):
      num_examples, optimizer_state = state
      with tf.GradientTape() as tape:
        output = forward_pass(batch, training=True)
      gradients = tape.gradient(output.loss, trainable)
      optimizer_state = optimizer.step(optimizer_state, gradients)
      if output.num_examples is None:
        batch_size = tf.shape(output.predictions, out_type=tf.int64)[0]
      else:
        batch_size = tf.cast(output.num_examples, tf.int64)
      return (num_examples + batch_size, optimizer_state), output.loss

    def hand_on(state):
      num_examples, optimizer_state = state
      carried = ()
      if carry_optimizer_state:
        carried = optimizer.read(optimizer_state)
      values, non_trainable, metrics = _read(variables)
      return visit_lib.Handed(
          num_examples, values, non_trainable, carried, metrics
      )

    def report(handed):
      begin(handed)
      return handed.trainable, report_metrics()

    no_step_yet = optimizer.load(fresh_optimizer_state)
    first = hand_on((tf.constant(0, tf.int64), no_step_yet))
    return ClientSteps(begin, step, hand_on, report), first

  return start


def start_functional_chain(
    model: tff.learning.models.FunctionalModel,
    optimizer: tff.learning.optimizers.Optimizer,
    carry_optimizer_state: bool,
) -> StartChain:
  """Returns what starts the chain of a `tff.learning.models.FunctionalModel`.

  A state is what would be handed on, with the optimizer's state in any case.

  Args:
    model: The model.
    optimizer: The clients' optimizer.
    carry_optimizer_state: Whether the optimizer's state is handed along.

  Returns:
    A function of the optimizer's hyperparameters and the server's weights; see
    `StartChain`.
  """
  initialize_metrics = unconverted.model_method(
      model, 'initialize_metrics_state'
  )
  train_on_batch = _build_functional_step(model, optimizer)

  def start(hparams, initial_weights):
    non_trainable = initial_weights.non_trainable
    fresh_optimizer_state = optimizer_steps.initialize_optimizer(
        optimizer, initial_weights.trainable, hparams
    )

    def begin(handed):
      handed = handed._replace(mediator_state=())
      if carry_optimizer_state:
        return handed
      return handed._replace(optimizer_state=fresh_optimizer_state)

    def step(state, batch):
      return train_on_batch(state, non_trainable, batch)

    def hand_on(state):
      if carry_optimizer_state:
        return state
      return state._replace(optimizer_state=())

    def report(handed):
      return handed.trainable, handed.metrics

    first = visit_lib.Handed(
        num_examples=tf.constant(0, tf.int64),
        trainable=initial_weights.trainable,
        non_trainable=(),
        optimizer_state=fresh_optimizer_state,
        metrics=initialize_metrics(),
    )
    return ClientSteps(begin, step, hand_on, report), hand_on(first)

  return start


def _build_functional_step(
    model: tff.learning.models.FunctionalModel,
    optimizer: tff.learning.optimizers.Optimizer,
) -> Callable[[visit_lib.Handed, Any, Any], tuple[visit_lib.Handed, tf.Tensor]]:
  """Returns a step, which takes the non-trainable weights before the batch."""
  predict = unconverted.model_method(model, 'predict_on_batch')
  update_metrics = unconverted.model_method(model, 'update_metrics_state')
  # TFF's method calls the user's function, which AutoGraph is to convert.
  compute_loss = tf.function(model.loss)
  next_step = unconverted.step_fn(optimizer)

  def train_on_batch(state, non_trainable, batch):
    is_mapping = isinstance(batch, collections.abc.Mapping)
    features, labels = (batch['x'], batch['y']) if is_mapping else batch
    with tf.GradientTape() as tape:
      tape.watch(state.trainable)
      predictions = predict(
          (state.trainable, non_trainable), features, training=True
      )
      loss = compute_loss(output=predictions, label=labels)
    optimizer_state, trainable = next_step(
        state.optimizer_state,
        state.trainable,
        tape.gradient(loss, state.trainable),
    )
    batch_size = tf.shape(tf.nest.flatten(predictions)[0])[0]
    metrics = update_metrics(
        state.metrics,
        labels=labels,
        batch_output=tff.learning.models.BatchOutput(
            loss=loss, predictions=predictions, num_examples=batch_size
        ),
    )
    state = state._replace(
        num_examples=state.num_examples + tf.cast(batch_size, tf.int64),
        trainable=trainable,
        optimizer_state=optimizer_state,
        metrics=metrics,
    )
    return state, loss

  return train_on_batch


def join_weights(
    steps: ClientSteps, first: visit_lib.Handed
) -> tuple[ClientSteps, visit_lib.Handed]:
  """Returns a chain in which the weights are one vector between two visits.

  Args:
    steps: How a client trains.
    first: What the first client is handed; its trainable weights have one dtype
      and static shapes.

  Returns:
    The steps, and what the first client is handed, in both of which
    `Handed.trainable` is a vector [P] of that dtype. `report` returns the
    weights in their own shapes.
  """
  like = tf.nest.flatten(first.trainable)

  def join(handed):
    vector = flat_optimizer.join(tf.nest.flatten(handed.trainable))
    return handed._replace(trainable=vector)

  def split(handed):
    weights = flat_optimizer.split(handed.trainable, like)
    return handed._replace(
        trainable=tf.nest.pack_sequence_as(first.trainable, weights)
    )

  joined_steps = ClientSteps(
      begin=lambda handed: steps.begin(split(handed)),
      step=steps.step,
      hand_on=lambda state: join(steps.hand_on(state)),
      report=lambda handed: steps.report(split(handed)),
  )
  return joined_steps, join(first)


def _floats_beside(
    known: Sequence[tf.Variable], made: Sequence[tf.Variable]
) -> tuple[tf.Variable, ...]:
  """Returns the floating-point variables that are not among the known ones.

  Integers are counters and the states of random generators. They must go on: if
  they were set back, generators would draw the same for every client.
  """
  # Under mixed precision Keras tells of wrappers, with the handles of what they
  # wrap.
  known = {id(variable.handle) for variable in known}
  return tuple(
      variable
      for variable in made
      if id(variable.handle) not in known and variable.dtype.is_floating
  )


def _not_read_by(
    function: Callable[[], Any], variables: Sequence[tf.Variable]
) -> tuple[tf.Variable, ...]:
  """Returns the variables that a function without arguments does not read."""
  # The function converts itself where that is needed.
  traced = tf.function(lambda: function(), autograph=False)
  read = {id(c) for c in traced.get_concrete_function().captured_inputs}
  return tuple(v for v in variables if id(v.handle) not in read)


def _read(variables: Any) -> Any:
  return tf.nest.map_structure(lambda v: v.read_value(), variables)


def _assign(variables: Any, values: Any) -> None:
  tf.nest.map_structure(lambda v, value: v.assign(value), variables, values)
