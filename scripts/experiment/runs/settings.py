"""The settings of a training run, each with its default and its meaning.

`scripts/train.py` makes a flag of every field, so a setting is said once.
"""

import dataclasses
import math
from typing import Any, Optional

from astraea_tff import datasets
from astraea_tff.datasets.sources import presets

_DEFAULT_ASTRAEA_ALPHA = 0.67

# The settings that are arguments of `datasets.partition`.
PARTITION_SETTINGS = (
    'num_examples',
    'global_distribution',
    'imbalance_factor',
    'local_distribution',
    'beta',
    'classes_per_client',
    'size_distribution',
)
# How a dataset is divided if neither the user nor its name says so.
_DEFAULT_DIVISION = dict(
    num_clients=20,
    global_distribution='natural',
    local_distribution='dirichlet',
    size_distribution='even',
)


def _setting(
    default: Any, help_text: str, choices=None, minimum=None, maximum=None
):
  """Returns a field that carries what a flag needs to know."""
  metadata = dict(
      help=help_text, choices=choices, minimum=minimum, maximum=maximum
  )
  return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Settings:
  """What the results of a run depend on, its seed excepted.

  Raises:
    ValueError: If a value is outside its range, or two do not go together.
  """

  algorithm: str = _setting(
      'astraea',
      "What to train: Astraea, or TFF's own weighted FedAvg, FedProx or Mime"
      ' Lite on the same clients.',
      choices=('astraea', 'fedavg', 'fedprox', 'mime_lite'),
  )

  # The data.
  dataset: str = _setting(
      'digits',
      f'Name of the dataset: {", ".join(datasets.PRESETS)}, or that of an'
      ' image-classification set of TensorFlow Datasets.',
  )
  num_clients: Optional[int] = _setting(
      None,
      "Number of clients, K; by default what the dataset's name says, or 20.",
      minimum=1,
  )
  num_examples: Optional[int] = _setting(
      None,
      "Training examples over all clients; by default what the dataset's name"
      ' says, or as many as it has for the global distribution.',
      minimum=1,
  )
  global_distribution: Optional[str] = _setting(
      None,
      "Label distribution over all clients; by default what the dataset's name"
      ' says, or natural.',
      choices=datasets.GLOBAL_DISTRIBUTIONS,
  )
  imbalance_factor: float = _setting(
      10.0,
      'Largest over smallest class, for the long_tail global distribution.',
      minimum=1,
  )
  local_distribution: Optional[str] = _setting(
      None,
      "Label distribution of a client; by default what the dataset's name says,"
      ' or dirichlet.',
      choices=datasets.LOCAL_DISTRIBUTIONS,
  )
  beta: float = _setting(
      0.5, 'Concentration, for the dirichlet local distribution.'
  )
  classes_per_client: int = _setting(
      2, 'Classes of a client, for the n_classes local distribution.', minimum=1
  )
  size_distribution: Optional[str] = _setting(
      None,
      "Sizes of the clients; by default what the dataset's name says, or even.",
      choices=datasets.SIZE_DISTRIBUTIONS,
  )

  # Federated training.
  model: Optional[str] = _setting(
      None,
      "The paper's network for EMNIST, or the one for CINIC-10; by default the"
      ' first for images of one channel and the second for others.',
      choices=('emnist_cnn', 'cifar10_cnn'),
  )
  rounds: int = _setting(50, 'Number of synchronization rounds.', minimum=1)
  clients_per_round: int = _setting(
      10, 'Clients that train in a round, c.', minimum=1
  )
  local_epochs: int = _setting(
      1, 'Epochs of a client at each visit, E.', minimum=1
  )
  batch_size: int = _setting(20, 'Examples in a batch, B.', minimum=1)
  client_optimizer: str = _setting(
      'adam', "The clients' optimizer.", choices=('adam', 'sgd')
  )
  client_learning_rate: float = _setting(
      1e-3, "Learning rate of the clients' optimizer."
  )
  server_optimizer: str = _setting(
      'sgd',
      "The server's optimizer, which takes the average update for a gradient."
      ' Adam wants a far smaller --server_learning_rate than the default.',
      choices=('sgd', 'adam'),
  )
  server_learning_rate: float = _setting(
      1.0, "Learning rate of the server's optimizer."
  )
  server_epsilon: float = _setting(
      1e-7,
      "What the server's Adam adds to the root of its second moment, for weights"
      ' whose average update is tiny.',
  )
  server_beta_2: float = _setting(
      0.999,
      "How much the server's Adam keeps of its second moment from round to"
      ' round, in [0, 1).',
      minimum=0,
      maximum=0.9999,
  )
  label_prior: str = _setting(
      'none',
      "The label prior that a client's loss is calibrated by: none, its own"
      ' label shares, or these mixed with the shares over all clients.',
      choices=('none', 'client', 'mixed'),
  )
  prior_share: float = _setting(
      0.3,
      'Share of all clients\' labels in the mixed label prior, in [0, 1].',
      minimum=0,
      maximum=1,
  )
  drop_probability: float = _setting(
      0.0,
      'Probability that a client of a round drops out of it, in [0, 1].',
      minimum=0,
      maximum=1,
  )
  proximal_strength: float = _setting(
      0.01,
      "FedProx's weight of the distance from the round's first model.",
      minimum=0,
  )

  # Astraea.
  alpha: Optional[float] = _setting(
      None,
      'Augmentation factor, in [0, 2]; 0 augments nothing. By default'
      f' {_DEFAULT_ASTRAEA_ALPHA} for Astraea and 0 for the others.',
      minimum=0,
      maximum=2,
  )
  fresh_augmentation: bool = _setting(
      False,
      'Draw the augmented examples anew in every epoch instead of storing'
      ' them.',
  )
  max_clients: int = _setting(5, 'Clients of a mediator, gamma.', minimum=1)
  mediator_epochs: int = _setting(
      1, 'Passes of a mediator over its chain in a round, E_m.', minimum=1
  )
  carry_optimizer_state: bool = _setting(
      False, "Hand the optimizer's state along the chain."
  )
  mediator_optimizer: str = _setting(
      'none',
      "The mediators' optimizer between two visits, which takes a client's"
      ' mean step for a gradient; none hands on what the client left, as in'
      ' the paper.',
      choices=('none', 'sgd', 'adam'),
  )
  mediator_learning_rate: float = _setting(
      1e-3, "Learning rate of the mediators' optimizer."
  )
  mediator_epsilon: float = _setting(
      1e-5,
      "What the mediators' Adam adds to the root of its second moment; a"
      " client's mean step is about its learning rate times a gradient.",
  )
  visit_step_power: float = _setting(
      1.0,
      "Power of a visit's number of batches in the mediators' step.",
      minimum=0,
  )
  keep_mediator_state: bool = _setting(
      True, "Keep the state of the mediators' optimizer from round to round."
  )
  schedule: str = _setting(
      'static',
      'Schedule all clients once and sample mediators, or sample clients and'
      ' schedule those in every round.',
      choices=('static', 'per_round'),
  )
  client_order: str = _setting(
      'scheduled',
      'Visit the clients of a mediator as scheduled in every mediator epoch, or'
      ' in a new order in each.',
      choices=('scheduled', 'reshuffled'),
  )
  client_clipping_norm: Optional[float] = _setting(
      None,
      'Largest L2 norm of what a visit of a client changes; no limit by'
      ' default.',
  )
  grouping: str = _setting(
      'greedy',
      'How clients are grouped under mediators: by Algorithm 3 (greedy); at'
      ' random, which tells what the chain brings without the schedule; by'
      ' Algorithm 3 and exchanges after it (refined); all mediators at once'
      ' (assignment); or nearly by Algorithm 3, for very many clients'
      ' (approximate).',
      choices=('greedy', 'random', 'refined', 'assignment', 'approximate'),
  )
  target: str = _setting(
      'uniform',
      "What a mediator's labels should come close to: the uniform distribution,"
      ' or the pooled labels of the clients that are scheduled.',
      choices=('uniform', 'pooled'),
  )

  # Reporting.
  validation_fraction: float = _setting(
      0.0,
      'Share of the test examples of every class that is held out for'
      ' validation, to choose settings and rounds by; the others are the test'
      ' set.',
      minimum=0,
      maximum=0.9,
  )
  rounds_per_evaluation: int = _setting(
      5, 'Rounds between evaluations.', minimum=1
  )

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if value is not None or field.default is not None:
        _check_value(field, value)
    for name in (
        'client_learning_rate',
        'server_learning_rate',
        'server_epsilon',
        'mediator_learning_rate',
        'mediator_epsilon',
        'beta',
        'client_clipping_norm',
    ):
      value = getattr(self, name)
      if value is not None and not (math.isfinite(value) and value > 0):
        raise ValueError(f'{name}={value} must be positive and finite.')
    num_clients = self.division['num_clients']
    if self.clients_per_round > num_clients:
      raise ValueError(
          f'clients_per_round={self.clients_per_round} must not exceed'
          f' num_clients={num_clients}.'
      )

  @property
  def division(self) -> dict[str, Any]:
    """Arguments of `datasets.load` that divide the dataset among clients.

    The user's settings come first, what the dataset's name says second, and the
    defaults last.
    """
    given = {name: getattr(self, name) for name in PARTITION_SETTINGS}
    division = _DEFAULT_DIVISION | presets.partition_arguments(
        self.dataset, given
    )
    num_clients = self.num_clients
    if num_clients is None:
      num_clients = presets.find_preset(self.dataset).num_clients
    if num_clients is not None:
      division['num_clients'] = num_clients
    return division

  @property
  def models_per_round(self) -> int:
    """How many models a round trains side by side, of mediators or clients."""
    if self.algorithm != 'astraea':
      return self.clients_per_round
    return math.ceil(self.clients_per_round / self.max_clients)

  @property
  def augmentation_factor(self) -> float:
    """Alpha, with the default that goes with the algorithm."""
    if self.alpha is not None:
      return self.alpha
    return _DEFAULT_ASTRAEA_ALPHA if self.algorithm == 'astraea' else 0.0


def _check_value(field: dataclasses.Field, value: Any) -> None:
  """Raises a ValueError if a value is outside the range of its field."""
  choices, low, high = (
      field.metadata[name] for name in ('choices', 'minimum', 'maximum')
  )
  if choices is not None and value not in choices:
    raise ValueError(
        f'{field.name}={value!r} must be one of {", ".join(choices)}.'
    )
  if high is not None and not low <= value <= high:
    raise ValueError(f'{field.name}={value} must be in [{low}, {high}].')
  if low is not None and not low <= value < math.inf:
    raise ValueError(f'{field.name}={value} must be at least {low}.')
