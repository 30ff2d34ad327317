"""How a mediator trains its clients: a chain's options and their checks."""

import dataclasses
from typing import Optional

import tensorflow_federated as tff

from astraea_tff import arguments

_CLIENT_ORDERS = ('scheduled', 'reshuffled')


@dataclasses.dataclass(frozen=True)
class ChainOptions:
  """How a mediator trains the clients it is given.

  Attributes:
    max_clients: The number of clients in a chain, gamma; at least 1.
    mediator_epochs: How often the whole chain runs in a round, E_m; at least 1.
      None for as often as the mediator's data hold orders, 0 included.
    local_epochs: How many epochs a client trains at each visit, E; at least 1.
    carry_optimizer_state: Whether the optimizer's state is handed along the
      chain (it is reset at the start of a round) instead of initialized afresh
      at every visit.
    client_order: 'scheduled', the clients are visited in the order of the
      mediator's data in every pass; or 'reshuffled', the data come with an
      order for each pass. They do so too if `mediator_epochs` is None.
    client_clipping_norm: The largest L2 norm of what one visit changes in the
      trainable weights, above 0; None for no limit.
    mediator_optimizer_fn: The optimizer that the mediator steps with between
      two visits; None for none.
    keep_mediator_state: Whether its state is kept from round to round.
    visit_step_power: The power of the number of batches of a visit by which its
      step is multiplied; at least 0.
    loop_implementation: The TensorFlow loop that runs the chain.

  Raises:
    TypeError: A value of another type.
    ValueError: A value out of its range.
  """

  max_clients: int
  mediator_epochs: Optional[int] = 1
  local_epochs: int = 1
  carry_optimizer_state: bool = False
  client_order: str = 'scheduled'
  client_clipping_norm: Optional[float] = None
  mediator_optimizer_fn: Optional[tff.learning.optimizers.Optimizer] = None
  keep_mediator_state: bool = True
  visit_step_power: float = 1.0
  loop_implementation: tff.learning.LoopImplementation = (
      tff.learning.LoopImplementation.DATASET_ITERATOR
  )

  def __post_init__(self):
    for name in ('max_clients', 'mediator_epochs', 'local_epochs'):
      if name == 'mediator_epochs' and self.mediator_epochs is None:
        continue
      count = arguments.check_integer(getattr(self, name), f'`{name}`', 1)
      object.__setattr__(self, name, count)
    for name in ('carry_optimizer_state', 'keep_mediator_state'):
      arguments.check_type(getattr(self, name), f'`{name}`', bool)
    arguments.check_choice(self.client_order, '`client_order`', _CLIENT_ORDERS)
    if self.client_clipping_norm is not None:
      arguments.check_number(
          self.client_clipping_norm,
          '`client_clipping_norm`',
          0,
          ends='()',
          advice='None is for no clipping',
      )
    if self.mediator_optimizer_fn is not None:
      arguments.check_type(
          self.mediator_optimizer_fn,
          '`mediator_optimizer_fn`',
          tff.learning.optimizers.Optimizer,
      )
    arguments.check_number(
        self.visit_step_power, '`visit_step_power`', 0, ends='[)'
    )
    arguments.check_type(
        self.loop_implementation,
        '`loop_implementation`',
        tff.learning.LoopImplementation,
    )

  @property
  def has_orders(self) -> bool:
    """Whether a mediator's data come with an order for each pass."""
    return self.client_order == 'reshuffled' or self.mediator_epochs is None
