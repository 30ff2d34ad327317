"""What the server keeps of the optimizers from round to round, as TFF has it.

The hyperparameters of the clients' optimizer are in it
(`astraea_tff.training.round_hparams`), and if the mediators have an optimizer
(`astraea_tff.training.mediator_optimizer`), its state: each mediator starts a
round with it, and it is changed by the average of what they changed in it, with
the weights of their models.
"""

import collections
from collections.abc import Callable
from typing import Any, NamedTuple, Optional

import tensorflow_federated as tff

from astraea_tff.training import mediator_optimizer as mediator_optimizer_lib
from astraea_tff.training import mediator_state_average
from astraea_tff.training import round_hparams


class ServerState(NamedTuple):
  """The state of a client work.

  Attributes:
    initialize: A `tff.Computation`, `( -> S@SERVER)`.
    send: A `tff.Computation`, `(S -> <clients=C,mediator=M>)`, what a mediator
      is sent: hyperparameters of the clients' optimizer, empty for those that
      it was built with, and what `begin` takes, empty without an optimizer of
      the mediator.
    begin: From what a mediator was sent to the state of its optimizer, in
      TensorFlow.
    change: From that state, the one after the chain and the mediator's weight
      to what `after_round` takes, in TensorFlow.
    after_round: From S, the mediators' changes and their weights, which are
      federated values, to S at the server after the round.
    measure: A `tff.Computation`, from S to measurements of the round.
    get_hparams: A `tff.Computation`, `(S -> H)`.
    set_hparams: A `tff.Computation`, `(<S, H> -> S)`.
  """

  initialize: tff.Computation
  send: tff.Computation
  begin: Callable[[Any], Any]
  change: Callable[[Any, Any, Any], Any]
  after_round: Callable[[tff.Value, tff.Value, tff.Value], tff.Value]
  measure: tff.Computation
  get_hparams: tff.Computation
  set_hparams: tff.Computation


def of_clients(hparams: round_hparams.RoundHparams) -> ServerState:
  """Returns the state where the mediators have no optimizer."""

  @tff.tensorflow.computation
  def initial_state():
    return hparams.initial_state

  @tff.federated_computation
  def initialize():
    return tff.federated_eval(initial_state, tff.SERVER)

  state_type = initial_state.type_signature.result

  @tff.tensorflow.computation(state_type)
  def send(state):
    return collections.OrderedDict(clients=hparams.of_round(state), mediator=())

  next_round = tff.tensorflow.computation(hparams.after_round, state_type)
  get_hparams = tff.tensorflow.computation(hparams.get, state_type)
  return ServerState(
      initialize=initialize,
      send=send,
      begin=lambda sent: (),
      change=lambda before, after, weight: (),
      after_round=lambda state, changes, weights: tff.federated_map(
          next_round, state
      ),
      measure=tff.tensorflow.computation(hparams.measure, state_type),
      get_hparams=get_hparams,
      set_hparams=tff.tensorflow.computation(
          hparams.set, (state_type, get_hparams.type_signature.result)
      ),
  )


