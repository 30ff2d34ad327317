"""Clients as their ids, and how TFF's worker makes batches of them itself.

`astraea_tff.clients.process_by_id` makes a learning process take such clients.
"""

import collections
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import arguments
from astraea_tff import randomness
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.client_datasets import names as client_names
from astraea_tff.clients import batches

# A client in a round: its id in UTF-8 (of a `str`, TFF takes ASCII only);
# whether it takes part or only fills a mediator's empty place; the seed of the
# order of its examples, and that of what `preprocess` draws; and, if the clients
# have any, the copies of the round, float32 [N].
ClientInRound = collections.OrderedDict
_CLIENT_TYPE = tff.types.to_type(
    collections.OrderedDict(
        client_id=np.str_,
        is_present=np.bool_,
        shuffle_seed=np.int64,
        preprocess_seed=tff.TensorType(np.int64, [2]),
    )
)
# Takes a client's examples and a seed int64 [2]; and copies, if there are any.
Preprocess = Callable[..., tf.data.Dataset]


class ClientsById:
  """Clients as their ids, and how a worker makes batches of them.

  The batches are those of `astraea_tff.BatchedClients` for the same seed, in a
  program that does not call `tf.random.set_seed`; here it has no effect. Like
  those, it is taken by `Schedule.rounds`, and its `for_round(round_num)` by
  `mediator_data`; `read_by_id` makes the process that takes such rounds.
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
      copies: Optional[Callable[[int], np.ndarray]] = None,
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
      copies: Returns, for a round's number, the copies of a sample of each
        class, numbers [N] above 0, for augmentation that changes with the
        round. They go to the clients as data, and from there to `preprocess` as
        its third argument; so nothing is traced anew.

    Raises:
      TypeError: `client_data` is no `ClientData`, a number no int, or
        `preprocess` or `copies` no function.
      ValueError: A number is below 1 or beyond int32, or `seed` below 0; there
        are `copies` without a `preprocess`; or the first client never ends.
    """
    arguments.check_function(preprocess, '`preprocess`')
    arguments.check_function(copies, '`copies`')
    if copies is not None and preprocess is None:
      raise ValueError('`copies` need a `preprocess` that makes them.')
    if not isinstance(client_data, tff.simulation.datasets.ClientData):
      raise TypeError(
          '`client_data` must be a tff.simulation.datasets.ClientData, got'
          f' {type(client_data).__name__}.'
      )
    check_integer = arguments.check_integer
    self._client_ids = client_data.client_ids
    for client_id in self._client_ids:
      if not isinstance(client_id, str):
        raise TypeError(
            '`client_data` must have texts as client ids, by which a worker'
            f' reads them, got {client_id!r:.60} of type'
            f' {type(client_id).__name__}; hand its datasets in instead'
            ' (`BatchedClients`).'
        )
    # Not its function alone, which does not keep it alive.
    self._client_data = client_data
    largest = batches.LARGEST_BUFFER
    self._batch_size = check_integer(batch_size, '`batch_size`', 1, largest)
    self._seed = check_integer(seed, '`seed`', 0)
    self._shuffle_buffer = check_integer(
        shuffle_buffer, '`shuffle_buffer`', 1, largest
    )
    self._local_epochs = check_integer(
        local_epochs, '`local_epochs`', 1, largest
    )
    self._preprocess = preprocess
    self._copies = copies
    self._num_classes: Optional[int] = None
    self._may_be_endless = client_endings.may_be_endless(client_data)

  @property
  def client_type(self) -> tff.Type:
    """What a `ClientInRound` is."""
    if self._copies is None:
      return _CLIENT_TYPE
    num_classes = len(self._copies_of(0))
    return tff.types.to_type(
        collections.OrderedDict(
            tff.structure.iter_elements(_CLIENT_TYPE),
            copies=tff.TensorType(np.float32, [num_classes]),
        )
    )

  def __len__(self) -> int:
    return len(self._client_ids)

  @property
  def has_preprocess(self) -> bool:
    """Whether something is applied to a client's examples."""
    return self._preprocess is not None

  def for_round(self, round_num: int) -> Sequence[ClientInRound]:
    """Returns the clients as round `round_num` takes them, by client index."""
    copies = None
    if self._copies is not None:
      copies = self._copies_of(round_num)
    return _RoundOfIds(
        self._client_ids, self._seed, round_num, copies, self.read
    )

  def _copies_of(self, round_num: int) -> np.ndarray:
    """Returns the copies of a round, float32 [N], or says what is wrong."""
    given, copies = np.asarray(self._copies(round_num)), None
    if given.dtype.kind in 'iuf' and given.ndim == 1:
      with np.errstate(over='ignore'):
        copies = given.astype(np.float32)
    if copies is None or not ((copies > 0) & np.isfinite(copies)).all():
      raise ValueError(
          f'`copies` must return a finite float32 above 0 for each class, got'
          f' {arguments.shorten(repr(given.tolist()))} in round {round_num}.'
      )
    if self._num_classes not in (None, len(copies)):
      raise ValueError(
          f'`copies` must return a number for each of {self._num_classes}'
          f' classes in every round, got {len(copies)} in round {round_num}.'
      )
    self._num_classes = len(copies)
    return copies

  def read(self, client: ClientInRound) -> tf.data.Dataset:
    """Returns a client's batches; runs in the worker's graph.

    Args:
      client: Tensors, `client_id` string [], `is_present` bool [],
        `shuffle_seed` int64 [], `preprocess_seed` int64 [2], and `copies`
        float32 [N] if there are any. A client that
        is not present has no examples, whatever its id.
    """
    return batches.batch_examples(
        self.read_examples(client),
        self._batch_size,
        seed=tf.cast(client['shuffle_seed'], tf.int64),
        shuffle_buffer=self._shuffle_buffer,
        num_epochs=self._local_epochs,
    )

  def read_examples(
      self, client: ClientInRound, *, preprocessed: bool = True
  ) -> tf.data.Dataset:
    """Returns a client's single examples, before they are shuffled.

    Args:
      client: As for `read`.
      preprocessed: Whether as `preprocess` leaves them, or as they are stored.
    """
    dataset = self._client_data.serializable_dataset_fn(client['client_id'])
    # `take(-1)` takes all.
    all_or_none = tf.where(client['is_present'], -1, 0)
    dataset = dataset.take(tf.cast(all_or_none, tf.int64))
    if self._may_be_endless:
      dataset = client_endings.fail_when_too_long(
          dataset,
          client_endings.MOST_EXAMPLES_OF_UNKNOWN_NUMBER,
          is_batched=False,
      )
    if preprocessed and self._preprocess is not None:
      drawn_by = [client['preprocess_seed']]
      if self._copies is not None:
        drawn_by.append(client['copies'])
      dataset = self._preprocess(dataset, *drawn_by)
    return dataset


