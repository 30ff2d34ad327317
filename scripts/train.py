"""Trains Astraea, FedAvg, FedProx or Mime Lite on a dataset split over clients.

  python scripts/train.py --flagfile=scripts/flags/demo.flags \
      --flagfile=scripts/flags/recommended.flags --output_dir=runs/astraea
  python scripts/train.py --flagfile=scripts/flags/demo.flags \
      --flagfile=scripts/flags/fedavg.flags --output_dir=runs/fedavg

With --workers the rounds run on workers that scripts/worker.py started, on this
machine or others (docs/several_machines.md); they must see the same
--cache_dir under the same path.

Every seed has a folder of its own in --output_dir, with metrics.csv,
TensorBoard events, the schedule, the final weights and the pictures. The same
command again goes on where it stopped, also with more --rounds or another
--seed; other flags on the same folder are refused.
"""

import functools

from absl import flags

# Imported before TensorFlow, which it keeps from filling the terminal.
from experiment.runs import command
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import machine
from experiment.runs import run as run_lib
from experiment.runs import settings as settings_lib
from astraea_tff import runtime

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir',
    None,
    'The folder of the run, new or to be resumed.',
    required=True,
)
_SEEDS = flags_lib.define_seeds(
    [0],
    'Seed of the partition, the augmentation, the sampling, the order of the'
    ' examples and the initial weights; repeat the flag for several runs.',
)
_DATA_DIR, _CACHE_DIR = flags_lib.define_folder_flags()
_ROUNDS_PER_CHECKPOINT = flags.DEFINE_integer(
    'rounds_per_checkpoint',
    1,
    'Rounds between checkpoints: what kill -9 or a power cut may cost. Writing'
    ' a checkpoint takes time too.',
    lower_bound=1,
)
_NUM_THREADS = flags.DEFINE_integer(
    'num_threads',
    None,
    "Threads of TFF's worker; by default as many as there are cores, or fewer"
    ' if a round has fewer mediators.',
    lower_bound=1,
)
_MAX_CONCURRENT_CALLS = flags.DEFINE_integer(
    'max_concurrent_calls',
    None,
    "Mediators (or clients, where there are none) that TFF's worker trains at"
    ' once, for want of memory; no limit by default.',
    lower_bound=1,
)
_WORKERS = flags.DEFINE_list(
    'workers',
    None,
    'Workers to train on, host:port,...; one of its own by default.',
)
flags.register_validator(
    _WORKERS,
    lambda workers: workers is None or workers and all(workers),
    'Each worker must be host:port; leave the flag out for one of its own.',
)
flags_lib.define_flags()


def _set_execution_context(settings: settings_lib.Settings) -> None:
  own = {
      flag.name: flag.value
      for flag in (_NUM_THREADS, _MAX_CONCURRENT_CALLS)
      if flag.value is not None
  }
  if _WORKERS.value is None:
    num_threads = machine.num_worker_threads(settings.models_per_round)
    runtime.set_local_execution_context(**{'num_threads': num_threads} | own)
    return
  if own:
    raise ValueError(
        f'--{", --".join(own)} and --workers exclude each other: each worker'
        ' has its own, given to worker.py.'
    )
  runtime.set_remote_execution_context(_WORKERS.value)


def _train_all_seeds() -> None:
  settings, seeds = flags_lib.read_settings(), _SEEDS.value
  flags_lib.check_different(_SEEDS)
  folder = folder_lib.open_run_folder(
      _OUTPUT_DIR.value,
      settings_lib.to_record(settings) | {'seed': seeds},
      growing=('rounds',),
      added=('seed',),
  )
  _set_execution_context(settings)
  for seed in seeds:
    seed_folder = folder / f'seed_{seed}'
    if run_lib.is_finished(seed_folder, settings.rounds):
      print(f'{seed_folder} is finished already.')
      continue
    run_lib.train(
        settings,
        seed,
        seed_folder,
        data_dir=_DATA_DIR.value,
        cache_dir=_CACHE_DIR.value,
        rounds_per_checkpoint=_ROUNDS_PER_CHECKPOINT.value,
    )


main = functools.partial(command.run, _train_all_seeds)

if __name__ == '__main__':
  command.start(main)
