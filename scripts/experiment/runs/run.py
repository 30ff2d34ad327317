"""One training run: from settings and a seed to a folder of results."""

import asyncio
from collections.abc import Sequence
import gc
import pathlib
from typing import Any, Optional

import numpy as np
import tensorflow_federated as tff

from astraea_tff.metrics import classification
from experiment.runs import algorithms
from experiment.runs import checkpoints
from experiment.runs import interruption
from experiment.runs import metrics_log
from experiment.runs import plots
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib

WEIGHTS_FILE = 'model.weights.h5'
# The file a run writes last: where it is, the run is finished.
_LAST_FILE = 'confusion_matrix.png'


def is_finished(folder: pathlib.Path) -> bool:
  """Returns whether `folder` holds a finished run."""
  return (folder / _LAST_FILE).exists()


def train(
    settings: settings_lib.Settings,
    seed: int,
    folder: pathlib.Path,
    *,
    data_dir: Optional[str] = None,
    cache_dir: Optional[str] = None,
    rounds_per_checkpoint: int = 1,
    metrics_managers: Sequence[tff.program.ReleaseManager] = (),
) -> None:
  """Trains, from the last checkpoint in `folder` if there is one.

  Writes `metrics.csv` and TensorBoard events (`experiment.runs.metrics_log`),
  the schedule, the final weights, and the pictures.

  Args:
    settings: The settings.
    seed: The seed of everything random in the run.
    folder: Where the results go; made if it is not there.
    data_dir: Where TensorFlow Datasets keeps its prepared data.
    cache_dir: Where the clients' examples are prepared.
    rounds_per_checkpoint: How many rounds may be lost to a sudden end. One that
      can still be noticed, such as Ctrl-C or an error, loses none.
    metrics_managers: What else the metrics of every round are released to.

  Raises:
    ValueError: If the settings do not fit the data, or the last checkpoint is
      damaged.
    OSError: If a result cannot be written.
  """
  population = population_lib.make_population(
      settings, seed, data_dir, cache_dir
  )
  folder.mkdir(parents=True, exist_ok=True)
  algorithm = algorithms.build(settings, population, folder)
  run = _Run(settings, population, algorithm, folder)
  run.train(rounds_per_checkpoint, metrics_managers)
  run.model.save_weights(folder / WEIGHTS_FILE)
  _draw(settings, population, algorithm, run.evaluate(), folder)


class _Run:
  """The rounds of a run, under TFF's training loop.

  Attributes:
    model: The Keras model that is evaluated, with the weights after `train`.
  """

  def __init__(
      self,
      settings: settings_lib.Settings,
      population: population_lib.Population,
      algorithm: Any,
      folder: pathlib.Path,
  ):
    data = population.data
    self._settings = settings
    self._num_classes = data.num_classes
    self._algorithm = algorithm
    self._checkpoints = checkpoints.Checkpoints(folder)
    self._checkpoints.check_last(algorithm.process)
    self._log = metrics_log.TrainingLog(
        folder,
        num_rounds=settings.rounds,
        description=f'{settings.algorithm} seed {population.seed}',
        partition_hash=data.partition_hash,
        class_names=data.class_names,
    )
    # After the process, which builds its models in graphs: Keras gives up
    # models made before.
    self.model = population_lib.build_keras_model(population)
    self._evaluation: Optional[classification.Evaluation] = None
    self._validation, self._test = (
        (data.test_images[part], data.test_labels[part])
        for part in population_lib.split_test(
            data.test_labels, settings.validation_fraction
        )
    )
    self._states: dict[int, Any] = {}

  def train(
      self,
      rounds_per_checkpoint: int,
      metrics_managers: Sequence[tff.program.ReleaseManager],
  ) -> None:
    """Trains all rounds that are left, and assigns the weights to the model."""
    # Checkpoints leave cycles of objects. Without all that imports and tracing
    # made to look through, Python collects them every few rounds.
    gc.collect()
    gc.freeze()
    # TFF's training loop runs on the thread's event loop.
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_report_unless_interrupted)
    asyncio.set_event_loop(loop)
    try:
      state = tff.simulation.run_training_process(
          self._algorithm.process,
          self._select,
          self._settings.rounds,
          evaluation_fn=self._see_state,
          evaluation_selection_fn=lambda round_num: round_num,
          program_state_manager=self._checkpoints,
          rounds_per_saving_program_state=rounds_per_checkpoint,
          metrics_managers=[self._log, *metrics_managers],
      )
    finally:
      gc.unfreeze()
      self._log.close()
      self._save_last_round()
    state.global_model_weights.assign_weights_to(self.model)

  def evaluate(self) -> classification.Evaluation:
    """Evaluates the model, unless it has been with its weights."""
    if self._evaluation is None:
      self._evaluation = self._evaluate_part(self._test)
    return self._evaluation

  def _evaluate_part(
      self, part: tuple[np.ndarray, np.ndarray]
  ) -> classification.Evaluation:
    return classification.evaluate(self.model, *part, self._num_classes)

  def _select(self, round_num: int) -> Any:
    data, cost = self._algorithm.select(round_num)
    self._log.add_cost(round_num, cost)
    return data

  def _see_state(self, state: Any, round_num: int) -> dict[str, Any]:
    """Notes the state after a round, and evaluates it if it is due."""
    # This one, and the last that is in the log, should this one not get there.
    last = self._log.last_round
    self._states = {round_num: state} | (
        {last: self._states[last]} if last in self._states else {}
    )
    self._evaluation = None
    is_last = round_num == self._settings.rounds
    if round_num % self._settings.rounds_per_evaluation and not is_last:
      return {}
    state.global_model_weights.assign_weights_to(self.model)
    validation = None
    if self._validation[1].size:
      validation = self._evaluate_part(self._validation)
    return metrics_log.evaluation_metrics(self.evaluate(), validation)

  def _save_last_round(self) -> None:
    """Saves the last round that is in the log, whatever ended the run."""
    last = self._log.last_round
    if last in self._states:
      self._checkpoints.save_if_new(self._states[last], last)


def _report_unless_interrupted(
    loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
  """Keeps asyncio quiet of a signal that ended a task nobody waits for."""
  if not isinstance(context.get('exception'), interruption.Interrupted):
    loop.default_exception_handler(context)


def _draw(settings, population, algorithm, result, folder) -> None:
  """Draws the run's pictures."""
  data = population.data
  curve = metrics_log.accuracy_curve(metrics_log.read_rows(folder / metrics_log.METRICS_FILE))
  plots.plot_accuracy(
      folder / 'accuracy.png', {settings.algorithm: [curve]}
  )
  plots.plot_kl_divergence(
      folder / 'kl_divergence.png', algorithm.divergences
  )
  plots.plot_label_histogram(
      folder / 'label_histogram.png',
      {
          'before augmentation': data.label_counts.sum(axis=0),
          'after augmentation': population.counts.sum(axis=0),
      },
      data.class_names,
  )
  plots.plot_confusion_matrix(
      folder / _LAST_FILE,
      result.confusion_matrix,
      data.class_names,
  )