class _RoundOfIds(batches.ClientsOfRound):
  """The clients of `ClientsById` in one round, made on demand."""

  def __init__(self, client_ids, seed, round_num, copies, read):
    self._client_ids = client_ids
    self._seed = seed
    self._round_num = round_num
    self._further = {} if copies is None else {'copies': copies}
    self._read = read

  @property
  def nobody(self) -> ClientInRound:
    """Some client's id, of whose examples none are taken."""
    return collections.OrderedDict(
        client_id=client_names.id_in_bytes(self._client_ids[0]),
        is_present=False,
        shuffle_seed=0,
        preprocess_seed=np.zeros(2, np.int64),
        **self._further,
    )

  def __len__(self) -> int:
    return len(self._client_ids)

  def name(self, index: int) -> str:
    return f'client {self._client_ids[index]!r}'

  def __getitem__(self, index: int) -> ClientInRound:
    index = range(len(self))[index]
    client = collections.OrderedDict(
        client_id=client_names.id_in_bytes(self._client_ids[index]),
        is_present=True,
        shuffle_seed=randomness.shuffle_seed(
            self._seed, self._round_num, index
        ),
        preprocess_seed=randomness.seed_pair(
            (self._seed, index, self._round_num)
        ),
        **self._further,
    )
    values = dict(client)
    client_names.remember_reader(
        self.name(index),
        client,
        lambda: self._read(
            {name: tf.constant(value) for name, value in values.items()}
        ),
    )
    return client
