"""Runs of train.py in a test's own process, without what its test looks past.

To build the process of Astraea takes two CPU seconds, to compile it for another
worker two, to train the paper's network for some rounds two, and to draw a
run's pictures two.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import pathlib
import types
from unittest import mock

import script_runner
import tensorflow as tf
import tensorflow_federated as tff

import astraea_tff
from astraea_tff import models
from experiment.runs import algorithms
from experiment.runs import metrics_log
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
_BUILDERS = (
    (algorithms.astraea, 'build_weighted_astraea'),
    (algorithms.baselines, 'build_process'),
)


@contextlib.contextmanager
def shared_processes() -> Iterator[None]:
  """Makes all runs that train alike share their process, compiled, and worker."""
  with (
      _processes_built_once(),
      _worker_kept(astraea_tff),
      _worker_kept(astraea_tff.runtime),
      # What is frozen stays so; runs would thaw it, and look through all of it.
      mock.patch.object(run_lib, 'gc', mock.Mock(spec=run_lib.gc)),
  ):
    yield


def _processes_built_once():
  build_algorithm = algorithms.build
  read_by_id = algorithms.process_by_id.read_by_id
  # With the clients, whose data a process reads.
  processes = {}

  def build(settings, population, *arguments):
    fields = dataclasses.asdict(settings) | {'seed': population.seed}
    for name in _OF_ROUNDS:
      del fields[name]
    key = (
        *fields.items(),
        population.data.clients.folder,
        models.build_emnist_cnn,
    )

    def read_once(build_now, clients):
      if key not in processes:
        processes[key] = read_by_id(build_now(), clients), clients
      return processes[key][0]

    with contextlib.ExitStack() as stack:
      for module, name in _BUILDERS:
        later = _later(getattr(module, name))
        stack.enter_context(mock.patch.object(module, name, later))
      stack.enter_context(
          mock.patch.object(algorithms.process_by_id, 'read_by_id', read_once)
      )
      return build_algorithm(settings, population, *arguments)

  return mock.patch.object(algorithms, 'build', build)


def _later(build):
  return lambda *args, **kwargs: lambda: build(*args, **kwargs)


def _worker_kept(module):
  set_context = module.set_local_execution_context
  stack = tff.framework.get_context_stack()
  last = types.SimpleNamespace(arguments=None, worker=None, context=None)

  def set_if_new(**arguments):
    if last.arguments != arguments or last.context is not stack.current:
      last.worker = set_context(**arguments)
      last.arguments, last.context = arguments, stack.current
    return last.worker

  return mock.patch.object(module, 'set_local_execution_context', set_if_new)


def small_networks():
  """Makes runs train a softmax regression in the place of `build_emnist_cnn`."""
  return mock.patch.object(models, 'build_emnist_cnn', _build_softmax_regression)


def _build_softmax_regression(num_classes, input_shape, seed):
  initializer = tf.keras.initializers.GlorotUniform(seed)
  return tf.keras.Sequential([
      tf.keras.layers.Flatten(input_shape=input_shape),
      tf.keras.layers.Dense(num_classes, kernel_initializer=initializer),
  ])


def without_pictures():
  """Makes runs leave an empty file in the place of the last picture."""

  def draw_nothing(settings, population, algorithm, result, folder):
    (folder / run_lib._LAST_FILE).touch()

  return mock.patch.object(run_lib, '_draw', draw_nothing)


@contextlib.contextmanager
def train_runner(arguments: Sequence[str]) -> Iterator[Callable[..., None]]:
  """Yields what runs train.py quickly, of a folder and further arguments."""
  with script_runner.loaded('train') as script, shared_processes():

    def run(folder, *further):
      with without_pictures(), small_networks():
        script_runner.run(
            script, [*arguments, *further, f'--output_dir={folder}']
        )

    yield run


def rows_but_seconds(folder: pathlib.Path) -> list[dict[str, object]]:
  """Returns the rows of seed 0 of a run, without what differs by the clock."""
  rows = metrics_log.read_rows(folder / 'seed_0' / metrics_log.METRICS_FILE)
  return [
      {name: cell for name, cell in row.items() if name != 'seconds'}
      for row in rows
  ]
