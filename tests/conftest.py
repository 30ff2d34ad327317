"""Every test that runs a TFF computation shares one worker, which ends here."""

import gc
import os
import signal
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import pytest

# A shell that starts the tests in the background lets them, and all that they
# start, ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The import of TFF makes much that is kept and hardly any garbage to look for.
gc.disable()


def pytest_collection_finish():
  # TFF and what it imports stay; tracing makes Python look for garbage often.
  gc.freeze()
  gc.set_threshold(50_000, 20, 20)
  gc.enable()


@pytest.fixture(autouse=True)
def no_global_seed():
  """Unsets a test's seed, which TensorFlow mixes into every later shuffle."""
  yield
  tf = sys.modules.get('tensorflow')
  if tf is not None and tf.compat.v1.get_seed(None) != (None, None):
    tf.random.set_seed(None)


@pytest.fixture(scope='session', autouse=True)
def cache_folder(tmp_path_factory):
  """Keeps what the tests prepare out of the user's cache."""
  folder = tmp_path_factory.mktemp('cache')
  with pytest.MonkeyPatch.context() as patched:
    patched.setenv('XDG_CACHE_HOME', str(folder))
    yield folder


@pytest.fixture(scope='session', autouse=False)
def execution_context():
  from astraea_tff import runtime
  import patience

  worker = runtime.set_local_execution_context(
      startup_timeout=patience.SECONDS
  )
  yield worker
  runtime.stop_worker()
