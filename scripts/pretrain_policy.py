"""Trains a policy of mediators' passes on several seeds; runs begin with it.

  python scripts/pretrain_policy.py --flagfile=scripts/flags/demo.flags \
      --undefok=seed --validation_fraction=0.3 --seeds=1000,1001,1002,1003 \
      --output=policy.npz

Every seed is a run of its own, with clients, mediators and a model of its own;
the policy goes on from one to the next. Give seeds that no run is judged by.
--policy_file=policy.npz of scripts/train.py then uses it as it is. The same
command again goes on where it was stopped; until then its runs are in
--cache_dir.
"""

from collections.abc import Iterator
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import shutil
import tempfile

from absl import flags

# Imported before TensorFlow, which it keeps from filling the terminal.
from experiment.runs import command
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import machine
from experiment.runs import run as run_lib
from experiment.runs import settings as settings_lib
from astraea_tff import runtime
from astraea_tff.control import learned
from astraea_tff.datasets.storage import cache_folders
from astraea_tff.scheduling import sampling

_OUTPUT = flags_lib.define_path(
    'output', None, 'The file of the policy, .npz.', required=True
)
_SEEDS = flags.DEFINE_list(
    'seeds', ['1000', '1001', '1002', '1003'], 'The seeds of the runs.'
)
_EXPLORE = flags.DEFINE_float(
    'explore',
    0.1,
    'The probability that a mediator is valued at random in a round.',
    lower_bound=0.0,
    upper_bound=1.0,
)
_DATA_DIR, _CACHE_DIR = flags_lib.define_folder_flags()
# The others are what is trained here.
_SETTINGS = tuple(
    name
    for name in flags_lib.ALL_SETTINGS
    if name not in ('mediator_policy', 'policy_file')
)
flags_lib.define_flags(_SETTINGS)


def _read_seeds() -> list[int]:
  try:
    seeds = [int(seed) for seed in _SEEDS.value]
  except ValueError as error:
    raise ValueError(
        f'--seeds must be integers, got {",".join(_SEEDS.value)}.'
    ) from error
  if (
      not seeds
      or min(seeds) < 0
      or max(seeds) > sampling.LARGEST_SEED
      or len(set(seeds)) < len(seeds)
  ):
    raise ValueError(
        '--seeds must be different integers in [0,'
        f' {sampling.LARGEST_SEED}], got {seeds}.'
    )
  return seeds


def _check_can_write(output: pathlib.Path) -> None:
  """Raises an OSError now rather than after the first run."""
  with folder_lib.errors_that_name_the_flag(str(output), 'output', 'file'):
    if output.is_dir():
      raise IsADirectoryError('it is a folder')
    # The trial is beside the file, which itself is put there as a whole.
    with tempfile.TemporaryFile(dir=output.parent):
      pass


def _locked_folder(kind: str, of: bytes) -> pathlib.Path:
  """Returns a folder in the cache that no other program gets until the end."""
  cache = cache_folders.dataset_folder('pretrain_policy', _CACHE_DIR.value)
  folder = cache / f'{kind}-{hashlib.sha256(of).hexdigest()[:16]}'
  with folder_lib.errors_that_name_the_flag(str(folder), 'cache_dir'):
    folder_lib.lock(folder)
  return folder


@contextlib.contextmanager
def _locked_output(output: pathlib.Path) -> Iterator[None]:
  """Keeps other programs from training the same policy."""
  try:
    folder = _locked_folder('output', os.fsencode(output.resolve()))
  except RuntimeError as error:
    raise RuntimeError(
        f'--output={output} is what another program trains; wait for its end,'
        ' or name another file.'
    ) from error
  try:
    yield
  finally:
    shutil.rmtree(folder)


def _lock_runs(
    settings: settings_lib.Settings, seeds: list[int]
) -> pathlib.Path:
  """Returns where the runs are until the policy is made."""
  record = settings_lib.to_record(settings) | {
      'explore': _EXPLORE.value, 'seeds': seeds
  }
  return _locked_folder('runs', json.dumps(record, sort_keys=True).encode())


def _train_on(
    settings: settings_lib.Settings, seeds: list[int], output: pathlib.Path
) -> None:
  """Writes the policy once it has learned from all seeds."""
  folder, state = _lock_runs(settings, seeds), None
  for seed in seeds:
    policy = learned.LearnedPasses(seed=seed, explore=_EXPLORE.value)
    if state is not None:
      policy.state = state
    # If the run is finished, this reads what the policy had learned by its end.
    run_lib.train(
        settings,
        seed,
        folder / f'seed_{seed}',
        data_dir=_DATA_DIR.value,
        cache_dir=_CACHE_DIR.value,
        policy=policy,
    )
    state = policy.state
    print(f'learned from seed {seed}.')
  # Written last: the file may hold another policy, which is finished.
  policy.save(output)
  print(output)
  shutil.rmtree(folder)


def _pretrain() -> None:
  settings = flags_lib.read_settings(_SETTINGS, mediator_policy='learned')
  seeds, output = _read_seeds(), pathlib.Path(_OUTPUT.value)
  _check_can_write(output)
  with _locked_output(output):
    runtime.set_local_execution_context(
        num_threads=machine.num_worker_threads(settings.models_per_round)
    )
    _train_on(settings, seeds, output)


main = functools.partial(command.run, _pretrain)

if __name__ == '__main__':
  command.start(main)
