"""The clients of a run, their augmentation, and the model they train."""

from collections.abc import Callable
import dataclasses
from typing import Any, Optional

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.augmentation import one_client
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.control import feedback as feedback_lib
from astraea_tff.clients import by_id as clients_by_id
from astraea_tff.clients import label_prior
from astraea_tff import datasets
from astraea_tff.datasets import kinds
from astraea_tff import models
from experiment.runs import adaptive
from experiment.runs import client_worth
from experiment.runs import settings as settings_lib

# The networks for each kind of data.
_NETWORKS = {
    kinds.IMAGE: ('emnist_cnn', 'cifar10_cnn'),
    kinds.TABLE: ('mlp',),
    kinds.TEXT: ('text_cnn',),
}


@dataclasses.dataclass(frozen=True)
class Population:
  """The clients of a run.

  Attributes:
    seed: The seed of the run.
    data: The dataset and its partition, before augmentation.
    plan: The server's plan of the augmentation.
    clients: The clients' batches, augmented, as ids that a worker reads: a
      `ClientsById`, or what `clients_with_label_prior` makes of it.
    counts: int64 [K, N]; the labels the clients train on, augmented examples
      included. Those of the stored examples; if the augmentation is fresh in
      every epoch, those that the plan makes a client expect before there is
      feedback.
    model: The network's name, such as 'emnist_cnn'.
    has_label_prior: Whether the loss is calibrated by a label prior.
    feedback: The weights of the classes that the copies follow, or the draw of
      a round; None without such.
    copies_by_feedback: Whether the copies follow them.
  """

  seed: int
  data: datasets.PreparedDataset
  plan: plan_lib.AugmentationPlan
  clients: Any
  counts: np.ndarray
  model: str
  has_label_prior: bool = False
  feedback: Optional[feedback_lib.ClassFeedback] = None
  copies_by_feedback: bool = False

  def num_examples(self) -> np.ndarray:
    """Returns int64 [K], what clients expect to train on in the next round."""
    counts = self.counts
    if self.copies_by_feedback:
      copies = self.feedback.copies(self.plan)
      counts = np.rint(self.data.label_counts * copies).astype(np.int64)
    return counts.sum(axis=1)


def make_population(
    settings: settings_lib.Settings,
    seed: int,
    data_dir: Optional[str] = None,
    cache_dir: Optional[str] = None,
) -> Population:
  """Prepares the data on disk, split and augmented (Algorithm 2).

  Args:
    settings: The settings.
    seed: The seed of the run.
    data_dir: Where TensorFlow Datasets keeps its data.
    cache_dir: Where prepared data are kept.

  Returns:
    The population, opened.
  """
  data = datasets.prepare(
      settings.dataset,
      seed=seed,
      data_dir=data_dir,
      cache_dir=cache_dir,
      **settings.division,
  )
  data = client_worth.change_worth(
      data,
      settings.client_worth,
      settings.max_clients,
      seed=seed,
      cache_dir=cache_dir,
  )
  num_clients = len(data.clients)
  if settings.clients_per_round > num_clients:
    raise ValueError(
        f'clients_per_round={settings.clients_per_round} must be at most'
        f' {num_clients}, the clients that client_worth={settings.client_worth}'
        f' leaves of num_clients={settings.num_clients}.'
    )
  return from_prepared(settings, data, seed)


