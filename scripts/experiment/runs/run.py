"""One training run: from settings and a seed to a folder of results."""

import asyncio
from collections.abc import Iterator, Sequence
import contextlib
import gc
import math
import pathlib
import shutil
from typing import Any, Optional

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import datasets
from astraea_tff.control import policies
from astraea_tff.control import validation as validation_lib
from astraea_tff.scheduling import schedule as schedule_lib
from experiment.runs import adaptive
from experiment.runs import adaptive_settings
from experiment.runs import algorithms
from experiment.runs import checkpoints as checkpoints_lib
from experiment.runs import control_log
from experiment.runs import evaluations as evaluations_lib
from experiment.runs import interruption
from experiment.runs import metrics_log
from experiment.runs import plots
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib

WEIGHTS_FILE = 'model.weights.h5'
# The file a run writes last: where it is, the run is finished.
_LAST_FILE = 'confusion_matrix.png'


def is_finished(folder: pathlib.Path, rounds: int) -> bool:
  """Returns whether `folder` holds a finished run of so many rounds."""
  metrics = folder / metrics_log.METRICS_FILE
  if not (folder / _LAST_FILE).exists() or not metrics.exists():
    return False
  rows = metrics_log.read_rows(metrics)
  return bool(rows) and rows[-1]['round'] == rounds


def train(
    settings: settings_lib.Settings,
    seed: int,
    folder: pathlib.Path,
    *,
    data_dir: Optional[str] = None,
    cache_dir: Optional[str] = None,
    **options: Any,
) -> None:
  """Prepares the clients, and trains on them.

  Args:
    settings: The settings.
    seed: The seed of everything random in the run.
    folder: See `train_population`.
    data_dir: Where TensorFlow Datasets keeps its prepared data.
    cache_dir: Where the clients' examples are prepared.
    **options: See `train_population`, which raises the same errors.
  """
  population = population_lib.make_population(
      settings, seed, data_dir, cache_dir
  )
  train_population(settings, population, folder, **options)


def train_population(
    settings: settings_lib.Settings,
    population: population_lib.Population,
    folder: pathlib.Path,
    *,
    schedule: Optional[schedule_lib.Schedule] = None,
    rounds_per_checkpoint: int = 1,
    metrics_managers: Sequence[tff.program.ReleaseManager] = (),
    policy: Optional[policies.MediatorPolicy] = None,
) -> None:
  """Trains, from the last checkpoint in `folder` if there is one.

  Writes `metrics.csv` and TensorBoard events (`experiment.runs.metrics_log`),
  the schedule, the final weights, and the pictures.

  Args:
    settings: The settings.
    population: The clients.
    folder: Where the results go; made if it is not there.
    schedule: Astraea's static schedule, if it is made already.
    rounds_per_checkpoint: How many rounds may be lost to a sudden end. One that
      can still be noticed, such as Ctrl-C or an error, loses none.
    metrics_managers: What else the metrics of every round are released to.
    policy: What decides the mediators' passes, if it is made already, for a
      `mediator_policy` of its kind.

  Raises:
    ValueError: If the settings do not fit the data, the folder holds rounds on
      other data, or the last checkpoint is damaged.
    OSError: If a result cannot be written.
  """
  data = population.data
  validation, test = _split_test(data, settings.validation_fraction)
  is_new = not folder.exists()
  folder.mkdir(parents=True, exist_ok=True)
  log = metrics_log.TrainingLog(
      folder,
      num_rounds=settings.rounds,
      description=f'{settings.algorithm} seed {population.seed}',
      partition_hash=data.partition_hash,
      class_names=data.class_names,
      adapts=adaptive_settings.adapts(settings),
  )
  with _undone_if_refused(log, folder if is_new else None):
    checkpoints = checkpoints_lib.Checkpoints(folder)
    checkpoints.go_on_after(log.last_row)
    # It may be that of fewer rounds.
    (folder / _LAST_FILE).unlink(missing_ok=True)
    algorithm = algorithms.build(
        settings, population, folder, schedule, policy
    )
    # After the process, which builds its models in graphs: Keras gives up
    # models made before.
    model = population_lib.build_keras_model(population)
    process = algorithm.process
    if algorithm.control is not None:
      process = _adaptive_process(algorithm, data, model, validation)
      checkpoints.restore = process.restore
    checkpoints.check_last(process)
  evaluations = evaluations_lib.Evaluations(
      settings, data, validation, test, model, log
  )

  def select(round_num: int) -> Any:
    of_round, cost = algorithm.select(round_num)
    log.add_cost(round_num, cost)
    return of_round

  try:
    with _training_loop():
      state = tff.simulation.run_training_process(
          process,
          select,
          settings.rounds,
          evaluation_fn=evaluations.see_state,
          evaluation_selection_fn=lambda round_num: round_num,
          program_state_manager=checkpoints,
          rounds_per_saving_program_state=rounds_per_checkpoint,
          metrics_managers=[log, *metrics_managers],
      )
  finally:
    log.close()
    evaluations.save_last_state(checkpoints)
  state.global_model_weights.assign_weights_to(model)
  model.save_weights(folder / WEIGHTS_FILE)
  _draw(settings, population, algorithm, evaluations.of_test(), folder)


