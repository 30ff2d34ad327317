"""Rounds of client ids: TFF's worker reads the clients' examples itself.

A learning process takes datasets, which Python sends to the worker in every
round. `read_by_id` turns it into one that takes client ids: the datasets are
made from them where the clients train, so that a round costs Python next to
nothing, however large the clients are, and a worker on another machine reads
its own copy.
"""

import collections
import collections.abc
from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff import randomness

# A client in a round: its id, the seed of the order of its examples, and that
# of what `preprocess` draws.
ClientInRound = collections.OrderedDict
_CLIENT_TYPE = tff.types.to_type(
    collections.OrderedDict(
        client_id=np.str_,
        shuffle_seed=np.int64,
        preprocess_seed=tff.TensorType(np.int64, [2]),
    )
)
# Takes a client's examples and a seed int64 [2].
Preprocess = Callable[[tf.data.Dataset, tf.Tensor], tf.data.Dataset]


class ClientsById:
  """Clients as their ids, and how a worker makes batches of them.

  The batches are those of `astraea_tff.BatchedClients` for the same seed, in a
  program that does not call `tf.random.set_seed`; here it has no effect. Like
  those, it is taken wherever rounds of clients are made (`Schedule.rounds`,
  `mediator_data`), and `read_by_id` makes the process that takes such rounds.
  """

  def __init__(
      self,
      client_data: tff.simulation.datasets.ClientData,
      batch_size: int,
      *,
      seed: int,
      shuffle_buffer: int = 10_000,
      local_epochs: int = 1,
      preprocess: Optional[Preprocess] = None,
  ):
    """Initializes the clients.

    Args:
      client_data: The clients' single examples. Its `serializable_dataset_fn`
        runs in the worker, which must see the files that it reads.
      batch_size: The number of examples in a batch, B; the last batch of a
        client may be smaller.
      seed: The seed of the order, and of what `preprocess` draws.
      shuffle_buffer: Among how many examples the next is drawn.
      local_epochs: How many epochs a client's batches are. For FedAvg; Astraea
        has its own argument.
      preprocess: Applied to a client's examples before they are shuffled, such
        as what `augmentation.augment_dataset_fn` returns; its seed is new in
        every round.

    Raises:
      TypeError: `client_data` is no `ClientData`, or a number no int.
      ValueError: A number is below 1, or `seed` below 0.
    """
    if not isinstance(client_data, tff.simulation.datasets.ClientData):
      raise TypeError(
          '`client_data` must be a tff.simulation.datasets.ClientData, got'
          f' {type(client_data).__name__}.'
      )
    check_integer = arguments.check_integer
    self._client_ids = client_data.client_ids
    self._dataset_fn = client_data.serializable_dataset_fn
    self._batch_size = check_integer(batch_size, '`batch_size`', 1)
    self._seed = check_integer(seed, '`seed`', 0)
    self._shuffle_buffer = check_integer(shuffle_buffer, '`shuffle_buffer`', 1)
    self._local_epochs = check_integer(local_epochs, '`local_epochs`', 1)
    self._preprocess = preprocess

  def __len__(self) -> int:
    return len(self._client_ids)

  @property
  def has_preprocess(self) -> bool:
    """Whether something is applied to a client's examples."""
    return self._preprocess is not None

  def for_round(self, round_num: int) -> Sequence[ClientInRound]:
    """Returns the clients as round `round_num` takes them, by client index."""
    return _RoundOfIds(self._client_ids, self._seed, round_num)

  def read(self, client: ClientInRound) -> tf.data.Dataset:
    """Returns a client's batches; runs in the worker's graph.

    Args:
      client: Tensors, `client_id` string [], `shuffle_seed` int64 [] and
        `preprocess_seed` int64 [2]. The empty id is a client without examples.
    """
    dataset = self.read_examples(client)
    dataset = dataset.shuffle(
        self._shuffle_buffer,
        seed=client['shuffle_seed'],
        reshuffle_each_iteration=True,
    )
    dataset = dataset.batch(self._batch_size)
    # Repeating once is not nothing: it opens the shuffled data a second time.
    if self._local_epochs > 1:
      dataset = dataset.repeat(self._local_epochs)
    return dataset

  def read_examples(
      self, client: ClientInRound, *, preprocessed: bool = True
  ) -> tf.data.Dataset:
    """Returns a client's single examples, before they are shuffled.

    Args:
      client: As for `read`.
      preprocessed: Whether as `preprocess` leaves them, or as they are stored.
    """
    is_nobody = tf.equal(client['client_id'], '')
    # Somebody's dataset, of which nothing is taken, has the right elements.
    client_id = tf.where(is_nobody, self._client_ids[0], client['client_id'])
    all_or_none = tf.where(is_nobody, tf.constant(0, tf.int64), tf.int64.max)
    dataset = self._dataset_fn(client_id).take(all_or_none)
    if preprocessed and self._preprocess is not None:
      dataset = self._preprocess(dataset, client['preprocess_seed'])
    return dataset


