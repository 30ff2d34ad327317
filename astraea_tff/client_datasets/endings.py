"""Whether a client's dataset ends, and a limit for one that does not say so."""

from collections.abc import Iterator
import contextlib
import threading
from typing import Any

import tensorflow as tf

from astraea_tff.client_datasets import names as client_names

# A dataset that does not say how many examples it has is taken for endless
# beyond this.
MOST_EXAMPLES_OF_UNKNOWN_NUMBER = 100_000

# A dataset that says that it has more examples than this is taken for endless
# too.
_MOST_EXAMPLES = 10**11

# The time limit for the first example of a dataset that takes some examples of
# one that may be endless. Behind a filter that lets nothing through, no first
# example would ever come.
SECONDS_TO_THE_FIRST_EXAMPLE = 60.0

# The message of a worker, which does not know the client's name.
MAY_NEVER_END = 'A client has a dataset that may never end.'

# A dataset's attribute: the limit, and the dataset with that limit.
_LIMITED = '_astraea_tff_limited'
# A dataset's attribute: True once its first example came in time.
_GIVES = '_astraea_tff_gives'
# The operation that fails where a dataset goes on for too long.
TOO_LONG = 'a_dataset_that_may_never_end'


def check_ends(client: str, dataset: tf.data.Dataset) -> None:
  """Refuses a dataset that says that it never ends.

  Args:
    client: What messages call the dataset's owner.
    dataset: The client's examples or batches.

  Raises:
    ValueError: The dataset has a cardinality that is infinite or above 10**11.
      Or it reads all of a dataset that has, for example behind a filter. Or it
      takes some examples of a dataset that may be endless, and none comes
      within a minute.
  """
  if _never_ends(dataset):
    raise ValueError(
        f'{client} has a dataset that never ends; leave out its repeat(), or '
        'take(n) a number of examples.'
    )
  if _may_starve(dataset):
    if not _gives_an_example(dataset):
      raise ValueError(
          f'{client} gave no example in {SECONDS_TO_THE_FIRST_EXAMPLE:g}'
          ' seconds: its dataset may read without an end behind a filter that'
          ' lets nothing through. Leave out the repeat(), end the generator, or'
          ' filter before them.'
      )
    _note_gives(dataset)


def _may_starve(dataset: tf.data.Dataset) -> bool:
  """Returns whether it reads some examples of a dataset that may be endless."""
  if getattr(dataset, _GIVES, False):
    return False
  cardinality = int(dataset.cardinality())
  if cardinality != tf.data.UNKNOWN_CARDINALITY:
    return cardinality == tf.data.INFINITE_CARDINALITY
  if _filters_inside(dataset):
    return True
  inputs = client_names.inputs_of(dataset)
  if 'Filter' in type(dataset).__name__ and not all(map(surely_ends, inputs)):
    return True
  return any(map(_may_starve, inputs))


def _filters_inside(dataset: tf.data.Dataset) -> bool:
  """Whether the datasets that a `flat_map` makes may be filtered."""
  # A function may have filtered a dataset that is made outside of it.
  return any(
      'FilterDataset' in client_names.operations_in(function)
      or any(
          captured.dtype == tf.variant
          for captured in function.function.captured_inputs
      )
      for function in _functions_that_make_datasets(dataset)
  )


def _note_gives(dataset: tf.data.Dataset) -> None:
  # The note is at the user's dataset, so that not every round reads an example
  # for it. A repeated dataset gives an example again.
  kind = type(dataset).__name__
  if 'Take' in kind or 'Filter' in kind or _filters_inside(dataset):
    setattr(dataset, _GIVES, True)
  for part in client_names.inputs_of(dataset):
    _note_gives(part)


def _gives_an_example(dataset: tf.data.Dataset) -> bool:
  """Whether the first example, an error or the end comes in time."""

  def read():
    # An error of the dataset is raised where all of it is read.
    with contextlib.suppress(Exception):
      next(iter(dataset), None)

  # Nothing could stop TensorFlow's reading, but this program can go on.
  thread = threading.Thread(target=read, daemon=True)
  thread.start()
  thread.join(SECONDS_TO_THE_FIRST_EXAMPLE)
  return not thread.is_alive()


def _never_ends(dataset: tf.data.Dataset) -> bool:
  cardinality = int(dataset.cardinality())
  if cardinality != tf.data.UNKNOWN_CARDINALITY:
    is_infinite = cardinality == tf.data.INFINITE_CARDINALITY
    return is_infinite or cardinality > _MOST_EXAMPLES
  # A filter that lets nothing through would read on for ever, and nothing
  # could stop it. Only what takes a number, or takes while, ends before its
  # input; with several inputs it may be with any.
  inputs = client_names.inputs_of(dataset)
  takes = 'Take' in type(dataset).__name__
  return len(inputs) == 1 and not takes and _never_ends(inputs[0])


