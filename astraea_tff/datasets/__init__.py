"""Data sets by name, divided among clients along the paper's three axes."""

from astraea_tff.datasets.augmented_store import prepare_augmented
from astraea_tff.datasets.client_store import ClientStore
from astraea_tff.datasets.federated_dataset import batch_client
from astraea_tff.datasets.federated_dataset import FederatedDataset
from astraea_tff.datasets.federated_dataset import ImageData
from astraea_tff.datasets.global_distribution import GLOBAL_DISTRIBUTIONS
from astraea_tff.datasets.loading import load
from astraea_tff.datasets.local_distribution import LOCAL_DISTRIBUTIONS
from astraea_tff.datasets.partitioning import partition
from astraea_tff.datasets.partitions import Partition
from astraea_tff.datasets.preparation import prepare
from astraea_tff.datasets.preparation import PreparedDataset
from astraea_tff.datasets.preparation import store
from astraea_tff.datasets.presets import PRESETS
from astraea_tff.datasets.size_distribution import SIZE_DISTRIBUTIONS
