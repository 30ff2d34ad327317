"""What a training run reports: metrics.csv, TensorBoard and a progress bar.

One row a round. A round's costs (bytes, divergence) are known when its clients
are selected, its losses when it is trained, its accuracy when it is evaluated;
`TrainingLog` is the `tff.program.ReleaseManager` in which they meet.
"""

import collections
from collections.abc import Sequence
import dataclasses
import pathlib
from typing import Any, Optional

import numpy as np
import pandas as pd
import tensorflow_federated as tff
import tqdm

from astraea_tff.metrics import classification
from experiment.runs import control_log
from experiment.runs import folder as folder_lib
from experiment.runs import interruption
from experiment.runs import names as names_lib
from experiment.runs import per_class
from experiment.runs import tables

METRICS_FILE = 'metrics.csv'
_BYTES_PER_MEGABYTE = 1e6
# What `astraea_tff.metrics.classification.Evaluation` calls each column.
_OF_EVALUATION = {
    'top_1': 'accuracy',
    'loss': 'loss',
    'macro_precision': 'macro_precision',
    'macro_recall': 'macro_recall',
    'macro_f1': 'macro_f1',
    'worst_class_recall': 'worst_class_recall',
    'calibration_error': 'calibration_error',
}
_EVALUATED = (*_OF_EVALUATION, 'validation_top_1')
_COLUMNS = (
    *_EVALUATED,
    'train_loss',
    'mean_kl_divergence',
    'megabytes',
    'megabytes_in_paper',
    'seconds',
    'local_steps',
    'simulated_seconds',
)
_PARTITION_COLUMN = 'partition'
# Every run has these columns.
_NEEDED = (
    'top_1', 'mean_kl_divergence', 'megabytes', 'megabytes_in_paper', 'seconds'
)
_SUMS = ('megabytes', 'megabytes_in_paper', 'local_steps', 'simulated_seconds')
# So many digits are enough to tell partitions apart.
_HASH_DIGITS = 12


@dataclasses.dataclass(frozen=True)
class RoundCost:
  """What a round costs, and how balanced its groups are.

  Attributes:
    num_bytes: The bytes sent, every pass through a client counted.
    num_bytes_in_paper: The bytes by the paper's formula, which leaves mediator
      epochs out, and copies that change with the round.
    mean_kl_divergence: The mean over the round's mediators (with FedAvg: over
      its clients) of the divergence of their pooled labels from the target, in
      nats; None if no client took part.
    num_steps: The optimizer steps of all clients together.
    simulated_seconds: How long the round would take in the deployment of the
      settings (`experiment.runs.deployment`).
  """

  num_bytes: int
  num_bytes_in_paper: int
  mean_kl_divergence: Optional[float]
  num_steps: int
  simulated_seconds: float


def mean_or_none(values: np.ndarray) -> Optional[float]:
  """Returns the mean of the values, or None if there are none."""
  return float(np.mean(values)) if len(values) else None


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
  """Reads a metrics.csv; an empty cell becomes None, a round an int.

  Raises:
    ValueError: If the file is not a table as `TrainingLog` writes it.
  """
  table = tables.read_csv(
      path,
      folder_lib.train_again(path.parent),
      text=[_PARTITION_COLUMN, *control_log.TEXT_COLUMNS],
      integers=['round'],
      needed=_NEEDED,
  )
  _check_rounds(path, table)
  return table.astype(object).where(table.notna(), None).to_dict('records')


def _check_rounds(path: pathlib.Path, table: pd.DataFrame) -> None:
  """Raises a ValueError unless the rows can be those of a run, in order."""
  fault = None
  if (table['round'] < 0).any() or (table['round'].diff() <= 0).any():
    fault = 'its rounds do not rise from line to line'
  elif not table['top_1'].dropna().between(0, 1).all():
    fault = 'a top_1 is not in [0, 1]'
  for name in table.columns.intersection(_SUMS):
    noted = table[name].dropna()
    if (noted < 0).any() or (noted.diff() < 0).any():
      fault = f'{name}, a sum so far, falls'
  if fault:
    mend = folder_lib.train_again(path.parent)
    raise ValueError(f'{path} is damaged ({fault}). {mend}')


