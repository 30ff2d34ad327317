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
  tff tuned   the same under our runtime, with the quicker of TFF's two loops

The start, from the first import to the end of the first round, is that of a
program that imports astraea_tff or TFF before all else.

Astraea reads its clients by id, but for two subjects that are handed datasets
by Python: the same ones in every round, or new ones.

Writes benchmark.json and benchmark.md. The short form has 20 clients of 460
examples a round, the full one 50. Needs an idle machine to mean anything.
"""

import functools
import json
import os
import pathlib
import tempfile

from absl import flags

from experiment.benchmark import measuring
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
) -> dict[str, list[measuring.BuildSubject]]:
  """Returns the subjects by name; several that run at once are one."""
  everyone = list(range(num_clients))
  num_cores = machine.num_cores()
  bound = functools.partial
  fed_avg = bound(benchmark_subjects.fed_avg, folder, num_clients)
  astraea = bound(benchmark_subjects.astraea, folder, num_clients, _MAX_CLIENTS)
  handed_in = bound(
      benchmark_subjects.handed_in, folder, num_clients, _MAX_CLIENTS
  )

  def loop_per_core(**options):
    return [
        bound(
            benchmark_subjects.plain_loop,
            folder,
            everyone[core::num_cores],
            num_threads=1,
            **options,
        )
        for core in range(num_cores)
    ]

  return {
      'limit, one stream': [
          bound(benchmark_subjects.plain_loop, folder, everyone, num_threads=0)
      ],
      'limit, a process per core': loop_per_core(),
      'limit of 4 epochs, a process per core': loop_per_core(epochs=4),
      'tff': [bound(fed_avg, is_tuned=False, loop='DATASET_REDUCE')],
      'tff tuned': [bound(fed_avg, is_tuned=True, loop='DATASET_ITERATOR')],
      'astraea': [astraea],
      benchmark_report.HANDED_IN_AGAIN: [bound(handed_in, are_same=True)],
      benchmark_report.HANDED_IN_ANEW: [bound(handed_in, are_same=False)],
      'astraea, 4 mediator epochs': [bound(astraea, mediator_epochs=4)],
      'astraea, stored augmentation': [bound(astraea, augmentation='stored')],
      'astraea, fresh augmentation': [bound(astraea, augmentation='fresh')],
      benchmark_report.ONE_BATCH: [
          bound(
              benchmark_subjects.astraea,
              small_folder,
              num_clients,
              _MAX_CLIENTS,
          )
      ],
  } | {
      f'astraea, gamma {gamma}': [
          bound(benchmark_subjects.astraea, folder, num_clients, gamma)
      ]
      for gamma in (1, num_clients)
  }


def _benchmark() -> None:
  output = folder_lib.take_output_folder(_OUTPUT_DIR.value)
  num_clients = 50 if _FULL.value else 20
  populations = (500, 50_000) if _FULL.value else (500, 5_000)
  results = {
      'machine': machine.describe(),
      'load_before': os.getloadavg()[0],
      'clients': num_clients,
      'repeats': _REPEATS.value,
  }
  with tempfile.TemporaryDirectory(prefix='astraea_benchmark_') as name:
    scratch = pathlib.Path(name)
    clients = scratch / 'clients'
    benchmark_subjects.write_clients(clients, num_clients, _NUM_EXAMPLES)
    one_batch = scratch / 'one_batch'
    benchmark_subjects.write_clients(
        one_batch, num_clients, benchmark_report.BATCH_SIZE
    )
    results['rounds'] = benchmark_rounds.measure_rounds(
        _subjects(str(clients), str(one_batch), num_clients), _REPEATS.value
    )
    results['memory'] = benchmark_rounds.measure_memory(
        scratch, populations, _MAX_CLIENTS
    )
  folder_lib.write_atomically(
      output / 'benchmark.json', json.dumps(results, indent=2) + '\n'
  )
  text = benchmark_report.write_report(results)
  folder_lib.write_atomically(output / 'benchmark.md', text)
  print(text)


main = functools.partial(command.run, _benchmark)

if __name__ == '__main__':
  command.start(main)
