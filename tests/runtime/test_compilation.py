"""A computation's way to the worker, beside the way that TFF has for it."""

import chain_oracle
import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.runtime import compilation
from astraea_tff.runtime import execution_context as execution_context_lib


def graphs(computation):
  """The graphs of a computation."""
  found = []

  def keep(block):
    if isinstance(block, tff.framework.CompiledComputation):
      graph = tf.compat.v1.GraphDef()
      block.proto.tensorflow.graph_def.Unpack(graph)
      found.append(graph)
    return block, False

  tff.framework.transform_postorder(computation.to_building_block(), keep)
  return found


def num_products(computation):
  """How many products stand in the graph of a computation, by themselves."""
  (graph,) = graphs(compilation.compile_computation(computation))
  return sum(node.op == 'Mul' for node in graph.node)


def test_a_graph_is_rewritten_if_it_calls_functions():
  # Grappler leaves out what multiplies by one.
  @tff.tensorflow.computation(np.int32)
  def without_function(x):
    return x * 1

  @tff.tensorflow.computation(np.int32)
  def with_function(x):
    total = tf.data.Dataset.range(3).reduce(
        np.int64(0), lambda total, y: total + y
    )
    return x * 1, total

  assert num_products(without_function) == 1
  assert num_products(with_function) == 0


def test_a_round_is_to_the_bit_what_tff_compiles(
    execution_context, monkeypatch
):
  process = chain_oracle.build_process(
      max_clients=2,
      server_optimizer_fn=chain_oracle.shared_optimizer('adam'),
      model_aggregator=tff.learning.robust_aggregator(),
  )
  state = chain_oracle.initial_state(process)
  clients = [chain_oracle.make_client(n, seed=n) for n in (9, 4, 7)]
  mediators = [clients[:2], clients[1:]]

  def train(compile_computation):
    monkeypatch.setattr(
        compilation, 'compile_computation', compile_computation
    )
    context = execution_context_lib.create_sync_context(execution_context.stub)
    with tff.framework.get_context_stack().install(context):
      output = process.next(state, mediators)
    return tf.nest.flatten(
        (process.get_model_weights(output.state).trainable, output.metrics)
    )

  actual = train(compilation.compile_computation)
  expected = train(tff.backends.native.desugar_and_transform_to_native)
  assert len(actual) == len(expected)
  for one, other in zip(actual, expected):
    np.testing.assert_array_equal(one, other)


def test_every_context_and_worker_gets_what_was_compiled_once():
  @tff.tensorflow.computation(np.int32)
  def add_seven(x):
    return x + 7

  read = tff.framework.deserialize_computation(
      tff.framework.serialize_computation(add_seven)
  )
  assert read is not add_seven
  compiled = compilation.compile_computation(add_seven)
  assert compilation.compile_computation(read) is compiled
