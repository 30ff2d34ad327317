"""Runs a script's `main` in this process, under its own flag values."""

import contextlib
import importlib.util
import pathlib

from absl import flags
from absl.testing import flagsaver

SCRIPTS = pathlib.Path(__file__).parents[2] / 'scripts'


@contextlib.contextmanager
def loaded(name):
  """Imports scripts/<name>.py for a while.

  Scripts define flags of the same names, so no two may be loaded at once.
  """
  before = set(flags.FLAGS)
  spec = importlib.util.spec_from_file_location(name, SCRIPTS / f'{name}.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  try:
    yield module
  finally:
    for flag in set(flags.FLAGS) - before:
      delattr(flags.FLAGS, flag)


def run(script, arguments):
  """Parses `arguments` as the command line would be, and runs `main`."""
  with flagsaver.flagsaver():
    flags.FLAGS.unparse_flags()
    script.main(flags.FLAGS([script.__file__, *arguments]))
