"""That the worker gets a mediator's layers fused; see `mediator`."""

import chain_oracle

from astraea_tff.runtime import compilation


def test_the_compiled_round_has_fused_layers():
  process = chain_oracle.build_process(max_clients=2)
  compiled = compilation.compile_computation(process.next)
  # A dense layer's product with what is added to it.
  assert b'_FusedMatMul' in compiled.to_building_block().proto.SerializeToString()
