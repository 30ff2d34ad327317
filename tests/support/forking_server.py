"""Imports TFF once, then forks a process for every program it is sent.

`forked_program` starts it and talks to it over standard input, a socket.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

# Nothing of this is garbage; a program that looked through it would copy it.
gc.disable()
# What programs load, so that they find it loaded.
for _module in (
    'absl.app',
    'astraea_tff.datasets',
    'matplotlib.pyplot',
    'pandas',
    'psutil',
    'scipy.stats',
    'sklearn.datasets',
):
  importlib.import_module(_module)
gc.freeze()
# A run thaws what it froze; the program would then end with a look at all this.
gc.unfreeze = lambda: None
gc.enable()


def reopen(name, number):
  """Opens a standard stream again, on what its file number now stands for.

  The one there was takes a pipe for what it was opened on, which had positions.
  """
  old = getattr(sys, name)
  new = open(
      number, 'w', encoding=old.encoding, errors=old.errors, closefd=False
  )
  setattr(sys, name, new)
  setattr(sys, f'__{name}__', new)


def serve():
  """Returns a program's description in each process forked for one."""
  requests = socket.socket(fileno=0)
  while True:
    message, files, _, _ = socket.recv_fds(requests, 1 << 20, 4)
    if not message:
      # The tests have ended; so does all that was forked.
      os.killpg(0, signal.SIGKILL)
    if os.fork() == 0:
      # One process in between waits for the program and tells its exit code.
      report = files.pop()
      program = os.fork()
      if program == 0:
        os.close(report)
        requests.close()
        for number, file in enumerate(files):
          os.dup2(file, number)
          os.close(file)
        sys.stdin = open(0, closefd=False)
        for number, name in enumerate(('stdout', 'stderr'), 1):
          reopen(name, number)
        return json.loads(message)
      for file in files:
        os.close(file)
      os.write(report, b'%d\n' % program)
      _, status = os.waitpid(program, 0)
      os.write(report, b'%d\n' % os.waitstatus_to_exitcode(status))
      os._exit(0)
    for file in files:
      os.close(file)
    try:
      while os.waitpid(-1, os.WNOHANG)[0]:
        pass
    except ChildProcessError:
      pass


if __name__ == '__main__':
  _program = serve()
  # The program ends by the interpreter's own end, so it runs at the top level.
  sys.argv = _program['argv']
  os.environ.clear()
  os.environ.update(_program['environment'])
  if _program['code'] is None:
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name='__main__')
  else:
    exec(compile(_program['code'], '<string>', 'exec'), {'__name__': '__main__'})
