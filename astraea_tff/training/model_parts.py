"""What a learning process takes from a model, of either of TFF's kinds."""

from collections.abc import Callable
from typing import Any, NamedTuple, Union

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.training import client_steps
from astraea_tff.training import flat_optimizer
from astraea_tff.training import optimizer_steps
from astraea_tff.training import unconverted

ModelFn = Union[
    Callable[[], tff.learning.models.VariableModel],
    tff.learning.models.FunctionalModel,
]


class ModelParts(NamedTuple):
  """What a learning process takes from a model.

  Attributes:
    initial_weights: A `tff.Computation` that returns the weights before the
      first round, a `tff.learning.models.ModelWeights`.
    input_spec: The structure of a batch.
    metric_finalizers: As a metrics aggregator takes them.
    start_chain: Builds what starts a mediator's chain.
    model: The model that the finalizers are of. It lives as long as these are
      used: a bound `tf.function` holds its object weakly.
  """

  initial_weights: tff.Computation
  input_spec: Any
  metric_finalizers: Any
  start_chain: Callable[[], client_steps.StartChain]
  model: Any

  @property
  def weights_type(self) -> tff.types.Type:
    """The type of the weights."""
    return self.initial_weights.type_signature.result


def take(
    model_fn: ModelFn,
    optimizer: tff.learning.optimizers.Optimizer,
    carry_optimizer_state: bool,
) -> ModelParts:
  """Returns the parts of a model.

  Args:
    model_fn: A no-argument function that returns a new
      `tff.learning.models.VariableModel`, or a
      `tff.learning.models.FunctionalModel`, of which no `tf.Variable` enters
      the graph.
    optimizer: The clients' optimizer.
    carry_optimizer_state: Whether its state is handed along a chain.

  Raises:
    TypeError: `model_fn` returns something else.
  """
  if isinstance(model_fn, tff.learning.models.FunctionalModel):
    return _of_functional_model(model_fn, optimizer, carry_optimizer_state)
  return _of_variable_model(model_fn, optimizer, carry_optimizer_state)


def _of_variable_model(model_fn, optimizer, carry_optimizer_state):
  # Making a model takes long, so one model serves for all that is asked of it
  # but training.
  models = []

  @tff.tensorflow.computation
  def initial_weights():
    model = model_fn()
    arguments.check_type(
        model, '`model_fn()`', tff.learning.models.VariableModel
    )
    models.append(model)
    return tff.learning.models.ModelWeights.from_model(model)

  (model,) = models
  with tf.Graph().as_default():
    # In a graph of its own, so that the metrics' variables do not stay behind.
    finalizers = unconverted.metric_finalizers(model)
  build_optimizer = optimizer_steps.quickest(
      optimizer,
      [tf.TensorSpec(v.shape, v.dtype) for v in model.trainable_variables],
  )

  def start_chain():
    own_model, variables = _with_its_variables(model_fn)
    return client_steps.start_variable_chain(
        own_model, variables, build_optimizer, carry_optimizer_state
    )

  return ModelParts(
      initial_weights, model.input_spec, finalizers, start_chain, model
  )


def _with_its_variables(model_fn):
  """Returns a new model, and all variables that were made with it."""
  variables = []

  def make_and_note(make, **kwargs):
    variables.append(make(**kwargs))
    return variables[-1]

  with tf.variable_creator_scope(make_and_note):
    return model_fn(), variables


def _of_functional_model(model, optimizer, carry_optimizer_state):

  @tff.tensorflow.computation
  def initial_weights():
    trainable, non_trainable = model.initial_weights
    return tff.learning.models.ModelWeights(
        tuple(tf.convert_to_tensor(weight) for weight in trainable),
        tuple(tf.convert_to_tensor(weight) for weight in non_trainable),
    )

  trainable, _ = model.initial_weights
  optimizer = flat_optimizer.flatten_if_elementwise(
      optimizer, [tf.TensorSpec(w.shape, w.dtype) for w in trainable]
  )
  finalize = unconverted.model_method(model, 'finalize_metrics')
  return ModelParts(
      initial_weights,
      model.input_spec,
      # One argument, as TFF looks at the signature.
      lambda metrics: finalize(metrics),
      lambda: client_steps.start_functional_chain(
          model, optimizer, carry_optimizer_state
      ),
      model,
  )
