"""Learning processes that take client ids in the place of datasets.

A learning process takes datasets, which Python sends to the worker in every
round. `read_by_id` turns it into one that takes client ids: the datasets are
made from them where the clients train, so that a round costs Python next to
nothing, however large the clients are, and a worker on another machine reads
its own copy.
"""

import collections
from collections.abc import Callable
from typing import Any

import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff.clients import by_id


def read_by_id(
    process: tff.learning.templates.LearningProcess, clients: by_id.ClientsById
) -> tff.learning.templates.LearningProcess:
  """Makes a learning process take client ids instead of datasets.

  The counterpart of
  `tff.simulation.compose_dataset_computation_with_learning_process`, which
  knows processes with one dataset a client; this one knows mediators too.

  Args:
    process: A process of Astraea, or of FedAvg: its second argument holds the
      datasets of batches, one or several for each element at CLIENTS.
    clients: How the datasets are made.

  Returns:
    The same process but for the second argument of `next`: where it had a
    dataset it has `<client_id=str,is_present=bool,shuffle_seed=int64,
    preprocess_seed=int64[2]>`, and `copies=float32[N]` where clients have any.

  Raises:
    TypeError: The clients' batches are not what the process takes, or an
      argument has a wrong type.
    ValueError: What reads them looks at a variable or a table of outside.
  """
  arguments.check_type(
      process, '`process`', tff.learning.templates.LearningProcess
  )
  if not hasattr(clients, 'client_type'):
    raise TypeError(
        '`clients` must be a ClientsById, got'
        f' {arguments.shorten(repr(clients))}.'
    )
  state_type, data_type = process.next.type_signature.parameter
  by_id_type = clients.client_type
  try:
    read_client = tff.tensorflow.computation(clients.read, by_id_type)
  except RuntimeError as error:
    if 'EagerTensor' not in str(error):
      raise
    raise ValueError(
        "`clients` must be read in a worker's graph, but what reads or"
        ' preprocesses them looks at a variable, a table or a tensor of outside;'
        ' make it inside of that function, or hand datasets in'
        ' (`BatchedClients`).'
    ) from error
  batches_type = read_client.type_signature.result

  def client_type(dataset_type):
    if not dataset_type.is_assignable_from(batches_type):
      raise TypeError(
          '`clients` must make the batches that `process` trains on,'
          f' {dataset_type}, got {batches_type}.'
      )
    return by_id_type

  @tff.tensorflow.computation(
      tff.types.to_type(_map_clients(_unpack(data_type.member), client_type))
  )
  def read_datasets(data):
    return _map_clients(data, clients.read)

  @tff.federated_computation(
      state_type,
      tff.FederatedType(
          read_datasets.type_signature.parameter, tff.CLIENTS
      ),
  )
  def next_fn(state, data):
    return process.next(state, tff.federated_map(read_datasets, data))

  return tff.learning.templates.LearningProcess(
      process.initialize,
      next_fn,
      process.get_model_weights,
      process.set_model_weights,
      get_hparams_fn=process.get_hparams,
      set_hparams_fn=process.set_hparams,
  )


def _unpack(member_type: tff.types.Type) -> Any:
  """Returns the type of a mediator's data in the containers of such data."""
  if not isinstance(member_type, tff.StructType):
    return member_type
  parts = [
      (name, _unpack(part))
      for name, part in tff.structure.iter_elements(member_type)
  ]
  if all(name for name, _ in parts):
    return collections.OrderedDict(parts)
  return tuple(part for _, part in parts)


def _map_clients(data: Any, fn: Callable[[Any], Any]) -> Any:
  """Applies a function to every client of a mediator's data.

  Args:
    data: One client; a tuple of them; or a mapping that has either under
      'clients', beside what else a mediator gets.
    fn: Of a client, or of what stands for one.

  Returns:
    The data with the function's results in the places of the clients.
  """
  if isinstance(data, tuple):
    return tuple(fn(client) for client in data)
  if isinstance(data, collections.OrderedDict) and 'clients' in data:
    return collections.OrderedDict(
        data, clients=_map_clients(data['clients'], fn)
    )
  return fn(data)
