"""Accuracy against what it costs: rounds, traffic, local steps, time.

None of the four is fair alone. A chain sends as much as its clients would side
by side, takes as many steps, and lasts as long as all of them together.
"""

from collections.abc import Iterable, Mapping, Sequence
import types
from typing import Any, NamedTuple, Optional

import numpy as np

from astraea_tff.metrics import traffic
from experiment.runs import metrics_log


class Axis(NamedTuple):
  """What an accuracy is held against.

  Attributes:
    heading: What it is, with its unit.
    unit: The unit of a budget of it.
  """

  heading: str
  unit: str


# Keys are columns of metrics.csv.
AXES: Mapping[str, Axis] = types.MappingProxyType({
    'round': Axis('synchronization rounds', 'rounds'),
    'megabytes': Axis('megabytes sent', 'MB'),
    'local_steps': Axis('local steps of all clients', 'steps'),
    'simulated_seconds': Axis('simulated seconds of the deployment', 's'),
})


class Curve(NamedTuple):
  """Top-1 accuracy of one seed against its cost so far.

  Attributes:
    costs: float64 [n], never falling.
    accuracies: float64 [n], in [0, 1].
  """

  costs: np.ndarray
  accuracies: np.ndarray


class Band(NamedTuple):
  """Top-1 accuracy of several seeds against their cost.

  Attributes:
    costs: float64 [n], ascending.
    mean: float64 [n].
    spread: float64 [n]; the sample standard deviation, 0 for one seed.
  """

  costs: np.ndarray
  mean: np.ndarray
  spread: np.ndarray


def curve(rows: Sequence[Mapping[str, Any]], column: str) -> Optional[Curve]:
  """Returns a run's accuracies against a column.

  Args:
    rows: The run's metrics.csv (`metrics_log.read_rows`), with an evaluated
      round.
    column: One of `AXES`.

  Returns:
    The curve; None if the run did not note this cost.
  """
  evaluated = metrics_log.evaluated_rows(rows)
  costs = [row.get(column) for row in evaluated]
  if None in costs:
    return None
  return Curve(
      np.array(costs, float),
      np.array([row['top_1'] for row in evaluated], float),
  )


def curves_of_seeds(
    seeds: Sequence[Sequence[Mapping[str, Any]]], column: str
) -> Optional[list[Curve]]:
  """Returns a curve for each seed; None if one did not note this cost."""
  curves = [curve(rows, column) for rows in seeds]
  return None if None in curves else curves


def accuracy_at(of_seed: Curve, cost: float) -> float:
  """Returns the accuracy at a cost, between two evaluations on a line.

  Args:
    of_seed: The curve.
    cost: What may be spent.

  Returns:
    The accuracy; NaN where the run had not begun or had ended.
  """
  costs, accuracies = of_seed
  return float(np.interp(cost, costs, accuracies, np.nan, np.nan))


def cost_to_accuracy(of_seed: Curve, target: float) -> float:
  """Returns the cost at the first evaluation of `target` or more, or NaN."""
  cost = traffic.cost_to_accuracy(of_seed.accuracies, of_seed.costs, target)
  return np.nan if cost is None else float(cost)


def band(curves: Sequence[Curve]) -> Band:
  """Returns mean and spread over seeds, where all of them have accuracies.

  Args:
    curves: One for each seed. Their costs differ where speeds or clients that
      drop out do, so accuracies are read on a line between two evaluations.
  """
  costs = np.unique(np.concatenate([c.costs for c in curves]))
  table = np.array([
      np.interp(costs, c.costs, c.accuracies, np.nan, np.nan) for c in curves
  ])
  shared = ~np.isnan(table).any(axis=0)
  costs, table = costs[shared], table[:, shared]
  spread = (
      table.std(axis=0, ddof=1) if len(curves) > 1 else np.zeros(len(costs))
  )
  return Band(costs, table.mean(axis=0), spread)


def shared_budget(curves: Iterable[Curve]) -> float:
  """Returns the most that all of some runs have spent, at least one."""
  return min(of_run.costs[-1] for of_run in curves)