def from_prepared(
    settings: settings_lib.Settings,
    data: datasets.PreparedDataset,
    seed: int,
) -> Population:
  """Augments clients on disk; see `make_population`."""
  network = _choose_network(settings.model, data)
  plan = plan_lib.augmentation_plan(
      data.label_counts,
      settings.augmentation_factor,
      rule=settings.plan_rule,
      threshold=settings.plan_threshold,
  )
  store, counts, preprocess = data.clients, data.label_counts, None
  feedback = adaptive.build_feedback(settings, data.num_classes)
  copies = None
  if settings.class_feedback in ('copies', 'both'):
    copies = lambda round_num: feedback.copies(plan)
  if settings.fresh_augmentation and (settings.augments or copies):
    counts = np.rint(counts * plan.multiples).astype(np.int64)
    preprocess = one_client.augment_dataset_fn(
        plan, kinds.transform_of(data.kind), fresh_every_epoch=True
    )
  elif settings.augments:
    store = datasets.prepare_augmented(data, plan, seed=seed)
    counts = store.label_counts
  clients = clients_by_id.ClientsById(
      store.client_data,
      settings.batch_size,
      seed=seed,
      # Astraea's chain repeats its clients' batches itself.
      local_epochs=(
          1 if settings.algorithm == 'astraea' else settings.local_epochs
      ),
      preprocess=preprocess,
      copies=copies,
  )
  has_label_prior = settings.label_prior != 'none'
  if has_label_prior:
    clients = label_prior.clients_with_label_prior(
        clients,
        counts,
        prior_share=(
            settings.prior_share if settings.label_prior == 'mixed' else 0.0
        ),
        copies=plan.multiples if preprocess is not None else None,
    )
  return Population(
      seed,
      data,
      plan,
      clients,
      counts,
      network,
      has_label_prior,
      feedback,
      copies is not None,
  )


def split_test(
    labels: np.ndarray, validation_fraction: float
) -> tuple[np.ndarray, np.ndarray]:
  """Divides a test set into a validation and a test part.

  The validation part is the first examples of each class, so it is the same in
  every run and, of a balanced test set, balanced. Unused training examples
  would not do: the imbalanced sets use all there are of their largest class.

  Args:
    labels: int32 [m].
    validation_fraction: The share of each class, in [0, 1); its number of
      examples is rounded down.

  Returns:
    The indices of both parts, int64, ascending.
  """
  of_class = pd.Series(labels).groupby(labels)
  # 0.29 * 100 is a little below 29 in floating point.
  is_held_out = of_class.cumcount() < np.floor(
      of_class.transform('size') * validation_fraction + 1e-9
  )
  return np.flatnonzero(is_held_out), np.flatnonzero(~is_held_out)


def bytes_per_example(data: datasets.PreparedDataset) -> int:
  """Returns the size of an example's features and its label."""
  spec = data.feature_spec
  return spec.shape.num_elements() * spec.dtype.size + tf.int32.size


def _choose_network(
    model: Optional[str], data: datasets.PreparedDataset
) -> str:
  """Returns the network's name: the one of the settings, or the data's."""
  known = _NETWORKS[data.kind]
  if model is None:
    # The second is for images in color.
    is_color = data.kind == kinds.IMAGE and data.feature_spec.shape[-1] > 1
    return known[int(is_color)]
  if model not in known:
    raise ValueError(
        f'model={model} must be one for data of the kind {data.kind!r}, as'
        f' {data.name} has them: {" or ".join(known)}; or leave it out.'
    )
  return model


def build_keras_model(population: Population) -> tf.keras.Model:
  """Returns the population's network, on features as clients keep them.

  Scaling images to [0, 1] belongs to the model, so that clients keep bytes.
  """
  data, seed = population.data, population.seed
  shape = tuple(data.feature_spec.shape)
  if data.kind == kinds.TABLE:
    return models.build_mlp(data.num_classes, *shape, seed=seed)
  if data.kind == kinds.TEXT:
    return models.build_text_cnn(
        data.num_classes, len(data.feature_names), *shape, seed=seed
    )
  build = {
      'emnist_cnn': models.build_emnist_cnn,
      'cifar10_cnn': models.build_cifar10_cnn,
  }[population.model]
  return tf.keras.Sequential([
      tf.keras.layers.Input(shape, dtype=tf.uint8),
      tf.keras.layers.Rescaling(1 / 255),
      build(data.num_classes, input_shape=shape, seed=seed),
  ])


def build_model_fn(
    population: Population,
) -> Callable[[], tff.learning.models.VariableModel]:
  """Returns the `model_fn` of a learning process on the population."""
  spec = population.data.feature_spec
  build = lambda: build_keras_model(population)
  input_spec = (
      tf.TensorSpec([None, *spec.shape], spec.dtype),
      tf.TensorSpec([None], tf.int32),
  )
  if population.has_label_prior:
    build, input_spec = models.model_with_label_prior(build, input_spec)
  return models.tff_model_fn(build, input_spec)
