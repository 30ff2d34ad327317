"""The paper's experiments, and some of our own, as data.

An experiment is a table of rows; a row is a set of settings, trained with
several seeds. `experiment.paper.paper_experiments` has them all, in three
sizes: 'paper' has the paper's data and settings; 'emnist' has its EMNIST sets
at a fraction, which the official test split suffices for; 'small' stands in for
them with data and rounds that two cores manage.

Numbers of the paper stand where its text says them, and nowhere else: its
curves are not read off. So are rounds: the paper never says how many it
trained, and those here are ours.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import types
from typing import Any, Optional

from experiment.runs import settings as settings_lib

SCALES = ('small', 'emnist', 'paper')
# How the rows of an experiment are drawn.
PICTURES = ('curves', 'bars', 'scatter', 'boxes', 'frontier')
# Those that learning rates are chosen with. None of them is reported.
TUNING_SEEDS = (100, 101)

# 60 clients of 235 examples where the paper has 500, and all the test images
# that a pool of 300 of each class leaves, a third of them for validation.
_FRACTION = dict(fraction=0.12, test_per_class=100, validation_fraction=0.3)
# Imbalanced EMNIST and imbalanced CINIC-10 of section IV-A; c and gamma of
# Fig. 4 and 5, E_m of their parts (b).
_EMNIST = dict(
    dataset='emnist_ltrf2', clients_per_round=50, max_clients=10,
    batch_size=20, mediator_epochs=2, rounds=300,
)
_CINIC = dict(
    dataset='cinic10_imbalanced', clients_per_round=50, max_clients=10,
    batch_size=50, mediator_epochs=2, rounds=100,
)
# Half of the clients take part, three mediators of ten.
_EMNIST_AT_A_FRACTION = _FRACTION | dict(
    dataset='emnist_ltrf1', clients_per_round=30, max_clients=10,
    batch_size=20, mediator_epochs=2, rounds=30,
)
# What stands in for them, with fewer examples.
_MNIST = dict(
    dataset='mnist', num_clients=100, num_examples=2500,
    global_distribution='long_tail', imbalance_factor=20.0,
    local_distribution='dirichlet', beta=0.5, clients_per_round=50,
    max_clients=10, batch_size=20, mediator_epochs=2, rounds=30,
    rounds_per_evaluation=2,
)
# Its clients, mediators and batches are the paper's; the network of Keras'
# documentation would take twenty times as long.
_CIFAR = dict(
    dataset='cifar10_imbalanced', num_examples=20_000, model='emnist_cnn',
    clients_per_round=50, max_clients=10, batch_size=50, mediator_epochs=1,
    rounds=60, validation_fraction=0.2,
)
_DIGITS = dict(
    dataset='digits', num_clients=20, global_distribution='long_tail',
    imbalance_factor=10.0, local_distribution='dirichlet', beta=0.3,
    clients_per_round=10, max_clients=5, batch_size=20, rounds=60,
)
# Of Table I, each row of which has data of its own.
_BALANCED_MNIST = dict(
    dataset='mnist', num_clients=100, num_examples=2500, rounds=60,
    clients_per_round=10, local_epochs=5, imbalance_factor=20.0,
    global_distribution='balanced', local_distribution='random',
    size_distribution='instagram',
)
_TABLE_I = dict(clients_per_round=25, local_epochs=10, rounds=300)
_TABLE_I_AT_A_FRACTION = _FRACTION | dict(
    clients_per_round=3, local_epochs=10, rounds=60
)
# By what the paper has, what stands in for it and itself.
BASES = types.MappingProxyType({
    'emnist': dict(small=_MNIST, emnist=_EMNIST_AT_A_FRACTION, paper=_EMNIST),
    'cinic10': dict(
        small=_CIFAR, emnist=_CIFAR | dict(rounds=30), paper=_CINIC
    ),
    # EMNIST too, with runs that take seconds.
    'digits': dict(small=_DIGITS, emnist=_EMNIST_AT_A_FRACTION, paper=_EMNIST),
    'table1': dict(
        small=_BALANCED_MNIST, emnist=_TABLE_I_AT_A_FRACTION, paper=_TABLE_I
    ),
})


@dataclasses.dataclass(frozen=True)
class Row:
  """A line of an experiment's table.

  Attributes:
    settings: What is trained.
    paper: By column of the table, what the paper has.
    tuned: What the row is one of several learning rates for, of which the best
      on the validation examples, with the tuning seeds, is trained with the
      experiment's seeds; None if it stands for itself.
    num_seeds: How many of the experiment's seeds the row is trained with, if
      fewer show where it stands; None for all.
    longest: The rounds that the row is trained at most: it goes on, by as many
      rounds as it has, until validation stands still. None trains its rounds.
  """

  settings: settings_lib.Settings
  paper: Mapping[str, float] = dataclasses.field(default_factory=dict)
  tuned: Optional[str] = None
  num_seeds: Optional[int] = None
  longest: Optional[int] = None


# By name.
Rows = dict[str, Row]


@dataclasses.dataclass(frozen=True)
class Experiment:
  """An experiment of one size.

  Attributes:
    title: What is measured.
    claim: What the paper says of it.
    rows: By name, the rows.
    columns: What of `experiment.paper.measures.COLUMNS` the page shows;
      the first is drawn, where the picture is no curve.
    picture: One of `PICTURES`.
    baseline: The row whose accuracy others are compared with.
    target_accuracy: The top-1 whose costs are compared, in (0, 1].
    seeds: The seeds.
    tuning_seeds: Those that learning rates are chosen with, the first of
      `TUNING_SEEDS`.
    trains: Whether anything is trained; if not, divergences are measured.
    confusion_rows: Rows whose confusion matrix, with the first seed, the page
      shows.
  """

  title: str
  claim: str
  rows: Rows
  columns: tuple[str, ...]
  picture: str = 'curves'
  baseline: Optional[str] = None
  target_accuracy: float = 0.75
  seeds: tuple[int, ...] = (0, 1, 2)
  tuning_seeds: tuple[int, ...] = TUNING_SEEDS[:1]
  trains: bool = True
  confusion_rows: tuple[str, ...] = ()

  def __post_init__(self):
    if self.picture not in PICTURES:
      raise ValueError(
          f'picture={self.picture!r} must be one of {", ".join(PICTURES)}.'
      )
    if self.baseline is not None and self.baseline not in self.rows:
      raise ValueError(f'baseline={self.baseline!r} must be a row.')

  def seeds_of(self, row: str) -> tuple[int, ...]:
    """Returns the seeds that a row is reported with."""
    return self.seeds[:self.rows[row].num_seeds]

  def grids(self) -> dict[str, list[str]]:
    """Returns, by what has learning rates of its own, the rows of its rates."""
    grids = {}
    for name, row in self.rows.items():
      if row.tuned is not None:
        grids.setdefault(row.tuned, []).append(name)
    return grids

  def only(self, names: Sequence[str]) -> 'Experiment':
    """Returns the experiment with some of its rows.

    Args:
      names: Rows, or what has several learning rates (`Row.tuned`), of which
        all are taken.

    Raises:
      ValueError: A name is no such.
    """
    known = [row.tuned or name for name, row in self.rows.items()]
    for name in names:
      if name not in known and name not in self.rows:
        raise ValueError(
            f'row={name!r} must be one of {"; ".join(dict.fromkeys(known))}.'
        )
    rows = {
        name: row
        for name, row in self.rows.items()
        if name in names or row.tuned in names
    }
    return dataclasses.replace(
        self,
        rows=rows,
        baseline=self.baseline if self.baseline in rows else None,
        confusion_rows=tuple(
            name for name in self.confusion_rows if name in rows
        ),
    )


def make_row(
    base: Mapping[str, Any],
    paper: Optional[Mapping[str, float]] = None,
    tuned: Optional[str] = None,
    num_seeds: Optional[int] = None,
    longest: Optional[int] = None,
    **overrides: Any,
) -> Row:
  """Returns the row of `base` with some settings changed."""
  settings = settings_lib.Settings(**(dict(base) | overrides))
  return Row(settings, dict(paper or {}), tuned, num_seeds, longest)
