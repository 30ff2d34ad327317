"""The settings of a training run.

`scripts/train.py` makes a flag of every field. settings.csv has, beside this
file, what the flag says of it, and its choices or its range.
"""

import dataclasses
import math
import pathlib
import types
from typing import Any, NamedTuple, Optional

from astraea_tff import datasets
from astraea_tff.datasets.sources import presets
from astraea_tff.metrics import deployment_time
from experiment.runs import adaptive_settings
from experiment.runs import tables

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


# The deployment whose time is simulated.
DEPLOYMENT = frozenset({
    'seconds_per_step',
    'straggler_spread',
    'download_megabits_per_second',
    'upload_megabits_per_second',
    'mediator_place',
    'edge_megabits_per_second',
})
_RECORDED_IF_GIVEN = adaptive_settings.NAMES | DEPLOYMENT | {
    'fraction',
    'test_per_class',
    'client_worth',
    'mediator_beta_1',
    'plan_rule',
    'plan_threshold',
}


class About(NamedTuple):
  """A line of settings.csv.

  Attributes:
    name: The setting's name.
    minimum: The least value, or NaN.
    maximum: The largest value, or NaN; where there is one, there is a minimum.
    positive: 'yes' if the value must be positive and finite.
    choices: The values there are; any if empty.
    help: What the setting is.
  """

  name: str
  minimum: float
  maximum: float
  positive: str
  choices: tuple[str, ...]
  help: str


def _read_abouts() -> dict[str, About]:
  table = tables.read_csv(
      pathlib.Path(__file__).with_name('settings.csv'),
      'Restore it from the repository.',
      text=('name', 'positive', 'choices', 'help'),
  )
  choices_of = {
      'global_distribution': datasets.GLOBAL_DISTRIBUTIONS,
      'local_distribution': datasets.LOCAL_DISTRIBUTIONS,
      'size_distribution': datasets.SIZE_DISTRIBUTIONS,
      'mediator_place': deployment_time.MEDIATOR_PLACES,
  }
  abouts = {}
  for line in table.itertuples(index=False):
    about = About(*line)
    abouts[about.name] = about._replace(
        choices=tuple(choices_of.get(about.name, line.choices.split())),
        help=about.help.format(presets=', '.join(datasets.PRESETS)),
    )
  return abouts


# The lines of settings.csv by name, in the order of the fields.
ABOUT = types.MappingProxyType(_read_abouts())


