"""Data sets by name, divided among clients along the paper's three axes."""

from astraea_tff.datasets.federated_dataset import batch_client
from astraea_tff.datasets.federated_dataset import FederatedDataset
from astraea_tff.datasets.federated_dataset import LabelledExamples
from astraea_tff.datasets.partitioning.global_distribution import GLOBAL_DISTRIBUTIONS
from astraea_tff.datasets.partitioning.local_distribution import LOCAL_DISTRIBUTIONS
from astraea_tff.datasets.partitioning.partition import partition
from astraea_tff.datasets.partitioning.partitions import Partition
from astraea_tff.datasets.partitioning.size_distribution import SIZE_DISTRIBUTIONS
from astraea_tff.datasets.sources.hugging_face import from_hugging_face
from astraea_tff.datasets.sources.in_memory_clients import InMemoryClients
from astraea_tff.datasets.sources.leaf import from_leaf
from astraea_tff.datasets.sources.loading import load
from astraea_tff.datasets.sources.presets import PRESETS
from astraea_tff.datasets.sources.tables import from_table
from astraea_tff.datasets.sources.tables import TableClients
from astraea_tff.datasets.storage.any_clients import open_clients
from astraea_tff.datasets.storage.any_clients import store_clients
from astraea_tff.datasets.storage.any_clients import StoredClients
from astraea_tff.datasets.storage.augmented_clients import prepare_augmented
from astraea_tff.datasets.storage.client_store import ClientStore
from astraea_tff.datasets.storage.preparation import prepare
from astraea_tff.datasets.storage.preparation import PreparedDataset
from astraea_tff.datasets.storage.preparation import store
