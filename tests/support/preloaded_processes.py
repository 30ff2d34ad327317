"""Spawned processes of the scripts, in which TFF is imported already.

To import it takes five CPU seconds. A server imports it once and forks, and is
itself no copy of the tests' process.
"""

import contextlib
import functools
import multiprocessing
from unittest import mock

# Installed packages alone: the server knows no other folder of modules.
_PRELOADED = [
    'absl.app',
    'absl.flags',
    'astraea_tff',
    'pandas',
    'psutil',
    'scipy.stats',
    'sklearn.datasets',
    'tqdm',
]


@contextlib.contextmanager
def in_place_of_spawned():
  """Lets the method "spawn" fork from a server that has imported TFF."""
  get_context = multiprocessing.get_context

  def get_preloaded(method=None):
    return _server_context() if method == 'spawn' else get_context(method)

  with mock.patch.object(multiprocessing, 'get_context', get_preloaded):
    yield


@functools.cache
def _server_context():
  context = multiprocessing.get_context('forkserver')
  context.set_forkserver_preload(_PRELOADED)
  return context
