"""The compilation of a computation before a worker runs it."""

import functools
import threading

import tensorflow as tf
import tensorflow_federated as tff

_lock = threading.Lock()
# How the names of secure sums begin in a computation.
_SECURE = b'federated_secure'


def compile_computation(computation: tff.Computation) -> tff.Computation:
  """Compiles a computation, once for all contexts and workers of the program.

  TFF's own default context cannot run secure aggregators at all. Workers hold
  all clients' data anyway, so a protocol among them would protect nothing, and
  secure sums become plain ones.

  TFF has TensorFlow's Grappler rewrite every graph of a computation, some 25 in
  a round. Here only those are rewritten that call functions: the loops over
  batches and the reading of datasets, where the time of a round goes. The
  others are a few operations that run once a round, in less time than a
  rewriting takes.

  Args:
    computation: What the worker shall compute.

  Returns:
    The computation in the form that TFF's worker takes.
  """
  # Several workers ask at once for what each is to compute a share of.
  with _lock:
    return _compile_once(computation)


# One of TFF's contexts keeps as many computations.
@functools.lru_cache(maxsize=128)
def _compile_once(computation: tff.Computation) -> tff.Computation:
  # TFF takes a while to read a computation, so it does not read it in vain.
  proto = tff.framework.serialize_computation(computation)
  if _SECURE in proto.SerializeToString():
    computation = tff.backends.test.replace_secure_intrinsics_with_bodies(
        computation
    )
  desugared, _ = tff.tensorflow.replace_intrinsics_with_bodies(
      computation.to_building_block()
  )
  rewritten, _ = tff.framework.transform_postorder(
      desugared, _rewritten_if_it_calls_functions
  )
  # Last of all, as it numbers the graphs for the worker, which keeps them.
  return tff.backends.native.transform_to_native_form(_computation(rewritten))


def _rewritten_if_it_calls_functions(
    block: tff.framework.ComputationBuildingBlock,
) -> tuple[tff.framework.ComputationBuildingBlock, bool]:
  """Returns a part of a computation as it shall run, and whether it changed."""
  if (
      not isinstance(block, tff.framework.CompiledComputation)
      or not block.proto.HasField('tensorflow')
      or not _functions(block)
  ):
    return block, False
  rewritten = tff.backends.native.transform_to_native_form(
      _computation(block), grappler_config=_grappler_config()
  )
  return rewritten.to_building_block(), True


def _functions(block: tff.framework.CompiledComputation) -> int:
  """Returns how many functions a graph brings with it."""
  graph = tf.compat.v1.GraphDef()
  block.proto.tensorflow.graph_def.Unpack(graph)
  return len(graph.library.function)


def _computation(
    block: tff.framework.ComputationBuildingBlock,
) -> tff.framework.ConcreteComputation:
  return tff.framework.ConcreteComputation(
      computation_proto=block.proto,
      context_stack=tff.framework.get_context_stack(),
  )


def _grappler_config() -> tf.compat.v1.ConfigProto:
  """Returns what TFF asks of Grappler in its own default context.

  Every option is needed: after a single turn of the passes, some graphs are
  wrong (TFF's task of CIFAR-100 mixes up the frames of its loops).
  """
  config = tf.compat.v1.ConfigProto()
  options = config.graph_options.rewrite_options
  options.memory_optimization = options.AGGRESSIVE
  options.constant_folding = options.AGGRESSIVE
  options.arithmetic_optimization = options.AGGRESSIVE
  options.loop_optimization = options.AGGRESSIVE
  options.function_optimization = options.AGGRESSIVE
  return config