def evaluation_metrics(
    result: classification.Evaluation,
    validation: Optional[classification.Evaluation] = None,
) -> dict[str, Any]:
  """Returns what `TrainingLog` makes of an evaluation on the test set.

  Args:
    result: The evaluation.
    validation: The evaluation on the examples held out for validation, if there
      are any.
  """
  names = _OF_EVALUATION | {name: name for name in per_class.MEASURES}
  metrics = {name: getattr(result, of) for name, of in names.items()}
  if validation is not None:
    metrics['validation_top_1'] = validation.accuracy
  return metrics


def _evaluated(value: Any, names: Sequence[str]) -> dict[str, Any]:
  """Returns those of the metrics that TFF's loop says were evaluated."""
  prefix = tff.simulation.EVALUATION_METRICS_PREFIX
  return {
      name: value[prefix + name] for name in names if prefix + name in value
  }


def evaluated_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
  """Returns those of a run's rows (`read_rows`) that were evaluated."""
  return [row for row in rows if row['top_1'] is not None]


def accuracy_curve(
    rows: Sequence[dict[str, Any]],
) -> tuple[list[int], list[float]]:
  """Returns the rounds that were evaluated, and their top-1 accuracies."""
  evaluated = evaluated_rows(rows)
  return (
      [row['round'] for row in evaluated],
      [row['top_1'] for row in evaluated],
  )


def _drop_half_written_line(path: pathlib.Path) -> None:
  """Removes what a full disk or a kill left of a row at the end of a file.

  The round of such a row has no checkpoint, so it is trained again.
  """
  text = path.read_text()
  if not text.endswith('\n'):
    folder_lib.write_atomically(path, text[: text.rfind('\n') + 1])