class ExampleLimit:
  """Counts the examples that are read of a client, and stops endless reading.

  Only a dataset of unknown cardinality (behind a filter, from a generator, of
  CSV files) has a limit.
  """

  def __init__(self, client: str, dataset: tf.data.Dataset):
    """Checks that the dataset ends, as far as it says; see `check_ends`."""
    check_ends(client, dataset)
    self._client = client
    self._is_known = (
        int(dataset.cardinality()) != tf.data.UNKNOWN_CARDINALITY
    )
    self._num_read = 0

  def add(self, num_examples: int) -> None:
    """Takes note of examples that were read.

    Args:
      num_examples: At least 0.

    Raises:
      ValueError: They are more than a client of unknown size may have.
    """
    self._num_read += num_examples
    limit = MOST_EXAMPLES_OF_UNKNOWN_NUMBER
    if not self._is_known and self._num_read > limit:
      raise ValueError(too_long_message(self._client, self._num_read))


def surely_ends(dataset: tf.data.Dataset) -> bool:
  """Returns whether a dataset, or all that it reads, says that it ends."""
  cardinality = int(dataset.cardinality())
  if cardinality != tf.data.UNKNOWN_CARDINALITY:
    return cardinality != tf.data.INFINITE_CARDINALITY
  inputs = client_names.inputs_of(dataset)
  # A `flat_map` of the user's makes datasets that nobody knows.
  makes_datasets = any(_functions_that_make_datasets(dataset))
  return bool(inputs) and not makes_datasets and all(map(surely_ends, inputs))


def _functions_that_make_datasets(dataset: tf.data.Dataset) -> Iterator[Any]:
  for function in client_names.functions_of(dataset):
    if isinstance(function.output_structure, tf.data.DatasetSpec):
      yield function


def may_be_endless(client_data: Any) -> bool:
  """Returns whether clients do not say how many examples they have.

  The first stands for all, as one function makes the datasets.

  Args:
    client_data: A `tff.simulation.datasets.ClientData`.

  Raises:
    ValueError: The first one never ends.
  """
  client_id = client_data.client_ids[0]
  try:
    dataset = client_data.create_tf_dataset_for_client(client_id)
  except tf.errors.OpError:  # The round says which client is damaged.
    return False
  check_ends(f'client {client_id!r}', dataset)
  return not surely_ends(dataset)


def bounded(dataset: tf.data.Dataset) -> tf.data.Dataset:
  """Returns the dataset, made to fail if it goes on for too long.

  It has a limit only if it does not say how many examples it has. Reading it
  beyond the limit fails, in a worker too, as `named_errors` explains.

  Args:
    dataset: Elements whose last part is a label `[]` or labels `[B]`.

  Returns:
    The dataset, with a limit unless it surely ends.
  """
  # One for all rounds: a worker keeps what it is sent as the same object again.
  most, limited = getattr(dataset, _LIMITED, (None, dataset))
  if most != MOST_EXAMPLES_OF_UNKNOWN_NUMBER and not surely_ends(dataset):
    most = MOST_EXAMPLES_OF_UNKNOWN_NUMBER
    limited = fail_when_too_long(dataset, most)
    client_names.remember_sources(limited, dataset)
    setattr(dataset, _LIMITED, (most, limited))
  return limited


# One trace is for all clients.
@tf.function(autograph=False)
def fail_when_too_long(
    dataset: tf.data.Dataset,
    most_examples: tf.Tensor,
    is_batched: bool = True,
) -> tf.data.Dataset:
  """As `bounded`, whatever the cardinality, in a graph or not.

  Args:
    dataset: Elements.
    most_examples: int `[]`, with how many it does not fail yet.
    is_batched: Whether elements are batches, if their last part has a rank; an
      example's label may be a vector.
  """
  most_examples = tf.cast(most_examples, tf.int64)

  def count(num_read, element):
    label = tf.nest.flatten(element, expand_composites=True)[-1]
    is_batch = is_batched and label.shape.rank
    num_read += tf.shape(label, tf.int64)[0] if is_batch else 1
    # On a CPU this fails, and the operation's name tells why. An assertion
    # would have state, and a dataset with one is not sent without complaint.
    zero = tf.gather(
        tf.constant([0], tf.int64),
        tf.cast(num_read > most_examples, tf.int32),
        name=TOO_LONG,
    )
    return num_read + zero, element

  return dataset.scan(tf.constant(0, tf.int64), count)


def too_long_message(client: str, num_examples: int) -> str:
  """Says of a client that was read for too long what to do."""
  return (
      f'{client} was read for {num_examples:,} examples without an end, and its'
      ' dataset does not say how many there are: it may never end. Leave out'
      ' its repeat(), or take(n); if there are really n, say so with'
      ' .apply(tf.data.experimental.assert_cardinality(n)).'
  )
