"""Astraea, self-balancing federated learning, for TensorFlow Federated.

Duan et al., "Astraea: Self-balancing federated learning for improving
classification accuracy of mobile deep learning applications", ICCD 2019.
"""

import gc as _gc

# Python would look through all of TensorFlow for garbage time and again while
# it is imported (`docs/performance.md`).
_collects = _gc.isenabled()
_gc.disable()
try:
  import tensorflow_federated as _
finally:
  if not _gc.get_freeze_count():
    # Makes all of it old, which is looked through least of all.
    _gc.freeze()
    _gc.unfreeze()
  if _collects:
    _gc.enable()

from astraea_tff.augmentation.all_clients import augment_clients
from astraea_tff.augmentation.all_clients import FreshlyAugmentedClients
from astraea_tff.augmentation.one_client import augment
from astraea_tff.augmentation.plan import augmentation_plan
from astraea_tff.augmentation.plan import AugmentationPlan
from astraea_tff.augmentation.transforms.affine import AffineTransform
from astraea_tff.augmentation.transforms.tabular import TabularTransform
from astraea_tff.augmentation.transforms.text import TextTransform
from astraea_tff.clients.batches import BatchedClients
from astraea_tff.clients.by_id import ClientsById
from astraea_tff.clients.label_prior import clients_with_label_prior
from astraea_tff.clients.mediator_data import mediator_data
from astraea_tff.clients.process_by_id import read_by_id
from astraea_tff.control.priority import rarity_weights
from astraea_tff.labels.counts import assemble_counts
from astraea_tff.labels.counts import label_counts
from astraea_tff.labels.divergence import kl_divergence
from astraea_tff.labels.imbalance import imbalance_report
from astraea_tff.labels.imbalance import ImbalanceReport
from astraea_tff.metrics.description import describe
from astraea_tff.metrics.description import Description
from astraea_tff.metrics.traffic import astraea_round_bytes
from astraea_tff.metrics.traffic import fed_avg_round_bytes
from astraea_tff.models.label_prior import model_with_label_prior
from astraea_tff.runtime.contexts import create_async_execution_context
from astraea_tff.runtime.contexts import create_federated_context
from astraea_tff.runtime.contexts import set_local_execution_context
from astraea_tff.runtime.contexts import set_remote_execution_context
from astraea_tff.scheduling.approximate import reschedule_approximately
from astraea_tff.scheduling.assignment import reschedule_by_assignment
from astraea_tff.scheduling.data_source import MediatorDataSource
from astraea_tff.scheduling.greedy import random_schedule
from astraea_tff.scheduling.greedy import reschedule
from astraea_tff.scheduling.greedy import reschedule_round
from astraea_tff.scheduling.grouping import mediator_counts
from astraea_tff.scheduling.refinement import refine
from astraea_tff.scheduling.sampling import available_clients
from astraea_tff.scheduling.sampling import mediator_orders
from astraea_tff.scheduling.sampling import reshuffled_orders
from astraea_tff.scheduling.sampling import sample_clients
from astraea_tff.scheduling.schedule import Schedule
from astraea_tff.training.astraea import build_unweighted_astraea
from astraea_tff.training.astraea import build_weighted_astraea
from astraea_tff.training.astraea_with_optimizer_schedule import build_weighted_astraea_with_optimizer_schedule