class TrainingLog(tff.program.ReleaseManager):
  """Releases a row a round to metrics.csv, TensorBoard and a progress bar.

  The columns are `round`; `top_1`, `loss` and the other measures of
  `classification.Evaluation` on the test set, in the rounds that were
  evaluated; `validation_top_1`, if examples are held out; `train_loss`, the
  clients' mean loss while they trained, if any did; `mean_kl_divergence`;
  `megabytes` and `megabytes_in_paper`, the traffic so far in 10^6 bytes (see
  `RoundCost`); `seconds`, the time spent on training so far; `local_steps`, the
  clients' optimizer steps so far; `simulated_seconds`, what the rounds so far
  would take in the deployment of the settings; `partition`, how the hash of the
  partition begins. per_class.csv has what each class gets
  (`experiment.runs.per_class`).

  Attributes:
    last_round: The round that was released last; None before the first.
    last_row: The last round that had a row when the log was opened; -1 for
      none.
  """

  def __init__(
      self,
      folder: pathlib.Path,
      *,
      num_rounds: int,
      description: str,
      partition_hash: str,
      class_names: Sequence[str],
      adapts: bool = False,
  ):
    """Opens the log in `folder`, which may hold rows of an interrupted run.

    With `adapts` it has the columns of `experiment.runs.control_log` too.
    """
    self._class_names = class_names
    self._columns = (*_COLUMNS, *(control_log.COLUMNS if adapts else ()))
    self._per_class = per_class.PerClassTable(
        folder / per_class.PER_CLASS_FILE, class_names
    )
    self.path = folder / METRICS_FILE
    if not self.path.exists():
      # TFF's manager keeps the columns it finds, and sorts those it adds.
      header = ','.join(('round', *self._columns, _PARTITION_COLUMN))
      folder_lib.write_atomically(self.path, header + '\n')
    _drop_half_written_line(self.path)
    self._csv = tff.program.CSVFileReleaseManager(
        self.path, key_fieldname='round'
    )
    self._tensorboard = tff.program.TensorBoardReleaseManager(
        folder / 'tensorboard'
    )
    self._partition = partition_hash[:_HASH_DIGITS]
    self.last_round: Optional[int] = None
    self._costs: dict[int, RoundCost] = {}
    self._totals: dict[int, dict[str, float]] = {}
    for row in read_rows(self.path):
      recorded = row.get(_PARTITION_COLUMN, self._partition)
      if recorded != self._partition:
        raise ValueError(
            f'{self.path} has round {row["round"]} on other data: their'
            f' partition is {recorded}, and that of the data now is'
            f' {self._partition}. Use the data of before to resume the run, or'
            ' another --output_dir.'
        )
      self._totals[row['round']] = row
    self.last_row = max(self._totals, default=-1)
    self._bar = tqdm.tqdm(
        total=num_rounds, desc=description, unit='round', leave=True
    )

  def add_cost(self, round_num: int, cost: RoundCost) -> None:
    """Says what round `round_num` costs, before it is released."""
    self._costs[round_num] = cost

  async def release(self, value: Any, key: int) -> None:
    """Releases round `key`, as `tff.simulation.run_training_process` has it."""
    row = self._row(value, key)
    lesson = value.get('control')
    decided = {} if lesson is None else control_log.cells(lesson)
    # Every row has every column, so that the file is only ever appended to.
    known = row | decided
    cells = collections.OrderedDict(
        (name, known.get(name, '')) for name in self._columns
    )
    cells[_PARTITION_COLUMN] = self._partition
    with interruption.uninterrupted():
      await self._csv.release(cells, key)
      by_class = _evaluated(value, per_class.MEASURES)
      if by_class:
        self._per_class.write(key, by_class)
      shown = row | self._named(by_class)
      if lesson is not None:
        shown |= control_log.scalars(lesson, self._class_names)
      await self._tensorboard.release(shown, key)
      self._totals[key] = row
      self.last_round = key
    self._bar.update(key - self._bar.n)
    if 'top_1' in row:
      self._bar.set_postfix(top_1=f'{row["top_1"]:.4f}')

  def _row(self, value: Any, round_num: int) -> dict[str, float]:
    row = collections.OrderedDict(
        (name, float(measured))
        for name, measured in _evaluated(value, _EVALUATED).items()
    )
    # The row of the round before may be lost, after a power cut for example.
    earlier = (key for key in self._totals if key < round_num)
    before = self._totals.get(max(earlier, default=None), {})
    cost = self._costs.pop(round_num, None)
    trained = value.get('client_work', {}).get('train')
    # TFF reports the mean loss over no examples as 0, that of a perfect model.
    if trained is not None and trained.get('num_examples', 1):
      row['train_loss'] = float(trained['loss'])
    if cost is not None and cost.mean_kl_divergence is not None:
      row['mean_kl_divergence'] = cost.mean_kl_divergence
    increments = {
        'megabytes': cost.num_bytes / _BYTES_PER_MEGABYTE if cost else 0.0,
        'megabytes_in_paper': (
            cost.num_bytes_in_paper / _BYTES_PER_MEGABYTE if cost else 0.0
        ),
        'seconds': float(value.get(tff.simulation.TRAINING_TIME_KEY, 0.0)),
        'local_steps': float(cost.num_steps if cost else 0),
        'simulated_seconds': cost.simulated_seconds if cost else 0.0,
    }
    for name, increment in increments.items():
      # A run that began without the column has no total to go on with.
      if not before or before.get(name) is not None:
        row[name] = before.get(name, 0.0) + increment
    return row

  def _named(self, by_class: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns the measures with a scalar for each class."""
    return {
        f'{name}_of_class': collections.OrderedDict(
            (names_lib.printable(label), float(value))
            for label, value in zip(self._class_names, values)
        )
        for name, values in by_class.items()
    }

  def close(self) -> None:
    """Ends the progress bar."""
    self._bar.close()
