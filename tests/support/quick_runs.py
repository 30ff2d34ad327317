"""Runs of train.py in a test's own process, without what its test looks past.

To build the process of Astraea takes three CPU seconds, and a run's pictures
two.
"""

import contextlib
import dataclasses
import types
from unittest import mock

from experiment.runs import algorithms
from experiment.runs import run as run_lib

# What says which rounds there are, and not how they are trained.
_OF_ROUNDS = (
    'class_priorities',
    'clients_per_round',
    'drop_probability',
    'grouping',
    'mediators_considered',
    'policy_objective',
    'round_budget',
    'rounds',
    'rounds_per_evaluation',
    'sampling_weights',
    'schedule',
    'target',
    'validation_fraction',
)


@contextlib.contextmanager
def shared_processes():
  """Builds Astraea's process once for all runs that train alike."""
  build = algorithms._build_astraea
  build_process = algorithms.astraea.build_weighted_astraea
  read_by_id = algorithms.clients_by_id.read_by_id
  # With the clients, whose data a process reads.
  processes = {}

  def build_astraea(settings, population, *arguments):
    fields = dataclasses.asdict(settings) | {'seed': population.seed}
    for name in _OF_ROUNDS:
      del fields[name]
    key = tuple(fields.items())

    def read_once(build_now, clients):
      if key not in processes:
        processes[key] = read_by_id(build_now(), clients), clients
      return processes[key][0]

    with mock.patch.multiple(
        algorithms,
        astraea=types.SimpleNamespace(
            build_weighted_astraea=lambda *args, **kwargs: lambda: (
                build_process(*args, **kwargs)
            )
        ),
        clients_by_id=types.SimpleNamespace(read_by_id=read_once),
    ):
      return build(settings, population, *arguments)

  with mock.patch.object(algorithms, '_build_astraea', build_astraea):
    yield


def without_pictures():
  """Makes runs leave an empty file in the place of the last picture."""

  def draw_nothing(settings, population, algorithm, result, folder):
    (folder / run_lib._LAST_FILE).touch()

  return mock.patch.object(run_lib, '_draw', draw_nothing)
