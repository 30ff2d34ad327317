"""Label counts as clients send them: checked, and put together to a table.

What a client sends is input from outside. A message that cannot be a histogram
is refused by its client's name; one that is a histogram but a lie cannot be
told from the truth here, and `docs/privacy.md` measures what it does.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Optional, Union

import numpy as np

from astraea_tff import label_distribution


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
  num_classes = label_distribution.check_integer(num_classes, 'num_classes', 2)
  if max_examples_per_client is not None:
    max_examples_per_client = label_distribution.check_integer(
        max_examples_per_client, 'max_examples_per_client', 1
    )
  rows, total = {}, 0
  for client, counts in _pairs(messages):
    name = f'messages[{client!r}]'
    if client in rows:
      raise ValueError(
          f'{name} is there twice; a client sends one histogram.'
      )
    row = label_distribution.check_histogram(counts, num_classes, name)
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
