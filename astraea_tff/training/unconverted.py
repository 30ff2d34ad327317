"""Functions that run without being converted by AutoGraph.

AutoGraph takes CPU time to convert a function, in every process anew
(`docs/performance.md`). Our own code and TFF's need no conversion. The user's
code that they call may need it: layers, losses, metrics, models and optimizers
that branch on tensors.

`tf.function(autograph=False)` and `do_not_convert` switch AutoGraph off for
whatever is called from there. That is right where nothing of a user's is called
but other `tf.function`s, which switch it on again. Where Keras calls a user's
code, AutoGraph must stay on. It converts no generator, and so a generator is
what calls TFF's functions here.
"""

import collections
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.training import flat_optimizer


def _call(
    function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Iterator[Any]:
  yield function(*args, **kwargs)


def tf_function(function: Callable[..., Any]) -> Callable[..., Any]:
  """Returns a `tf.function` of a function as it stands.

  Keras still converts users' layers, losses and metrics in it.
  """

  @tf.function
  def traced(*args, **kwargs):
    return next(_call(function, *args, **kwargs))

  return traced


def model_method(model: Any, name: str) -> Callable[..., Any]:
  """Returns a model's method as a `tf.function`, unconverted if it is TFF's."""
  of_class = getattr(type(model), name)
  if not hasattr(of_class, 'python_function'):
    return tf.function(getattr(model, name))
  if not _is_of_tff(type(model)):
    # A bound `tf.function` holds its object weakly, so the model is named here.
    return lambda *args, **kw: getattr(model, name)(*args, **kw)
  return tf_function(
      lambda *args, **kw: of_class.python_function(model, *args, **kw)
  )


def metric_finalizers(
    model: tff.learning.models.VariableModel,
) -> collections.OrderedDict[str, Callable[..., Any]]:
  """Returns a model's finalizers of metrics, those of TFF unconverted."""

  def finalizer(given):
    python_function = getattr(given, 'python_function', None)
    if _is_of_tff(python_function):
      return tf_function(python_function)
    return given

  return collections.OrderedDict(
      (name, finalizer(given))
      for name, given in model.metric_finalizers().items()
  )


def _is_of_tff(value: Any) -> bool:
  module = getattr(value, '__module__', None) or ''
  return module.startswith('tensorflow_federated.')


def step_fn(
    optimizer: tff.learning.optimizers.Optimizer,
) -> Callable[..., tuple[Any, Any]]:
  """Returns an optimizer's `next`, converted where it may need that."""
  if flat_optimizer.is_elementwise(optimizer):
    return optimizer.next
  return tf.function(optimizer.next)


def optimizer(
    given: tff.learning.optimizers.Optimizer,
) -> tff.learning.optimizers.Optimizer:
  """Returns the optimizer, unconverted wherever it is if it can be so."""
  if flat_optimizer.is_elementwise(given):
    return _UnconvertedOptimizer(given)
  return given


class _UnconvertedOptimizer(flat_optimizer.Wrapper):
  """An optimizer that needs no AutoGraph, for where AutoGraph is on."""

  @tf.autograph.experimental.do_not_convert
  def initialize(self, specs: Any) -> Any:
    return self._optimizer.initialize(specs)

  @tf.autograph.experimental.do_not_convert
  def next(self, state: Any, weights: Any, gradients: Any) -> tuple[Any, Any]:
    return self._optimizer.next(state, weights, gradients)
