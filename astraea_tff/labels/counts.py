"""Label counts of clients: counted, checked, and put together to a table.

Everything Astraea decides, it decides from label counts: `int64 [K, N]`, one
row of class sizes for each of K clients.

What a client sends is input from outside. A message that cannot be a histogram
is refused by its client's name; one that is a histogram but a lie cannot be
told from the truth here, and `docs/privacy.md` measures what it does.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
import math
from typing import Any, Optional, Union

import numpy as np

from astraea_tff import arguments
from astraea_tff.labels import reading


def label_counts(
    clients: Any,
    num_classes: int,
    *,
    label_fn: Optional[Callable[[Any], Any]] = None,
) -> np.ndarray:
  """Counts each client's examples by label.

  Clients are read one after the other and only their labels leave the
  pipeline, a bounded number at a time, so a client larger than memory is fine.

  An element is `(x, y)` or a mapping with a key 'y' or 'label'; one example
  with a label of shape `[]` or `[1]`, or a batch with labels `[B]` or
  `[B, 1]`. One-hot labels are refused where they can be told: a batch of them
  always, and a single one when another part of the element shows that its
  first dimension is no batch dimension (`x` of shape `[28, 28]` beside `y` of
  shape `[10]`). A single one-hot label beside an `x` whose first dimension
  happens to be equal, or unknown, reads as a batch of labels 0 and 1.

  Args:
    clients: A `tff.simulation.datasets.ClientData`, or a sequence of
      `tf.data.Dataset`s.
    num_classes: N, at least 2. Labels lie in [0, N).
    label_fn: Maps a dataset's element to its integer labels, inside the
      dataset's graph, for elements of any other structure.

  Returns:
    `int64 [K, N]`, rows in the order of `clients.client_ids`, or of the
    sequence.

  Raises:
    TypeError: `clients` is neither, an element has no label that can be found
      without `label_fn`, or labels are no integers.
    ValueError: There are no clients, a label lies outside [0, N), labels are
      one-hot, or a dataset never ends. One that does not say how many examples
      it has is taken for endless beyond 100,000; a larger one says it with
      `tf.data.experimental.assert_cardinality`. The message names the client.
    tf.errors.OpError: A client cannot be read. The message names the client,
      and the file where its dataset knows it.
  """
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  clients, _ = reading.check_clients(clients)
  return np.stack([
      reading.count_labels(client, dataset, num_classes, label_fn)
      for client, dataset in reading.named_datasets(clients)
  ])


def assemble_counts(
    messages: Union[Mapping[Hashable, Any], Iterable[tuple[Hashable, Any]]],
    num_classes: int,
    *,
    max_examples_per_client: Optional[int] = None,
) -> tuple[tuple[Hashable, ...], np.ndarray]:
  """Puts the histograms that clients sent together to label counts.

  Args:
    messages: `{client id: counts}` or pairs `(client id, counts)`, in any
      order; counts are integers `[N]`, zero or more.
    num_classes: N, at least 2.
    max_examples_per_client: The most examples a client may claim, at least 1.
      None leaves any total that fits an int64. A bound keeps one client from
      dwarfing all others by a claim.

  Returns:
    The client ids, in the order of `messages`, and their counts, `int64
    [K, N]`: what `reschedule` takes. A schedule's client k is the k-th id.

  Raises:
    TypeError: `messages` holds something else than pairs, an id is unhashable,
      or counts are no integers (floats and NaN included).
    ValueError: There are no messages, two are of one client, counts are not
      `[N]`, negative or not finite, or add up to more than
      `max_examples_per_client` or, over all clients, than an int64 holds. The
      message names the client.
  """
  num_classes = arguments.check_integer(num_classes, 'num_classes', 2)
  if max_examples_per_client is not None:
    max_examples_per_client = arguments.check_integer(
        max_examples_per_client, 'max_examples_per_client', 1
    )
  rows, total = {}, 0
  for client, counts in _pairs(messages):
    name = f'messages[{client!r}]'
    if client in rows:
      raise ValueError(
          f'{name} is there twice; a client sends one histogram.'
      )
    row = check_histogram(counts, num_classes, name)
    size = int(row.sum())
    if max_examples_per_client is not None and size > max_examples_per_client:
      raise ValueError(
          f'{name} adds up to {size}, more than max_examples_per_client='
          f'{max_examples_per_client}.'
      )
    total += size
    if total > np.iinfo(np.int64).max:
      raise ValueError(
          f'{name} brings the total of all clients to {total}, more than an '
          'int64 holds; bound what one may claim with max_examples_per_client.'
      )
    rows[client] = row
  if not rows:
    raise ValueError('messages must hold at least one histogram, got none.')
  return tuple(rows), np.stack(list(rows.values()))


def check_counts(counts: Any, name: str = 'counts') -> np.ndarray:
  """Checks label counts of clients.

  Floats are refused even where they are whole: counts that went through
  floating point may have been rounded on the way, or be shares.

  Args:
    counts: Integers `[K, N]`, K at least 1, N at least 2, zero or more, with a
      total that fits an int64.
    name: What messages call them.

  Returns:
    A copy, `int64 [K, N]`.

  Raises:
    TypeError: `counts` holds something other than integers.
    ValueError: `counts` has a wrong shape, or an entry that is negative,
      non-finite or fractional, or too large a total.
  """
  counts = arguments.check_numbers(counts, name)
  if counts.ndim != 2 or counts.shape[0] < 1 or counts.shape[1] < 2:
    raise ValueError(
        f'{name} must have shape [K, N], at least 1 client by at least 2 '
        f'classes, got shape {list(counts.shape)}.'
    )
  return _as_counts(counts, name)


def check_histogram(counts: Any, num_classes: int, name: str) -> np.ndarray:
  """Checks the label counts of one client.

  Args:
    counts: Integers `[N]`, otherwise as `check_counts` wants them.
    num_classes: N.
    name: What messages call them.

  Returns:
    A copy, `int64 [N]`. Raises what `check_counts` does.
  """
  counts = arguments.check_numbers(counts, name)
  if counts.shape != (num_classes,):
    raise ValueError(
        f'{name} must have shape [{num_classes}], a count for each class, got '
        f'shape {list(counts.shape)}.'
    )
  return _as_counts(counts, name)


def _as_counts(counts: np.ndarray, name: str) -> np.ndarray:
  """Returns checked numbers as a copy, int64, or refuses fractions and sums."""
  if counts.dtype.kind == 'f':
    arguments.refuse_entries(
        counts, counts != np.floor(counts), name, 'be whole'
    )
    raise TypeError(
        f'{name} must hold integers, got {counts.dtype}; all are whole, so '
        'cast them: .astype(np.int64).'
    )
  # Ints are added up only where a float cannot tell the sum from an overflow.
  if counts.sum(dtype=np.float64) >= 2**62:
    total = sum(counts.ravel().tolist())
    if total > np.iinfo(np.int64).max:
      raise ValueError(
          f'{name} adds up to {total}, more than an int64 holds.'
      )
  return counts.astype(np.int64)


def _pairs(messages: Any) -> Iterable[tuple[Hashable, Any]]:
  """Yields client ids and what they sent."""
  if isinstance(messages, Mapping):
    yield from messages.items()
    return
  if isinstance(messages, (str, bytes)) or not isinstance(messages, Iterable):
    raise TypeError(
        'messages must be a mapping of client ids to counts, or pairs of both, '
        f'got {type(messages).__name__}.'
    )
  for index, message in enumerate(messages):
    if not isinstance(message, (tuple, list)) or len(message) != 2:
      raise TypeError(
          f'messages[{index}] must be a pair (client id, counts), got '
          f'{message!r:.80}.'
      )
    if not isinstance(message[0], Hashable):
      raise TypeError(
          f'messages[{index}] must have a hashable client id, such as a str, '
          f'got {message[0]!r:.80}.'
      )
    yield tuple(message)


def check_labels(
    labels: Any,
    num_classes: Optional[int],
    name: str = 'labels',
    *,
    length: Optional[int] = None,
) -> np.ndarray:
  """Checks that an argument is a vector of labels, at least one.

  Args:
    labels: The argument.
    num_classes: N; labels lie in [0, N). None for no limit.
    name: What messages call it.
    length: How many examples there are; None for any number.

  Returns:
    The labels as an array, of their dtype.

  Raises:
    TypeError: `labels` are no integers.
    ValueError: They have another shape, or one is outside [0, N).
  """
  labels = np.asarray(labels)
  if labels.dtype.kind not in 'iu':
    raise TypeError(f'{name} must be integers, got dtype {labels.dtype}.')
  shape = (labels.size if length is None else length,)
  if not labels.size or labels.shape != shape:
    examples = '' if length is None else f' for {length} examples'
    raise ValueError(
        f'{name} must have a label for each of at least one example, got shape'
        f' {list(labels.shape)}{examples}.'
    )
  limit = math.inf if num_classes is None else num_classes
  outside = (labels < 0) | (labels >= limit)
  arguments.refuse_entries(labels, outside, name, f'lie in [0, {limit})')
  return labels


def scaled(values: np.ndarray) -> np.ndarray:
  """Divides numbers by a power of two, so that their sums stay finite.

  Their shares are the same to the bit.

  Args:
    values: Finite numbers of any shape.

  Returns:
    Floats of the same shape, none beyond 1.
  """
  _, exponent = np.frexp(np.abs(values).max(initial=0.0))
  return np.ldexp(values, -exponent)
