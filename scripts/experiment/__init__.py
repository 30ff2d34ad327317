"""What the scripts are made of: settings, runs, their records and pictures.

Needs matplotlib and tqdm (`pip install astraea_tff[scripts]`), which the rest
of the package does not. Scripts import it before TensorFlow.
"""

import atexit
import gc
import os
import tempfile

# TensorFlow reads it when it is imported, and would fill the terminal.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

if os.path.expanduser('~') == '~':
  # A user without a home, as in a container: matplotlib ends with an error
  # without this, and Keras makes a folder called ~.
  _no_home = tempfile.TemporaryDirectory(prefix='astraea_tff-')
  os.environ.setdefault('MPLCONFIGDIR', _no_home.name)
  os.environ.setdefault('KERAS_HOME', _no_home.name)

# Which is imported without a look for garbage. Python would look through all of
# TensorFlow later, and once more when the program ends: half of the CPU time of
# a script that does nothing.
import astraea_tff as _
gc.freeze()
atexit.register(gc.freeze)
