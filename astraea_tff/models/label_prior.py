"""A Keras classifier whose logits get a client's label prior in training.

The calibrated loss: in training, cross-entropy is that of the logits plus the
logarithm of the label shares that the client expects; see
`astraea_tff.clients.label_prior`, which puts these into a client's data. A
class that a client hardly has then costs the model little to keep. Outside
training the logits are the classifier's own.
"""

import collections
from collections.abc import Callable, Mapping
from typing import Any, Optional, TypeVar, Union

import tensorflow as tf

KerasModel = TypeVar(
    'KerasModel', bound=Union[tf.keras.Model, Callable[[], tf.keras.Model]]
)


@tf.keras.saving.register_keras_serializable(package='astraea_tff')
class AddLabelPrior(tf.keras.layers.Layer):
  """Adds a logarithm of label shares to logits, in training only.

  Takes a pair, the logits `float [B, N]` and the logarithms `float32 [B, N]`,
  and returns logits in the precision of those given, float32 at the least.
  """

  def __init__(self, **kwargs: Any):
    # A layer would cast the logits to its own dtype, which a policy of mixed
    # precision makes less than theirs.
    super().__init__(autocast=False, **kwargs)

  @tf.autograph.experimental.do_not_convert
  def call(self, inputs: Any, training: Optional[bool] = None) -> tf.Tensor:
    """Returns the logits to train on or to predict from; see the class."""
    logits, log_prior = inputs
    if logits.dtype.size < tf.float32.size:
      logits = tf.cast(logits, tf.float32)
    if not training:
      return tf.identity(logits)
    return logits + tf.cast(log_prior, logits.dtype)


def model_with_label_prior(
    keras_model: KerasModel, input_spec: Any
) -> tuple[KerasModel, Any]:
  """Makes a classifier take the label prior beside its inputs.

  What is returned goes where the arguments went: a model into
  `tff.learning.models.from_keras_model` or `functional_model_from_keras`, a
  function into `astraea_tff.models.tff_model_fn`. The weights are those of
  `keras_model`, in the same order, so a process's weights fit `keras_model`
  itself, which is what to evaluate and to export. The training metrics are
  those of the logits with the prior.

  Args:
    keras_model: A classifier that ends in logits, or a function that returns a
      new one at every call.
    input_spec: The specs of its batches, `(x, y)` or a mapping of 'x' and 'y',
      without the prior; x may be a structure.

  Returns:
    `keras_model`, or the function, for inputs `(x, log_prior)`; and the specs
    of batches `((x, log_prior), y)`, or of such a mapping, as
    `astraea_tff.clients_with_label_prior` makes them. `log_prior` is float32
    `[B, N]`.

  Raises:
    TypeError: `keras_model` is neither.
    ValueError: `keras_model` does not end in logits `[B, N]`, or `input_spec`
      has another form.
  """
  features_spec, label_spec = _features_and_label(input_spec)
  if isinstance(keras_model, tf.keras.Model):
    with_prior = _add_prior(keras_model, features_spec)
    num_classes = with_prior.output_shape[1]
  elif callable(keras_model):
    with tf.Graph().as_default():
      # The model has a graph of its own, so that its variables do not stay
      # behind.
      _, logits = _call(keras_model(), features_spec)
      num_classes = logits.shape[1]
    with_prior = lambda: _add_prior(keras_model(), features_spec)
  else:
    raise TypeError(
        '`keras_model` must be a tf.keras.Model or a function that returns one,'
        f' got {type(keras_model).__name__}.'
    )
  prior_spec = tf.TensorSpec([label_spec.shape[0], num_classes], tf.float32)
  spec_with_prior = ((features_spec, prior_spec), label_spec)
  if isinstance(input_spec, Mapping):
    spec_with_prior = collections.OrderedDict(zip('xy', spec_with_prior))
  return with_prior, spec_with_prior


def _add_prior(
    keras_model: tf.keras.Model, features_spec: Any
) -> tf.keras.Model:
  """Returns a model of `(x, log_prior)` around the one of x."""
  inputs, logits = _call(keras_model, features_spec)
  log_prior = tf.keras.Input(logits.shape[1:], dtype=tf.float32)
  with_prior = AddLabelPrior()([logits, log_prior])
  return tf.keras.Model((inputs, log_prior), with_prior)


def _call(
    keras_model: tf.keras.Model, features_spec: Any
) -> tuple[Any, tf.Tensor]:
  """Returns inputs of a classifier and its logits, or raises a ValueError."""
  _check_ends_in_logits(keras_model)
  inputs = tf.nest.map_structure(
      lambda spec: tf.keras.Input(
          spec.shape[1:], spec.shape[0], dtype=spec.dtype
      ),
      features_spec,
  )
  logits = keras_model(inputs)
  shapes = [tuple(output.shape) for output in tf.nest.flatten(logits)]
  if len(shapes) != 1 or len(shapes[0]) != 2 or (shapes[0][1] or 0) < 2:
    raise ValueError(
        '`keras_model` must have one output [B, N], the logits of at least 2 '
        f'classes, got outputs of shape {shapes}.'
    )
  return inputs, logits


def _features_and_label(input_spec: Any) -> tuple[Any, tf.TensorSpec]:
  """Returns the specs of x and y."""
  if isinstance(input_spec, Mapping) and set(input_spec) == {'x', 'y'}:
    features, label = input_spec['x'], input_spec['y']
  elif isinstance(input_spec, (tuple, list)) and len(input_spec) == 2:
    features, label = input_spec
  else:
    features, label = None, None
  if not isinstance(label, tf.TensorSpec) or not label.shape.rank:
    raise ValueError(
        '`input_spec` must be the specs of batches, (x, y) or a mapping of '
        f"'x' and 'y' with labels [B], got {input_spec}."
    )
  return features, label


def _check_ends_in_logits(keras_model: tf.keras.Model) -> None:
  """Raises a ValueError for a softmax as the last layer.

  A subclass of Model is not checked: it has no inputs before it is called, and
  nothing tells which layer it calls last.
  """
  last = keras_model
  while isinstance(last, tf.keras.Model) and last.inputs and last.layers:
    last = last.layers[-1]
  # The activation of a Lambda layer is its function.
  activation = getattr(last, 'activation', getattr(last, 'function', None))
  if (
      isinstance(last, tf.keras.layers.Softmax)
      # Keras keeps either function as it is given.
      or activation in (tf.keras.activations.softmax, tf.nn.softmax)
  ):
    raise ValueError(
        '`keras_model` must end in logits, got a softmax at its end, layer '
        f'{last.name!r}; leave it out and give the loss `from_logits=True`.'
    )
