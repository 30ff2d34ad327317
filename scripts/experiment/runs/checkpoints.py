"""A run's checkpoints: TFF's, written whole, and on the way out."""

import asyncio
from collections.abc import Callable
import errno
import pathlib
import shutil
from typing import Any, Optional

import tensorflow_federated as tff

from experiment.runs import interruption

_FOLDER = 'checkpoints'


class Checkpoints(tff.program.FileProgramStateManager):
  """TFF's file manager, whose `save` no signal cuts short."""

  def __init__(
      self,
      folder: pathlib.Path,
      restore: Optional[Callable[[Any], None]] = None,
  ):
    """Opens the checkpoints of a run.

    Args:
      folder: Of the run.
      restore: What is told every state that is read, to go on from it.
    """
    self._restore = restore
    self._folder = folder / _FOLDER
    super().__init__(self._folder, keep_total=2, keep_first=False)
    for half_written in self._folder.glob('*_temp*'):
      shutil.rmtree(half_written, ignore_errors=True)

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
    if self._restore is not None:
      self._restore(state)
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
