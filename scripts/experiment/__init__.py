"""What the scripts are made of: settings, runs, their records and pictures.

Needs matplotlib and tqdm (`pip install astraea_tff[scripts]`), which the rest
of the package does not. Scripts import it before TensorFlow.
"""

import os

# TensorFlow reads it when it is imported, and would fill the terminal.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
