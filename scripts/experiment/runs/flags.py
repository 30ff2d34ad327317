"""Flags for settings, shared by the scripts that take all of them or some.

A flag has the name, default, help and choices of its field of
`experiment.runs.settings.Settings`, so that a setting is said once.
"""

from collections.abc import Sequence
import dataclasses
import os
import typing
from typing import Any, Optional

from absl import flags

from astraea_tff.scheduling import sampling
from experiment.runs import settings as settings_lib

# Makes --help list the flags under the script that asked for them.
flags.disclaim_key_flags()

ALL_SETTINGS = tuple(
    field.name for field in dataclasses.fields(settings_lib.Settings)
)


class _PathParser(flags.ArgumentParser):
  """Reads a path, in which ~ means the user's home."""

  def parse(self, argument: str) -> str:
    if not argument:
      # A shell's variable without a value gives an empty path, for example.
      raise ValueError('there is no path; give . for the folder at hand')
    path = os.path.expanduser(argument)
    if path.startswith('~'):
      raise ValueError(
          f'there is no home that {argument} could mean; give the whole path'
      )
    return path

  def flag_type(self) -> str:
    return 'path'


def define_path(
    name: str, default: Optional[str], help_text: str, **options: Any
) -> flags.FlagHolder:
  """Makes the flag of a file or folder, in which ~ means the user's home.

  Args:
    name: The flag's name.
    default: The path where the flag is not given.
    help_text: What the path is.
    **options: As `flags.DEFINE` takes them, such as `required`.
  """
  return flags.DEFINE(
      _PathParser(),
      name,
      default,
      help_text,
      serializer=flags.ArgumentSerializer(),
      **options,
  )


def define_seeds(default: Sequence[int], help_text: str) -> flags.FlagHolder:
  """Makes the repeatable flag of a script's seeds."""
  return flags.DEFINE_multi_integer(
      'seed',
      list(default),
      help_text,
      lower_bound=0,
      upper_bound=sampling.LARGEST_SEED,
  )


def define_seed(help_text: str) -> flags.FlagHolder:
  """Makes the flag of a script's one seed."""
  return flags.DEFINE_integer(
      'seed', 0, help_text, lower_bound=0, upper_bound=sampling.LARGEST_SEED
  )


def check_different(flag: flags.FlagHolder) -> None:
  """Checks the values of a flag that is repeatable.

  Raises:
    ValueError: A value is there twice, which would be counted twice.
  """
  if len(set(flag.value)) < len(flag.value):
    raise ValueError(
        f'--{flag.name} must be given different values, got {flag.value}.'
    )


def define_folder_flags() -> tuple[flags.FlagHolder, flags.FlagHolder]:
  """Makes the flags of where data come from and where they are prepared."""
  return (
      define_path(
          'data_dir',
          None,
          'Where TensorFlow Datasets keeps its data; by default its own choice,'
          ' ~/tensorflow_datasets (TFDS_DATA_DIR).',
      ),
      define_path(
          'cache_dir',
          None,
          "Where the clients' examples are prepared, once for all runs; by"
          ' default ~/.cache/astraea_tff (XDG_CACHE_HOME).',
      ),
  )


def define_flags(names: Sequence[str] = ALL_SETTINGS) -> None:
  """Makes a flag of each of the settings.

  Args:
    names: The settings; all by default.

  Raises:
    ValueError: There is no such setting.
  """
  _check_names(names)
  annotations = typing.get_type_hints(settings_lib.Settings)
  for field in dataclasses.fields(settings_lib.Settings):
    if field.name in names:
      _define_flag(field, annotations[field.name])


def read_settings(
    names: Sequence[str] = ALL_SETTINGS, **others: Any
) -> settings_lib.Settings:
  """Returns settings with the values of their flags, after parsing.

  Args:
    names: The settings that have a flag, as `define_flags` took them.
    **others: Values of settings that have none. Those named in neither have
      their defaults.

  Returns:
    The settings.

  Raises:
    ValueError: There is no such setting, or a value is refused by `Settings`.
  """
  _check_names(names)
  values = {name: flags.FLAGS[name].value for name in names}
  return settings_lib.Settings(**values, **others)


def _define_flag(field: dataclasses.Field, annotation: Any) -> None:
  about = settings_lib.ABOUT[field.name]
  choices, help_text = about.choices, about.help
  # Optional[int] stands for int.
  kinds = [k for k in typing.get_args(annotation) if k is not type(None)]
  kind = kinds[0] if kinds else annotation
  if choices:
    flags.DEFINE_enum(field.name, field.default, choices, help_text)
  elif kind is bool:
    flags.DEFINE_bool(field.name, field.default, help_text)
  elif kind is int:
    flags.DEFINE_integer(field.name, field.default, help_text)
  elif kind is float:
    flags.DEFINE_float(field.name, field.default, help_text)
  elif field.name.endswith('_file'):
    define_path(field.name, field.default, help_text)
  else:
    flags.DEFINE_string(field.name, field.default, help_text)


def _check_names(names: Sequence[str]) -> None:
  unknown = [name for name in names if name not in ALL_SETTINGS]
  if unknown:
    raise ValueError(
        f'names must be settings, got {unknown[0]!r}; there are'
        f' {", ".join(ALL_SETTINGS)}.'
    )
