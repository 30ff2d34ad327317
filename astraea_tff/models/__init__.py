"""The paper's networks, and Keras models for TFF."""

from astraea_tff.models.batch_seeded_dropout import BatchSeededDropout
from astraea_tff.models.label_prior import AddLabelPrior
from astraea_tff.models.label_prior import model_with_label_prior
from astraea_tff.models.networks import build_cifar10_cnn
from astraea_tff.models.networks import build_emnist_cnn
from astraea_tff.models.networks import tff_model_fn
from astraea_tff.models.small_networks import build_mlp
from astraea_tff.models.small_networks import build_text_cnn