@contextlib.contextmanager
def _undone_if_refused(
    log: metrics_log.TrainingLog, folder: Optional[pathlib.Path]
) -> Iterator[None]:
  """Ends the log if no training comes, and removes a new run that is refused.

  A folder that stayed would hold the flags to be mended against the others.
  """
  try:
    yield
  except BaseException as error:
    log.close()
    if folder is not None and isinstance(error, ValueError):
      shutil.rmtree(folder, ignore_errors=True)
    raise


def _split_test(data, validation_fraction: float):
  """Returns the validation and the test part, as `population.split_test`."""
  validation, test = population_lib.split_test(
      data.test_labels, validation_fraction
  )
  if validation_fraction and not validation.size:
    largest = np.bincount(data.test_labels).max()
    enough = math.ceil(1e4 / largest) / 1e4
    raise ValueError(
        f'validation_fraction={validation_fraction} holds out none of the'
        f' {largest} test examples of a class; give {enough:g} or more.'
    )
  return validation, test


def _adaptive_process(
    algorithm: algorithms.Algorithm,
    data: datasets.PreparedDataset,
    model: tf.keras.Model,
    validation: np.ndarray,
) -> adaptive.AdaptiveProcess:
  """Returns the process that learns of the test set's validation part."""
  examples = None
  if validation.size:
    examples = validation_lib.Validation(
        model,
        data.test_features[validation],
        data.test_labels[validation],
        data.num_classes,
    )
  return adaptive.AdaptiveProcess(
      algorithm.process,
      algorithm.control,
      examples,
      algorithm.see_model and algorithm.see_model(model),
  )


@contextlib.contextmanager
def _training_loop() -> Iterator[None]:
  """Makes the event loop on which TFF's training loop runs."""
  # Checkpoints leave cycles of objects. Without all that imports and tracing
  # made to look through, Python collects them every few rounds.
  gc.collect()
  gc.freeze()
  loop = asyncio.new_event_loop()
  loop.set_exception_handler(_report_unless_interrupted)
  asyncio.set_event_loop(loop)
  try:
    yield
  finally:
    gc.unfreeze()


def _report_unless_interrupted(
    loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
  """Keeps asyncio quiet of a signal that ended a task nobody waits for."""
  if not isinstance(context.get('exception'), interruption.Interrupted):
    loop.default_exception_handler(context)


def _draw(settings, population, algorithm, result, folder) -> None:
  """Draws the run's pictures."""
  data = population.data
  rows = metrics_log.read_rows(folder / metrics_log.METRICS_FILE)
  plots.plot_accuracy(
      folder / 'accuracy.png',
      {settings.algorithm: [metrics_log.accuracy_curve(rows)]},
  )
  if control_log.has_decisions(rows):
    control_log.draw(folder / control_log.PICTURE_FILE, rows, data.class_names)
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
