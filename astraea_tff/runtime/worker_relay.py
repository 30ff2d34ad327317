"""Runs TFF's worker in a network of its own, reached through one socket.

TFF's `worker_binary` listens on all of the machine's addresses, has no option
to do otherwise, and does not ask who calls. This program, started by
`astraea_tff.runtime.local_worker` with a listening socket, moves to a new
network namespace, which has nothing but a loopback device. It starts the worker
there and passes on what comes in at the socket. The socket keeps to the address
to which it was bound outside.

  python -I -S worker_relay.py <parent's id> <socket's number> <worker> <flags>

It imports neither TensorFlow nor this package: unprivileged namespaces are for
single-threaded programs.
"""

import asyncio
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG = 1
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PORT = 10000
_CHUNK_BYTES = 1 << 20
_C_LIBRARY = ctypes.CDLL(None, use_errno=True)


def _enter_empty_network() -> None:
  """Moves this process to a network namespace with a loopback device only."""
  user, group = os.getuid(), os.getgid()
  if _C_LIBRARY.unshare(_CLONE_NEWNET):
    # Only root may do without a user namespace.
    if _C_LIBRARY.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
      sys.exit(
          'The worker cannot be kept to one address: this system does not let'
          ' it have a network of its own (unshare:'
          f' {os.strerror(ctypes.get_errno())}). --bind_address=:: serves on'
          ' all addresses; then keep others out by a firewall.'
      )
    for name, text in (
        ('setgroups', 'deny'),
        ('uid_map', f'{user} {user} 1'),
        ('gid_map', f'{group} {group} 1'),
    ):
      with open(f'/proc/self/{name}', 'w') as file:
        file.write(text)
  with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    request = struct.pack('16sH14x', b'lo', _IFF_UP)
    fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def _end_with_parent() -> None:
  _C_LIBRARY.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _copy(reader, writer) -> None:
  try:
    while chunk := await reader.read(_CHUNK_BYTES):
      writer.write(chunk)
      await writer.drain()
  except ConnectionError:
    pass  # The other side has gone, which ends this side too.
  finally:
    writer.close()


async def _pass_on(reader, writer) -> None:
  """Joins a caller to the worker."""
  try:
    from_worker, to_worker = await asyncio.open_connection(
        '127.0.0.1', _PORT, limit=_CHUNK_BYTES
    )
  except OSError:  # The worker is not up yet; the caller tries again.
    writer.close()
    return
  await asyncio.gather(_copy(reader, to_worker), _copy(from_worker, writer))


async def _serve(listener: socket.socket, command: list[str]) -> int:
  worker = await asyncio.create_subprocess_exec(
      *command, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent
  )
  await asyncio.start_server(_pass_on, sock=listener, limit=_CHUNK_BYTES)
  return await worker.wait()


def main() -> None:
  parent, listener_number, *command = sys.argv[1:]
  listener = socket.socket(fileno=int(listener_number))
  _enter_empty_network()
  # The change of namespaces takes such a request back, so it comes after that.
  _end_with_parent()
  if os.getppid() != int(parent):
    sys.exit(1)
  sys.exit(asyncio.run(_serve(listener, [*command, f'--port={_PORT}'])))


if __name__ == '__main__':
  main()
