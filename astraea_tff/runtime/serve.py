"""`astraea-worker`: serves programs on this machine or another one.

  astraea-worker --port=10000
  python scripts/train.py --workers=localhost:10000,localhost:10001 ...

The worker is reached at --bind_address alone, loopback by default, since it
does whatever anyone who reaches it asks: the channel is neither encrypted nor
authenticated. Tunnel it to another machine:

  ssh -N -L 10000:localhost:10000 user@worker-host

It runs until it is ended (Ctrl-C, SIGTERM).
"""

from collections.abc import Sequence
import os
import pathlib
import signal
import socket
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import app
from absl import flags

from astraea_tff.runtime import local_worker

_PORT = flags.DEFINE_integer(
    'port', 10000, 'Where the worker listens.', lower_bound=1, upper_bound=65535
)
_BIND_ADDRESS = flags.DEFINE_string(
    'bind_address',
    '127.0.0.1',
    'Address of this machine at which the worker is reached; :: for all.',
)
_NUM_THREADS = flags.DEFINE_integer(
    'num_threads',
    None,
    'Threads of the worker; the number of usable cores by default.',
    lower_bound=1,
)
_MAX_CONCURRENT_CALLS = flags.DEFINE_integer(
    'max_concurrent_calls',
    -1,
    'Mediators that the worker trains at once; no limit if not positive.',
)
_ALL_ADDRESSES = ('::', '0.0.0.0')


def _listen() -> socket.socket:
  """Returns a socket at the address and port asked for."""
  address, port = _BIND_ADDRESS.value, _PORT.value
  if not address:
    # The system would take no address for every address, open to all.
    raise ValueError(
        '--bind_address must name an address of this machine, got none;'
        ' 127.0.0.1 is reached from this machine alone.'
    )
  family = socket.AF_INET6 if ':' in address else socket.AF_INET
  try:
    return socket.create_server((address, port), family=family)
  except OSError as error:
    raise RuntimeError(
        f'cannot listen at --bind_address={address} --port={port}:'
        f' {error.strerror or error}'
    ) from error


def _serve() -> None:
  # Listening fails if the port is taken; TFF's worker would share it silently.
  listener = _listen()
  port = None
  if _BIND_ADDRESS.value in _ALL_ADDRESSES:
    # TFF's worker does that by itself, and a little faster.
    listener.close()
    listener, port = None, _PORT.value
  worker = local_worker.Worker(
      num_threads=_NUM_THREADS.value,
      max_concurrent_calls=_MAX_CONCURRENT_CALLS.value,
      port=port,
      listener=listener,
  )
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
  try:
    worker.stub()
    print(
        f'TFF worker listening at {_BIND_ADDRESS.value} port {_PORT.value}.',
        flush=True,
    )
    exit_code = worker.wait()
  except KeyboardInterrupt:
    return
  finally:
    worker.stop()
  raise RuntimeError(
      f'the TFF worker ended with exit code {exit_code}. {worker.last_words()}'
  )


def main(argv: Sequence[str]) -> None:
  """Serves; ends with one line if it cannot."""
  if len(argv) > 1:
    raise app.UsageError(f'Unexpected arguments: {argv[1:]}')
  try:
    _serve()
  except (OSError, RuntimeError, TypeError, ValueError) as error:
    name = pathlib.Path(argv[0]).name
    sys.exit(f'{name}: {" ".join(str(error).split())}')


def run() -> None:
  """Runs the command with the flags of the command line."""
  app.run(main)


if __name__ == '__main__':
  run()