@dataclasses.dataclass(frozen=True)
class Settings:
  """What the results of a run depend on, its seed excepted.

  Raises:
    ValueError: If a value is outside its range, or two do not go together.
  """

  algorithm: str = 'astraea'

  # The data.
  dataset: str = 'digits'
  num_clients: Optional[int] = None
  num_examples: Optional[int] = None
  global_distribution: Optional[str] = None
  imbalance_factor: float = 10.0
  local_distribution: Optional[str] = None
  beta: float = 0.5
  classes_per_client: int = 2
  size_distribution: Optional[str] = None
  fraction: Optional[float] = None
  test_per_class: Optional[int] = None
  client_worth: str = 'equal'

  # Federated training.
  model: Optional[str] = None
  rounds: int = 50
  clients_per_round: int = 10
  local_epochs: int = 1
  batch_size: int = 20
  client_optimizer: str = 'adam'
  client_learning_rate: float = 1e-3
  server_optimizer: str = 'sgd'
  server_learning_rate: float = 1.0
  server_epsilon: float = 1e-7
  server_beta_2: float = 0.999
  label_prior: str = 'none'
  prior_share: float = 0.3
  drop_probability: float = 0.0
  proximal_strength: float = 0.01

  # Astraea.
  alpha: Optional[float] = None
  plan_rule: str = 'total'
  plan_threshold: float = 3.0
  fresh_augmentation: bool = False
  max_clients: int = 5
  mediator_epochs: int = 1
  carry_optimizer_state: bool = False
  mediator_optimizer: str = 'none'
  mediator_learning_rate: float = 1e-3
  mediator_beta_1: float = 0.9
  mediator_epsilon: float = 1e-5
  visit_step_power: float = 1.0
  keep_mediator_state: bool = True
  schedule: str = 'static'
  client_order: str = 'scheduled'
  client_clipping_norm: Optional[float] = None
  grouping: str = 'greedy'
  target: str = 'uniform'

  # The deployment whose time is simulated.
  seconds_per_step: float = 0.1
  straggler_spread: float = 0.5
  download_megabits_per_second: float = 50.0
  upload_megabits_per_second: float = 10.0
  mediator_place: str = 'server'
  edge_megabits_per_second: float = 100.0

  # What is decided anew while it trains.
  sampling_weights: str = 'uniform'
  mediator_policy: str = 'fixed'
  policy_file: Optional[str] = None
  mediator_credit: str = 'path'
  credit_exploration: Optional[float] = None
  credit_passes: int = 1
  policy_objective: str = 'traffic'
  round_budget: Optional[float] = None
  mediators_considered: Optional[int] = None
  class_feedback: str = 'none'
  class_priorities: Optional[str] = None

  # Reporting.
  validation_fraction: float = 0.0
  rounds_per_evaluation: int = 5

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if value is not None or field.default is not None:
        _check_value(ABOUT[field.name], value)
    num_clients = self.division['num_clients']
    if self.clients_per_round > num_clients:
      raise ValueError(
          f'clients_per_round={self.clients_per_round} must not exceed'
          f' num_clients={num_clients}.'
      )
    adaptive_settings.check(self)

  @property
  def division(self) -> dict[str, Any]:
    """Arguments of `datasets.load` that divide the dataset among clients.

    The user's settings come first, what the dataset's name says second, and the
    defaults last.
    """
    given = {name: getattr(self, name) for name in PARTITION_SETTINGS}
    division = _DEFAULT_DIVISION | presets.partition_arguments(
        self.dataset, given, self.fraction
    )
    preset = presets.find_preset(
        self.dataset, self.fraction, self.test_per_class
    )
    num_clients = self.num_clients
    if num_clients is None:
      num_clients = preset.num_clients
    if num_clients is not None:
      division['num_clients'] = num_clients
    for name in ('fraction', 'test_per_class'):
      if getattr(self, name) is not None:
        division[name] = getattr(self, name)
    return division

  @property
  def models_per_round(self) -> int:
    """How many models a round trains side by side, of mediators or clients."""
    if self.algorithm != 'astraea':
      return self.clients_per_round
    return math.ceil(self.clients_per_round / self.max_clients)

  @property
  def augments(self) -> bool:
    """Whether the plan adds to any class or thins one out."""
    return self.augmentation_factor > 0 or self.plan_rule != 'total'

  @property
  def augmentation_factor(self) -> float:
    """Alpha, with the default that goes with the algorithm."""
    if self.alpha is not None:
      return self.alpha
    return _DEFAULT_ASTRAEA_ALPHA if self.algorithm == 'astraea' else 0.0


def to_record(settings: Settings) -> dict[str, Any]:
  """Returns what a folder records of a run's settings, by name.

  Some are left out where they have their defaults, so that a run without them
  has the record that it always had. The policy's file is recorded with what it
  holds.

  Raises:
    OSError: The policy's file cannot be read.
  """
  record = dataclasses.asdict(settings)
  for field in dataclasses.fields(settings):
    if field.name in _RECORDED_IF_GIVEN and (
        record[field.name] == field.default
    ):
      del record[field.name]
  if settings.policy_file is not None:
    # A file of the same name may hold another policy by the next time.
    digest = adaptive_settings.policy_digest(settings.policy_file)
    record['policy_file'] = f'{settings.policy_file}, sha256 {digest}'
  return record


def _check_value(about: About, value: Any) -> None:
  """Raises a ValueError if a setting's value is outside its range."""
  name, low, high = about.name, about.minimum, about.maximum
  if about.choices and value not in about.choices:
    raise ValueError(
        f'{name}={value!r} must be one of {", ".join(about.choices)}.'
    )
  if about.positive and not 0 < value < math.inf:
    raise ValueError(f'{name}={value} must be positive and finite.')
  if not math.isnan(high) and not low <= value <= high:
    raise ValueError(f'{name}={value} must be in [{low:g}, {high:g}].')
  if not math.isnan(low) and not low <= value < math.inf:
    raise ValueError(f'{name}={value} must be at least {low:g}.')
