"""What a run measures of its model, round by round."""

from typing import Any

import numpy as np
import tensorflow as tf

from astraea_tff import datasets
from astraea_tff.metrics import classification
from experiment.runs import checkpoints as checkpoints_lib
from experiment.runs import metrics_log
from experiment.runs import settings as settings_lib


class Evaluations:
  """Evaluates a run's states, and keeps those of the last two rounds.

  Of the last one there may be no row in the log yet.
  """

  def __init__(
      self,
      settings: settings_lib.Settings,
      data: datasets.PreparedDataset,
      validation: np.ndarray,
      test: np.ndarray,
      model: tf.keras.Model,
      log: metrics_log.TrainingLog,
  ):
    """Begins with no state.

    Args:
      settings: The settings.
      data: The data, with the test set.
      validation: The indices of its validation part, maybe none.
      test: The indices of its test part.
      model: The model that is given the states' weights.
      log: Says of which rounds there is a row.
    """
    self._settings, self._data = settings, data
    self._validation, self._test = validation, test
    self._model, self._log = model, log
    self._states: dict[int, Any] = {}

  def see_state(self, state: Any, round_num: int) -> dict[str, Any]:
    """Notes the state after a round, and evaluates it if it is due."""
    for earlier in self._states.keys() - {self._log.last_round}:
      del self._states[earlier]
    self._states[round_num] = state
    is_last = round_num == self._settings.rounds
    if round_num % self._settings.rounds_per_evaluation and not is_last:
      return {}
    state.global_model_weights.assign_weights_to(self._model)
    return metrics_log.evaluation_metrics(
        self.of_test(),
        self._of(self._validation) if self._validation.size else None,
    )

  def of_test(self) -> classification.Evaluation:
    """Evaluates the model as it is now on the test part."""
    return self._of(self._test)

  def save_last_state(self, checkpoints: checkpoints_lib.Checkpoints) -> None:
    """Saves the last round that is in the log, whatever ended the run."""
    last_round = self._log.last_round
    if last_round in self._states:
      checkpoints.save_if_new(self._states[last_round], last_round)

  def _of(self, part: np.ndarray) -> classification.Evaluation:
    return classification.evaluate(
        self._model,
        self._data.test_features[part],
        self._data.test_labels[part],
        self._data.num_classes,
    )
