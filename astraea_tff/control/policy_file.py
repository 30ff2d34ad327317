"""The file of a policy: its numbers of passes and its network, as `.npz`."""

from collections.abc import Sequence
import io
import os
import pathlib
from typing import BinaryIO, Union

import numpy as np

from astraea_tff import arguments
from astraea_tff.control import policies
from astraea_tff.control import value_network
from astraea_tff.datasets.storage import atomic_file

_VERSION = 1


def write(
    path: Union[str, os.PathLike[str]],
    passes: Sequence[int],
    hidden: int,
    weights: np.ndarray,
) -> None:
  """Writes a file; one that was there stays whole until then.

  Args:
    path: The file.
    passes: The numbers of passes that a mediator may be given, beside 0.
    hidden: Hidden units of the network.
    weights: float64 [P], those of `value_network`.

  Raises:
    OSError: The file cannot be written.
  """
  path = pathlib.Path(arguments.expand_path(path, 'path'))
  with atomic_file.replace_atomically(path) as file:
    np.savez(
        file, version=_VERSION, passes=passes, hidden=hidden, weights=weights
    )


def read(
    path: Union[str, os.PathLike[str]], num_features: int
) -> tuple[tuple[int, ...], int, np.ndarray]:
  """Reads what `write` wrote.

  Args:
    path: The file.
    num_features: How many observations the network decides by.

  Returns:
    The passes, the hidden units and the weights, float64 [P].

  Raises:
    ValueError: The file holds something else, or is damaged.
    OSError: The file cannot be read.
  """
  # Read outside of the `try`, so that an error of the system is not taken for a
  # damaged file.
  path = pathlib.Path(arguments.expand_path(path, 'path'))
  content = io.BytesIO(path.read_bytes())
  try:
    return _parse(content, num_features)
  except MemoryError:
    raise
  except Exception as error:  # A damaged archive raises many kinds.
    raise ValueError(
        f'{path} must be a policy that LearnedPasses.save wrote:'
        f' {str(error).rstrip(".")}.'
    ) from error


def _parse(
    file: BinaryIO, num_features: int
) -> tuple[tuple[int, ...], int, np.ndarray]:
  with np.load(file, allow_pickle=False) as archive:
    arrays = dict(archive)
  if arrays['version'] != _VERSION:
    raise ValueError(f"its version is {arrays['version']}")
  passes = policies.check_passes(tuple(arrays['passes'].tolist()))
  hidden = arguments.check_integer(arrays['hidden'].item(), 'hidden', 1)
  weights = arrays['weights']
  shape = value_network.Shape(num_features, hidden, len(passes))
  # Checked before anything of that shape is made: a damaged number may be huge.
  if weights.shape != (shape.num_weights,) or weights.dtype != np.float64:
    raise ValueError(
        f'weights must be float64 [{shape.num_weights}], got {weights.dtype}'
        f' {list(weights.shape)}'
    )
  if not np.isfinite(weights).all():
    raise ValueError('weights must be finite')
  return passes, hidden, weights