class _RoundOfIds(collections.abc.Sequence):
  """The clients of `ClientsById` in one round, made on demand."""

  # Takes an absent client's place in a mediator.
  nobody = collections.OrderedDict(
      client_id='', shuffle_seed=0, preprocess_seed=np.zeros(2, np.int64)
  )

  def __init__(self, client_ids, seed, round_num):
    self._client_ids = client_ids
    self._seed = seed
    self._round_num = round_num

  def __len__(self) -> int:
    return len(self._client_ids)

  def __getitem__(self, index: int) -> ClientInRound:
    return collections.OrderedDict(
        client_id=self._client_ids[index],
        shuffle_seed=randomness.shuffle_seed(
            self._seed, self._round_num, index
        ),
        preprocess_seed=randomness.seed_pair(
            (self._seed, index, self._round_num)
        ),
    )


def read_by_id(
    process: tff.learning.templates.LearningProcess, clients: ClientsById
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
    dataset it has `<client_id=str,shuffle_seed=int64,
    preprocess_seed=int64[2]>`.

  Raises:
    TypeError: The clients' batches are not what the process takes.
  """
  state_type, data_type = process.next.type_signature.parameter
  read_client = tff.tensorflow.computation(clients.read, _CLIENT_TYPE)
  batches_type = read_client.type_signature.result

  if not tff.types.contains(
      data_type.member, lambda part: part.is_assignable_from(batches_type)
  ):
    raise TypeError(
        '`clients` must make the batches that `process` trains on,'
        f' {data_type.member}, got {batches_type}.'
    )

  @tff.tensorflow.computation(_with_ids(data_type.member, batches_type))
  def read_datasets(data):
    return _with_datasets(data_type.member, batches_type, data, clients.read)

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


def _with_ids(
    data_type: tff.types.Type, batches_type: tff.types.Type
) -> tff.types.Type:
  """Returns the type with a client in the place of every dataset of batches."""
  if data_type.is_assignable_from(batches_type):
    return _CLIENT_TYPE
  if isinstance(data_type, tff.StructType):
    parts = [
        (name, _with_ids(part, batches_type))
        for name, part in tff.structure.iter_elements(data_type)
    ]
    return tff.StructType([pair if pair[0] else pair[1] for pair in parts])
  return data_type


def _with_datasets(
    data_type: tff.types.Type,
    batches_type: tff.types.Type,
    data: Any,
    read: Callable[[ClientInRound], tf.data.Dataset],
) -> Any:
  """Returns the data with a dataset in the place of every client."""
  if data_type.is_assignable_from(batches_type):
    return read(data)
  if not isinstance(data_type, tff.StructType):
    return data
  parts = [
      (name, _with_datasets(part, batches_type, data[index], read))
      for index, (name, part) in enumerate(
          tff.structure.iter_elements(data_type)
      )
  ]
  if all(name for name, _ in parts):
    return collections.OrderedDict(parts)
  return tuple(part for _, part in parts)
