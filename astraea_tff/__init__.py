"""Astraea, self-balancing federated learning, for TensorFlow Federated.

Duan et al., "Astraea: Self-balancing federated learning for improving
classification accuracy of mobile deep learning applications", ICCD 2019.
"""

from astraea_tff.assignment import reschedule_by_assignment
from astraea_tff.astraea import build_unweighted_astraea
from astraea_tff.astraea import build_weighted_astraea
from astraea_tff.augmentation import augment
from astraea_tff.augmented_clients import augment_clients
from astraea_tff.augmented_clients import FreshlyAugmentedClients
from astraea_tff.client_data import BatchedClients
from astraea_tff.client_data import mediator_data
from astraea_tff.client_data import reschedule_round
from astraea_tff.client_data import sample_clients
from astraea_tff.clients_by_id import ClientsById
from astraea_tff.clients_by_id import read_by_id
from astraea_tff.communication import astraea_round_bytes
from astraea_tff.communication import fed_avg_round_bytes
from astraea_tff.data_source import MediatorDataSource
from astraea_tff.image_transform import AffineTransform
from astraea_tff.imbalance import imbalance_report
from astraea_tff.imbalance import ImbalanceReport
from astraea_tff.label_distribution import kl_divergence
from astraea_tff.label_distribution import label_counts
from astraea_tff.label_messages import assemble_counts
from astraea_tff.large_population import reschedule_approximately
from astraea_tff.optimizer_schedule import build_weighted_astraea_with_optimizer_schedule
from astraea_tff.participation import available_clients
from astraea_tff.participation import reshuffled_orders
from astraea_tff.rebalancing import augmentation_plan
from astraea_tff.rebalancing import AugmentationPlan
from astraea_tff.refinement import refine
from astraea_tff.rescheduling import random_schedule
from astraea_tff.rescheduling import reschedule
from astraea_tff.runtime import create_async_execution_context
from astraea_tff.runtime import create_federated_context
from astraea_tff.runtime import set_local_execution_context
from astraea_tff.runtime import set_remote_execution_context
from astraea_tff.schedule import Schedule
