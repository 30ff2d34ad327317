"""How a script runs: quietly, and with one line for an error one can mend."""

from collections.abc import Callable, Sequence
import ctypes
import functools
import os
import pathlib
import re
import sys
from typing import NoReturn

from absl import app
from absl import flags
from absl import logging
import tensorflow as tf

from experiment.runs import folder as folder_lib
from experiment.runs import interruption

# A parameter of glibc's mallopt.
_M_ARENA_MAX = -8
# What absl says of a flag that is required.
_MISSING_FLAG = re.compile(r'Flag --(\w+) must have a value other than None')
_ERRORS = (
    ValueError, TypeError, RuntimeError, OSError, MemoryError, OverflowError,
    tf.errors.OpError,
)


def start(main: Callable[[Sequence[str]], None]) -> None:
  """Parses the command line and runs a script's `main`, as `app.run` does.

  Wrong flags and arguments end it with one line.

  Args:
    main: Takes the script and the arguments that are no flags.
  """
  app.run(functools.partial(_call, main), flags_parser=_parse_flags)


def _call(main: Callable[[Sequence[str]], None], argv: Sequence[str]) -> None:
  try:
    main(argv)
  except app.UsageError as error:
    _refuse(argv, str(error))


def _parse_flags(argv: Sequence[str]) -> list[str]:
  try:
    return flags.FLAGS(argv)
  except flags.Error as error:
    missing = _MISSING_FLAG.search(str(error))
    if missing is None:
      _refuse(argv, f'{str(error).rstrip(".")}; --help lists the flags.')
    flag = flags.FLAGS[missing[1]]
    choices = getattr(flag.parser, 'enum_values', None)
    hint = f'one of {", ".join(choices)}' if choices else flag.help
    _refuse(argv, f'--{flag.name} must be given: {hint.removesuffix(".")}.')


def _refuse(argv: Sequence[str], message: str) -> NoReturn:
  sys.exit(f'{pathlib.Path(argv[0]).name}: {" ".join(message.split())}')


def run(command: Callable[[], None], argv: Sequence[str]) -> None:
  """Runs a script that takes flags and no other arguments.

  Args:
    command: What the script does.
    argv: The command line without its flags, as `absl.app` gives it to `main`.

  Raises:
    app.UsageError: If there are arguments besides flags.
    SystemExit: If the command fails, with one line to print (`--verbosity=1`
      logs the whole error), or Ctrl-C or SIGTERM ends it.
  """
  if len(argv) > 1:
    raise app.UsageError(
        f'got the argument {argv[1]!r}, which belongs to no flag; give'
        ' --flag=value, or a switch alone, as --help lists them.'
    )
  if not flags.FLAGS['verbosity'].present:
    logging.set_verbosity(logging.WARNING)
  if 'MALLOC_ARENA_MAX' not in os.environ:
    # Threads that write checkpoints must not each keep an arena of what was
    # freed; see `runtime.local_worker` for the worker's.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
  if sys.stdout is None:
    # Closed, as by >&- of a shell or by a service.
    sys.stdout = open(os.devnull, 'w')
  # A name in any script is printed on any terminal.
  sys.stdout.reconfigure(errors='backslashreplace')
  script = pathlib.Path(argv[0]).name
  try:
    with interruption.handled_signals():
      command()
  except BaseException as error:
    interrupted = interruption.interruption_behind(error)
    if interrupted is not None:
      print(
          f'{script}: ended by {interrupted}; what was written is kept.',
          file=sys.stderr,
      )
      # A shell reports a process that a signal ended in this way.
      sys.exit(128 + interrupted.signal_number)
    if not isinstance(error, _ERRORS):
      raise
    logging.debug('The whole error:', exc_info=True)
    sys.exit(f'{script}: {" ".join(str(error).split())}')
  finally:
    folder_lib.unlock_all()
