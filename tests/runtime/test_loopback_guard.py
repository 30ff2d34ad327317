"""A local worker answers to callers on this machine, and to nobody else."""

import errno
import logging
import os
import socket
import subprocess

import grpc
import patience
import psutil
import pytest

from astraea_tff import runtime
from astraea_tff.runtime import local_worker
from astraea_tff.runtime import loopback_guard

_LOOPBACK = ('127.0.0.1', '127.8.9.10', '::1')


def _addresses_of_this_machine():
  return [
      address.address
      for name, addresses in psutil.net_if_addrs().items() if name != 'lo'
      for address in addresses
      if address.family in (socket.AF_INET, socket.AF_INET6)
      and '%' not in address.address
  ]


def _listen(port):
  server = socket.socket(socket.AF_INET6)
  server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
  server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
  server.bind(('::', port))
  server.listen(20)
  return server


@pytest.fixture(name='guard')
def fixture_guard():
  guard = loopback_guard.Guard()
  yield guard
  guard.close()


def _is_reached(host, port):
  try:
    socket.create_connection((host, port), timeout=1).close()
  except OSError:
    return False
  return True


def test_only_loopback_addresses_reach_a_server_on_all_addresses(guard):
  addresses = _addresses_of_this_machine()
  assert addresses, 'this test needs an address besides the loopback ones'
  with _listen(guard.port):
    assert guard.is_closed_to_others
    assert guard.is_served_by(os.getpid())
    for host in _LOOPBACK * 5:
      assert _is_reached(host, guard.port), host
    for host in addresses:
      assert not _is_reached(host, guard.port), host


def test_without_a_server_nobody_is_answered(guard):
  assert not guard.is_served_by(os.getpid())
  for host in (*_LOOPBACK, *_addresses_of_this_machine()):
    assert not _is_reached(host, guard.port), host


def test_a_port_is_nobody_elses(guard):
  other = loopback_guard.Guard()
  assert other.port != guard.port
  other.close()
  with pytest.raises(OSError):
    socket.create_server(('', guard.port))


def test_another_program_at_the_port_is_noticed(guard):
  child = subprocess.Popen(['sleep', '60'])
  with _listen(guard.port):
    with pytest.raises(RuntimeError, match='Another program .* answer in'):
      guard.is_served_by(child.pid)
  child.kill()
  child.wait()


def test_a_worker_is_closed_to_other_machines(execution_context):
  worker = execution_context
  worker.stub()
  sockets = psutil.Process(worker.pid).net_connections('tcp')
  (port,) = {s.laddr.port for s in sockets if s.status == 'LISTEN'}
  assert _is_reached('127.0.0.1', port)
  for host in _addresses_of_this_machine():
    assert not _is_reached(host, port), host


def test_where_it_cannot_be_closed_a_line_says_so(monkeypatch, caplog):
  def fail(self, option, program):
    raise OSError(errno.ENOPROTOOPT, 'Protocol not available')

  monkeypatch.setattr(loopback_guard.Guard, '_attach', fail)
  worker = runtime.Worker(
      num_threads=1, startup_timeout=patience.SECONDS
  )
  with caplog.at_level(logging.WARNING):
    assert worker.stub().is_ready
  worker.stop()
  (line,) = [
      record.getMessage() for record in caplog.records
      if 'closed to other' in record.getMessage()
  ]
  assert 'by a firewall' in line and '\n' not in line


def test_a_worker_at_a_port_that_another_program_has_is_refused():
  with _listen(0) as other:
    worker = runtime.Worker(num_threads=1, port=other.getsockname()[1])
    with pytest.raises(RuntimeError, match='Another program'):
      # The other one is this process, which is not the worker.
      worker.stub()
    assert worker.pid is None


@pytest.mark.parametrize('name', [
    'http_proxy', 'https_proxy', 'grpc_proxy', 'HTTP_PROXY', 'all_proxy'
])
def test_a_proxy_in_the_environment_is_not_asked(monkeypatch, name):
  for variable in ('no_proxy', 'no_grpc_proxy', 'NO_PROXY'):
    monkeypatch.delenv(variable, raising=False)
  with socket.create_server(('127.0.0.1', 0)) as proxy, _listen(0) as server:
    proxy.setblocking(False)
    server.settimeout(patience.SECONDS)
    monkeypatch.setenv(name, f'http://127.0.0.1:{proxy.getsockname()[1]}')
    with grpc.insecure_channel(
        f'127.0.0.1:{server.getsockname()[1]}', local_worker.CHANNEL_OPTIONS
    ) as channel:
      channel.subscribe(lambda state: None, try_to_connect=True)
      server.accept()[0].close()
    with pytest.raises(BlockingIOError):
      proxy.accept()
