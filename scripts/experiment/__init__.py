"""What the scripts are made of: settings, runs, their records and pictures.

Needs matplotlib, pandas and others (`pip install astraea_tff[scripts]`), which
the library does not. Scripts import it before TensorFlow.
"""

import atexit
import gc
import os
import signal
import tempfile
import threading

# TensorFlow reads it when it is imported, and would fill the terminal.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

if os.path.expanduser('~') == '~':
  # A user without a home, as in a container: matplotlib ends with an error
  # without this, and Keras makes a folder called ~.
  _no_home = tempfile.TemporaryDirectory(prefix='astraea_tff-')
  os.environ.setdefault('MPLCONFIGDIR', _no_home.name)
  os.environ.setdefault('KERAS_HOME', _no_home.name)

# The library's import switches the garbage collector off. What it made is then
# frozen: Python would otherwise look through all of TensorFlow for garbage
# later, and once more when the program ends. During the import Ctrl-C ends the
# program at once; Python's own handler would print a traceback.
_on_interrupt = signal.getsignal(signal.SIGINT)
_is_python_s = (
    _on_interrupt is signal.default_int_handler
    and threading.current_thread() is threading.main_thread()
)
if _is_python_s:
  signal.signal(signal.SIGINT, signal.SIG_DFL)
import astraea_tff as _
if _is_python_s:
  signal.signal(signal.SIGINT, _on_interrupt)
gc.freeze()
atexit.register(gc.freeze)
