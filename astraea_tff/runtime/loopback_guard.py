"""Keeps a server that listens on all addresses to callers on this machine.

TFF's `worker_binary` has no option for its address. But Linux lets several
sockets of a user listen at one port, and a program in the kernel say which of
them a new connection goes to. Here the first of these sockets drops all that
comes, and the program sends it whoever does not call from a loopback address.
Nothing is asked of the system but sockets, and nothing is in the data's way.
"""

import ctypes
import os
import pathlib
import socket
import struct

_SO_ATTACH_FILTER, _SO_ATTACH_REUSEPORT_CBPF = 26, 51
# Classic BPF: the operations used here, and where the packet's header begins.
_LOAD_BYTE, _LOAD_WORD, _SHIFT_RIGHT = 0x30, 0x20, 0x74
_AND, _IF_EQUAL, _RETURN = 0x54, 0x15, 0x06
_HEADER = 0xFFF00000
_GUARD, _SERVER = 0, 1  # The sockets, in the order in which they listen.
# (operation, steps to jump if so, if not so, operand)
_CHOOSE_SOCKET = (
    (_LOAD_BYTE, 0, 0, _HEADER),
    (_SHIFT_RIGHT, 0, 0, 4),
    (_IF_EQUAL, 0, 3, 4),
    # IPv4, from 127.0.0.0/8.
    (_LOAD_WORD, 0, 0, _HEADER + 12),
    (_AND, 0, 0, 0xFF000000),
    (_IF_EQUAL, 10, 9, 0x7F000000),
    (_IF_EQUAL, 0, 8, 6),
    # IPv6, from ::1.
    (_LOAD_WORD, 0, 0, _HEADER + 8),
    (_IF_EQUAL, 0, 6, 0),
    (_LOAD_WORD, 0, 0, _HEADER + 12),
    (_IF_EQUAL, 0, 4, 0),
    (_LOAD_WORD, 0, 0, _HEADER + 16),
    (_IF_EQUAL, 0, 2, 0),
    (_LOAD_WORD, 0, 0, _HEADER + 20),
    (_IF_EQUAL, 1, 0, 1),
    (_RETURN, 0, 0, _GUARD),
    (_RETURN, 0, 0, _SERVER),
)
_DROP_ALL = ((_RETURN, 0, 0, 0),)
_LISTENING = '0A'


class Guard:
  """A port of its own for a server that is yet to listen there.

  Attributes:
    port: The port.
    is_closed_to_others: Whether the system keeps others out.
  """

  def __init__(self):
    """Takes a free port, which nobody else gets.

    Raises:
      OSError: There is none.
    """
    # gRPC decides the family in this way. The kernel chooses among sockets of
    # one kind only.
    family = socket.AF_INET6 if _has_ipv6() else socket.AF_INET
    self._socket = socket.socket(family, socket.SOCK_STREAM)
    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
      self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    self._socket.bind(('', 0))
    self.port: int = self._socket.getsockname()[1]
    try:
      self._attach(_SO_ATTACH_REUSEPORT_CBPF, _CHOOSE_SOCKET)
      self._attach(_SO_ATTACH_FILTER, _DROP_ALL)
      self._socket.listen(1)
      self.is_closed_to_others = True
    except OSError:
      # Bound, it still keeps the port from other programs.
      self.is_closed_to_others = False

  def fileno(self) -> int:
    """The socket; the server inherits it, so that it ends no sooner."""
    return self._socket.fileno()

  def is_served_by(self, process_id: int) -> bool:
    """Whether a process listens at the port, and none but it.

    Args:
      process_id: The process's.

    Raises:
      RuntimeError: Somebody else listens there.
    """
    guard = os.fstat(self.fileno()).st_ino
    served = is_served_by(self.port, process_id, {guard})
    families = [
        sockets for path in ('tcp', 'tcp6')
        if (sockets := _listening(path, self.port))
    ]
    if served and self.is_closed_to_others and len(families) > 1:
      self.is_closed_to_others = False
    return served

  def close(self) -> None:
    """Gives the port up, once the server is gone."""
    self._socket.close()

  def _attach(self, option: int, program) -> None:
    code = b''.join(
        struct.pack('HBBI', *instruction) for instruction in program
    )
    code = ctypes.create_string_buffer(code)
    self._socket.setsockopt(
        socket.SOL_SOCKET,
        option,
        struct.pack('HP', len(program), ctypes.addressof(code)),
    )


def is_served_by(
    port: int, process_id: int, others: frozenset[int] | set[int] = frozenset()
) -> bool:
  """Whether a process listens at a port, and none but it.

  Args:
    port: The port.
    process_id: The process's.
    others: Sockets that may listen there too, by inode.

  Raises:
    RuntimeError: Somebody else listens there.
  """
  listening = _listening('tcp', port) | _listening('tcp6', port)
  try:
    own = _sockets_of(process_id)
  except PermissionError:  # A system that hides this cannot be asked.
    own = listening
  if listening - own - others:
    raise RuntimeError(
        f'Another program listens at port {port} as well, and would answer in'
        " place of TFF's worker."
    )
  return bool(listening - others)


def _has_ipv6() -> bool:
  try:
    socket.create_server(('::1', 0), family=socket.AF_INET6).close()
  except OSError:
    return False
  return True


def _listening(table: str, port: int) -> set[int]:
  """The sockets that listen at a port, by inode, from one of Linux's tables."""
  try:
    lines = pathlib.Path('/proc/net', table).read_text().splitlines()[1:]
  except FileNotFoundError:  # Without IPv6 there is no table of it.
    return set()
  rows = (line.split() for line in lines)
  return {
      int(row[9]) for row in rows
      if row[3] == _LISTENING and int(row[1].rpartition(':')[2], 16) == port
  }


def _sockets_of(process_id: int) -> set[int]:
  """The sockets that a process has open, by inode; none if it is gone."""
  sockets = set()
  try:
    for entry in os.scandir(f'/proc/{process_id}/fd'):
      try:
        target = os.readlink(entry.path)
      except FileNotFoundError:  # Closed meanwhile.
        continue
      if target.startswith('socket:['):
        sockets.add(int(target[8:-1]))
  except (FileNotFoundError, ProcessLookupError):
    pass
  return sockets