def of_clients_and_mediator(
    hparams: round_hparams.RoundHparams,
    optimizer: mediator_optimizer_lib.MediatorOptimizer,
    aggregator_factory: Optional[tff.aggregators.WeightedAggregationFactory],
    keep_mediator_state: bool,
) -> ServerState:
  """Returns the state where the mediators have an optimizer.

  It is `<clients=C,mediator=M,averages=A>`: C as without such an optimizer; M
  the optimizer's state, or its hyperparameters if the state is not kept; A the
  state of what averages the changes of the kept state.

  Args:
    hparams: The hyperparameters of the clients' optimizer, round by round.
    optimizer: The mediators' optimizer.
    aggregator_factory: That of the models' updates; what mediators change in
      the floating-point tensors of the state goes through one of its kind. None
      for the plain mean.
    keep_mediator_state: Whether the optimizer's state is kept from round to
      round. If not, it is new in every round.

  Raises:
    ValueError: If the state is to be kept with an aggregator that hides what it
      aggregates.
  """

  part = _new_in_every_round(optimizer)
  if keep_mediator_state:
    part = _kept(optimizer)

  @tff.tensorflow.computation
  def initial_clients():
    return hparams.initial_state

  @tff.tensorflow.computation
  def initial_mediator():
    return part.initialize()

  mediator_type = initial_mediator.type_signature.result
  average = mediator_state_average.none()
  if keep_mediator_state and aggregator_factory is None:
    average = mediator_state_average.plain(optimizer, mediator_type)
  elif keep_mediator_state:
    average = mediator_state_average.of_kind(
        aggregator_factory, optimizer, mediator_type
    )

  @tff.federated_computation
  def initialize():
    state = collections.OrderedDict(
        clients=tff.federated_eval(initial_clients, tff.SERVER),
        mediator=tff.federated_eval(initial_mediator, tff.SERVER),
        averages=average.initialize(),
    )
    return tff.federated_zip(state)

  state_type = initialize.type_signature.result.member

  @tff.tensorflow.computation(state_type)
  def send(state):
    return collections.OrderedDict(
        clients=hparams.of_round(state['clients']), mediator=state['mediator']
    )

  next_round = tff.tensorflow.computation(
      hparams.after_round, state_type['clients']
  )

  def after_round(state, changes, weights):
    average_state, mediator = average.next(
        state['averages'], state['mediator'], changes, weights
    )
    return tff.federated_zip(
        collections.OrderedDict(
            clients=tff.federated_map(next_round, state['clients']),
            mediator=mediator,
            averages=average_state,
        )
    )

  @tff.tensorflow.computation(state_type)
  def get_hparams(state):
    return collections.OrderedDict(
        hparams.get(state['clients']),
        mediator=part.get_hparams(state['mediator']),
    )

  @tff.tensorflow.computation(state_type, get_hparams.type_signature.result)
  def set_hparams(state, new):
    new = collections.OrderedDict(new)
    mediator = part.set_hparams(state['mediator'], new.pop('mediator'))
    return collections.OrderedDict(
        state,
        clients=hparams.set(state['clients'], new),
        mediator=mediator,
    )

  return ServerState(
      initialize=initialize,
      send=send,
      begin=part.begin,
      change=average.change,
      after_round=after_round,
      measure=tff.tensorflow.computation(
          lambda state: hparams.measure(state['clients']), state_type
      ),
      get_hparams=get_hparams,
      set_hparams=set_hparams,
  )


class _MediatorPart(NamedTuple):
  """What the server keeps of the mediators' optimizer, M, in TensorFlow.

  Attributes:
    initialize: Returns M before the first round.
    begin: From M to the state of the optimizer in which a mediator begins.
    get_hparams: From M to the optimizer's hyperparameters.
    set_hparams: From M and others to M with these.
  """

  initialize: Callable[[], Any]
  begin: Callable[[Any], Any]
  get_hparams: Callable[[Any], Any]
  set_hparams: Callable[[Any, Any], Any]


def _kept(
    optimizer: mediator_optimizer_lib.MediatorOptimizer,
) -> _MediatorPart:
  """Returns the part that is the optimizer's state."""
  return _MediatorPart(
      optimizer.initialize,
      lambda state: state,
      optimizer.get_hparams,
      optimizer.set_hparams,
  )


def _new_in_every_round(
    optimizer: mediator_optimizer_lib.MediatorOptimizer,
) -> _MediatorPart:
  """Returns the part that is the optimizer's hyperparameters alone."""

  def initialize():
    return optimizer.get_hparams(optimizer.initialize())

  def begin(hparams):
    return optimizer.set_hparams(optimizer.initialize(), hparams)

  return _MediatorPart(
      initialize,
      begin,
      get_hparams=lambda hparams: hparams,
      set_hparams=lambda hparams, new: new,
  )
