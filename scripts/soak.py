"""Measures whether memory stays level over many rounds of changing clients.

  python scripts/soak.py --output_dir=docs/studies

Trains as train.py does, with a checkpoint after every round, and notes the
resident memory of this process and of TFF's worker after every round. By
default digits over 50 clients, ten of which are sampled and scheduled anew in
every round; train.py's other settings are flags here too. Writes soak.csv and
soak.png to --output_dir, prints how the memory after the last round compares
with that after --reference_round, and fails if either process grew by more than
--tolerance.

Python frees cycles of objects (checkpoints leave some) every few rounds only,
so that memory goes up and down by some percent. What is compared are therefore
medians, of the twenty rounds up to the one and up to the other.
"""

from collections.abc import Mapping
import functools
import math
import os
import pathlib
import statistics
import tempfile
from typing import Any

from absl import flags
from matplotlib import figure
import psutil

# Imported before TensorFlow, which it keeps from filling the terminal.
from experiment.runs import command
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import plots
from experiment.runs import run as run_lib
import tensorflow_federated as tff
from astraea_tff import runtime

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir', None, 'Where table and picture go.', required=True
)
_SEED = flags_lib.define_seed('Seed of everything random.')
_REFERENCE_ROUND = flags.DEFINE_integer(
    'reference_round',
    50,
    'The round whose memory the last one is compared with: caches and arenas'
    ' have been filled by then.',
    lower_bound=0,
)
_TOLERANCE = flags.DEFINE_float(
    'tolerance', 0.05, 'The growth that is allowed, a share.', lower_bound=0
)
_DATA_DIR, _CACHE_DIR = flags_lib.define_folder_flags()
flags_lib.define_flags()
for _name, _value in (
    ('rounds', 300), ('num_clients', 50), ('schedule', 'per_round')
):
  flags.FLAGS.set_default(_name, _value)

_PROCESSES = {'parent': 'this program', 'worker': "TFF's worker"}
_MOST_ROUNDS_OF_MEDIAN = 20
_UNFINISHED = 'unfinished.csv'


class MemoryLog(tff.program.ReleaseManager):
  """Notes the resident memory of parent and worker after every round.

  The table is `soak.csv` once the last round is in it, and `unfinished.csv`
  until then.

  Attributes:
    megabytes: By process, by round, in 10^6 bytes.
  """

  def __init__(self, folder: pathlib.Path, worker: runtime.Worker):
    """Takes the folder of the table, and TFF's worker."""
    self._folder, self._worker = folder, worker
    self._csv = None
    self.megabytes = {name: {} for name in _PROCESSES}

  async def release(self, value: Any, key: int) -> None:
    """Notes the memory after round `key`."""
    del value
    pids = {'parent': os.getpid(), 'worker': self._worker.pid}
    if pids['worker'] is None:
      raise RuntimeError(f'the worker ended in round {key}.')
    row = {}
    for name, pid in pids.items():
      self.megabytes[name][key] = psutil.Process(pid).memory_info().rss / 1e6
      row[f'{name}_megabytes'] = round(self.megabytes[name][key], 3)
    if self._csv is None:
      path = self._folder / _UNFINISHED
      path.unlink(missing_ok=True)
      self._csv = tff.program.CSVFileReleaseManager(path, key_fieldname='round')
    await self._csv.release(row, key)

  def finish(self) -> None:
    """Puts the table in its place."""
    (self._folder / _UNFINISHED).replace(self._folder / 'soak.csv')


def level(megabytes: Mapping[int, float], round_num: int) -> float:
  """Returns the median of the rounds up to `round_num`.

  Args:
    megabytes: By round, all rounds.
    round_num: --reference_round or the last. The two medians share no round.
  """
  number = min(
      _MOST_ROUNDS_OF_MEDIAN, max(megabytes) - _REFERENCE_ROUND.value
  )
  first = max(0, round_num - number + 1)
  return statistics.median(megabytes[r] for r in range(first, round_num + 1))


def plot(
    path: pathlib.Path, megabytes: Mapping[str, Mapping[int, float]]
) -> None:
  """Draws memory against rounds, with the band that is allowed."""
  drawn = figure.Figure(figsize=(9, 3.6), layout='constrained')
  for axes, (name, title) in zip(drawn.subplots(1, 2), _PROCESSES.items()):
    rounds, values = zip(*megabytes[name].items())
    reference = level(megabytes[name], _REFERENCE_ROUND.value)
    axes.plot(rounds, values, linewidth=1)
    axes.axvline(_REFERENCE_ROUND.value, color='gray', linewidth=0.5)
    axes.axhspan(
        reference, (1 + _TOLERANCE.value) * reference, color='C2', alpha=0.2,
        label=f'up to {100 * _TOLERANCE.value:g} % above'
        f' round {_REFERENCE_ROUND.value}',
    )
    axes.set_ylim(bottom=0)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel('round')
    axes.set_ylabel('resident memory (MB)')
    axes.grid(alpha=0.3)
    axes.legend(loc='lower right', fontsize=8)
  plots.save(drawn, path)


def compare(megabytes: Mapping[str, Mapping[int, float]], last: int) -> None:
  """Prints how much each process grew.

  Raises:
    RuntimeError: One grew by more than --tolerance.
  """
  reference, grown = _REFERENCE_ROUND.value, []
  for name, values in megabytes.items():
    before, after = level(values, reference), level(values, last)
    summary = (
        f'{name}: {after:.1f} MB after round {last}, {after / before:.3f} times'
        f' the {before:.1f} MB after round {reference}'
    )
    print(summary)
    if after > (1 + _TOLERANCE.value) * before:
      grown.append(summary)
  if grown:
    raise RuntimeError(
        f'The memory grew by more than {100 * _TOLERANCE.value:g} %:'
        f' {"; ".join(grown)}.'
    )


def _soak() -> None:
  settings = flags_lib.read_settings()
  reference, last = _REFERENCE_ROUND.value, settings.rounds
  if not reference < last:
    raise ValueError(
        f'--reference_round={reference} must be below --rounds={last}.'
    )
  if not math.isfinite(_TOLERANCE.value):
    raise ValueError(f'--tolerance={_TOLERANCE.value} must be finite.')
  output = folder_lib.take_output_folder(_OUTPUT_DIR.value)
  memory = MemoryLog(output, runtime.set_local_execution_context())
  with tempfile.TemporaryDirectory() as folder:
    run_lib.train(
        settings,
        _SEED.value,
        pathlib.Path(folder),
        data_dir=_DATA_DIR.value,
        cache_dir=_CACHE_DIR.value,
        metrics_managers=[memory],
    )
  memory.finish()
  plot(output / 'soak.png', memory.megabytes)
  compare(memory.megabytes, last)


main = functools.partial(command.run, _soak)

if __name__ == '__main__':
  command.start(main)
