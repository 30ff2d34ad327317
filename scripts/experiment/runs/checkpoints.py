"""A run's checkpoints: TFF's, written whole, and on the way out."""

import asyncio
from collections.abc import Callable
import errno
import pathlib
import shutil
from typing import Any, Optional

import tensorflow_federated as tff

from experiment.runs import folder as folder_lib
from experiment.runs import interruption

_FOLDER = 'checkpoints'


class Checkpoints(tff.program.FileProgramStateManager):
  """TFF's file manager, whose `save` no signal cuts short.

  Attributes:
    restore: What is told every state that is read, to go on from it, if
      anything is.
  """

  def __init__(self, folder: pathlib.Path):
    """Opens the checkpoints of a run.

    Args:
      folder: The run's folder.
    """
    self.restore: Optional[Callable[[Any], None]] = None
    self._folder = folder / _FOLDER
    super().__init__(self._folder, keep_total=2, keep_first=False)
    for half_written in self._folder.glob('*_temp*'):
      shutil.rmtree(half_written, ignore_errors=True)

  def go_on_after(self, last_row: int) -> None:
    """Forgets rounds that have no row in metrics.csv, to train them again.

    A row is written before its checkpoint, so that such rows were lost.

    Args:
      last_row: The last round that has a row; -1 if none has.

    Raises:
      ValueError: No round is left to go on from.
    """
    versions = asyncio.run(self.get_versions()) or []
    beyond = [version for version in versions if version > last_row]
    if beyond and len(beyond) == len(versions):
      until = f'end at round {last_row}' if last_row >= 0 else 'are gone'
      raise ValueError(
          f'{self._folder.parent} has a checkpoint of round {beyond[0]}, but'
          f' the rows of its metrics.csv {until}.'
          f' {folder_lib.train_again(self._folder.parent)}'
      )
    for version in beyond:
      shutil.rmtree(self._folder / f'program_state_{version}')

  def check_last(
      self, process: tff.learning.templates.LearningProcess
  ) -> None:
    """Tries to read the last checkpoint, if there is one.

    Args:
      process: The process whose state it should be.

    Raises:
      ValueError: The checkpoint is damaged.
    """
    versions = asyncio.run(self.get_versions())
    if not versions:
      return
    try:
      asyncio.run(self.load(versions[-1], process.initialize()))
    except Exception as error:  # TensorFlow raises many kinds here.
      raise ValueError(
          f'The checkpoint {self._folder}/program_state_{versions[-1]} is'
          f' damaged ({type(error).__name__}). Remove it, and the same command'
          ' goes on from the one before.'
      ) from error

  async def load(self, version: int, structure: Any) -> Any:
    """Returns the state after round `version`, like `structure`."""
    state = await super().load(version, structure)
    if self.restore is not None:
      self.restore(state)
    return state

  async def save(self, program_state: Any, version: int) -> None:
    """Saves the state after round `version`.

    Raises:
      OSError: It cannot be written, for want of space for example; earlier
        checkpoints are still there.
    """
    try:
      with interruption.uninterrupted():
        await super().save(program_state, version)
    except Exception as error:  # TensorFlow raises its own kinds here.
      raise OSError(
          errno.EIO,
          f'the checkpoint of round {version} cannot be written'
          f' ({" ".join(str(error).split())[:300]}). Free some space in, or'
          ' allow writing to, the folder, and the same command goes on from the'
          ' last checkpoint',
          str(self._folder),
      ) from error

  def save_if_new(self, program_state: Any, version: int) -> None:
    """Saves the state after round `version`, if that is not saved yet."""
    versions = asyncio.run(self.get_versions()) or []
    if version not in versions:
      asyncio.run(self.save(program_state, version))
