"""scripts/worker.py as a process: that it serves, where, and that it ends."""

import pathlib
import re
import signal
import socket

import forked_program
import patience
import psutil
import pytest

_SCRIPT = pathlib.Path(__file__).parents[2] / 'scripts' / 'worker.py'


def start(*arguments):
  return forked_program.start(script=_SCRIPT, arguments=arguments)


def free_port():
  with socket.create_server(('127.0.0.1', 0)) as listener:
    return listener.getsockname()[1]


def wait_until_gone(processes):
  _, alive = psutil.wait_procs(processes, timeout=patience.SECONDS)
  return not alive


@pytest.mark.parametrize(
    'signal_number, exit_code',
    [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)],
)
def test_serves_until_it_is_ended_and_leaves_nothing(signal_number, exit_code):
  port = free_port()
  script = start(f'--port={port}', '--num_threads=1')
  assert script.stdout.readline() == (
      f'TFF worker listening at 127.0.0.1 port {port}.\n'
  )
  children = psutil.Process(script.pid).children(recursive=True)
  assert any(child.name() == 'worker_binary' for child in children)
  socket.create_connection(('127.0.0.1', port)).close()
  script.send_signal(signal_number)
  script.communicate(patience.SECONDS)
  assert script.returncode == exit_code
  assert wait_until_gone(children)


def test_ends_with_one_line_when_tffs_worker_is_killed():
  script = start(f'--port={free_port()}', '--num_threads=1')
  script.stdout.readline()
  children = psutil.Process(script.pid).children(recursive=True)
  (binary,) = (c for c in children if c.name() == 'worker_binary')
  binary.kill()
  _, errors = script.communicate(patience.SECONDS)
  assert script.returncode == 1
  assert 'worker.py: the TFF worker ended' in errors
  assert 'Traceback' not in errors


@pytest.mark.parametrize(
    'arguments, match',
    [
        (['--bind_address=192.0.2.1'], 'cannot listen at --bind_address=192'),
        (['--bind_address=nowhere.invalid'], 'cannot listen at'),
        (['--bind_address='], '--bind_address must name an address'),
        (['--port={taken}'], 'cannot listen at .* in use'),
    ],
)
def test_refuses_where_it_cannot_listen(arguments, match):
  with socket.create_server(('127.0.0.1', 0)) as listener:
    taken = listener.getsockname()[1]
    script = start(*(text.format(taken=taken) for text in arguments))
    _, errors = script.communicate(patience.SECONDS)
  assert script.returncode == 1
  assert len(errors.strip().splitlines()) == 1
  assert re.search(match, errors)
