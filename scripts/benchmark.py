"""Times rounds of Astraea against TFF's FedAvg and a plain TensorFlow loop.

  python scripts/benchmark.py --output_dir=runs/benchmark
  python scripts/benchmark.py --full --output_dir=runs/benchmark_full

Every figure is a ratio within one run: the rounds of all subjects take turns,
and a ratio is the median of those of every turn, which a machine that is now
faster, now slower, changes little. The references are, for the same network,
clients and batches,

  limit       a plain tf.function loop outside TFF: the better of one stream on
              all cores and one single-threaded process per core
  tff         tff.learning.algorithms.build_weighted_fed_avg as TFF ships it
  tff tuned   the same under our runtime, the better of TFF's two loops

Writes benchmark.json and benchmark.md. The short form has 20 clients of 460
examples a round, the full one 50. Needs an idle machine to mean anything.
"""

from collections.abc import Sequence
import json
import os
import pathlib
import shutil
import tempfile
from typing import Any

# TensorFlow reads it when it is imported, and would fill the terminal.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import app
from absl import flags

from experiment.benchmark import report as benchmark_report
from experiment.benchmark import rounds as benchmark_rounds
from experiment.benchmark import subjects as benchmark_subjects
from experiment.runs import command
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import machine

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir', None, 'Where benchmark.json and benchmark.md go.',
    required=True,
)
_FULL = flags.DEFINE_bool(
    'full', False, 'The full form: 50 clients, and 50,000 clients on disk.'
)
_REPEATS = flags.DEFINE_integer(
    'repeats', 5, 'Measured rounds of every subject.', lower_bound=1
)

_NUM_EXAMPLES = 460
_MAX_CLIENTS = 10


def _subjects(
    folder: str, small_folder: str, num_clients: int
) -> dict[str, list[Any]]:
  """Returns the subjects by name; several that run at once are one."""
  everyone = list(range(num_clients))
  num_cores = machine.num_cores()
  limit = dict(folder=folder)
  astraea = dict(
      folder=folder, num_clients=num_clients, max_clients=_MAX_CLIENTS
  )
  fed_avg = dict(folder=folder, num_clients=num_clients)
  per_core = [everyone[core::num_cores] for core in range(num_cores)]
  subjects = {
      'limit, one stream': [
          ('plain_loop', limit | dict(clients=everyone, num_threads=0))
      ],
      'limit, a process per core': [
          ('plain_loop', limit | dict(clients=part, num_threads=1))
          for part in per_core
      ],
      'limit of 4 epochs, a process per core': [
          ('plain_loop', limit | dict(clients=part, num_threads=1, epochs=4))
          for part in per_core
      ],
      'tff': [
          ('fed_avg', fed_avg | dict(is_tuned=False, loop='DATASET_REDUCE'))
      ],
      'tff tuned, reduce': [
          ('fed_avg', fed_avg | dict(is_tuned=True, loop='DATASET_REDUCE'))
      ],
      'tff tuned, iterator': [
          ('fed_avg', fed_avg | dict(is_tuned=True, loop='DATASET_ITERATOR'))
      ],
      'astraea': [('astraea', astraea)],
      'astraea, 4 mediator epochs': [
          ('astraea', astraea | dict(mediator_epochs=4))
      ],
      'astraea, stored augmentation': [
          ('astraea', astraea | dict(augmentation='stored'))
      ],
      'astraea, fresh augmentation': [
          ('astraea', astraea | dict(augmentation='fresh'))
      ],
  }
  subjects[benchmark_report.ONE_BATCH] = [
      ('astraea', astraea | dict(folder=small_folder))
  ]
  for gamma in (1, num_clients):
    subjects[f'astraea, gamma {gamma}'] = [
        ('astraea', astraea | dict(max_clients=gamma))
    ]
  return subjects


def _benchmark() -> None:
  output = pathlib.Path(_OUTPUT_DIR.value)
  output.mkdir(parents=True, exist_ok=True)
  num_clients = 50 if _FULL.value else 20
  populations = (500, 50_000) if _FULL.value else (500, 5_000)
  described = machine.describe()
  load_before = os.getloadavg()[0]
  scratch = pathlib.Path(tempfile.mkdtemp(prefix='astraea_benchmark_'))
  try:
    clients = scratch / 'clients'
    benchmark_subjects.write_clients(clients, num_clients, _NUM_EXAMPLES)
    one_batch = scratch / 'one_batch'
    benchmark_subjects.write_clients(
        one_batch, num_clients, benchmark_report.BATCH_SIZE
    )
    rounds = benchmark_rounds.measure_rounds(
        _subjects(str(clients), str(one_batch), num_clients), _REPEATS.value
    )
    memory = benchmark_rounds.measure_memory(
        scratch, populations, _MAX_CLIENTS
    )
  finally:
    shutil.rmtree(scratch, ignore_errors=True)
  results = {
      'machine': described,
      'load_before': load_before,
      'clients': num_clients,
      'repeats': _REPEATS.value,
      'rounds': rounds,
      'memory': memory,
  }
  folder_lib.write_atomically(
      output / 'benchmark.json', json.dumps(results, indent=2) + '\n'
  )
  text = benchmark_report.write_report(results)
  folder_lib.write_atomically(output / 'benchmark.md', text)
  print(text)


def main(argv: Sequence[str]) -> None:
  command.run(_benchmark, argv)


if __name__ == '__main__':
  app.run(main)
